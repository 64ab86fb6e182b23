"""Reads a folder of `umsrep audit`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from umsrep.data.storage import read_json
from umsrep.errors import UmsrepError
from umsrep.evaluation.audit_result import FORMAT, FORMAT_VERSION
from umsrep.runs.contents import Picture, read_picture

HEADER = "audit.json"


@dataclass
class AuditFolder:
    """An audit folder: what was looked for in one data set.

    Attributes:
        path: The folder.
        info: audit.json.
        pictures: `Picture`s.
        notes: What is missing, in words.
    """

    path: Path
    info: dict[str, Any]
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def data(self) -> str:
        """Name of the data set."""
        return str(self.info.get("data") or "unnamed data")


def read_audit(path: str | Path) -> AuditFolder:
    """The `AuditFolder` in a folder.

    Raises:
        UmsrepError: no audit.json, or one that is damaged or of another
            format version.
    """
    path = Path(path)
    info = read_json(path / HEADER, "audit of a data set")
    known = isinstance(info, dict) and info.get("format") == FORMAT
    lists = ("shortcuts", "tried", "copies")
    if not known or not all(isinstance(info.get(n), list) for n in lists):
        raise UmsrepError(
            f'{path / HEADER} is no audit of a data set (expected "format": '
            f'"{FORMAT}" and {", ".join(lists)}). Run \'umsrep audit DATA '
            "--out DIR' again."
        )
    if info.get("format_version") != FORMAT_VERSION:
        raise UmsrepError(
            f"{path / HEADER} has format version "
            f"{info.get('format_version')!r}; this umsrep reads version "
            f"{FORMAT_VERSION}. Run 'umsrep audit' again."
        )
    folder = AuditFolder(path, info)
    for entry in info.get("pictures") or []:
        picture = read_picture(
            path, "pictures", entry.get("file"), folder.notes
        )
        if picture:
            picture.task = str(entry.get("task") or "")
            picture.caption = str(entry.get("caption") or "")
            folder.pictures.append(picture)
    return folder
