"""The dilated CNN of UMS-Rep, Figure 8, for supervised construction."""

import keras

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.representations.base import Representation, registry
from umsrep.representations.building import Layers, check_image_shape

# 460,115 trainable parameters on three channels with a head of 256 hidden
# units and three classes (UMS-Rep, Tables 8 and 10).
FILTERS = (8, 16, 32, 64, 128, 256)
CONVOLUTIONS = len(FILTERS)
# The others are dilated, which Keras does not combine with a stride.
STRIDED = 3


@registry.register("dilated_cnn")
class DilatedCNN(Representation):
    """Six "same" convolutions with bias and ReLU, the last three dilated.

    Source: UMS-Rep, Section 4.2.1 and Figure 8, where it is constructed on
    flow classes: `heads.ClassificationHead(3, "flow", hidden_units=256)` on
    its bottleneck is the paper's average, dense layer, dropout of 0.5 and
    dense layer. Dropout follows the dense layer, so it is an argument of the
    head (`umsrep pretrain --task flow --dropout 0.5`), not of this class.

    What the paper's text leaves open, and what this class does:

    - **Filters** are not given, but Tables 8 and 10 count 460,115 trainable
      parameters. Among sequences of powers of two up to 512 that never
      decrease, only 8, 16, 32, 64, 128, 256 on three channels, with 256 hidden
      units and no batch normalisation, has that number; these are the default.
      (The baseline's 1,573,506 is one channel, 16 to 512, and a dense layer of
      two classes; the segmentation's 786,497 is the default filters on one
      channel, mirrored by convolutions without batch normalisation, and a
      neuron of 1x1. No network was found for the heads' 295,715.)
    - **Strides and pooling** are not mentioned. `strides=(1, 1, 1)` follows
      the text to the letter, but cannot be what was run at 256x256: with 25.8
      billion multiplications per image and pass, the 64 epochs of Table 8 in
      28 minutes would take five times the peak performance of the graphics
      card that the paper names. The default is stride 2 in the three
      convolutions that are not dilated, as in the paper's other network
      (Section 4.1.1): 63 times fewer multiplications, and the same parameters.
    - For a smaller network, `filters=(8, 16, 32, 32, 64, 64)` has less than a
      fifth of the parameters.

    Features: "stage1", "stage2", ..., one per resolution (the last
    convolution there), from fine to coarse; "bottleneck", the deepest
    convolution, the same as the last stage; "intensity". There is no decoder:
    `SegmentationHead(name, features="bottleneck")`, or `features=` its
    `stages`, builds a symmetric one.

    Args:
        image_shape: (height, width, channels); any size of at least the
            product of the strides. Grey levels in [0, 255].
        filters: Numbers of filters of the six convolutions.
        kernel_size: Side of all kernels, an odd number; the paper tried 3, 5
            and 7.
        dilation_rate: Dilation of the last three convolutions, at least 1;
            the paper tried 2 and 3.
        strides: 1 or 2 for each of the first three convolutions.
        normalization: Method of `layers.IntensityNormalization`.

    Raises:
        UmsrepError: an argument out of its range.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (256, 256, 1),
        filters: tuple[int, ...] = FILTERS,
        kernel_size: int = 3,
        dilation_rate: int = 2,
        strides: tuple[int, ...] = (2, 2, 2),
        normalization: str = "percentile",
        name: str = "dilated_cnn",
        **kwargs,
    ):
        image_shape = tuple(image_shape)
        filters, strides = _check(filters, kernel_size, dilation_rate, strides)
        coarsest = 2 ** strides.count(2)
        check_image_shape(image_shape, coarsest, "the dilated CNN")

        # === Graph ===
        images = keras.Input(image_shape, name="image")
        x, intensity = layers.IntensityNormalization(
            normalization, name="intensity"
        )(images)
        make, outputs = Layers(), {}
        stage = 0
        steps = strides + (1,) * (CONVOLUTIONS - STRIDED)
        for number, (count, step) in enumerate(
            zip(filters, steps, strict=True), start=1
        ):
            dilated = number > STRIDED
            x = make.convolution(
                f"encoder_{number}",
                count,
                kernel_size,
                strides=step,
                dilation_rate=dilation_rate if dilated else 1,
            )(x)
            if step > 1 or not stage:
                stage += 1
            outputs[f"stage{stage}"] = x
        outputs |= {"bottleneck": x, "intensity": intensity}
        super().__init__(inputs=images, outputs=outputs, name=name, **kwargs)

        # === Config ===
        self._config = {
            "image_shape": image_shape,
            "filters": filters,
            "kernel_size": kernel_size,
            "dilation_rate": dilation_rate,
            "strides": strides,
            "normalization": normalization,
        }

    def get_config(self) -> dict:
        return {**self._config, "name": self.name}


def _check(filters, kernel_size, dilation_rate, strides):
    """`filters` and `strides` as tuples."""
    filters, strides = tuple(filters), tuple(strides)
    if len(filters) != CONVOLUTIONS or not all(map(_positive, filters)):
        raise UmsrepError(
            f"filters={filters}: expected whole numbers of at least 1 for the "
            f"{CONVOLUTIONS} convolutions, such as {FILTERS}."
        )
    if len(strides) != STRIDED or set(strides) - {1, 2}:
        raise UmsrepError(
            f"strides={strides}: expected 1 or 2 for each of the first "
            f"{STRIDED} convolutions (the others are dilated), such as "
            "(2, 2, 2)."
        )
    if not _positive(kernel_size) or kernel_size % 2 == 0:
        raise UmsrepError(
            f"kernel_size={kernel_size}: expected an odd whole number, such "
            "as 3."
        )
    if not _positive(dilation_rate):
        raise UmsrepError(
            f"dilation_rate={dilation_rate}: expected a whole number of at "
            "least 1, such as 2; 1 does not dilate."
        )
    return filters, strides


def _positive(value):
    return value == int(value) and value >= 1
