import keras
import numpy as np
import pytest
from keras import ops
from tensors import array, dtype, gradients

from umsrep.layers import BatchNormalization


def pair(shape, **options):
    ours = BatchNormalization(momentum=0.9, **options)
    plain = keras.layers.BatchNormalization(momentum=0.9, **options)
    for layer in (ours, plain):
        layer.build((None, *shape[1:]))
    rng = np.random.default_rng(0)
    weights = [
        rng.uniform(0.5, 1.5, w.shape).astype("float32")
        for w in plain.get_weights()
    ]
    plain.set_weights(weights)
    ours.set_weights(weights)
    return ours, plain


def step(layer, x):
    x = keras.Variable(x)
    y = layer(x, training=True)

    def loss():
        # Not the sum of the outputs: its gradient vanishes.
        return ops.sum(layer(x, training=True) * ops.cos(x))

    return array(y), gradients(loss, [x, *layer.trainable_variables])


class TestEqualToKeras:
    @pytest.mark.parametrize("scale", [True, False])
    @pytest.mark.parametrize("center", [True, False])
    def test_outputs_gradients_and_statistics(self, scale, center):
        x = np.random.default_rng(1).normal(3, 2, (4, 6, 5, 3)).astype("f4")
        ours, plain = pair(x.shape, scale=scale, center=center)
        y, gradients = step(ours, x)
        expected, expected_gradients = step(plain, x)
        np.testing.assert_allclose(y, expected, atol=1e-5)
        for got, want in zip(gradients, expected_gradients, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
        for got, want in zip(
            ours.get_weights(), plain.get_weights(), strict=True
        ):
            np.testing.assert_allclose(got, want, atol=1e-5)

    def test_inference_is_the_same(self):
        x = np.random.default_rng(1).normal(0, 1, (2, 4, 4, 3)).astype("f4")
        ours, plain = pair(x.shape)
        np.testing.assert_allclose(
            array(ours(x, training=False)),
            array(plain(x, training=False)),
            atol=1e-6,
        )

    @pytest.mark.parametrize("shape", [(8, 3), (4, 7, 3)])
    def test_other_ranks_fall_back(self, shape):
        x = np.random.default_rng(1).normal(0, 1, shape).astype("f4")
        ours, plain = pair(shape)
        np.testing.assert_allclose(
            array(ours(x, training=True)),
            array(plain(x, training=True)),
            atol=1e-6,
        )

    def test_other_backends_fall_back(self, monkeypatch):
        from umsrep import backend

        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        assert backend.fused_batch_norm(None, None, None, 1e-3) is None


def test_frozen_does_not_move():
    x = np.random.default_rng(1).normal(5, 2, (4, 6, 6, 3)).astype("f4")
    ours, _ = pair(x.shape)
    ours.trainable = False
    before = ours.get_weights()
    frozen = array(ours(x, training=True))
    np.testing.assert_array_equal(frozen, array(ours(x, training=False)))
    for got, want in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, want)


def test_bfloat16_keeps_float32_statistics():
    x = np.random.default_rng(1).normal(0, 1, (4, 8, 8, 3)).astype("f4")
    layer = BatchNormalization(dtype="mixed_bfloat16")
    y = layer(x, training=True)
    assert dtype(y) == "bfloat16"
    assert all(w.dtype == np.float32 for w in layer.get_weights())


def test_epsilon_is_keras_s_and_not_pytorch_s():
    # The authors of MT-UNet and GG-CAM train with PyTorch, whose 1e-5 brings a
    # channel of variance 1e-3 to 1; 1e-3, Keras's, brings it to one half.
    x = np.random.default_rng(1).normal(0, 1e-3**0.5, (8, 32, 32, 1))
    for layer, variance in (
        (BatchNormalization(), 0.5),
        (BatchNormalization(epsilon=1e-5), 0.99),
    ):
        y = array(layer(x.astype("float32"), training=True))
        assert y.var() == pytest.approx(variance, abs=0.01)


def test_momentum_is_pytorch_s_and_not_keras_s():
    layer = BatchNormalization()
    layer(np.full((2, 4, 4, 1), 5, "float32"), training=True)
    # A tenth of the way from 0; Keras's 0.99 makes a hundredth.
    assert float(array(layer.moving_mean)[0]) == pytest.approx(0.5)
