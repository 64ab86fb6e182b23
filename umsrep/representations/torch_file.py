"""Tensors from a PyTorch file, without PyTorch and without running code in it.

A file of `torch.save` is a pickle, and unpickling may execute anything. Here
the unpickler knows six harmless names, makes NumPy arrays of the tensors, and
refuses the file at any other name.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from umsrep.errors import UmsrepError

# The first object of the format from before PyTorch 1.6.
_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
}
_Storage = NDArray[Any]


def read_torch_file(path: str | Path) -> dict[str, NDArray[Any]]:
    """{name: array} of a file that holds a dict of tensors (a "state dict").

    Both formats are read, that of today (a ZIP archive) and that from before
    PyTorch 1.6.

    Args:
        path: A file of `torch.save(model.state_dict(), path)`.

    Raises:
        UmsrepError: anything but a dict of tensors, above all a file that
            names code to be executed.
    """
    path = Path(path)
    try:
        if zipfile.is_zipfile(path):
            found = _read_archive(path)
        else:
            with path.open("rb") as file:
                found = _read_legacy(file)
    except UmsrepError as error:
        raise UmsrepError(f"{path}: {error}") from error
    except OSError as error:
        raise UmsrepError(f"{path} cannot be read: {error}.") from error
    except Exception as error:
        # Whatever is wrong with a pickle raises something of its own.
        raise UmsrepError(
            f"{path} is not a whole PyTorch file of tensors "
            f"({type(error).__name__}). Expected what "
            "torch.save(model.state_dict(), path) writes."
        ) from error
    if not isinstance(found, dict) or not all(
        isinstance(key, str) and isinstance(value, np.ndarray)
        for key, value in found.items()
    ):
        raise UmsrepError(
            f"{path} does not hold a dict of tensors alone. Save "
            "model.state_dict() by torch.save."
        )
    return dict(found)


class _Unpickler(pickle.Unpickler):
    """Allows tensors only.

    Args:
        file: The pickle.
        storage: From (dtype, key, number of elements) to a flat array.
        tensors: Whether tensors are made; else None stands for each.
    """

    def __init__(
        self,
        file: IO[bytes],
        storage: Callable[[np.dtype, str, int], _Storage] | None = None,
        tensors: bool = True,
    ) -> None:
        super().__init__(file)
        self._storage = storage
        self._tensors = tensors

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        # New ones for each file: a pickle may set attributes of what it is
        # given.
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            make = _tensor if self._tensors else lambda *_: None
            return lambda *arguments: make(*arguments)
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda data, *_: data
        raise UmsrepError(
            f"the file asks for '{module}.{name}', which a file of tensors "
            "has no need of and which could execute code. It is not opened; "
            "save model.state_dict() alone by torch.save."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        if self._storage is None:
            raise UmsrepError("the file's header refers to tensors.")
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage":
            raise UmsrepError(f"the file holds a '{kind}', not tensors alone.")
        return self._storage(dtype, str(key), int(count))


def _tensor(storage, offset, size, stride, *_):
    """The view of a storage that a tensor is."""
    size, stride = tuple(size), tuple(stride)
    if min((offset, *size, *stride), default=0) < 0:
        raise UmsrepError("a tensor has a negative size or stride.")
    if math.prod(size) > len(storage):
        raise UmsrepError("a tensor is larger than what is stored of it.")
    if 0 not in size:
        last = offset + sum(
            (n - 1) * s for n, s in zip(size, stride, strict=True)
        )
        if last >= len(storage):
            raise UmsrepError("a tensor is larger than what is stored of it.")
    return np.lib.stride_tricks.as_strided(
        storage[offset:],
        size,
        [s * storage.itemsize for s in stride],
        writeable=False,
    ).copy()


def _read_archive(path):
    with zipfile.ZipFile(path) as archive:
        (pickled,) = (
            name for name in archive.namelist() if name.endswith("/data.pkl")
        )
        folder = pickled.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise UmsrepError("the file is of a big-endian machine.")
        read: dict[str, _Storage] = {}

        def storage(dtype, key, count):
            if key not in read:
                entry = archive.getinfo(f"{folder}data/{key}")
                if entry.file_size != count * dtype.itemsize:
                    raise UmsrepError(
                        f"of {count} numbers {entry.file_size} bytes are "
                        "stored."
                    )
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise UmsrepError(
                        "its tensors are compressed, which torch.save never "
                        "does."
                    )
                read[key] = np.frombuffer(archive.read(entry), dtype, count)
            return read[key]

        return _Unpickler(io.BytesIO(archive.read(pickled)), storage).load()


def _read_legacy(file):
    """The old format: header, tensors that refer to storages, storages.

    The contents of the storages come last, so they are read on a second pass.
    """
    if _Unpickler(file).load() != _MAGIC:
        raise UmsrepError("the file does not begin as a PyTorch file does.")
    _Unpickler(file).load()
    system = _Unpickler(file).load()
    if not system.get("little_endian", True):
        raise UmsrepError("the file is of a big-endian machine.")
    begin = file.tell()
    dtypes: dict[str, np.dtype] = {}

    def named(dtype, key, count):
        dtypes[key] = dtype
        return np.empty(0, dtype)

    _Unpickler(file, named, tensors=False).load()
    read = {}
    for key in _Unpickler(file).load():
        count = int.from_bytes(file.read(8), "little")
        dtype = dtypes[key]
        data = file.read(count * dtype.itemsize)
        read[key] = np.frombuffer(data, dtype, count)
    file.seek(begin)
    return _Unpickler(file, lambda dtype, key, count: read[key]).load()
