import keras
import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel, runs
from umsrep.derived import CAM
from umsrep.errors import UmsrepError
from umsrep.finetuning import Independent
from umsrep.heads import (
    AttentionHead,
    CAMHead,
    SaliencyHead,
    SegmentationHead,
)
from umsrep.representations import OwnModel


def own(size=(32, 32, 1)):
    """A user's model: two strides, and a classification on top."""
    inputs = keras.Input(size)
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="fine")(x)
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", name="deep")(x)
    outputs = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, outputs, name="mine")


def images(n=2):
    return np.random.default_rng(0).uniform(0, 255, (n, 32, 32, 1))


def test_gains_a_cam_head_and_shares_the_weights(tmp_path):
    mine = own()
    representation = OwnModel(mine, "deep", {"stage1": "fine"})
    model = MultiTaskModel(
        representation,
        [
            CAMHead(3, "finding"),
            AttentionHead("look", "finding_cam"),
            SegmentationHead("lung", features=("bottleneck", "stage1")),
        ],
    )
    assert representation.stride("bottleneck") == 4
    assert model.output["look"].shape[1:] == (8, 8, 3)
    kernel = mine.get_layer("deep").kernel
    assert any(w is kernel for w in model.trainable_variables)
    pooled = array(mine(images()))
    logits = array(
        model.head("finding").logits(
            [model.features(images(), ["bottleneck"])["bottleneck"]]
        )
    )
    maps = model.head("finding").class_maps
    kernel, bias = (array(w) for w in maps.weights)
    want = pooled @ kernel.reshape(6, 3) + bias
    np.testing.assert_allclose(logits, want, atol=1e-5)
    assert CAM("finding")(model, images()).shape == (2, 32, 32)
    model.save(tmp_path / "m.keras")
    again = runs.load_model(tmp_path / "m.keras")
    for task, value in model.predict_on_batch(images()).items():
        np.testing.assert_allclose(
            again.predict_on_batch(images())[task], value, atol=1e-6
        )


def test_can_be_frozen(dataset):
    model = MultiTaskModel(OwnModel(own(), "deep"), CAMHead(2, "level"))
    before = [array(w).copy() for w in model.representation.weights]
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0.0))
    Independent().fit(model, train, validation, epochs=1, progress=False)
    for now, then in zip(model.representation.weights, before, strict=True):
        np.testing.assert_array_equal(array(now), then)


@pytest.mark.parametrize(
    ("build", "advice"),
    [
        (lambda: OwnModel(own()), "Name an earlier layer"),
        (lambda: OwnModel(own(), "top"), "Its last layers: .*deep"),
        (lambda: OwnModel(own((None, None, 1)), "deep"), "for a fixed size"),
        (lambda: OwnModel(keras.layers.Dense(1)), "Pass a keras.Model"),
        (
            lambda: OwnModel(own(), "deep").part("decoder"),
            "parts: encoder",
        ),
    ],
)
def test_bad_models(build, advice):
    with pytest.raises(UmsrepError, match=advice):
        build()


def unpadded(size):
    """Three convolutions of stride 2 that lose the border."""
    inputs = x = keras.Input((size, size, 1))
    for number in range(3):
        x = keras.layers.Conv2D(2, 3, strides=2, name=f"conv_{number}")(x)
    return keras.Model(inputs, x)


def test_cells_lost_at_the_border_do_not_move_the_map():
    representation = OwnModel(unpadded(64))
    assert tuple(representation.output["bottleneck"].shape[1:3]) == (7, 7)
    assert representation.stride("bottleneck") == 8
    head = SaliencyHead("gaze", features="bottleneck")
    MultiTaskModel(representation, head)
    feature = np.zeros((1, 7, 7, 2), "float32")
    kernel = np.zeros_like(array(head.block.convolution.kernel))
    kernel[1, 1] = 1
    head.block.convolution.kernel.assign(kernel)
    head.map.kernel.assign(np.ones_like(array(head.map.kernel)))
    # Not the even tiling's 31.5 and 50: 1 + 2 + 4 pixels before the first.
    for cell, pixel in ((3, 31), (5, 47)):
        feature[:] = 0
        feature[0, cell, cell] = 20
        p = array(head([feature]))[0, ..., 0]
        peak = np.unravel_index(p.argmax(), p.shape)
        assert peak == (pixel, pixel)
    with pytest.raises(UmsrepError, match="padding='same'"):
        MultiTaskModel(
            representation, SegmentationHead("lung", features="bottleneck")
        )


def test_a_head_of_a_run_from_before_keeps_its_maps():
    config = SaliencyHead("gaze", features="bottleneck").get_config()
    del config["offset"]
    config |= {"stride": 8, "image_size": (64, 64)}
    head = SaliencyHead.from_config(config)
    MultiTaskModel(OwnModel(unpadded(64)), head)
    assert head.offset is None
    again = SaliencyHead("gaze", features="bottleneck")
    MultiTaskModel(OwnModel(unpadded(64)), again)
    assert again.offset == (7, 7)
    assert SaliencyHead.from_config(again.get_config()).offset == (7, 7)


def test_a_decoder_needs_strides_that_are_powers_of_2():
    inputs = keras.Input((30, 30, 1))
    x = keras.layers.Conv2D(2, 3, strides=3, padding="same")(inputs)
    with pytest.raises(UmsrepError, match="is a power of 2"):
        MultiTaskModel(
            OwnModel(keras.Model(inputs, x)),
            SegmentationHead("lung", features="bottleneck"),
        )
