"""What a user's own folder holds: images, masks, gaze, labels (folder.py)."""

from collections import defaultdict

from data_prep._common import check_source, files_in, folders
from data_prep._folder_config import places_of
from data_prep._folder_gaze import read_fixations
from data_prep._folder_labels import read_labels
from data_prep._folder_layout import (
    CONFIG,
    DICOM,
    FIXATIONS,
    IMAGES,
    LABELS,
    PICTURES,
    READ,
    SUFFIXES,
    FolderContents,
    task_folders,
    task_of,
)
from data_prep._folder_scales import read_scales
from umsrep.data.prepared import HEADER, TaskSpec
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


def read_folder(source, config=None):
    """Finds what `source` holds, without opening images.

    Args:
        source: The folder.
        config: See `places_of`.

    Returns:
        `FolderContents`.

    Raises:
        UmsrepError: as `convert`, for what concerns the folder as a whole.
    """
    source = check_source(source)
    places = places_of(source, config)
    _check_layout(source, places)
    contents = FolderContents(places)
    suffixes = (*SUFFIXES, DICOM)
    groups = _pictures(places.images, contents.problems, suffixes)
    if not groups:
        raise UmsrepError(
            f"{places.images} holds no image. Expected files named "
            f"{', '.join(suffixes)}; put the images there."
        )
    for kind, folder in PICTURES.items():
        named = places.pictures[folder]
        if named is None:
            named = _folders_of_tasks(source / folder, kind)
        for task, below in named.items():
            _read_pictures(task, below, kind, groups, contents)
    read_fixations(source / FIXATIONS, groups, contents)
    # All images, also those that the table of labels will rule out.
    images = dict(groups)
    read_labels(groups, contents)
    read_scales(images, groups, contents)
    contents.images = sorted(
        paths[0] for paths in groups.values() if len(paths) == 1
    )
    if not contents.tasks:
        # Pre-training needs no labels.
        folders = "' or '".join(PICTURES.values())
        contents.warnings.append(
            f"no task: no folder below '{folders}', no table in "
            f"'{FIXATIONS}', and no usable column of labels in "
            f"{places.table.name}. "
            "'umsrep pretrain' can use these images; to learn a task add "
            "masks as masks/<task>/<image name>.png, or "
            f"{LABELS} with the "
            "column 'image' and one column per task."
        )
    _warn_of_ignored(source, places, contents.warnings)
    return contents


def _check_layout(source, places):
    if (source / HEADER).exists():
        raise UmsrepError(
            f"{source} is already a prepared data set (it holds {HEADER}). "
            "Use it as it is, or name the folder it was made from."
        )
    if not places.images.is_dir():
        found = sorted(
            p.name + "/" * p.is_dir()
            for p in source.iterdir()
            if p.name[0] != "."
        )
        listed = ", ".join(found[:8]) + ", ..." * (len(found) > 8)
        raise UmsrepError(
            f"{source} has no folder '{places.images.name}'; it holds "
            f"{listed or 'nothing'}. Expected {IMAGES}/ and, as you have "
            f"them, {'/<task>/, '.join(PICTURES.values())}/<task>/, "
            f"{FIXATIONS}/<task>.csv "
            f"and {LABELS}; move the images into '{source / IMAGES}', name "
            "the folder above it, or say with --config where they are."
        )


def _warn_of_ignored(source, places, warnings):
    if places.file is not None and places.file.suffix.lower() != ".csv":
        # The description says what is to be read.
        return
    if places.images == source:
        # All of it is.
        return
    read = [name for name in READ if name != LABELS]
    if places.table == source / LABELS:
        read.append(LABELS)
    ignored = [
        path.name
        for path in sorted(source.iterdir())
        if path.name not in (*read, CONFIG)
        and path != places.table
        and (
            path.name.lower().startswith(MEANT_FOLDERS)
            if path.is_dir()
            else path.suffix.lower() in MEANT_FILES
        )
    ]
    if (source / CONFIG).exists():
        warnings.append(
            f"{CONFIG} is not read unless it is named with --config."
        )
    if ignored:
        warnings.append(
            f"Not read: {', '.join(ignored)}. Only {', '.join(read[:-1])} "
            f"and {read[-1]} are."
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


def _folders_of_tasks(folder, kind):
    """{task: folder} of all that is below `folder`."""
    if not folder.is_dir():
        return {}
    for path in files_in(folder):
        if path.suffix.lower() in SUFFIXES:
            raise UmsrepError(
                f"{path} lies directly in '{folder.name}', so its task is "
                f"unknown. Expected {folder.name}/<task>/{path.name}; make a "
                "folder named after the task, such as lung or gaze, and move "
                f"the {kind}s there."
            )
    return {task_of(f, kind).name: f for f in task_folders(folder)}


def _read_pictures(task, folder, kind, images, contents):
    """One mask or map task: a folder of pictures."""
    root = contents.layout.images
    place = f"the folder {folder.parent.name}/{folder.name}"
    contents.add_task(root.parent, TaskSpec(task, kind), place)
    found = _pictures(folder, contents.problems)
    for stem, paths in found.items():
        if stem not in images:
            contents.problems += [
                (
                    path,
                    f"{path} is a {kind} without an image: {root.name} holds "
                    f"no '{path.stem}'. A {kind} has exactly its image's "
                    f"name (no '_{kind}' after it); rename it, add the "
                    f"image, or move the {kind} away.",
                )
                for path in paths
            ]
    contents.pictures[task] = {
        stem: paths[0] for stem, paths in found.items() if len(paths) == 1
    }
