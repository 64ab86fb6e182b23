"""The tables of the RSNA pneumonia set: boxes, classes, patients."""

import json
import re
from collections import defaultdict

from data_prep._boxes import numbers
from data_prep._tables import read_table
from umsrep.errors import UmsrepError

SIDES = ("x", "y", "width", "height")
CLASSES = {
    "Normal": "normal",
    "No Lung Opacity / Not Normal": "other_abnormal",
    "Lung Opacity": "opacity",
}


def read_rows(path, writer):
    """The rows of stage_2_train_labels.csv, by image.

    Args:
        path: The file.
        writer: A `PreparedWriter`; rows without an id are rejected.

    Returns:
        {patientId: [{column: text, "line": number}]}, in the file's order.

    Raises:
        UmsrepError: not a table of labels; or a row without an id
            (`on_error="stop"`).
    """
    rows = defaultdict(list)
    columns = ("patientId", *SIDES, "Target")
    table = read_table(path, columns, dtype=str, keep_default_na=False)
    for line, row in enumerate(table.to_dict("records"), 2):
        row = {column: text.strip() for column, text in row.items()}
        if row["patientId"]:
            rows[row["patientId"]].append(row | {"line": line})
        else:
            writer.reject(
                path,
                UmsrepError(
                    f"Line {line} of {path} has no patientId. Get the "
                    "published table again, or remove the line."
                ),
            )
    return dict(rows)


def read_target(path, rows):
    """The target and the boxes of one image.

    Args:
        path: The table's file, for messages.
        rows: The image's rows, as from `read_rows`.

    Returns:
        (target, boxes): 0 without boxes, or 1 with at least one; boxes are
        (x1, y1, x2, y2) in pixels, where x2 and y2 are the first column and
        row outside. Repeated boxes count once.

    Raises:
        UmsrepError: rows that contradict each other, an invalid target, a box
            without the target 1, the target 1 without a box, a cell that is
            not a number, or a box without area.
    """
    targets, boxes = set(), []
    for row in rows:
        where = f"Line {row['line']} of {path} ({row['patientId']})"
        if row["Target"] not in ("0", "1", "0.0", "1.0"):
            raise UmsrepError(
                f"{where} has Target = '{row['Target']}'. Expected 0 or 1; "
                "get the published table again, or correct the row."
            )
        target = int(row["Target"][0])
        targets.add(target)
        cells = {side: row[side] for side in SIDES}
        if target != any(cells.values()):
            has = "a box but Target 0" if not target else "Target 1 but no box"
            raise UmsrepError(
                f"{where} has {has}. Expected a box exactly where Target is "
                "1; get the published table again, or correct the row."
            )
        if target:
            x, y, width, height = numbers(where, cells)
            if width <= 0 or height <= 0:
                raise UmsrepError(
                    f"{where} has a box of {width:g} x {height:g} pixels. "
                    "Expected a width and a height above 0; get the "
                    "published table again, or correct the row."
                )
            boxes.append((x, y, x + width, y + height))
    if len(targets) != 1:
        raise UmsrepError(
            f"{path} has both Target 0 and Target 1 for "
            f"{rows[0]['patientId']} (lines "
            f"{', '.join(str(row['line']) for row in rows)}). Find out which "
            "is right, and remove the other rows."
        )
    return targets.pop(), list(dict.fromkeys(boxes))


def read_classes(path):
    """The classes of stage_2_detailed_class_info.csv, by image.

    Returns:
        {patientId: set of the texts found}: one text, unless the file
        contradicts itself.

    Raises:
        UmsrepError: not a table of classes.
    """
    columns = ("patientId", "class")
    table = read_table(path, columns, dtype=str, keep_default_na=False)
    found = defaultdict(set)
    for key, name in zip(table["patientId"], table["class"], strict=True):
        found[key.strip()].add(name.strip())
    return dict(found)


def read_finding(path, key, found, target):
    """The class of one image.

    Args:
        path: The table's file, for messages.
        key: The image's patientId.
        found: Its texts, as from `read_classes`.
        target: 0 or 1, as from `read_target`.

    Returns:
        One of the values of `CLASSES`.

    Raises:
        UmsrepError: no class, an unknown one, several, or one that
            contradicts the target.
    """
    if len(found) != 1 or not found <= set(CLASSES):
        listed = ", ".join(f"'{name}'" for name in sorted(found)) or "no class"
        raise UmsrepError(
            f"{path} gives {key} {listed}. Expected one of "
            f"{', '.join(CLASSES)}; get the published table again, or leave "
            "the image out."
        )
    (name,) = found
    if (CLASSES[name] == "opacity") != bool(target):
        raise UmsrepError(
            f"{path} calls {key} '{name}', but its Target is {target}. "
            "Expected Lung Opacity exactly where Target is 1; get both "
            "published tables again."
        )
    return CLASSES[name]


def read_patients(path):
    """The patients, from pneumonia-challenge-dataset-mappings_2018.json.

    Returns:
        {patientId: number of the NIH patient, a text}. The challenge's
        patientId names an image; `img_id`, the image's name at the NIH, starts
        with the patient's number.

    Raises:
        UmsrepError: not a file of mappings; or an image of two patients.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        pairs = [
            (entry["subset_img_id"].strip(), entry["img_id"].strip())
            for entry in entries
            # Images of the NIH set that the challenge left out.
            if entry["subset_img_id"]
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UmsrepError(
            f"{path} is not the published mapping ({error!r}). Expected a "
            "JSON list of entries with subset_img_id and img_id; get the file "
            "again, or move it away to take each image as its own patient."
        ) from error
    patients = {}
    for key, image in pairs:
        match = re.match(r"(\d+)_", image)
        if not match or patients.setdefault(key, match[1]) != match[1]:
            raise UmsrepError(
                f"{path} maps {key} to '{image}'"
                + (f" and to patient {patients[key]}" if match else "")
                + ". Expected one name per image, such as 00000012_003.png, "
                "which starts with the patient's number; get the file again."
            )
    return patients
