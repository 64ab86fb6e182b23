"""The table of labels that a user writes, and its classes."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from umsrep.data.csv_table import read_csv
from umsrep.data.prepared import SPLITS, TaskSpec
from umsrep.errors import UmsrepError

COLUMNS = ("image", "patient", "split")
MAX_CLASSES = 20
# First words of negative class names, the surest first.
NEGATIVE = (
    "normal",
    "healthy",
    "control",
    "controls",
    "unaffected",
    "negative",
    "absent",
    "without",
    "no",
    "non",
    "not",
    "none",
    "false",
    "0",
    "benign",
)
# Only an empty cell is unlabelled; these words are often meant to be one.
MISSING_WORDS = (
    "nan",
    "na",
    "n/a",
    "null",
    "none",
    "missing",
    "unknown",
    "-",
    "?",
)
_PATIENT_LIKE = re.compile(
    r"(patient|subject|person)s?[ _-]?(id|key|no|nr|number|code|name)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class LabelRow:
    """One row: its line in the file, and its cells without surrounding blanks.

    `labels` is {column: class name, or "" where unlabelled}.
    """

    line: int
    image: str
    patient: str
    split: str
    labels: dict = field(default_factory=dict)


@dataclass(frozen=True)
class LabelTable:
    """A whole table.

    Attributes:
        columns: Names of the label columns, in order.
        rows: `LabelRow`s.
        has_patients: Whether there is a column patient.
    """

    columns: tuple[str, ...]
    rows: list
    has_patients: bool


def read_label_table(file, called=None):
    """Reads a table of labels.

    The names image, patient and split are read without regard to case.

    Args:
        file: A CSV file.
        called: {column of the file: "image", "patient" or "split"}, or None.

    Returns:
        `LabelTable`.

    Raises:
        UmsrepError: not a table that `read_csv` reads, an unknown split, or a
            column that looks like the patient but has another name.
    """
    file = Path(file)
    names, rows = read_csv(file, COLUMNS, called)
    if "patient" not in names:
        for name in names:
            if _PATIENT_LIKE.fullmatch(name):
                raise UmsrepError(
                    f"{file} has the column '{name}' but none named "
                    "'patient', by which the images are split. Rename it "
                    "'patient', remove it, or say so with --config."
                )
    columns = tuple(name for name in names if name not in ("", *COLUMNS))
    rows = [_row(file, line, values) for line, values in rows]
    return LabelTable(columns, rows, "patient" in names)


def _row(file, line, values):
    split = values.get("split", "").lower()
    if split not in ("", *SPLITS):
        raise UmsrepError(
            f"{file}, line {line} has the split '{values['split']}'. "
            f"Expected {', '.join(SPLITS)} or nothing; correct it."
        )
    return LabelRow(
        line,
        values["image"],
        values.get("patient", ""),
        split,
        {k: v for k, v in values.items() if k not in ("", *COLUMNS)},
    )


def label_tasks(file, columns, rows):
    """The label tasks of a table, with their classes in order.

    Args:
        file: The table, for messages.
        columns: Names of its label columns.
        rows: The `LabelRow`s that are used.

    Returns:
        (list of `TaskSpec`, list of warnings). A column with fewer than two
        classes is not a task and gives a warning.

    Raises:
        UmsrepError: a column whose name cannot be a task's, with too many
            classes, or with class names that are nearly the same.
    """
    tasks, warnings = [], []
    for column in columns:
        counts = Counter(row.labels[column] for row in rows)
        del counts[""]
        if len(counts) < 2:
            held = "".join(f"only the class '{name}'" for name in counts)
            warnings.append(
                f"Column '{column}' of {file.name} holds "
                f"{held or 'no label'}: left out. A task needs two classes."
            )
            continue
        _check_classes(file, column, counts)
        try:
            task = TaskSpec(column, "label", class_order(counts))
        except UmsrepError as error:
            raise UmsrepError(
                f"{file}, column '{column}': {error} Rename the column."
            ) from error
        tasks.append(task)
        warnings += _doubts(task, counts)
    return tasks, warnings


def _check_classes(file, column, counts):
    labelled = counts.total()
    if len(counts) > MAX_CLASSES or len(counts) == labelled > 2:
        raise UmsrepError(
            f"{file}, column '{column}' holds {len(counts)} different values "
            f"in {labelled} rows: probably numbers or free text, not "
            f"classes. Expected at most {MAX_CLASSES} classes, each of "
            "several images; remove the column, group its values, or predict "
            "numbers with 'kind: number' in a tasks.yaml."
        )
    alike = defaultdict(list)
    for name in counts:
        number = _number(name)
        alike[name.casefold() if number is None else number].append(name)
    for names in alike.values():
        if len(names) > 1:
            raise UmsrepError(
                f"{file}, column '{column}' holds the classes "
                f"{' and '.join(map(repr, names))}. Expected one spelling "
                "per class; make them the same."
            )


def class_order(names):
    """Class names in the order of the outputs: the positive one last.

    Numbers are ordered by value. Otherwise names that begin with a word of
    `NEGATIVE` ("normal", "no finding", "non-TB") come first, and the others
    follow in alphabetical order.

    Args:
        names: Different class names.

    Returns:
        A tuple of them.
    """
    if all(_number(name) is not None for name in names):
        return tuple(sorted(names, key=_number))
    return tuple(sorted(names, key=lambda n: (_negativity(n), n.casefold(), n)))


def _negativity(name):
    """Position among the negative words; their number for any other name."""
    word = re.split(r"[\s_-]+", name.casefold())[0]
    return NEGATIVE.index(word) if word in NEGATIVE else len(NEGATIVE)


def _number(name):
    return float(name) if _NUMBER.fullmatch(name) else None


def _doubts(task, counts):
    for name in task.classes:
        if name.casefold() in MISSING_WORDS:
            yield (
                f"Task '{task.name}' has a class '{name}' ({counts[name]} "
                "images). Only an empty cell is unlabelled: if these images "
                "are meant to be, empty the cells and prepare again."
            )
    first, last = task.classes[0], task.classes[-1]
    if (
        len(task.classes) == 2
        and _negativity(first) == len(NEGATIVE)
        and _number(first) is None
    ):
        yield (
            f"Task '{task.name}': neither '{first}' nor '{last}' is known as "
            f"a negative class, so '{last}', the last by alphabet, is taken as "
            "the positive one. If it is the other, give the negative class a "
            "name such as 'normal' or 'no ...', or use 0 and 1."
        )
