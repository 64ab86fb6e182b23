"""Where what is in a user's own folder, and which of it is to be learnt."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from data_prep._common import files_in
from data_prep._folder_layout import (
    DICOM,
    FIXATIONS,
    IMAGES,
    LABELS,
    PICTURES,
    READ,
    SCALES,
    SUFFIXES,
)
from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.data.yaml_file import read_yaml
from umsrep.errors import UmsrepError

# Ours, which a config may call otherwise.
COLUMNS = ("image", "patient", "split")
TEXTS = ("name", "modality", "licence", "images", "table", "scales")
TABLES = ("columns", "labels", *PICTURES.values(), FIXATIONS)
LABEL_KEYS = ("column", "kind", "others")
UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class LabelColumn:
    """A task of a config whose targets lie in a column.

    Attributes:
        column: Its column of the table.
        task: Its `TaskSpec`; None where a label's classes are what the column
            holds, in their default order.
        others: Whether values that the task does not have are unlabelled;
            otherwise they are errors.
    """

    column: str
    task: TaskSpec | None = None
    others: bool = False


@dataclass(frozen=True)
class Places:
    """Where what is, and which of it are tasks.

    Attributes:
        images: The folder of the images.
        table: The table of labels, which may be missing.
        scales: The table of scales, which may be missing.
        file: The config, for messages; None is the usual layout.
        name, modality, licence: Of the data set; None is not said.
        columns: {column of the table: "image", "patient" or "split"}.
        labels: {task: `LabelColumn`}; None is every other column.
        pictures: {"masks" or "maps": {task: folder}, or None for every folder
            below it}.
        fixations: {task: table}; None is every table in fixations.
    """

    images: Path
    table: Path
    scales: Path
    file: Path | None = None
    name: str | None = None
    modality: str | None = None
    licence: str | None = None
    columns: dict = field(default_factory=dict)
    labels: dict | None = None
    pictures: dict = field(
        default_factory=lambda: dict.fromkeys(PICTURES.values())
    )
    fixations: dict | None = None


def _only_images(source):
    """Whether a folder is one of images alone, to learn from without labels.

    Its images lie in it, and nothing of the usual layout does.
    """
    if any((source / name).exists() for name in READ):
        return False
    suffixes = (*SUFFIXES, DICOM)
    return any(path.suffix.lower() in suffixes for path in files_in(source))


def places_of(source, config=None):
    """`Places` of a folder.

    Args:
        source: The folder.
        config: A table of labels (.csv) to take instead of labels.csv, or a
            YAML file, see docs/your-own-data.md; None is the usual layout.

    Raises:
        UmsrepError: a config that cannot be read, an unknown key or one with
            a wrong value, or something it names that is not there.
    """
    source = Path(source)
    usual = {
        "images": source if _only_images(source) else source / IMAGES,
        "table": source / LABELS,
        "scales": source / SCALES,
    }
    if config is None:
        return Places(**usual)
    config = Path(config)
    kind = config.suffix.lower()
    if kind == ".csv":
        if not config.is_file():
            raise UmsrepError(
                f"{config} does not exist. Expected a table of labels with "
                "the column 'image'; check --config."
            )
        return Places(**usual | {"table": config}, file=config)
    if kind not in (".yaml", ".yml"):
        raise UmsrepError(
            f"--config {config}: expected a table of labels (.csv) or a "
            "description of the folder (.yaml); docs/your-own-data.md shows "
            "both."
        )
    return _of_yaml(source, config, usual)


def _of_yaml(source, file, usual):
    given = read_yaml(file, "description of a folder")
    _check_keys(file, "", given, (*TEXTS, *TABLES))
    for key in TEXTS:
        if key in given and not (
            isinstance(given[key], str) and given[key].strip()
        ):
            raise UmsrepError(
                f"{file}: '{key}' is {given[key]!r}. Expected text; write it "
                "in quotation marks, or leave it out."
            )
    for key in TABLES:
        if key in given and not isinstance(given[key], dict):
            raise UmsrepError(
                f"{file}: '{key}' is {given[key]!r}. Expected names with "
                "values below it, one per line; indent them, write {} for "
                "none, or leave it out for the default."
            )
    paths = {
        key: _existing(file, key, source / given[key])
        for key in ("images", "table", "scales")
        if key in given
    }
    if "name" in given and not re.fullmatch(r"\w+", given["name"], re.ASCII):
        raise UmsrepError(
            f"{file}: the name '{given['name']}' is not usable. Use letters, "
            "digits and underscores."
        )
    kinds = {folder: kind for kind, folder in PICTURES.items()}
    named = {
        key: _named(file, key, kind, source, given[key])
        if key in given
        else None
        for key, kind in (kinds | {FIXATIONS: "map"}).items()
    }
    return Places(
        **usual | paths,
        file=file,
        **{key: given.get(key) for key in ("name", "modality", "licence")},
        columns=_columns(file, given.get("columns", {})),
        labels=_labels(file, given["labels"]) if "labels" in given else None,
        pictures={key: named[key] for key in kinds},
        fixations=named[FIXATIONS],
    )


def _columns(file, given):
    _check_keys(file, "columns", given, COLUMNS)
    for ours, theirs in given.items():
        _check_text(file, f"columns: {ours}", theirs)
    return {theirs: ours for ours, theirs in given.items()}


def _labels(file, given):
    labels = {}
    for task, entry in given.items():
        where = f"labels: {task}"
        entry = {} if entry is None else entry
        if not isinstance(entry, dict):
            raise UmsrepError(
                f"{file}: '{where}' is {entry!r}. Expected {{}} or "
                f"{', '.join(LABEL_KEYS)} below it, such as "
                "'{column: grade, classes: [low, good]}'."
            )
        labels[task] = _label(file, where, task, entry)
    return labels


def _label(file, where, task, entry):
    """The `LabelColumn` of one task."""
    name = entry.get("kind", "label")
    known = [n for n in tasks.names() if tasks.get(n).place == tasks.CELL]
    if name not in known:
        raise UmsrepError(
            f"{file}: '{where}: kind' is {name!r}. Expected one of "
            f"{', '.join(known)}; masks, maps and fixations have keys of "
            "their own."
        )
    kind = tasks.get(name)
    _check_keys(file, where, entry, (*LABEL_KEYS, *kind.options))
    column = entry.get("column", task)
    _check_text(file, f"{where}: column", column)
    own = {key: entry[key] for key in kind.options if key in entry}
    try:
        fields = kind.read_options(own)
    except UmsrepError as error:
        raise UmsrepError(f"{file}: '{where}': {error}") from error
    others = entry.get("others")
    if others not in (None, UNLABELLED) or (others and not own):
        raise UmsrepError(
            f"{file}: '{where}: others' is {others!r}. Expected "
            f"'{UNLABELLED}', beside {' or '.join(map(repr, kind.options))}; "
            "or leave it out, and a value that is none of the task's is an "
            "error."
        )
    found = kind.infers(fields)
    example = {"classes": ("0", "1")} if found else fields
    spec = _check_task(file, where, task, name, **example)
    return LabelColumn(column, None if found else spec, others == UNLABELLED)


def _named(file, key, kind, source, given):
    """{task: path} of masks, maps or fixations."""
    found = {}
    for task, place in given.items():
        where = f"{key}: {task}"
        _check_text(file, where, place)
        _check_task(file, where, task, kind)
        path = _existing(file, where, source / place)
        if key == "fixations" and not path.is_file():
            raise UmsrepError(
                f"{file}: '{where}' names {path}, a folder. Expected a table "
                "of fixations; pictures of maps go under 'maps'."
            )
        if key != "fixations" and not path.is_dir():
            raise UmsrepError(
                f"{file}: '{where}' names {path}, a file. Expected a folder "
                "of pictures"
                + (
                    "; a table goes under 'fixations'."
                    if key == "maps"
                    else "."
                )
            )
        found[task] = path
    return found


def _check_keys(file, where, given, known):
    unknown = [key for key in given if key not in known]
    if unknown:
        place = f" below '{where}'" if where else ""
        raise UmsrepError(
            f"{file} has the unknown key '{unknown[0]}'{place}. Expected "
            f"{', '.join(known)}; correct or remove it."
        )


def _check_text(file, where, value):
    if not isinstance(value, str) or not value.strip():
        raise UmsrepError(
            f"{file}: '{where}' is {value!r}. Expected text; write it in "
            "quotation marks."
        )


def _check_task(file, where, task, kind, **fields):
    try:
        return TaskSpec(task, kind, **fields)
    except UmsrepError as error:
        raise UmsrepError(f"{file}: '{where}': {error}") from error


def _existing(file, where, path):
    if not path.exists():
        raise UmsrepError(
            f"{file}: '{where}' names {path}, which does not exist. Paths are "
            "relative to the folder that is prepared; correct it."
        )
    return path
