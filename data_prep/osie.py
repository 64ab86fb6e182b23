"""OSIE: photographs and the eye fixations of 15 people (Xu et al. 2014).

Layout read, from its own folder or from one above it: `images/NNNN.jpg` and
`fixations.csv` with the columns image, subject, x, y, duration_ms. x and y
are pixels of the images as stored, continuous, from the top left corner; the
rows of one image and subject are in the order of viewing. The authors publish
the images as `data/stimuli` and the fixations as the MATLAB file
`data/eye/fixations.mat`: export the latter to such a table first.

Photographs are not medical images. They are here to check methods that learn
from gaze, because their real gaze has an open licence.
"""

from collections import defaultdict

import numpy as np
import pandas as pd

from data_prep import register
from data_prep._common import (
    IMAGE_SUFFIXES,
    check_source,
    files_in,
    folders,
)
from data_prep._gaze_tables import (
    check_extent,
    check_pixels,
    check_reach,
    reach,
)
from data_prep._tables import image_shape, read_table
from umsrep.data.gaze import Gaze
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

TASKS = (TaskSpec("gaze", "map"),)
DESCRIPTION = SourceDescription(
    title="Object and Semantic Images and Eye-tracking (OSIE)",
    url="https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels",
    citation="J. Xu, M. Jiang, S. Wang, M. S. Kankanhalli, Q. Zhao, "
    '"Predicting human gaze beyond pixels", Journal of Vision 14(1):28, 2014, '
    "doi:10.1167/14.1.28.",
    licence="MIT, as its authors distribute it",
    modality="photograph",
    terms="The photographs are third parties' pictures, some of recognisable "
    "people, which the licence may not cover: do not publish them.",
)
COLUMNS = ("image", "subject", "x", "y", "duration_ms")
# The authors blur by 24 pixels of the 800 x 600 originals, about one degree
# of visual angle.
DEGREE_SHARE = 24 / 800


@register("osie")
def convert(source, out, progress=None, **options) -> dict:
    """Converts the OSIE set: the task `gaze`, no split.

    Every picture is its own "patient", so splits are by picture. Observers
    are the subjects. All fixations count, the first ones too.

    Args:
        source: The set's folder, or one above it.
        out: The folder to make.
        progress: `progress(done, total)`, called after each image.
        options: Options of `PreparedWriter`: size, fit, on_error, gaze_map, ...

    Returns:
        The header (`dataset.json`) of the new data set.

    Raises:
        UmsrepError: nothing found, several copies, a table that is unreadable
            or not in pixels; or, with `on_error="stop"`, a bad image, an image
            without fixations, fixations without an image, or fixations that do
            not fit their image.
    """
    folder = _find(source)
    table_path = folder / "fixations.csv"
    images = {
        path.name: path
        for path in files_in(folder / "images")
        if path.suffix.lower() in IMAGE_SUFFIXES
    }
    table = read_table(
        table_path, COLUMNS, dtype={"image": str, "subject": str}
    ).rename(columns={"subject": "observer"})
    _make_numbers(table_path, table)
    check_pixels(table_path, table)
    looks = defaultdict(lambda: table.iloc[:0], tuple(table.groupby("image")))
    writer = PreparedWriter(out, "osie", TASKS, DESCRIPTION, **options)
    with writer:
        for name in sorted(set(looks) - set(images)):
            writer.reject(
                folder / "images" / name,
                UmsrepError(
                    f"{table_path} has {len(looks[name])} fixations on "
                    f"{name}, which is not in {folder / 'images'}. Get the "
                    "image, or remove the rows."
                ),
            )
        reaches = []
        for done, (name, path) in enumerate(images.items(), 1):
            reaches += _add(writer, path, looks[name])
            if progress:
                progress(done, len(images))
        check_reach(table_path, reaches)
    return writer.header


def _find(source):
    source = check_source(source)
    found = [
        folder
        for folder in folders(source)
        if (folder / "fixations.csv").is_file()
        and (folder / "images").is_dir()
        and any(
            path.suffix.lower() in IMAGE_SUFFIXES
            for path in files_in(folder / "images")
        )
    ]
    if not found:
        raise UmsrepError(
            f"{source} holds no OSIE set. Looked for images/*.jpg beside "
            "fixations.csv (image, subject, x, y, duration_ms), in this "
            "folder and below it; check the path."
        )
    if len(found) > 1:
        raise UmsrepError(
            f"{source} holds several copies of the set: "
            f"{', '.join(map(str, found))}. Name one of them as the source."
        )
    return found[0]


def _make_numbers(path, table):
    """Positions and durations as numbers; "." is a lost sample (EyeLink)."""
    for name in ("x", "y", "duration_ms"):
        if name not in table or pd.api.types.is_numeric_dtype(table[name]):
            continue
        cells = table[name].replace(".", None)
        numbers = pd.to_numeric(cells, errors="coerce")
        wrong = numbers.isna() & cells.notna()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise UmsrepError(
                f"{path}, line {row + 2} has the {name} '{cells.iloc[row]}'. "
                "Expected a number, or '.' for a lost sample; correct it."
            )
        table[name] = numbers


def _add(writer, path, fixations):
    """Adds one image; returns how far its gaze reaches, or nothing."""
    try:
        if not len(fixations):
            raise UmsrepError(
                f"{path} has no row in fixations.csv. Get the whole table, "
                "or move the image away."
            )
        shape = image_shape(path)
        check_extent(path, shape, fixations)
    except UmsrepError as error:
        writer.reject(path, error)
        return []
    gaze = Gaze(fixations, pixels_per_degree=DEGREE_SHARE * shape[1])
    writer.add(
        path.stem,
        path,
        patient=path.stem,
        targets={
            "gaze": gaze,
        },
    )
    return [reach(shape, fixations)]
