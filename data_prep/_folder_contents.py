"""What a user's own folder holds: images, masks, gaze, labels (folder.py)."""

from collections import defaultdict

from data_prep._common import check_source, files_in, folders
from data_prep._folder_gaze import read_fixations
from data_prep._folder_layout import (
    DICOM,
    FIXATIONS,
    IMAGES,
    LABELS,
    MAPS,
    MASKS,
    READ,
    SCALES,
    SUFFIXES,
    FolderContents,
    task_folders,
    task_of,
)
from data_prep._folder_scales import read_scales
from data_prep._image_names import match_rows
from data_prep._label_table import label_tasks, read_label_table
from umsrep.data.prepared import HEADER
from umsrep.errors import UmsrepError

# What looks as if it was meant to be read.
MEANT_FOLDERS = (
    "image",
    "img",
    "dicom",
    "mask",
    "label",
    "segmentation",
    "annotation",
    "map",
    "heat",
    "saliency",
    "fixation",
    "gaze",
    "eye",
    "scale",
)
MEANT_FILES = (".csv", ".tsv", ".xls", ".xlsx", ".ods")
# Of tasks, for messages.
EXAMPLES = {"mask": "lung", "map": "gaze"}


def read_folder(source):
    """Finds what `source` holds, without opening images.

    Returns:
        `FolderContents`.

    Raises:
        UmsrepError: as `convert`, for what concerns the folder as a whole.
    """
    source = check_source(source)
    _check_layout(source)
    contents = FolderContents()
    suffixes = (*SUFFIXES, DICOM)
    groups = _pictures(source / IMAGES, contents.problems, suffixes)
    if not groups:
        raise UmsrepError(
            f"{source / IMAGES} holds no image. Expected files named "
            f"{', '.join(suffixes)}; put the images there."
        )
    _read_pictures(source / MASKS, "mask", groups, contents)
    _read_pictures(source / MAPS, "map", groups, contents)
    read_fixations(source / FIXATIONS, groups, contents)
    _read_labels(source / LABELS, groups, contents)
    read_scales(source / SCALES, groups, contents)
    contents.images = sorted(
        paths[0] for paths in groups.values() if len(paths) == 1
    )
    if not contents.tasks:
        # Pre-training needs no labels.
        contents.warnings.append(
            f"no task: no folder below '{MASKS}' or '{MAPS}', no table in "
            f"'{FIXATIONS}', and no usable column of labels in {LABELS}. "
            "'umsrep pretrain' can use these images; to learn a task add "
            f"masks as {MASKS}/<task>/<image name>.png, or {LABELS} with the "
            "column 'image' and one column per task."
        )
    _warn_of_ignored(source, contents.warnings)
    return contents


def _check_layout(source):
    if (source / HEADER).exists():
        raise UmsrepError(
            f"{source} is already a prepared data set (it holds {HEADER}). "
            "Use it as it is, or name the folder it was made from."
        )
    if not (source / IMAGES).is_dir():
        found = sorted(
            p.name + "/" * p.is_dir()
            for p in source.iterdir()
            if p.name[0] != "."
        )
        listed = ", ".join(found[:8]) + ", ..." * (len(found) > 8)
        raise UmsrepError(
            f"{source} has no folder '{IMAGES}'; it holds "
            f"{listed or 'nothing'}. Expected {IMAGES}/ and, as you have "
            f"them, {MASKS}/<task>/, {MAPS}/<task>/, {FIXATIONS}/<task>.csv "
            f"and {LABELS}; move the images into '{source / IMAGES}', or name "
            "the folder above it."
        )


def _warn_of_ignored(source, warnings):
    ignored = [
        path.name
        for path in sorted(source.iterdir())
        if path.name not in READ
        and (
            path.name.lower().startswith(MEANT_FOLDERS)
            if path.is_dir()
            else path.suffix.lower() in MEANT_FILES
        )
    ]
    if ignored:
        warnings.append(
            f"Not read: {', '.join(ignored)}. Only {', '.join(READ[:-1])} "
            f"and {LABELS} are."
        )


def _pictures(folder, problems, suffixes=SUFFIXES):
    """{stem in lower case: [image files]}; more than one is a problem."""
    groups = defaultdict(list)
    for below in folders(folder):
        for path in files_in(below):
            if path.suffix.lower() in suffixes:
                groups[path.stem.lower()].append(path)
            else:
                problems.append(
                    (
                        path,
                        f"{path} is not named as an image. Expected "
                        f"{', '.join(suffixes)}; rename or convert it, or "
                        "move it away.",
                    )
                )
    for paths in groups.values():
        if len(paths) > 1:
            problems += [
                (
                    path,
                    f"{path} has the same name as "
                    f"{next(p for p in paths if p != path)}, without regard "
                    "to folder, extension and case. Every picture needs a "
                    "name of its own; rename or remove one.",
                )
                for path in paths
            ]
    return groups


def _read_pictures(folder, kind, images, contents):
    """The mask or map tasks: one folder of pictures each."""
    if not folder.is_dir():
        return
    for path in files_in(folder):
        if path.suffix.lower() in SUFFIXES:
            raise UmsrepError(
                f"{path} lies directly in '{folder.name}', so its task is "
                f"unknown. Expected {folder.name}/<task>/{path.name}; make a "
                "folder named after the task, for example "
                f"{EXAMPLES[kind]}, and move the {kind}s there."
            )
    for below in task_folders(folder):
        place = f"the folder {folder.name}/{below.name}"
        contents.add_task(folder.parent, task_of(below, kind), place)
        found = _pictures(below, contents.problems)
        for stem, paths in found.items():
            if stem not in images:
                contents.problems += [
                    (
                        path,
                        f"{path} is a {kind} without an image: {IMAGES} holds "
                        f"no '{path.stem}'. A {kind} has exactly its image's "
                        f"name (no '_{kind}' after it); rename it, add the "
                        f"image, or move the {kind} away.",
                    )
                    for path in paths
                ]
        tasks = contents.masks if kind == "mask" else contents.maps
        tasks[below.name] = {
            stem: paths[0] for stem, paths in found.items() if len(paths) == 1
        }


def _read_labels(file, groups, contents):
    if not file.exists():
        return
    table = read_label_table(file)
    contents.has_table = True
    contents.has_patients = table.has_patients
    matched = match_rows(
        file, table.rows, file.parent / IMAGES, groups, contents.problems
    )
    for path, rows in matched.items():
        if len(rows) > 1:
            # Which row is right is unknown, so the image is left out.
            groups.pop(path.stem.lower(), None)
            lines = " and ".join(str(row.line) for row in rows)
            contents.problems.append(
                (
                    path,
                    f"{file} has {len(rows)} rows for {path.name} (lines "
                    f"{lines}). Expected one row per image; keep the right "
                    "one.",
                )
            )
        else:
            contents.rows[path] = rows[0]
    tasks, warnings = label_tasks(
        file, table.columns, list(contents.rows.values())
    )
    for task in tasks:
        place = f"the column '{task.name}' of {LABELS}"
        contents.add_task(file.parent, task, place)
    contents.warnings += warnings
