"""What is checked about one source image before it is prepared.

Every error names the file.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from umsrep.data.frame import Frame
from umsrep.data.scale import Scale
from umsrep.errors import UmsrepError
from umsrep.tasks.cell import CellKind


def check_identity(
    image_id: str, path: Path, patient: object, seen: dict[str, Path]
) -> None:
    """Raises at an unusable or repeated image id, and without a patient.

    Args:
        image_id: Name of the image in the prepared set.
        path: The source file.
        patient: Key of the patient.
        seen: {image id in lower case: its source file} so far.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", image_id):
        raise UmsrepError(
            f"{path} gives the image id '{image_id}'. Expected letters, "
            "digits, '.', '_' and '-'; rename the file."
        )
    if image_id.lower() in seen:
        raise UmsrepError(
            f"{path} has the same image id '{image_id}' as "
            f"{seen[image_id.lower()]}. Every image needs a name of its own; "
            "rename or remove one."
        )
    if patient is None or not str(patient).strip():
        raise UmsrepError(
            f"{path} has no patient. Give a key, for example the image id "
            "where every image is another person."
        )


def check_cells(
    path: Path, cells: dict[str, str], kinds: dict[str, CellKind]
) -> None:
    """Raises at a cell that its task cannot have.

    Args:
        path: The source file.
        cells: {task: cell of the manifest}.
        kinds: {task: its kind}.
    """
    for name, cell in cells.items():
        if fault := kinds[name].fault(cell):
            raise UmsrepError(
                f"{path} has the unknown {fault[0]} for task '{name}'. "
                f"Expected {fault[1]}; correct it, or leave the image out."
            )


def check_units(
    path: Path, scale: Scale | None, units: dict[str, tuple[str, Path]]
) -> None:
    """Raises where an axis has another unit than in an earlier image.

    Args:
        path: The source file.
        scale: Scale of the image, or None.
        units: {axis: (unit, the first image with a scale of it)} so far.
    """
    for axis, unit in (scale.units if scale else {}).items():
        first, other = units.get(axis, (unit, None))
        if unit != first:
            raise UmsrepError(
                f"{path} has a {axis} scale in {unit}, but {other} has one in "
                f"{first}. Expected one unit per axis for all images; convert "
                "one of them."
            )


def note_units(
    path: Path, scale: Scale | None, units: dict[str, tuple[str, Path]]
) -> None:
    """Keeps the units of a scale and the first image that has them."""
    for axis, unit in (scale.units if scale else {}).items():
        units.setdefault(axis, (unit, path))


def fitting(
    scale: Scale | None, units: Mapping[str, tuple[str, Path]]
) -> Scale | None:
    """A scale that a file states, unless the set has another unit."""
    known = {axis: unit for axis, (unit, _) in units.items()}
    if scale is None or {**scale.units, **known} != scale.units:
        return None
    return scale


def moved(path: Path, frame: Frame, scale: Scale | None) -> Scale | None:
    """The scale of the prepared image."""
    if scale is None:
        return None
    try:
        return frame.scale(scale)
    except UmsrepError as error:
        raise UmsrepError(f"{path}: {error}") from error
