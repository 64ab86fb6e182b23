"""Files and folders that are either whole or not there.

Every output goes to a temporary neighbour first and is then renamed, so an
interrupted command never leaves something that reads as finished. A folder
that one command writes is locked against a second one.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from umsrep.errors import UmsrepError

if TYPE_CHECKING:  # Loading pandas takes as long as all the rest.
    import pandas as pd

AnyPath = str | os.PathLike[str]


def sha256(path: AnyPath) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def explain_os_errors(path: AnyPath, every: bool = False) -> Iterator[None]:
    """Turns a full disk or a missing permission into a clear error.

    Args:
        path: The output that is being written.
        every: Explain every other error of the system too; for code that
            touches nothing but `path`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UmsrepError(
                f"No disk space left while writing {path}. Free some space "
                "or choose another output folder, and run the command again."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UmsrepError(
                f"Cannot write {path}: {error.strerror}. Choose a folder "
                "you may write to."
            ) from error
        if every:
            raise UmsrepError(
                f"Cannot write {path}: {error.strerror or error}. Choose "
                "another output path."
            ) from error
        raise


@contextlib.contextmanager
def atomic_path(path: AnyPath) -> Iterator[Path]:
    """Yields a temporary path beside `path`, renamed to it on success."""
    path = Path(path)
    with explain_os_errors(path):
        with explain_os_errors(path, every=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(
                prefix=".partial-", suffix=path.suffix, dir=path.parent
            )
            os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            with explain_os_errors(path, every=True):
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: AnyPath, text: str) -> None:
    """Writes text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: AnyPath, value: object) -> None:
    """Writes JSON atomically; nan becomes null."""
    write_text(path, json.dumps(plain(value), indent=2) + "\n")


def plain(value: Any) -> Any:
    """`value` in the types of JSON: no tuples, arrays, paths or nan."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def read_json(path: AnyPath, what: str = "file") -> Any:
    """Reads JSON; a missing or damaged file is an error that names it.

    Args:
        path: The file.
        what: What it is, for messages.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UmsrepError(
            f"{path} does not exist. Expected a {what}; check the path."
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UmsrepError(
            f"{path} is not a readable {what} ({error}). Make it again with "
            "the command that wrote it."
        ) from error


def write_csv(path: AnyPath, table: "pd.DataFrame") -> None:
    """Writes a data frame atomically, without its index."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


class InUse(UmsrepError):
    """Another command holds the folder."""


@contextlib.contextmanager
def locked(path: AnyPath) -> Iterator[Path]:
    """Holds a folder for one command; a second one gets an error at once.

    The lock is the operating system's, so it is released when the process
    ends, however it ends.
    """
    folder = Path(path)
    with explain_os_errors(folder, every=True):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder.parent / f".{folder.name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise InUse(
                f"Another command is writing {folder}. Wait for it to end, "
                "or choose another output folder."
            ) from error
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()


@contextlib.contextmanager
def new_folder(path: AnyPath) -> Iterator[Path]:
    """Yields a temporary folder that becomes `path` on success.

    Args:
        path: The final folder; it must not exist, or be empty.

    Raises:
        UmsrepError: the folder exists and is not empty, or is being written by
            another command.
    """
    folder = Path(path)
    with locked(folder), explain_os_errors(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UmsrepError(
                f"{folder} already exists and is not empty. Choose a new "
                "output folder, or delete it first."
            )
        # Under the lock, what an earlier, killed command left is not in use.
        prefix = f".umsrep-partial-{folder.name}-"
        for stale in folder.parent.glob(f"{glob.escape(prefix)}*"):
            shutil.rmtree(stale, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o777 & ~umask)
            if folder.exists():
                folder.rmdir()
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
