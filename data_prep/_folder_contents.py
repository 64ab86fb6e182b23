"""What a user's own folder holds: images, masks, labels (see folder.py)."""

from collections import defaultdict
from dataclasses import dataclass, field

from data_prep._common import IMAGE_SUFFIXES, check_source, files_in, folders
from data_prep._label_table import label_tasks, read_label_table
from umsrep.data.prepared import HEADER, TaskSpec
from umsrep.errors import UmsrepError

IMAGES, MASKS, LABELS = "images", "masks", "labels.csv"
SUFFIXES = (*IMAGE_SUFFIXES, ".tif", ".tiff", ".bmp")
# What looks as if it was meant to be read.
MEANT_FOLDERS = ("image", "img", "mask", "label", "segmentation", "annotation")
MEANT_FILES = (".csv", ".tsv", ".xls", ".xlsx", ".ods")


@dataclass
class FolderContents:
    """What a folder holds.

    Attributes:
        images: Image files, in order of name.
        masks: {mask task: {image stem in lower case: mask file}}.
        rows: {image file: `LabelRow`}.
        tasks: `TaskSpec`s, mask tasks first.
        has_table, has_patients: Whether there is a labels.csv, and a column
            patient in it.
        problems: (path, message) of files and rows that cannot be used.
        warnings: What the user should know about the set as a whole.
    """

    images: list = field(default_factory=list)
    masks: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)
    tasks: list = field(default_factory=list)
    has_table: bool = False
    has_patients: bool = False
    problems: list = field(default_factory=list)
    warnings: list = field(default_factory=list)


def read_folder(source):
    """Finds images, masks and labels below `source`, without opening images.

    Returns:
        `FolderContents`.

    Raises:
        UmsrepError: as `convert`, for what concerns the folder as a whole.
    """
    source = check_source(source)
    _check_layout(source)
    contents = FolderContents()
    groups = _pictures(source / IMAGES, contents.problems)
    if not groups:
        raise UmsrepError(
            f"{source / IMAGES} holds no image. Expected files named "
            f"{', '.join(SUFFIXES)}; put the images there."
        )
    _read_masks(source / MASKS, groups, contents)
    _read_labels(source / LABELS, groups, contents)
    contents.images = sorted(
        paths[0] for paths in groups.values() if len(paths) == 1
    )
    if not contents.tasks:
        # Pre-training needs no labels.
        contents.warnings.append(
            f"no task: no folder below '{MASKS}' and no usable column of "
            f"labels in {LABELS}. 'umsrep pretrain' can use these images; to "
            f"learn a task add masks as {MASKS}/<task>/<image name>.png, or "
            f"{LABELS} with the column 'image' and one column per task."
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
            f"{listed or 'nothing'}. Expected {IMAGES}/, {MASKS}/<task>/ and "
            f"{LABELS}; move the images into '{source / IMAGES}', or name "
            "the folder above it."
        )


def _warn_of_ignored(source, warnings):
    ignored = [
        path.name
        for path in sorted(source.iterdir())
        if path.name not in (IMAGES, MASKS, LABELS)
        and (
            path.name.lower().startswith(MEANT_FOLDERS)
            if path.is_dir()
            else path.suffix.lower() in MEANT_FILES
        )
    ]
    if ignored:
        warnings.append(
            f"Not read: {', '.join(ignored)}. Only {IMAGES}, {MASKS} and "
            f"{LABELS} are."
        )


def _pictures(folder, problems):
    """{stem in lower case: [image files]}; more than one is a problem."""
    groups = defaultdict(list)
    for below in folders(folder):
        for path in files_in(below):
            if path.suffix.lower() in SUFFIXES:
                groups[path.stem.lower()].append(path)
            else:
                problems.append(
                    (
                        path,
                        f"{path} is not named as an image. Expected "
                        f"{', '.join(SUFFIXES)}; convert it (DICOM, for "
                        "example, to 8-bit PNG), or move it away.",
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


def _read_masks(folder, images, contents):
    if not folder.is_dir():
        return
    for path in files_in(folder):
        if path.suffix.lower() in SUFFIXES:
            raise UmsrepError(
                f"{path} lies directly in '{MASKS}', so its task is unknown. "
                f"Expected {MASKS}/<task>/{path.name}; make a folder named "
                "after the task, for example lung, and move the masks there."
            )
    for below in sorted(folder.iterdir()):
        if not below.is_dir() or below.name.startswith((".", "__MACOSX")):
            continue
        try:
            contents.tasks.append(TaskSpec(below.name, "mask"))
        except UmsrepError as error:
            raise UmsrepError(f"{below}: {error} Rename the folder.") from error
        found = _pictures(below, contents.problems)
        for stem, paths in found.items():
            if stem not in images:
                contents.problems += [
                    (
                        path,
                        f"{path} is a mask without an image: {IMAGES} holds "
                        f"no '{path.stem}'. A mask has exactly its image's "
                        "name (no '_mask' after it); rename it, add the "
                        "image, or move the mask away.",
                    )
                    for path in paths
                ]
        contents.masks[below.name] = {
            stem: paths[0] for stem, paths in found.items() if len(paths) == 1
        }


def _read_labels(file, groups, contents):
    if not file.exists():
        return
    table = read_label_table(file)
    contents.has_table = True
    contents.has_patients = table.has_patients
    matched = _match_rows(file, table.rows, groups, contents.problems)
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
    taken = {task.name.lower(): task.name for task in contents.tasks}
    for task in tasks:
        if task.name.lower() in taken:
            raise UmsrepError(
                f"{file} has the column '{task.name}', and {MASKS} has the "
                f"folder '{taken[task.name.lower()]}'. Every task needs a "
                "name of its own; rename the column or the folder."
            )
    contents.tasks += tasks
    contents.warnings += warnings


def _match_rows(file, rows, groups, problems):
    """{image file: its rows}; rows of no image are problems."""
    paths = [path for group in groups.values() for path in group]
    root = file.parent / IMAGES
    names = {}
    # With the extension first: "a.png" means that before "a.png.tif".
    for path in paths:
        relative = path.relative_to(root)
        names[path.name.lower()] = path
        names[relative.as_posix().lower()] = path
    for path in paths:
        relative = path.relative_to(root).with_suffix("")
        names.setdefault(path.stem.lower(), path)
        names.setdefault(relative.as_posix().lower(), path)
    matched = defaultdict(list)
    for row in rows:
        key = row.image.replace("\\", "/").lower().removeprefix("./")
        path = names.get(key.removeprefix(f"{IMAGES}/"))
        if path is None:
            problems.append(
                (
                    file,
                    f"{file}, line {row.line}: there is no image "
                    f"'{row.image}' in {root}. Expected a file name with or "
                    "without extension; correct it, add the image, or remove "
                    "the row.",
                )
            )
        else:
            matched[path].append(row)
    return matched
