"""The table of labels in a user's own folder, and the tasks it makes."""

from dataclasses import replace

from data_prep._image_names import match_rows
from data_prep._label_table import label_tasks, read_label_table
from umsrep import tasks
from umsrep.errors import UmsrepError


def read_labels(groups, contents):
    """Adds the label tasks, and the row of each image.

    Args:
        groups: {stem in lower case: [image files]}; images with two rows are
            taken out.
        contents: `FolderContents`, filled.

    Raises:
        UmsrepError: no table where a config names tasks of one, see
            `read_label_table` and `label_tasks`, or a value that a config
            does not list.
    """
    places = contents.layout
    file = places.table
    if not file.exists():
        if places.labels:
            raise UmsrepError(
                f"{file} does not exist, but {places.file} names tasks of "
                "it. Add the table, or correct 'table'."
            )
        return
    table = read_label_table(file, places.columns)
    contents.has_table = True
    contents.has_patients = table.has_patients
    matched = match_rows(
        file, table.rows, places.images, groups, contents.problems
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
    for task, column in _add_tasks(file, table, contents):
        place = f"the column '{column}' of {file.name}"
        if task.name != column:
            place = f"the label task '{task.name}' of {places.file.name}"
        contents.add_task(places.images.parent, task, place)


def _add_tasks(file, table, contents):
    """Pairs of `TaskSpec` and column; a config's names go into the rows."""
    labels = contents.layout.labels
    if labels is None:
        inferred, warnings = label_tasks(
            file, table.columns, list(contents.rows.values())
        )
        contents.warnings += warnings
        return [(task, task.name) for task in inferred]
    for task, label in labels.items():
        if label.column not in table.columns:
            raise UmsrepError(
                f"{contents.layout.file}: task '{task}' is the column "
                f"'{label.column}', which {file} does not have. Its columns "
                f"of labels: {', '.join(table.columns) or 'none'}; correct "
                "'column'."
            )
    contents.rows = {
        path: replace(
            row,
            labels={
                task: _value(file, row, task, label)
                for task, label in labels.items()
            },
        )
        for path, row in contents.rows.items()
    }
    inferred, warnings = label_tasks(
        file,
        [task for task, label in labels.items() if label.task is None],
        list(contents.rows.values()),
    )
    contents.warnings += warnings
    found = {task.name: task for task in inferred} | {
        task: label.task
        for task, label in labels.items()
        if label.task is not None
    }
    return [
        (found[task], label.column)
        for task, label in labels.items()
        if task in found
    ]


def _value(file, row, task, label):
    value = row.labels[label.column]
    if not value or label.task is None:
        return value
    fault = tasks.of(label.task).fault(value)
    if fault is None:
        return value
    if label.others:
        return ""
    raise UmsrepError(
        f"{file}, line {row.line} has the {fault[0]} in the column "
        f"'{label.column}', but task '{task}' takes {fault[1]}. Correct it, "
        "empty the cell, correct the task, or say 'others: unlabelled'."
    )
