"""A folder of your own: images, masks, gaze, a table of labels.

Layout read:

    SOURCE/images/*                 PNG, JPEG, TIFF, BMP or DICOM (.dcm);
                                    sub-folders are allowed as long as no
                                    name repeats
    SOURCE/masks/<task>/<stem>.png  black outside, white inside; <stem> is the
                                    image's name without extension
    SOURCE/maps/<task>/<stem>.png   grey heat map, bright where there is much
    SOURCE/fixations/<task>.csv     columns image, x, y in pixels of the
                                    image from its top-left corner, and where
                                    known observer and duration_ms
    SOURCE/labels.csv               columns image, patient, split, and one
                                    per label task
    SOURCE/scales.csv               what pixels measure: columns image, axis
                                    (y or x), unit, per_pixel and, where
                                    known, zero, start, stop

All but the images may be missing, and so may single masks, maps, labels
and scales: such images are unlabelled for that task. If nothing of this layout
is there, images that lie in SOURCE itself, and below it, are prepared without
labels, to construct a representation on. docs/your-own-data.md shows an
example.
"""

import contextlib
import math
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from data_prep import register
from data_prep._common import LEAK
from data_prep._folder_contents import read_folder
from data_prep._folder_layout import FIXATIONS
from data_prep._gaze_tables import check_extent, check_reach, reach
from data_prep._tables import image_shape
from umsrep.data.gaze import Gaze
from umsrep.data.prepared import SourceDescription
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

# The tasks come from the folder.
TASKS = ()
DESCRIPTION = SourceDescription(
    title="A folder of your own",
    url="",
    citation="Not stated: a folder of the user's own.",
    licence="Not stated: ask those the images come from.",
    modality="not stated",
)


@register("folder")
def convert(
    source, out, progress=None, on_error="stop", config=None, **options
):
    """Converts a folder of your own; its tasks come from what it holds.

    Each folder below `masks` is a mask task, each folder below `maps` and
    each table in `fixations` a map task, each column of `labels.csv` besides
    image, patient and split a label task. The data set gets the name of the
    folder.

    Args:
        source: The folder that holds `images`.
        out: The folder to make.
        progress: `progress(done, total)`, called after each image.
        config: For a folder or table with other names: a table of labels
            (.csv) instead of labels.csv, or a YAML file (`tasks.yaml`) that
            says what is where and which of it are tasks; see
            docs/your-own-data.md.
        on_error: See `PreparedWriter`. A table that cannot be understood
            raises in either case; `on_error` is about single files and rows.
        options: Options of `PreparedWriter`: size, fit, sixteen_bit, and
            gaze_map for the tables in `fixations`.

    Returns:
        The header (`dataset.json`) of the new data set. Its "warnings" say
        what was assumed, such as that every image is a separate patient.

    Raises:
        UmsrepError: no images, a table or a task name that cannot be used,
            one name for two tasks, or a `gaze_map` that needs what the
            tables do not hold; with `on_error="stop"` also a repeated image
            name or row, a row, mask or map without an image, gaze that does
            not fit its image, or a bad file.
    """
    contents = read_folder(source, config)
    places = contents.layout
    _check_gaze_map(contents, options.get("gaze_map"))
    name = places.name or data_set_name(source)
    writer = PreparedWriter(
        out,
        name,
        contents.tasks,
        replace(
            DESCRIPTION,
            title=f"Own folder '{name}'",
            modality=places.modality or DESCRIPTION.modality,
            licence=places.licence or DESCRIPTION.licence,
        ),
        on_error=on_error,
        **options,
    )
    with writer:
        for path, message in contents.problems:
            if on_error == "stop" and len(contents.problems) > 1:
                message += (
                    f" (Problems in all: {len(contents.problems)}; "
                    "--on-error skip leaves these files and rows out and "
                    "lists them.)"
                )
            writer.reject(path, UmsrepError(message))
        for text in contents.warnings:
            writer.warn(text)
        _add_images(writer, contents, progress)
    return writer.header


def data_set_name(source):
    """The name of the folder, with _ for all but letters and digits.

    Two data sets that are used together need different names.
    """
    # Not resolve(): a link's own name is the one the user chose.
    name = Path(os.path.abspath(source)).name
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "own_data"


@dataclass
class _Counts:
    """Numbers of images that were added.

    Attributes:
        unlabelled: Those without label, mask and map.
        unlisted: Those without a row in the table of labels.
        unscaled: Those without a scale.
        mapless: {map task: number without its map}.
        reaches: {task of a table: how far its points reach on each image}.
    """

    unlabelled: int = 0
    unlisted: int = 0
    unscaled: int = 0
    mapless: Counter = field(default_factory=Counter)
    reaches: dict = field(default_factory=lambda: defaultdict(list))


