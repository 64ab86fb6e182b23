"""Each format in its own runtime: uint8 images in, named results out.

Run as a script, this file computes the results of a model file in a new
process, which knows nothing of the one that wrote it:

    python runtimes.py FORMAT MODEL IMAGES.npz RESULTS.npz

Nothing of umsrep is imported for that but by `KerasRuntime`.
"""

import contextlib
import os
import sys
from abc import ABC, abstractmethod

import numpy as np

IMAGE = "image"
RESULTS = "serving_default"
PREPARED = "prepared"


class Runtime(ABC):
    """A loaded model file (abstract).

    Attributes:
        names: Names of the results.

    Args:
        path: The file, or the folder of a SavedModel.
    """

    names: tuple

    @abstractmethod
    def __call__(self, images):
        """{task: array} of (batch, height, width) uint8."""

    @abstractmethod
    def prepared(self, images):
        """{"prepared", "denoised": what the networks get of these images}."""


class KerasRuntime(Runtime):
    """A .keras file, opened in safe mode."""

    def __init__(self, path):
        import keras

        import umsrep  # noqa: F401
        from umsrep import backend
        from umsrep.export.serving import probe

        model = keras.saving.load_model(path, safe_mode=True)
        self.names = tuple(model.output)
        # `predict_on_batch` would compile anew for every size.
        self._run, self._probe = (
            backend.compiled(_inference(part), model.variables)
            for part in (model, probe(model))
        )

    def __call__(self, images):
        return _arrays(self._run(images))

    def prepared(self, images):
        return _arrays(self._probe(images))


class SavedModelRuntime(Runtime):
    """A SavedModel, by TensorFlow alone."""

    def __init__(self, path):
        import tensorflow as tf

        check_graph(path)
        # Signatures need it alive.
        self._loaded = tf.saved_model.load(str(path))
        self._constant = tf.constant
        self.names = tuple(self._loaded.signatures[RESULTS].structured_outputs)

    def __call__(self, images):
        return self._run(RESULTS, images)

    def prepared(self, images):
        return self._run(PREPARED, images)

    def _run(self, signature, images):
        images = self._constant(images)
        return _arrays(self._loaded.signatures[signature](**{IMAGE: images}))


class UnsafeModel(ValueError):
    """A model file that would do more than compute."""


# Operations with a state that results of images need: the weights.
STATEFUL = {
    "VarHandleOp",
    "ReadVariableOp",
    "StatefulPartitionedCall",
    "PartitionedCall",
}
# Stateless by TensorFlow's registry, and reading files all the same.
FILES = {"ReadFile", "MatchingFiles", "DecodeProtoV2", "EncodeProto"}


def check_graph(folder):
    """Raises where a SavedModel does more than compute from its weights.

    A SavedModel is a program: its functions may read and write files, or call
    Python. What can be called in it is looked at before it is loaded. How its
    weights are saved and restored is TensorFlow's, and is not called from the
    file.

    Raises:
        UnsafeModel: an operation that is not known to compute only.
    """
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.framework import op_def_registry

    model = saved_model_pb2.SavedModel()
    with open(os.path.join(folder, "saved_model.pb"), "rb") as stream:
        model.ParseFromString(stream.read())
    for graph in model.meta_graphs:
        if not graph.object_graph_def.nodes:
            raise UnsafeModel("is of TensorFlow 1, which runs what it holds")
        functions = {
            f.signature.name: f for f in graph.graph_def.library.function
        }
        waiting = list(graph.object_graph_def.concrete_functions)
        seen = set(waiting)
        while waiting:
            for node in functions[waiting.pop()].node_def:
                known = op_def_registry.get(node.op)
                if node.op not in functions and (
                    known is None
                    or node.op in FILES
                    or (known.is_stateful and node.op not in STATEFUL)
                ):
                    raise UnsafeModel(
                        f"holds the operation {node.op}, which does more than "
                        "compute"
                    )
                called = {node.op} & set(functions)
                for value in node.attr.values():
                    named = [value.func, *value.list.func]
                    called |= {f.name for f in named} & set(functions)
                waiting += called - seen
                seen |= called


class OnnxRuntime(Runtime):
    """An ONNX file, by onnxruntime.

    Attributes:
        metadata: {key: text} in the file.
    """

    def __init__(self, path):
        self._path = path
        self._session = _session(str(path))
        self.names = tuple(o.name for o in self._session.get_outputs())
        self.metadata = self._session.get_modelmeta().custom_metadata_map
        self._probe = None

    def __call__(self, images):
        return _run(self._session, images)

    def prepared(self, images):
        if self._probe is None:
            import onnx

            # The values are in the graph, under these names.
            model = onnx.load(str(self._path))
            made = {name for node in model.graph.node for name in node.output}
            for name in (PREPARED, "denoised"):
                if name in made:
                    model.graph.output.append(
                        onnx.helper.make_tensor_value_info(
                            name, onnx.TensorProto.FLOAT, None
                        )
                    )
            self._probe = _session(model.SerializeToString())
        results = _run(self._probe, images)
        return {k: v for k, v in results.items() if k not in self.names}


class LiteRTRuntime(Runtime):
    """A .tflite file, by ai-edge-litert, image by image."""

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path))
        self._runners = {
            name: self._interpreter.get_signature_runner(name)
            for name in (RESULTS, PREPARED)
        }
        signatures = self._interpreter.get_signature_list()
        self.names = tuple(signatures[RESULTS]["outputs"])

    def __call__(self, images):
        return self._run(RESULTS, images)

    def prepared(self, images):
        return self._run(PREPARED, images)

    def _run(self, signature, images):
        runner = self._runners[signature]
        with without_notices():
            results = [runner(**{IMAGE: image[None]}) for image in images]
        return {
            name: np.concatenate([result[name] for result in results])
            for name in results[0]
        }


RUNTIMES = {
    "keras": KerasRuntime,
    "savedmodel": SavedModelRuntime,
    "onnx": OnnxRuntime,
    "litert": LiteRTRuntime,
}


@contextlib.contextmanager
def without_notices():
    """Nothing goes to the standard error; LiteRT's C code tells of delegates.

    What fails raises.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _inference(model):
    return lambda images: model(images, training=False)


def _arrays(results):
    return {name: np.asarray(result) for name, result in results.items()}


def _session(model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Warnings about optimisations are for developers of runtimes.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"]
    )


def _run(session, images):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {IMAGE: images}), strict=True))


def main(kind, path, images, results):
    """Writes "<batch>/<name>" for every batch of `images`."""
    runtime = RUNTIMES[kind](path)
    found = {}
    with np.load(images) as batches:
        for number in batches.files:
            for source in (runtime, runtime.prepared):
                for name, array in source(batches[number]).items():
                    found[f"{number}/{name}"] = array
    np.savez(results, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
