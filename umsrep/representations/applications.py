"""Backbones that are known by name, and how their features are found."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from umsrep.errors import UmsrepError
from umsrep.representations import efficientnet_lite0
from umsrep.representations.building import check_image_shape, check_width
from umsrep.representations.preprocessing import Preprocessing

OUTPUT_STRIDES = (32, 16, 8)
# Residual sums of some networks are no layers, only what a layer reads.
BEFORE = "input of "
# Filters that are concatenated in Inception-ResNet-v2 are multiples of 32: with
# widths in steps of 1/32, their sums still fit the residual branches.
WIDTH_STEPS = 32
# Means and standard deviations of ImageNet's colours in [0, 1].
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The three modes of `keras.applications.imagenet_utils.preprocess_input`.
CAFFE = Preprocessing(
    (255.0,) * 3, (-123.68, -116.779, -103.939), blue_first=True
)
TF = Preprocessing((2.0,) * 3, (-1.0,) * 3)
TORCH = Preprocessing(
    tuple(1 / s for s in _STD),
    tuple(-m / s for m, s in zip(_MEAN, _STD, strict=True)),
)


@dataclass(frozen=True)
class Application:
    """How the features of one application are found.

    Attributes:
        function: The function of `keras.applications`, or one like it.
        stages: A pattern per stage; the stage is the output of the last layer
            whose name matches it, or behind `BEFORE` the input of that layer.
        preprocessing: What its pretrained weights expect.
        file: Name of Keras's file of ImageNet weights without the top.
        smallest: The smallest side that Keras accepts, in pixels.
        block: Pattern of the layers of residual blocks, with the groups
            (stage, number within it), or None if no block can be left out.
        padded: Pattern of the layers that do not round sizes up by themselves,
            and are made to pad.
        options: Further arguments of `function`.
        whole: Whether it only comes as it is: at a width and depth of 1, and
            an output stride of 32.
    """

    function: Callable
    stages: tuple
    preprocessing: Preprocessing
    file: str = ""
    smallest: int = 32
    block: str | None = None
    padded: str = ""
    options: tuple = ()
    whole: bool = False

    def new(self, **arguments) -> keras.Model:
        """The network without its top, with newly drawn weights or others.

        Args:
            **arguments: `input_shape`, `input_tensor` or `weights` (None
                unless given).
        """
        return self.function(
            include_top=False,
            **{"weights": None, **dict(self.options), **arguments},
        )


_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"
_PARTS = ("block1.*", "block2.*", "block3.*", "block5.*", "top_.*")
_LETTERS = r"(block\d)([a-z])_.*"
APPLICATIONS = {
    "resnet50": Application(
        keras.applications.ResNet50,
        tuple(f"conv{number}_.*" for number in range(1, 6)),
        CAFFE,
        block=r"(conv\d)_block(\d+)_.*",
        file=f"resnet50{_KERNELS}",
    ),
    "efficientnetv2s": Application(
        keras.applications.EfficientNetV2S,
        _PARTS,
        Preprocessing((255 / 128,) * 3, (-1.0,) * 3),
        block=_LETTERS,
        options=(("include_preprocessing", False),),
        file="efficientnetv2-s_notop.h5",
    ),
    "inception_resnet_v2": Application(
        keras.applications.InceptionResNetV2,
        (
            "activation_3",
            "activation_5",
            "block35_10_ac",
            "block17_20_ac",
            "conv_7b_ac",
        ),
        TF,
        smallest=75,
        padded=".*",
        file=f"inception_resnet_v2{_KERNELS}",
    ),
    "vgg16": Application(
        keras.applications.VGG16,
        (*(f"block{number}_conv.*" for number in range(1, 6)), "block5_pool"),
        CAFFE,
        padded=".*",
        file=f"vgg16{_KERNELS}",
    ),
    "efficientnet_lite0": Application(
        efficientnet_lite0.build,
        _PARTS,
        # 127 and 128 in the published training code.
        Preprocessing((255 / 128,) * 3, (-127 / 128,) * 3),
        block=_LETTERS,
    ),
    "efficientnetb0": Application(
        keras.applications.EfficientNetB0,
        _PARTS,
        TORCH,
        block=_LETTERS,
        file="efficientnetb0_notop.h5",
    ),
    "densenet121": Application(
        keras.applications.DenseNet121,
        ("conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu"),
        TORCH,
        padded=r"pool\d_pool",
        file=f"densenet121{_KERNELS}",
    ),
    "mobilenetv3": Application(
        keras.applications.MobileNetV3Large,
        (
            "expanded_conv_add",
            "expanded_conv_2_.*",
            "expanded_conv_5_.*",
            "expanded_conv_11_.*",
            r"activation_\d+",
        ),
        TF,
        options=(("include_preprocessing", False),),
        file="weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    ),
    "convnexttiny": Application(
        keras.applications.ConvNeXtTiny,
        (
            *(f"{BEFORE}.*_downsampling_block_{n}" for n in range(3)),
            r"layer_normalization_\d+",
        ),
        TORCH,
        padded=".*",
        options=(("include_preprocessing", False),),
        whole=True,
        file="convnext_tiny_notop.h5",
    ),
}


def _with_blocks():
    return [name for name, known in APPLICATIONS.items() if known.block]


def check(architecture, image_shape, output_stride, width, depth) -> None:
    """Raises unless `architecture` is known and takes these arguments."""
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
    if chosen.whole and (output_stride, width, depth) != (32, 1, 1):
        raise UmsrepError(
            f"{architecture} comes as it is, with output_stride=32, width=1.0 "
            "and depth=1.0. Leave these out, or choose one of "
            f"{', '.join(n for n, a in APPLICATIONS.items() if not a.whole)}."
        )
    if not 0 < depth <= 1:
        raise UmsrepError(
            f"depth={depth}: expected a share of the blocks of each stage, "
            "above 0 and at most 1."
        )
    if depth < 1 and chosen.block is None:
        raise UmsrepError(
            f"depth={depth}: {architecture} has no blocks to leave out. Pass "
            f"depth=1.0, or choose one of {', '.join(_with_blocks())}."
        )
