"""The graph from images to the named features of an application."""

import math
import re
import warnings

import keras

from umsrep import layers
from umsrep.layers.intensity import CENTRES
from umsrep.representations import applications
from umsrep.representations.applications import APPLICATIONS, BEFORE
from umsrep.representations.building import scaled

# Layers before the application's own.
OURS = ("image", "intensity", "preprocessing", "ones")


def backbone(
    architecture,
    image_shape,
    output_stride=32,
    width=1.0,
    depth=1.0,
    normalization="percentile",
    preprocessing=False,
):
    """A new graph from images to the features of an application.

    The arguments are those of `KerasApplication`; `preprocessing` is whether
    grey levels are brought to what the pretrained weights expect.

    Returns:
        The images (a `keras.Input`), {feature: tensor} with "stage1" to
        "stageN", "bottleneck" and "intensity", and {feature: stride}.

    Raises:
        UmsrepError: an unknown architecture, or arguments it cannot take.
    """
    image_shape = tuple(image_shape)
    applications.check(architecture, image_shape, output_stride, width, depth)
    chosen = APPLICATIONS[architecture]
    images = keras.Input(image_shape, name="image")
    x, _ = layers.IntensityNormalization(normalization, name="intensity")(
        images
    )
    if preprocessing:
        x = chosen.preprocessing(x, CENTRES[normalization])
    with warnings.catch_warnings():
        # Keras wonders at the plane of ones.
        warnings.filterwarnings("ignore", "This model usually expects")
        original = chosen.new(input_tensor=x, input_shape=tuple(x.shape[1:]))
    names = _names(original)
    strides = _strides(original)
    left_out = {
        names[name]
        for name in (*_left_out(original, chosen, depth), *_own(original))
    }

    def clone(layer):
        if isinstance(layer, keras.Sequential):
            inner = [_padded(each) for each in layer.layers]
            return keras.Sequential(inner, name=names[layer.name])
        config = layer.get_config()
        if not isinstance(layer, keras.layers.Layer):
            # An operation, such as a sum; it has no weights.
            return type(layer).from_config(config)
        config["name"] = names[layer.name]
        if isinstance(layer, keras.layers.BatchNormalization):
            # Keras's layer is slow to train on a CPU, and a momentum of 0.99
            # needs hundreds of steps before validation means anything.
            return layers.BatchNormalization.from_config(
                {**config, "momentum": 0.9}
            )
        if strides[layer.name] > output_stride and _steps(layer) > 1:
            config["strides"] = (1, 1)
        if re.fullmatch(chosen.padded, layer.name) and "padding" in config:
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
        name = pattern.removeprefix(BEFORE)
        last = [
            layer
            for layer in copy.layers
            if re.fullmatch(f"encoder_{name}", layer.name)
        ][-1]
        stride = strides[original_names[last.name]]
        tensor = last.output
        if name != pattern:
            tensor = last.input
            stride //= _steps(last)
        outputs[f"stage{number}"] = tensor
        found[f"stage{number}"] = min(stride, output_stride)
    outputs["bottleneck"] = tensor
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
        if name in OURS:
            names[name] = name
            continue
        stem = re.sub(r"_\d+$", "", name)
        if stem.replace("_", "") == type(layer).__name__.lower():
            counts[stem] = counts.get(stem, 0) + 1
            name = f"{stem}_{counts[stem]}"
        names[layer.name] = f"encoder_{name}"
    return names


def _own(original):
    """Names of the layers by which an application prepares its images.

    `Preprocessing` is in their place.
    """
    return [
        layer.name
        for layer in original.layers
        if layer.name not in OURS
        and isinstance(
            layer, keras.layers.Rescaling | keras.layers.Normalization
        )
    ]


def _padded(layer):
    """A copy of a layer that rounds sizes up, if it is a convolution."""
    config = layer.get_config()
    if "padding" in config:
        config["padding"] = "same"
    return type(layer).from_config(config)


def _steps(layer):
    """The stride of one layer, or of several in sequence."""
    if isinstance(layer, keras.Sequential):
        return math.prod(map(_steps, layer.layers))
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
