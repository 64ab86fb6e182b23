"""Backbones of KerasHub, from a preset on this machine."""

import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.layers.intensity import CENTRES
from umsrep.representations import weights as pretrained
from umsrep.representations.base import Pretrained, registry
from umsrep.representations.building import check_image_shape

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
CONVERTER = "image_converter.json"
# So that the coarsest grid still has a cell for each.
_SMALLEST = 32
# The range of a preset's images, where it says no other: [0, 1].
_PLAIN = {"scale": 1 / 255, "offset": 0.0}


@registry.register("keras_hub")
class KerasHub(Pretrained):
    """A convolutional backbone of KerasHub with the weights of a preset.

    The extra `hub` brings KerasHub (pip install 'umsrep[hub]'). A preset is
    the folder that `keras_hub.models.Backbone.save_to_preset` writes, or that
    is downloaded for a name such as "resnet_50_imagenet" on a machine with a
    network. Nothing is downloaded, and nothing in the folder is executed: the
    class is one of KerasHub's own that have a pyramid of features (ResNet,
    DenseNet, EfficientNet, CSPNet).

    Grey levels are normalised by `layers.IntensityNormalization` and brought
    to the range of the preset's `image_converter.json`; a grey image is three
    equal colours to the backbone.

    Features: "stage1" and so on from the finest level of the pyramid to the
    coarsest, "bottleneck" (the coarsest), "intensity". There is no "decoded":
    `SegmentationHead("lung", features=representation.stages)` brings its own
    decoder.

    Args:
        image_shape: (height, width, channels); at least 32 pixels a side, 1 or
            3 channels. Grey levels in [0, 255].
        weights: Folder of a preset.
        normalization: Method of `layers.IntensityNormalization`.
        backbone: In place of `weights`, what `get_config` says of it; the
            weights are then newly drawn.

    Attributes:
        origin: Where the weights came from (`KerasApplication`).

    Raises:
        UmsrepError: KerasHub is not installed, or the folder is no preset of a
            convolutional backbone.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 1),
        weights: str | None = None,
        normalization: str = "percentile",
        backbone: dict[str, Any] | None = None,
        name: str = "keras_hub",
        **kwargs,
    ):
        image_shape = tuple(image_shape)
        check_image_shape(image_shape, _SMALLEST, "a backbone of KerasHub")
        if image_shape[-1] not in (1, 3):
            raise UmsrepError(
                f"image_shape={image_shape}: a backbone of KerasHub takes 1 or "
                f"3 channels, not {image_shape[-1]}."
            )
        if (weights is None) == (backbone is None):
            raise UmsrepError(
                "architecture 'keras_hub' is known by its preset: pass "
                "weights=FOLDER, a folder with config.json and "
                "model.weights.h5."
            )
        if weights is not None:
            backbone = _described(Path(weights).expanduser())
        original = _built(backbone, image_shape)
        origin = None
        if weights is not None:
            origin = _load(original, Path(weights).expanduser())
        images = keras.Input(image_shape, name="image")
        x, intensity = layers.IntensityNormalization(
            normalization, name="intensity"
        )(images)
        if image_shape[-1] == 1:
            x = keras.layers.Concatenate(name="colours")([x] * 3)
        x = _prepared(x, backbone, CENTRES[normalization])
        levels = sorted(original.pyramid_outputs, key=lambda p: int(p[1:]))
        encoder = keras.Model(
            original.inputs,
            [original.pyramid_outputs[level] for level in levels],
            name="encoder_backbone",
        )
        found = keras.tree.flatten(encoder(x))
        outputs = {
            f"stage{number}": tensor
            for number, tensor in enumerate(found, start=1)
        }
        outputs.update(bottleneck=found[-1], intensity=intensity)
        super().__init__(inputs=images, outputs=outputs, name=name, **kwargs)
        self.origin = origin
        self._config = {
            "image_shape": image_shape,
            "normalization": normalization,
            "backbone": backbone,
        }


def _hub():
    try:
        # Costs seconds, and is only there for those who ask for it.
        return importlib.import_module("keras_hub")
    except ImportError as error:
        raise UmsrepError(
            "architecture 'keras_hub' needs KerasHub, which is not installed. "
            "Run: pip install 'umsrep[hub]'."
        ) from error


def _json(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UmsrepError(
            f"{path.parent} is no preset of KerasHub: {path.name} cannot be "
            f"read ({error}). Pass the folder that save_to_preset wrote."
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        raise UmsrepError(
            f"{path} does not describe an object of Keras. Pass the folder "
            "that save_to_preset wrote."
        )
    return found


def _described(folder):
    """{"class_name", "config", "scale", "offset"} of a preset's folder."""
    stored = _json(folder / CONFIG)
    # The precision is that of the run, not of the preset.
    config = {k: v for k, v in stored["config"].items() if k != "dtype"}
    images: dict[str, Any] = {}
    if (folder / CONVERTER).exists():
        images = _json(folder / CONVERTER)["config"]
    line = {
        key: plain if images.get(key) is None else images[key]
        for key, plain in _PLAIN.items()
    }
    return {"class_name": stored.get("class_name"), "config": config, **line}


def _built(backbone, image_shape):
    """The `keras_hub` backbone of a description, with new weights."""
    models = _hub().models
    name, config = backbone["class_name"], dict(backbone["config"])
    known = {
        each: found
        for each in dir(models)
        if isinstance(found := getattr(models, each), type)
        and issubclass(found, models.FeaturePyramidBackbone)
        and found is not models.FeaturePyramidBackbone
    }
    if name not in known or "image_shape" not in config:
        raise UmsrepError(
            f"The preset is of a '{name}'. Expected a convolutional backbone "
            "with a pyramid of features, such as "
            f"{', '.join(n for n in known if 'Net' in n)}."
        )
    config["image_shape"] = (*image_shape[:2], 3)
    try:
        return known[name].from_config(config)
    except (TypeError, ValueError, KeyError) as error:
        raise UmsrepError(
            f"KerasHub cannot build the preset's {name}: {error}"
        ) from error


def _load(original, folder):
    """Gives a backbone the weights of a preset's folder; says whence."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise UmsrepError(
            f"{folder} has no {WEIGHTS}. Pass the folder of a whole preset, "
            "with its weights in one file."
        )
    what = f"{path} does not hold the weights of the {CONFIG} beside it"
    # Keras leaves out what a file lacks with no more than a warning.
    pretrained.forget(original)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise UmsrepError(f"{what}: {str(error).splitlines()[0]}") from error
    for weight in original.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise UmsrepError(
                f"{what}: those of '{weight.path}' are lacking, or no finite "
                "numbers."
            )
    return pretrained.Origin(
        "preset",
        type(original).__name__,
        f"{folder.resolve().name}/{WEIGHTS}",
        pretrained.checksum(path),
        "KerasHub",
    ).to_json()


def _prepared(x, backbone, centre):
    """Grey levels as the preset's images had them, from normalised ones."""
    # Presets say it of grey levels in [0, 255].
    scale, offset = (
        [float(v) for v in values] * (3 if len(values) == 1 else 1)
        for values in (
            keras.tree.flatten(backbone["scale"]),
            keras.tree.flatten(backbone["offset"]),
        )
    )
    lines = zip(scale, offset, strict=True)
    scale, offset = zip(
        *((255 * s, o + 255 * s * centre) for s, o in lines), strict=True
    )
    return keras.layers.Rescaling(
        list(scale), list(offset), name="preprocessing"
    )(x)
