import keras
import numpy as np
import pytest
from tensors import array, gradients

from umsrep import MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import count
from umsrep.heads import ClassificationHead, SaliencyHead
from umsrep.losses import KLDivergence
from umsrep.representations import ConvAutoencoder, UNet


def images(size, n=2):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (n, *size, 1)).astype("float32")


def test_parameters_of_mt_unet():
    head = SaliencyHead("gaze", image_size=(8, 8))
    head.build([(None, 8, 8, 64)])
    assert sum(count(w) for w in [head]) == 37_121


@pytest.mark.parametrize("features", ["decoded", "stage2", "bottleneck"])
@pytest.mark.parametrize("size", [(32, 32), (33, 46)])
def test_is_a_distribution_over_the_image(features, size):
    model = MultiTaskModel(
        UNet((*size, 1), width=2, depth=3),
        SaliencyHead("gaze", features=features),
    )
    p = array(model(images(size))["gaze"])
    assert p.shape == (2, *size, 1)
    np.testing.assert_allclose(p.sum(axis=(1, 2, 3)), 1, atol=1e-5)
    assert p.min() > 0


def test_moving_the_feature_moves_the_map():
    head = SaliencyHead("gaze", stride=4, image_size=(32, 32))
    feature = np.zeros((1, 8, 8, 3), "float32")
    head([feature])
    block = head.block.convolution
    kernel = np.zeros_like(array(block.kernel))
    kernel[1, 1] = 1
    block.kernel.assign(kernel)
    head.map.kernel.assign(np.ones_like(array(head.map.kernel)))
    for row, column in ((1, 2), (6, 5)):
        feature[:] = 0
        feature[0, row, column] = 20
        p = array(head([feature]))[0, ..., 0]
        peak = np.unravel_index(p.argmax(), p.shape)
        assert abs(peak[0] - (4 * row + 1.5)) <= 1
        assert abs(peak[1] - (4 * column + 1.5)) <= 1


def test_several_features_are_added_on_the_cells_of_the_finest():
    head = SaliencyHead(
        "gaze", ("coarse", "fine"), width=1, stride=4, image_size=(32, 32)
    )
    coarse, fine = np.zeros((1, 2, 2, 5)), np.zeros((1, 8, 8, 3))
    head([coarse, fine])
    for lateral in head.laterals:
        lateral.kernel.assign(np.ones(lateral.kernel.shape))
    coarse[0, 1, 0], fine[0, 1, 6] = 1, 1
    joined = array(head._joined([coarse, fine]))[0, ..., 0]
    assert joined.shape == (8, 8)
    # A coarse cell is 4 x 4 fine ones; its value is in their middle.
    assert joined[6:, :2].min() == pytest.approx(5)
    assert joined[1, 6] == pytest.approx(3)
    assert joined[0, 5] == joined[4, 7] == 0


@pytest.mark.parametrize("size", [(32, 32), (33, 46)])
def test_several_features_give_a_distribution(size, tmp_path):
    representation = UNet((*size, 1), width=2, depth=3)
    model = MultiTaskModel(
        representation,
        SaliencyHead("gaze", features=("bottleneck", "stage2"), width=4),
    )
    p = array(model(images(size))["gaze"])
    assert p.shape == (2, *size, 1)
    np.testing.assert_allclose(p.sum(axis=(1, 2, 3)), 1, atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(again(images(size))["gaze"]), p, atol=1e-6)


def test_features_from_fine_to_coarse_are_refused():
    with pytest.raises(UmsrepError, match="List them from coarse to fine"):
        MultiTaskModel(
            UNet((32, 32, 1), width=2, depth=3),
            SaliencyHead("gaze", features=("stage2", "bottleneck")),
        )


