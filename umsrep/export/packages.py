"""The packages that formats need beyond the toolkit's own."""

import contextlib
import importlib.util
from importlib import metadata

import keras

from umsrep.errors import UmsrepError

# {format: what opens it}, and {format: what writes it besides}.
READS = {"onnx": ("onnxruntime",), "litert": ("ai_edge_litert",)}
WRITES = {"onnx": ("onnx", "tf2onnx")}
QUANTIZES = ("ai_edge_quantizer",)


def require(kind, writing=False, quantized=False):
    """Raises unless what a format needs is installed.

    Args:
        kind: The format.
        writing: Whether a file is to be written, not only read.
        quantized: Whether it is to be quantised.
    """
    needed = list(READS.get(kind, ()))
    if writing:
        needed += WRITES.get(kind, ())
    if quantized:
        needed += QUANTIZES
    for module in needed:
        if importlib.util.find_spec(module) is None:
            raise UmsrepError(
                f"The format {kind} needs the package "
                f"{module.replace('_', '-')}, which is not installed. Install "
                "it with `pip install 'umsrep[export]'` (from a clone: pip "
                "install -e '.[export]')."
            )
    if writing and keras.backend.backend() != "tensorflow":
        raise UmsrepError(
            f"KERAS_BACKEND={keras.backend.backend()}: exporting goes through "
            "TensorFlow's graphs. Unset KERAS_BACKEND for this command; runs "
            "of every backend load there."
        )


def versions(kind):
    """{package: version} of what writes and reads a format."""
    found = {}
    modules = (*WRITES.get(kind, ()), *READS.get(kind, ()))
    for module in modules + QUANTIZES * (kind == "litert"):
        package = module.replace("_", "-")
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
