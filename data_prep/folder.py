"""A folder of your own: images, masks of each task, a table of labels.

Layout read:

    SOURCE/images/*                 PNG, JPEG, TIFF or BMP; sub-folders are
                                    allowed as long as no name repeats
    SOURCE/masks/<task>/<stem>.png  black outside, white inside; <stem> is the
                                    image's name without extension
    SOURCE/labels.csv               columns image, patient, split, and one
                                    per label task

Masks or the table may be missing, and so may single masks and labels: such
images are unlabelled for that task. docs/your-own-data.md shows an example.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

from data_prep import register
from data_prep._common import LEAK
from data_prep._folder_contents import LABELS, read_folder
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
def convert(source, out, progress=None, on_error="stop", **options):
    """Converts a folder of your own; its tasks come from what it holds.

    Each folder below `masks` is a mask task, each column of `labels.csv`
    besides image, patient and split a label task. The data set gets the
    name of the folder.

    Args:
        source: The folder that holds `images`.
        out: The folder to make.
        progress: `progress(done, total)`, called after each image.
        on_error: See `PreparedWriter`. A table that cannot be understood
            stops in either case; `on_error` is about single files and rows.
        options: Of `PreparedWriter`: size, fit, sixteen_bit.

    Returns:
        The header (`dataset.json`) of the new data set. Its "warnings" say
        what was assumed, such as that every image is another patient.

    Raises:
        UmsrepError: no images, neither masks nor labels, a table or a task
            name that cannot be used; with `on_error="stop"` also a repeated
            image name or row, a row or mask without an image, or a bad file.
    """
    contents = read_folder(source)
    name = data_set_name(source)
    writer = PreparedWriter(
        out,
        name,
        contents.tasks,
        replace(DESCRIPTION, title=f"Own folder '{name}'"),
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
    """The name of the folder, other characters than letters and digits as _.

    Two data sets that are used together need different names.
    """
    # Not resolve(): a link's own name is the one the user chose.
    name = Path(os.path.abspath(source)).name
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "own_data"


def _add_images(writer, contents, progress):
    unlabelled = unlisted = 0
    for done, path in enumerate(contents.images, 1):
        row = contents.rows.get(path)
        masks = {
            task: files[path.stem.lower()]
            for task, files in contents.masks.items()
            if path.stem.lower() in files
        }
        labels = {
            name: label
            for name, label in (row.labels.items() if row else ())
            if name in writer.tasks
        }
        known = row is not None and contents.has_patients
        added = writer.add(
            path.stem,
            path,
            # The prefix keeps it apart from keys of the table.
            patient=row.patient if known else f"image:{path.stem}",
            split=row.split if row else "",
            labels=labels,
            masks=masks,
        )
        unlabelled += added and not masks and not any(labels.values())
        unlisted += added and row is None
        if progress:
            progress(done, len(contents.images))
    if not contents.has_patients:
        lacking = "column 'patient'" if contents.has_table else LABELS
        writer.warn(
            f"There is no {lacking}, so every image is taken as a patient of "
            f"its own. {LEAK}: if anyone may be there twice, add the column "
            f"'patient' to {LABELS} and prepare again."
        )
    elif unlisted:
        writer.warn(
            f"Images without a row in {LABELS}: {unlisted}; each is taken as "
            f"a patient of its own. {LEAK}: if they are of people in the "
            "table, add their rows."
        )
    if unlabelled:
        writer.warn(
            f"Images with neither a label nor a mask: {unlabelled}; only "
            "pre-training uses them."
        )
