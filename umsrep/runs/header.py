"""run.json: its format, and how it is read."""

from pathlib import Path
from typing import Any

from umsrep.data import storage
from umsrep.errors import UmsrepError

FORMAT = "umsrep-run"
FORMAT_VERSION = 1
HEADER = "run.json"


def read_run(path: str | Path, whole: bool = True) -> dict[str, Any]:
    """The parsed run.json of a run folder.

    Args:
        path: The folder.
        whole: Whether every entry that a run of its status has must be
            there; a report shows what there is.

    Raises:
        UmsrepError: no run folder, or one of another format version.
    """
    path = Path(path)
    if not (path / HEADER).exists():
        raise UmsrepError(
            f"{path} is not a run folder (no {HEADER}). Pass the --out folder "
            "of `umsrep pretrain` or `umsrep finetune`."
        )
    info = storage.read_json(path / HEADER, "run header")
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise UmsrepError(
            f"{path / HEADER} is not an umsrep run header. Pass the --out "
            "folder of `umsrep pretrain` or `umsrep finetune`."
        )
    version = info.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise UmsrepError(
            f"{path / HEADER} has format version {version!r}; this umsrep "
            f"reads version {FORMAT_VERSION}. Train again with this umsrep, "
            "or use the umsrep that wrote it (see its 'versions')."
        )
    wanted = {"status", "kind", "config", "versions"}
    if info.get("status") == "complete":
        wanted |= {"tasks", "task_specs", "data"}
    missing = sorted(wanted - set(info))
    if whole and missing:
        raise UmsrepError(
            f"{path / HEADER} lacks '{missing[0]}': it is damaged. Train "
            "again into a new folder."
        )
    return info


def is_complete(path: str | Path) -> bool:
    """Whether a run is there, whole."""
    header = Path(path) / HEADER
    if not header.exists():
        return False
    return storage.read_json(header, "run header").get("status") == "complete"
