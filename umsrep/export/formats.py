"""Writes a serving model in each format."""

import json
import logging
import tempfile
from pathlib import Path

import keras

from umsrep.errors import UmsrepError
from umsrep.export.runtimes import IMAGE, PREPARED, RESULTS
from umsrep.export.serving import probe

# ONNX 1.13; what onnxruntime has read since 1.14.
OPSET = 18
METADATA = "umsrep"


def write_keras(model, path, metadata):
    """A .keras file."""
    model.save(path)


def write_savedmodel(model, path, metadata):
    """A SavedModel folder with the signatures of results and of `probe`."""
    _archive(model, path, batch=None)


def write_onnx(model, path, metadata):
    """An ONNX file that carries its metadata as JSON."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    seen = probe(model)
    shape = tf.TensorSpec((None, None, None), tf.uint8, name=IMAGE)

    @tf.function(input_signature=[shape])
    def graph(image):
        # As outputs, these keep their names in the converted graph.
        return {**model(image, training=False), **seen(image, training=False)}

    proto, _ = tf2onnx.convert.from_function(
        graph, input_signature=[shape], opset=OPSET
    )
    outputs = {value.name: value for value in proto.graph.output}
    del proto.graph.output[:]
    # In the order of the tasks.
    proto.graph.output.extend(outputs[name] for name in model.output)
    for value in (*proto.graph.input, *proto.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        for dimension, name in zip(
            dimensions, ("batch", "height", "width"), strict=False
        ):
            if not dimension.dim_value:
                dimension.dim_param = name
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(metadata)})
    proto.producer_name = "umsrep"
    onnx.checker.check_model(proto)
    onnx.save(proto, str(path))


def write_litert(model, path, metadata):
    """A .tflite file in float32 that takes one image at a time."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        # With batches of any size, the converter would lose track of the
        # shapes inside the networks.
        _archive(model, folder, batch=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[RESULTS, PREPARED]
        )
        Path(path).write_bytes(converter.convert())


WRITERS = {
    "keras": write_keras,
    "savedmodel": write_savedmodel,
    "onnx": write_onnx,
    "litert": write_litert,
}
SUFFIXES = {
    "keras": ".keras",
    "savedmodel": "",
    "onnx": ".onnx",
    "litert": ".tflite",
}


def write_model(kind, model, path, metadata):
    """Writes `model` as format `kind`.

    Raises:
        UmsrepError: the format cannot express a part of the model.
    """
    try:
        WRITERS[kind](model, path, metadata)
    except Exception as error:  # Converters raise nearly anything.
        reason = " ".join(str(error).split())[:300]
        raise UmsrepError(
            f"This run cannot be written as {kind} ({type(error).__name__}: "
            f"{reason}). Nothing was approximated and nothing is left behind; "
            "choose another --format, or leave out a task with --task."
        ) from error


def _archive(model, folder, batch):
    import tensorflow as tf

    shape = tf.TensorSpec((batch, None, None), tf.uint8, name=IMAGE)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, part in ((RESULTS, model), (PREPARED, probe(model))):
        archive.add_endpoint(name, _inference(part), [shape])
    # TensorFlow would tell the name of a temporary folder.
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        archive.write_out(str(folder), verbose=False)
    finally:
        logger.setLevel(before)


def _inference(model):
    # The argument's name is the signature's.
    return lambda image: model(image, training=False)
