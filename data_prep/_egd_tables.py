"""The tables of EGD-CXR: master sheet, eye gaze, fixations, boxes."""

import re
from collections import defaultdict
from dataclasses import dataclass

import pandas as pd

from data_prep._boxes import numbers
from data_prep._gaze_tables import check_pixels, pixel_centres
from data_prep._tables import read_table
from umsrep.errors import UmsrepError

# The length of an id of MIMIC-CXR; calibration images have the id of an image
# without its last five characters.
ID_LENGTH = 44
OBSERVER = "radiologist"
BOX_SIDES = ("x1", "y1", "x2", "y2")
_GAZE = ("DICOM_ID", "FPOGD", "X_ORIGINAL", "Y_ORIGINAL")


@dataclass(frozen=True)
class Record:
    """One row of the master sheet."""

    dicom_id: str
    path: str
    patient: str
    finding: str


def read_master_sheet(path, findings, writer):
    """The usable records of master_sheet.csv, in its order.

    Args:
        path: The file.
        findings: {class column: class name}.
        writer: A `PreparedWriter`; rows that cannot be used are rejected.

    Returns:
        {dicom_id: `Record`}.

    Raises:
        UmsrepError: not a master sheet; or a bad row (`on_error="stop"`).
    """
    columns = ("dicom_id", "path", "patient_id", *findings)
    # Cells hold line breaks; the parser respects the quotes.
    table = read_table(path, columns, dtype=str, keep_default_na=False)
    records = {}
    for number, row in enumerate(table.to_dict("records"), 1):
        try:
            record = _record(path, number, row, findings)
            if record.dicom_id in records:
                raise UmsrepError(
                    f"Record {number} of {path} repeats the dicom_id "
                    f"{record.dicom_id}. Remove one of the two."
                )
        except UmsrepError as error:
            writer.reject(path, error)
            continue
        records[record.dicom_id] = record
    return records


def _record(path, number, row, findings):
    where = f"Record {number} of {path}"
    key = row["dicom_id"].strip()
    if len(key) != ID_LENGTH:
        raise UmsrepError(
            f"{where} has the dicom_id '{key}' of {len(key)} characters. "
            f"Expected {ID_LENGTH}; correct it, or remove the record."
        )
    image = row["path"].strip()
    if not image or ".." in image.split("/") or image.startswith("/"):
        raise UmsrepError(
            f"{where} has the path '{image}'. Expected a relative one such "
            "as files/p10/p10000032/s50414267/<dicom_id>.dcm; get the "
            "published table again."
        )
    present = [
        name
        for column, name in findings.items()
        if row[column].strip() in ("1", "1.0")
    ]
    if len(present) != 1:
        raise UmsrepError(
            f"{where} ({key}) has {len(present)} classes. Expected a 1 in "
            f"exactly one of {', '.join(findings)}; correct the table, or "
            "remove the record."
        )
    return Record(key, image, row["patient_id"].strip(), present[0])


def read_gaze(path, records, writer):
    """The rows of eye_gaze.csv or fixations.csv on known images.

    eye_gaze.csv holds 1.5 million rows of 37 columns, so it is read in parts,
    and only what is needed is kept.

    Args:
        path: The file. The durations in fixations.csv are kept; in
            eye_gaze.csv each row is a sample, and FPOGD is the duration of the
            fixation so far.
        records: {dicom_id: ...}; rows of other images are left out.
        writer: A `PreparedWriter`, which records what was left out.

    Returns:
        {dicom_id: data frame of observer, x, y, duration_ms}; x and y in
        pixels of the image, at the middle of a pixel, negative where gaze left
        the image.

    Raises:
        UmsrepError: missing, not a table of gaze, or in fractions of a screen.
    """
    known = pd.Index(records)
    calibration = {"rows": 0, "ids": set()}
    unknown = {"rows": 0, "ids": set()}

    def chunk(part):
        ids = part["DICOM_ID"].fillna("").str.strip()
        short = ids.str.len() != ID_LENGTH
        number = known.get_indexer(ids)
        for note, chosen in (
            (calibration, short),
            (unknown, ~short & (number < 0)),
        ):
            note["rows"] += int(chosen.sum())
            note["ids"].update(ids[chosen].unique())
        part = part.assign(number=number)[number >= 0]
        values = {
            name: pd.to_numeric(part[name], errors="coerce").astype("float32")
            for name in _GAZE[1:]
        }
        return pd.DataFrame(values).assign(number=part["number"])

    table = read_table(path, _GAZE, chunk, dtype={"DICOM_ID": str})
    for note, what in (
        (
            calibration,
            f"whose id does not have {ID_LENGTH} characters (calibration)",
        ),
        (unknown, "that are not in the master sheet"),
    ):
        if note["rows"]:
            writer.warn(
                f"{path.name}: {note['rows']} rows of {len(note['ids'])} "
                f"images {what} were left out."
            )
    sampled = path.name == "eye_gaze.csv"
    points = pd.DataFrame(
        {
            "observer": OBSERVER,
            "x": pixel_centres(table["X_ORIGINAL"].astype(float)),
            "y": pixel_centres(table["Y_ORIGINAL"].astype(float)),
            "duration_ms": 1000 / 60 if sampled else 1000 * table["FPOGD"],
        }
    )
    originals = table.rename(columns={"X_ORIGINAL": "x", "Y_ORIGINAL": "y"})
    check_pixels(path, originals)
    groups = points.groupby(table["number"], sort=False)
    return {known[number]: group for number, group in groups}


def box_task(name):
    """The task of a region: "cardiac silhouette" -> "cardiac_silhouette"."""
    return re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")


def read_boxes(path, names):
    """The boxes of some regions in bounding_boxes.csv.

    Args:
        path: The file.
        names: Regions as in its column bbox_name; case does not matter, and
            "_" stands for a space.

    Returns:
        ({dicom_id: {task: [{column: text}]}}, set of all dicom_id); tasks as
        from `box_task`.

    Raises:
        UmsrepError: not a table of boxes, or one that lacks a region.
    """
    columns = ("dicom_id", "bbox_name", *BOX_SIDES)
    table = read_table(path, columns, dtype=str, keep_default_na=False)
    known = {name: box_task(name) for name in table["bbox_name"].unique()}
    for name in names:
        if box_task(name) not in known.values():
            raise UmsrepError(
                f"{path} has no box named '{name}'. It has: "
                f"{', '.join(sorted(known))}; choose one of them."
            )
    ids = table["dicom_id"].str.strip()
    tasks = table["bbox_name"].map(known)
    chosen = tasks.isin([box_task(name) for name in names])
    boxes = defaultdict(lambda: defaultdict(list))
    for key, task, row in zip(
        ids[chosen],
        tasks[chosen],
        table[chosen][[*BOX_SIDES]].to_dict("records"),
        strict=True,
    ):
        boxes[key][task].append(row)
    return boxes, set(ids)


def box_numbers(path, key, tasks):
    """The boxes of one image as numbers.

    Args:
        path: The table's file, for the message.
        key: The image's dicom_id, for the message.
        tasks: {task: rows}, as from `read_boxes`.

    Returns:
        {task: [(x1, y1, x2, y2)]}.

    Raises:
        UmsrepError: a cell that holds no number.
    """
    return {
        task: [
            tuple(numbers(f"{path}: the {task} of {key}", row)) for row in rows
        ]
        for task, rows in tasks.items()
    }