def _check_gaze_map(contents, gaze_map):
    """Raises if the maps cannot be made, before the first image is read."""
    tables = {
        task: next(iter(found.values()))
        for task, found in contents.pictures.items()
        if isinstance(next(iter(found.values()), None), pd.DataFrame)
    }
    for task, points in tables.items():
        file = _fixations_of(contents, task)
        if gaze_map and gaze_map.sigma_degrees:
            raise UmsrepError(
                f"A blur of {gaze_map.sigma_degrees:g} degrees of visual "
                f"angle for {file}, which does not say how many pixels a "
                "degree has. Give the blur in pixels of the images "
                "(--gaze-sigma)."
            )
        if (
            gaze_map
            and gaze_map.weight == "duration"
            and "duration_ms" not in points
        ):
            raise UmsrepError(
                f"{file} has no column 'duration_ms', but durations are to "
                "be the weights. Add it, or count the points (--gaze-weight "
                "count)."
            )


def _add_images(writer, contents, progress):
    counts = _Counts()
    for done, path in enumerate(contents.images, 1):
        _add_image(writer, contents, path, counts)
        if progress:
            progress(done, len(contents.images))
    _warn(writer, contents, counts)


def _add_image(writer, contents, path, counts):
    row = contents.rows.get(path)
    pictures = {
        task: found[path.stem.lower()]
        for task, found in contents.pictures.items()
        if path.stem.lower() in found
    }
    labels = {
        name: label
        for name, label in (row.labels.items() if row else ())
        if name in writer.tasks
    }
    points = {k: v for k, v in pictures.items() if isinstance(v, pd.DataFrame)}
    try:
        shape = image_shape(path) if points else None
        for table in points.values():
            check_extent(path, shape, table)
    except UmsrepError as error:
        writer.reject(path, error)
        return
    known = row is not None and contents.has_patients
    added = writer.add(
        path.stem,
        path,
        # The prefix keeps it apart from keys of the table.
        patient=row.patient if known else f"image:{path.stem}",
        split=row.split if row else "",
        targets=labels
        | pictures
        | {task: Gaze(table) for task, table in points.items()},
        scale=contents.scales.get(path),
    )
    if added:
        counts.unlabelled += not (pictures or any(labels.values()))
        counts.unlisted += row is None
        counts.unscaled += path not in contents.scales
        lacking = set(contents.pictures) - set(pictures)
        counts.mapless.update(
            task for task in lacking if writer.tasks[task].kind == "map"
        )
        for task, table in points.items():
            counts.reaches[task].append(reach(shape, table))


def _fixations_of(contents, task):
    """What to call a task's table of fixations."""
    named = contents.layout.fixations
    if named is not None:
        return str(named[task])
    return f"{FIXATIONS}/{task}.csv"


def _alike(patients):
    """Names that a spreadsheet or a typist may have made from one patient's.

    Returns:
        List of tuples, such as ("0001", "1") or ("P1", "p 1").
    """
    groups = defaultdict(set)
    for patient in patients:
        key = "".join(patient.split()).casefold()
        with contextlib.suppress(ValueError):
            number = float(key)
            key = number if math.isfinite(number) else key
        groups[key].add(patient)
    return [tuple(sorted(g)) for g in groups.values() if len(g) > 1]


def _warn(writer, contents, counts):
    alike = _alike(
        row.patient for row in contents.rows.values() if contents.has_patients
    )
    if alike:
        writer.warn(
            f"Patients that may be the same: {' and '.join(alike[0])}"
            + (f" (and {len(alike) - 1} more)" if len(alike) > 1 else "")
            + f". They are taken as different people. {LEAK}: if they are the "
            f"same, write them alike in {contents.layout.table.name} and "
            "prepare again."
        )
    if not contents.has_patients:
        table = contents.layout.table.name
        lacking = "column 'patient'" if contents.has_table else table
        writer.warn(
            f"There is no {lacking}, so every image counts as a patient of "
            f"its own. {LEAK}: if anyone may be there twice, add the column "
            f"'patient' to {table} and prepare again."
        )
    elif counts.unlisted:
        writer.warn(
            f"Images without a row in {contents.layout.table.name}: "
            f"{counts.unlisted}; each counts as a patient of its own. {LEAK}: "
            "if they show people in the table, add their rows."
        )
    for task, number in sorted(counts.mapless.items()):
        writer.warn(
            f"Images without a map of '{task}': {number}; they are unlabelled "
            "for this task."
        )
    if counts.unlabelled:
        writer.warn(
            f"Images without label, mask and map: {counts.unlabelled}; only "
            "pre-training uses them."
        )
    if contents.scales and counts.unscaled:
        writer.warn(
            f"Images without a row in {contents.layout.scales.name}: "
            f"{counts.unscaled}; what their pixels measure is unknown."
        )
    for task, reaches in counts.reaches.items():
        # Not an error: the study may be about one corner of the images.
        try:
            check_reach(_fixations_of(contents, task), reaches)
        except UmsrepError as error:
            writer.warn(str(error))