class TestKLDivergence:
    def pair(self):
        rng = np.random.default_rng(0)
        true = rng.random((3, 4, 5, 1)).astype("float32")
        p = rng.random((3, 4, 5, 1)).astype("float32")
        return true, p / p.sum(axis=(1, 2, 3), keepdims=True)

    def test_equals_scipy(self):
        from scipy.stats import entropy

        true, p = self.pair()
        true[0, :2] = 0
        got = array(KLDivergence().call(true, p))
        want = [
            entropy(t.ravel(), q.ravel()) for t, q in zip(true, p, strict=True)
        ]
        np.testing.assert_allclose(got, want, rtol=1e-5)

    def test_cross_entropy_minus_entropy(self):
        # MT-UNet, Equation 2.
        true, p = self.pair()
        t = true / true.sum(axis=(1, 2, 3), keepdims=True)
        cross = -(t * np.log(p)).sum(axis=(1, 2, 3))
        own = -(t * np.log(t)).sum(axis=(1, 2, 3))
        got = array(KLDivergence().call(true, p))
        np.testing.assert_allclose(got, cross - own, rtol=1e-4)

    def test_zero_at_the_target_at_any_scale(self):
        _, p = self.pair()
        got = array(KLDivergence().call(p * 1000, p))
        np.testing.assert_allclose(got, 0, atol=1e-5)

    def test_finite_and_without_gradient_on_an_empty_target(self):
        _, p = self.pair()
        logits = keras.Variable(np.log(p).reshape(3, -1))

        def loss():
            q = keras.ops.reshape(keras.ops.softmax(logits), (3, 4, 5, 1))
            return keras.ops.sum(KLDivergence().call(np.zeros_like(p), q))

        assert float(array(loss())) == 0
        (gradient,) = gradients(loss, [logits])
        assert np.abs(gradient).max() == 0

    def test_a_saturated_softmax_still_learns(self):
        # One pixel takes all: the others' probabilities are 1e-26.
        logits = keras.Variable(np.array([[60.0, 0.0, 0.0, 0.0]], "float32"))
        target = np.zeros((1, 2, 2, 1), "float32")
        target[0, 1, 1] = 1

        def loss():
            q = keras.ops.reshape(keras.ops.softmax(logits), (1, 2, 2, 1))
            return keras.ops.sum(KLDivergence().call(target, q))

        assert np.isfinite(float(array(loss())))
        (gradient,) = gradients(loss, [logits])
        want = array(keras.ops.softmax(logits)) - target.reshape(1, -1)
        np.testing.assert_allclose(gradient, want, atol=1e-5)


def test_dropout_commutes_with_relu():
    # Dropout scales by 0 or 1 / (1 - rate), both at least 0: the order of the
    # authors' code (dropout, ReLU) gives what ReLU, dropout gives.
    x = np.random.default_rng(0).normal(size=(64, 32)).astype("float32")
    results = []
    for order in ("dropout first", "relu first"):
        dropout = keras.layers.Dropout(0.25, seed=4)
        if order == "dropout first":
            results.append(keras.ops.relu(dropout(x, training=True)))
        else:
            results.append(dropout(keras.ops.relu(x), training=True))
    np.testing.assert_allclose(*map(array, results), rtol=1e-6)
    assert (array(results[0]) == 0).mean() > 0.5


def test_linear_hidden_layer_is_the_papers_text():
    representation = ConvAutoencoder((32, 32, 1), filters=(4, 6))
    head = ClassificationHead(
        2, "kind", dropout=0.0, hidden_activation="linear"
    )
    model = MultiTaskModel(representation, head)
    pooled = array(
        model.features(images((32, 32)), ["bottleneck"])["bottleneck"]
    )
    pooled = pooled.mean(axis=(1, 2))
    for layer in (head.hidden, head.classes):
        kernel, bias = map(array, (layer.kernel, layer.bias))
        pooled = pooled @ kernel + bias
    want = np.exp(pooled) / np.exp(pooled).sum(-1, keepdims=True)
    got = array(model(images((32, 32)))["kind"])
    np.testing.assert_allclose(got, want, rtol=1e-4)
