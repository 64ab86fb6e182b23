"""What limits training: arithmetic, and which operations take the time."""

import collections
import tempfile
import time
from pathlib import Path

import numpy as np


def operations(model):
    """Floating-point operations of one training step on one image.

    Those of the convolutions, which are nearly all: 2 per multiplication and
    addition, forward, and twice as many backward (by inputs and by weights;
    the first layer needs none by its input).
    """
    import keras

    total, first = 0, True
    for layer in model._flatten_layers():
        if not isinstance(layer, keras.layers.Conv2D) or not layer.built:
            continue
        height, width, filters = _output_shape(model, layer)
        kernel = int(np.prod(layer.kernel.shape[:3]))
        total += 2 * height * width * filters * kernel * (2 if first else 3)
        first = False
    return total


def _output_shape(model, layer):
    # A convolution inside a block has no output of its own in the graph.
    for one in model.layers:
        if one is layer or getattr(one, "convolution", None) is layer:
            return one.output.shape[1:4]
        if getattr(one, "neuron", None) is layer:
            return one.output.shape[1:4]
    raise ValueError(f"{layer.name} is not part of the model")


def matmul_rate(precision, side=2048, repeats=8):
    """Operations per second of a large matrix product, the practical peak."""
    import tensorflow as tf

    kind = {"float32": tf.float32, "bfloat16": tf.bfloat16}[precision]
    a = tf.cast(tf.random.normal((side, side)), kind)
    product = tf.function(lambda x: tf.matmul(x, x))
    product(a)
    best = np.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        product(a).numpy()
        best = min(best, time.perf_counter() - begin)
    return 2 * side**3 / best


def profile(run):
    """{operation of TensorFlow: share of the time of all}, largest first.

    Args:
        run: Called once, already compiled.
    """
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        run()
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        file = next(Path(folder).rglob("*.xplane.pb"))
        space.ParseFromString(file.read_bytes())
    seconds = collections.Counter()
    for plane in space.planes:
        names = plane.event_metadata
        for line in plane.lines:
            # The threads that compute; others only wait for them.
            if not line.name.startswith("tf_"):
                continue
            for event in line.events:
                # Kernels are named "operation:type".
                name, _, kind = names[event.metadata_id].name.rpartition(":")
                # "Process" is the scheduler around the kernels.
                if name and kind != "Process":
                    seconds[kind.removeprefix("_MklNative")] += (
                        event.duration_ps
                    )
    total = sum(seconds.values())
    return {name: value / total for name, value in seconds.most_common(12)}
