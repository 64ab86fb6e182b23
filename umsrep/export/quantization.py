"""Smaller LiteRT files: convolutions and dense layers in int8 or float16.

What surrounds the networks stays float32: a resizing in int8 would change
every grey level.
"""

import contextlib
import io
import logging
import warnings
from pathlib import Path

from umsrep.export.runtimes import (
    IMAGE,
    PREPARED,
    RESULTS,
    without_notices,
)

CHOICES = ("float16", "int8")
DESCRIPTIONS = {
    "float16": (
        "weights of convolutions and dense layers are stored in float16; "
        "everything is computed in float32"
    ),
    "int8": (
        "convolutions and dense layers have int8 weights (one scale per "
        "output channel) and int8 inputs and outputs; resizing, intensity "
        "normalisation, joins, softmax, sigmoid, calibration and the way back "
        "to the image's own size stay float32"
    ),
}


def quantize(path, out, choice, images):
    """Writes a quantised copy of a .tflite file.

    Args:
        path: The float32 file.
        out: The file to write.
        choice: "float16" or "int8".
        images: uint8 arrays (height, width) whose activations set the int8
            scales.
    """
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    names = qtyping.TFLOperationName
    work = quantizer.Quantizer(bytearray(Path(path).read_bytes()))
    for operation in (
        names.CONV_2D,
        names.DEPTHWISE_CONV_2D,
        names.CONV_2D_TRANSPOSE,
        names.FULLY_CONNECTED,
    ):
        if choice == "int8":
            work.add_static_config(
                regex=".*",
                operation_name=operation,
                activation_num_bits=8,
                weight_num_bits=8,
            )
        else:
            work.add_weight_only_config(
                regex=".*",
                operation_name=operation,
                num_bits=16,
                algorithm_key=algorithm_manager.AlgorithmName.FLOAT_CASTING,
            )
    # It draws bars of its own, and warns of what is meant: two signatures
    # share their weights, which get the same scales from the same images.
    with (
        without_notices(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
        _quiet_logging(),
    ):
        warnings.simplefilter("ignore")
        found = None
        if work.need_calibration:
            samples = [{IMAGE: image[None]} for image in images]
            found = work.calibrate(dict.fromkeys((RESULTS, PREPARED), samples))
        result = work.quantize(found, enable_progress_report=False)
    Path(out).write_bytes(bytes(result.quantized_model))


@contextlib.contextmanager
def _quiet_logging():
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
