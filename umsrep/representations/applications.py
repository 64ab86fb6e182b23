"""Backbones from `keras.applications`, as graphs with named features."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import keras

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.representations.building import (
    check_image_shape,
    check_width,
    scaled,
)

OUTPUT_STRIDES = (32, 16, 8)
# Filters that are concatenated in Inception-ResNet-v2 are multiples of 32: with
# widths in steps of 1/32, their sums still fit the residual branches.
WIDTH_STEPS = 32


@dataclass(frozen=True)
class _Application:
    """How the features of one application are found.

    Args:
        function: The function of `keras.applications`.
        stages: A pattern per stage; the stage is the output of the last layer
            whose name matches it.
        smallest: The smallest side that Keras accepts, in pixels.
        block: Pattern of the layers of residual blocks, with the groups
            (stage, number within it), or None if no block can be left out.
        rounds_up: Whether its convolutions and poolings already round sizes
            up.
        options: Further arguments of `function`.
    """

    function: Callable
    stages: tuple
    smallest: int = 32
    block: str | None = None
    rounds_up: bool = True
    options: tuple = ()


APPLICATIONS = {
    "resnet50": _Application(
        keras.applications.ResNet50,
        tuple(f"conv{number}_.*" for number in range(1, 6)),
        block=r"(conv\d)_block(\d+)_.*",
    ),
    "efficientnetv2s": _Application(
        keras.applications.EfficientNetV2S,
        ("block1.*", "block2.*", "block3.*", "block5.*", "top_.*"),
        block=r"(block\d)([a-z])_.*",
        options=(("include_preprocessing", False),),
    ),
    "inception_resnet_v2": _Application(
        keras.applications.InceptionResNetV2,
        (
            "activation_3",
            "activation_5",
            "block35_10_ac",
            "block17_20_ac",
            "conv_7b_ac",
        ),
        smallest=75,
        rounds_up=False,
    ),
    "vgg16": _Application(
        keras.applications.VGG16,
        (*(f"block{number}_conv.*" for number in range(1, 6)), "block5_pool"),
        rounds_up=False,
    ),
}


def backbone(
    architecture,
    image_shape,
    output_stride=32,
    width=1.0,
    depth=1.0,
    normalization="percentile",
):
    """A new graph from images to the features of an application.

    The arguments are those of `KerasApplication`.

    Returns:
        The images (a `keras.Input`), {feature: tensor} with "stage1" to
        "stageN", "bottleneck" and "intensity", and {feature: stride}.

    Raises:
        UmsrepError: an unknown architecture, or arguments it cannot take.
    """
    image_shape = tuple(image_shape)
    _check(architecture, image_shape, output_stride, width, depth)
    chosen = APPLICATIONS[architecture]
    images = keras.Input(image_shape, name="image")
    x, _ = layers.IntensityNormalization(normalization, name="intensity")(
        images
    )
    original = chosen.function(
        include_top=False,
        weights=None,
        input_tensor=x,
        input_shape=image_shape,
        **dict(chosen.options),
    )
    names = _names(original)
    strides = _strides(original)
    left_out = {names[name] for name in _left_out(original, chosen, depth)}

    def clone(layer):
        config = layer.get_config()
        config["name"] = names[layer.name]
        if isinstance(layer, keras.layers.BatchNormalization):
            # Keras's layer is slow to train on a CPU, and a momentum of 0.99
            # needs hundreds of steps before validation means anything.
            return layers.BatchNormalization.from_config(
                {**config, "momentum": 0.9}
            )
        if strides[layer.name] > output_stride and _steps(layer) > 1:
            config["strides"] = (1, 1)
        if not chosen.rounds_up and "padding" in config:
            config["padding"] = "same"
        if config.get("filters"):
            config["filters"] = scaled(config["filters"], width)
        if isinstance(layer, keras.layers.Reshape):
            *shape, channels = config["target_shape"]
            config["target_shape"] = (*shape, scaled(channels, width))
        return type(layer).from_config(config)

    def call(layer, *inputs, **options):
        if layer.name in left_out:
            first = inputs[0]
            return first[0] if isinstance(first, (list, tuple)) else first
        return layer(*inputs, **options)

    copy = keras.models.clone_model(
        original, clone_function=clone, call_function=call
    )
    return _features(copy, chosen, strides, names, output_stride)


def _features(copy, chosen, strides, names, output_stride):
    """What `backbone` returns, from the finished copy."""
    original_names = {new: old for old, new in names.items()}
    outputs, found = {}, {}
    for number, pattern in enumerate(chosen.stages, start=1):
        last = [
            layer
            for layer in copy.layers
            if re.fullmatch(f"encoder_{pattern}", layer.name)
        ][-1]
        outputs[f"stage{number}"] = last.output
        stride = strides[original_names[last.name]]
        found[f"stage{number}"] = min(stride, output_stride)
    outputs["bottleneck"] = last.output
    found["bottleneck"] = found[f"stage{number}"]
    outputs["intensity"] = copy.get_layer("intensity").output[1]
    return copy.input, outputs, found


def _names(original):
    """{name of a layer: its name in the backbone}.

    Names that Keras numbers through the whole process ("conv2d_17") are
    numbered within the network.
    """
    names, counts = {}, {}
    for layer in original.layers:
        name = layer.name
        if name in ("image", "intensity"):
            names[name] = name
            continue
        stem = re.sub(r"_\d+$", "", name)
        if stem.replace("_", "") == type(layer).__name__.lower():
            counts[stem] = counts.get(stem, 0) + 1
            name = f"{stem}_{counts[stem]}"
        names[layer.name] = f"encoder_{name}"
    return names


def _steps(layer):
    """The stride of one layer."""
    return max(getattr(layer, "strides", None) or (1,))


def _strides(original):
    """{name of a layer: pixels of the image per cell of its output}."""
    of_tensor, of_layer = {}, {}
    for layer in original.layers:
        before = [
            of_tensor.get(id(tensor), 1)
            for tensor in keras.tree.flatten(layer.input)
        ]
        of_layer[layer.name] = max(before, default=1) * _steps(layer)
        for tensor in keras.tree.flatten(layer.output):
            of_tensor[id(tensor)] = of_layer[layer.name]
    return of_layer


def _left_out(original, chosen, depth):
    """Names of the layers of the blocks that a smaller depth leaves out."""
    if depth == 1.0:
        return ()
    blocks = {}
    for layer in original.layers:
        match = re.fullmatch(chosen.block, layer.name)
        if match:
            stage = blocks.setdefault(match[1], {})
            stage.setdefault(match[2], []).append(layer.name)
    names = []
    for stage in blocks.values():
        # Only the first block of a stage changes stride and channels; the
        # others add to their input.
        keep = math.ceil(round(depth * len(stage), 6))
        for block in list(stage.values())[keep:]:
            names += block
    return tuple(names)


def _check(architecture, image_shape, output_stride, width, depth):
    if architecture not in APPLICATIONS:
        raise UmsrepError(
            f"Architecture '{architecture}' is unknown. Choose one of "
            f"{', '.join(APPLICATIONS)}."
        )
    chosen = APPLICATIONS[architecture]
    check_image_shape(image_shape, chosen.smallest, architecture)
    if image_shape[-1] not in (1, 3):
        raise UmsrepError(
            f"image_shape={image_shape}: {architecture} takes 1 or 3 "
            f"channels, not {image_shape[-1]}."
        )
    if output_stride not in OUTPUT_STRIDES:
        raise UmsrepError(
            f"output_stride={output_stride}: choose one of "
            f"{', '.join(map(str, OUTPUT_STRIDES))}."
        )
    check_width(width)
    if width * WIDTH_STEPS != round(width * WIDTH_STEPS):
        raise UmsrepError(
            f"width={width}: the filters of residual branches fit together "
            f"at multiples of 1/{WIDTH_STEPS}. Choose for example 0.25."
        )
    if not 0 < depth <= 1:
        raise UmsrepError(
            f"depth={depth}: expected a share of the blocks of each stage, "
            "above 0 and at most 1."
        )
    if depth < 1 and chosen.block is None:
        with_blocks = [
            name
            for name, application in APPLICATIONS.items()
            if application.block
        ]
        raise UmsrepError(
            f"depth={depth}: {architecture} has no blocks to leave out. Pass "
            f"depth=1.0, or choose one of {', '.join(with_blocks)}."
        )
