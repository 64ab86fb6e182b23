"""Backbones of KerasHub: its features, from a preset, and nothing executed."""

import importlib
import json
import shutil
import sys

import h5py
import keras
import numpy as np
import pytest
from tensors import array

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.layers.intensity import CENTRES
from umsrep.representations import KerasHub
from umsrep.runs.inputs import fingerprints
from umsrep.stages.network import new_representation

hub = pytest.importorskip("keras_hub", reason="the extra 'hub'")
SCALE, OFFSET = (1 / 58, 1 / 57, 1 / 56), (-2.1, -2.0, -1.8)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A small ResNet with an image converter, saved as KerasHub does it."""
    folder = tmp_path_factory.mktemp("preset")
    backbone = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    backbone.save_to_preset(folder)
    converter = hub.layers.ResNetImageConverter(
        scale=SCALE, offset=OFFSET, image_size=(64, 64)
    )
    hub.models.ResNetImageClassifierPreprocessor(
        image_converter=converter
    ).save_to_preset(folder)
    return folder


@pytest.fixture
def own_preset(preset, tmp_path):
    """A copy of the preset, to change."""
    return shutil.copytree(preset, tmp_path / "preset")


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2, 64, 48, 1)).astype("float32")


def changed(folder, name, change):
    path = folder / name
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    return folder


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("normalization", ["none", "percentile"])
def test_features_are_those_of_keras_hub(
    preset, images, channels, normalization
):
    """Of the normalised picture in three equal colours, as it converts it."""
    images = np.repeat(images, channels, axis=-1)
    ours = KerasHub((64, 48, channels), str(preset), normalization)
    assert ours.stages == ("bottleneck", "stage1")
    normalized, _ = layers.IntensityNormalization(normalization)(images)
    grey = 255 * (array(normalized) + CENTRES[normalization])
    colours = np.broadcast_to(grey, (2, 64, 48, 3))
    theirs = hub.models.Backbone.from_preset(str(preset))
    model = keras.Model(theirs.inputs[0], theirs.pyramid_outputs)
    want = model(colours * np.float32(SCALE) + np.float32(OFFSET))
    found = ours(images)
    for name, level in (("stage1", "P2"), ("bottleneck", "P3")):
        expected = array(want[level])
        assert expected.std() > 0.01
        np.testing.assert_allclose(
            array(found[name]), expected, rtol=1e-4, atol=1e-4
        )


def test_a_file_needs_no_preset(preset, images, tmp_path):
    ours = KerasHub((64, 48, 1), str(preset))
    ours.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        array(ours(images)["bottleneck"]), array(again(images)["bottleneck"])
    )
    assert again.origin == ours.origin
    assert ours.origin["architecture"] == "ResNetBackbone"
    assert ours.origin["licence"] == "not known"
    kernel = ours.fresh().part("encoder")[0].get_weights()[0]
    assert not np.array_equal(kernel, ours.part("encoder")[0].get_weights()[0])


def test_cells_lie_where_the_strides_say(preset):
    ours = KerasHub((64, 48, 1), str(preset))
    assert ours.stride("stage1") == 4
    assert ours.stride("bottleneck") == 8
    assert ours.cells("bottleneck").grid == (8, 6)


def test_a_run_knows_its_preset_again(own_preset):
    arguments = {"weights": str(own_preset)}
    before = fingerprints([], [], arguments)
    assert before == fingerprints([], [], arguments)
    changed(
        own_preset,
        "image_converter.json",
        lambda stored: stored["config"].update(scale=1.0),
    )
    assert before != fingerprints([], [], arguments)


def test_what_is_no_preset_is_refused(own_preset, tmp_path):
    shape = (64, 64, 1)
    with pytest.raises(UmsrepError, match="pass weights=FOLDER"):
        KerasHub(shape)
    with pytest.raises(UmsrepError, match=r"config\.json cannot be read"):
        KerasHub(shape, str(tmp_path))
    with pytest.raises(UmsrepError, match="takes 1 or 3 channels"):
        KerasHub((64, 64, 2), str(own_preset))
    with pytest.raises(UmsrepError, match="at least 32 pixels"):
        KerasHub((16, 64, 1), str(own_preset))
    weights = own_preset / "model.weights.h5"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    with pytest.raises(UmsrepError, match="does not hold the weights"):
        KerasHub(shape, str(own_preset))
    weights.unlink()
    with pytest.raises(UmsrepError, match=r"has no model\.weights\.h5"):
        KerasHub(shape, str(own_preset))
    weights.write_bytes(whole)
    with h5py.File(weights, "a") as file:
        file["layers/batch_normalization/vars/2"][0] = np.nan
    with pytest.raises(UmsrepError, match="moving_mean.* are lacking, or no"):
        KerasHub(shape, str(own_preset))
    weights.write_bytes(whole)
    changed(
        own_preset,
        "config.json",
        lambda stored: stored["config"].update(stackwise_num_filters=[64, 96]),
    )
    with pytest.raises(UmsrepError, match="does not hold the weights"):
        KerasHub(shape, str(own_preset))


@pytest.mark.parametrize(
    "name", ["BertBackbone", "FeaturePyramidBackbone", "Popen", None]
)
def test_only_known_classes_are_built(own_preset, name):
    """The module that a preset names is not imported."""
    (own_preset / "evil.py").write_text("raise SystemExit('executed')")

    def change(stored):
        stored.update(class_name=name, module="evil", registered_name=name)

    changed(own_preset, "config.json", change)
    with pytest.raises(UmsrepError, match=f"The preset is of a '{name}'"):
        KerasHub((64, 64, 1), str(own_preset))


def test_without_the_extra_the_remedy_is_said(preset, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(UmsrepError, match=r"pip install 'umsrep\[hub\]'"):
        KerasHub((64, 64, 1), str(preset))
    with pytest.raises(ImportError, match="keras_hub"):
        importlib.import_module("keras_hub")


def test_it_is_an_architecture_of_the_stages(preset):
    made = new_representation((64, 64), "keras_hub", {"weights": str(preset)})
    assert made.image_shape == (64, 64, 1)
    assert made.origin["weights"] == "preset"
