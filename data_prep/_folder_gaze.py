"""Tables of fixations in a user's own folder."""

from collections import defaultdict

import pandas as pd

from data_prep._common import files_in
from data_prep._fixation_table import read_fixation_table
from data_prep._folder_layout import (
    FIXATIONS,
    PICTURES,
    task_folders,
    task_of,
)
from data_prep._gaze_tables import check_pixels
from data_prep._image_names import ImageNames
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError


def read_fixations(folder, groups, contents):
    """Reads the tables of fixations: a map task each.

    Args:
        folder: `SOURCE/fixations`, which may be missing; what a config names
            is taken instead of what it holds.
        groups: {stem in lower case: [image files]}.
        contents: `FolderContents`, filled.

    Raises:
        UmsrepError: a folder, a table that cannot be understood or is in
            fractions, or a task that is there already.
    """
    named = contents.layout.fixations
    if named is None:
        named = _tables(folder, contents.problems)
    images = contents.layout.images
    names = ImageNames(images, (p for group in groups.values() for p in group))
    maps = PICTURES["map"]
    heat_maps = {
        task.name.lower(): task.name
        for task in contents.tasks
        if task.kind == "map"
    }
    for task, file in named.items():
        if task.lower() in heat_maps:
            raise UmsrepError(
                f"{folder.parent} has the folder "
                f"{maps}/{heat_maps[task.lower()]} and the table "
                f"{FIXATIONS}/{file.name}. A map is made either of heat maps "
                "or of fixations; move one of the two away, or rename it to "
                "have two tasks."
            )
        place = f"the table {file.parent.name}/{file.name}"
        contents.add_task(images.parent, TaskSpec(task, "map"), place)
        table, warnings = read_fixation_table(file)
        check_pixels(file, table)
        contents.warnings += warnings
        contents.pictures[task] = _points_of_images(
            file, table, names, contents.problems
        )


def _tables(folder, problems):
    """{task: table} of all that is in `folder`."""
    if not folder.is_dir():
        return {}
    for below in task_folders(folder):
        raise UmsrepError(
            f"{below} is a folder. Expected one table for all images, "
            f"{FIXATIONS}/<task>.csv with the columns image, x and y; join "
            f"the tables, or move heat maps to {PICTURES['map']}/<task>."
        )
    found = {}
    for file in files_in(folder):
        if file.suffix.lower() != ".csv":
            problems.append(
                (
                    file,
                    f"{file} is not named as a table. Expected "
                    f"{FIXATIONS}/<task>.csv; save it as CSV (UTF-8), or move "
                    "it away.",
                )
            )
        else:
            found[task_of(file, "map").name] = file
    return found


def _points_of_images(file, table, names, problems):
    """{image stem in lower case: its points}; rows of no image are problems."""
    found = defaultdict(list)
    for name, rows in table.groupby("image", sort=False):
        path = names.find(name)
        if path is None:
            problems.append(
                (
                    file,
                    f"{file}, line {rows['line'].iloc[0]}: there is no image "
                    f"'{name}' in {names.root} (rows with this name: "
                    f"{len(rows)}). Expected a file name with or without "
                    "extension; correct it, add the image, or remove the "
                    "rows.",
                )
            )
        else:
            found[path.stem.lower()].append(rows)
    # One image may be called by several names; time goes down the file.
    return {
        stem: pd.concat(parts).sort_values("line", ignore_index=True)
        for stem, parts in found.items()
    }
