"""From the per-image table (predictions.csv) to the reported metrics.

One row per image, with the columns

- `image`, `patient`, `split`;
- of a label task T: `T_true` and `T_pred` (class names) and one
  `T_p_<class>` per class (probabilities);
- of a mask task T: `T_dice`, `T_iou`, `T_dice_mean`, `T_iou_mean`,
  `T_accuracy`, `T_hausdorff95` (pixels);
- of a map task T: `T_kld` (nats), `T_cc`, `T_sim`, and where fixations are
  known `T_nss`, `T_auc_judd`, `T_shuffled_auc`, `T_information_gain` (bits
  per fixation).

A cell is empty where the image has no reference for the task; such an image
takes no part in that task's metrics.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep.errors import UmsrepError
from umsrep.evaluation.bootstrap import bootstrap_intervals
from umsrep.metrics import classification

# Per-image columns; the first is there where the image has a reference.
COLUMNS = {
    "mask": (
        "dice",
        "iou",
        "dice_mean",
        "iou_mean",
        "accuracy",
        "hausdorff95",
    ),
    "map": (
        "kld",
        "cc",
        "sim",
        "nss",
        "auc_judd",
        "shuffled_auc",
        "information_gain",
    ),
}
# Without these a table is of no use.
REQUIRED = {"mask": ("dice", "iou"), "map": ("kld", "cc", "sim")}
# No interval: the minimum of a resample is never below that of the sample.
WITHOUT_INTERVAL = ("dice_min",)


def read_predictions(path):
    """Reads predictions.csv: names stay text, empty cells become nan.

    Raises:
        UmsrepError: the file is missing, broken, or names an image twice.
    """
    path = Path(path)
    again = "Make it again with 'umsrep evaluate'."
    try:
        # A class may be called "None" or "NA": only empty means missing.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise UmsrepError(
            f"{path} does not exist. Expected the table of per-image "
            f"predictions. {again}"
        ) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UmsrepError(
            f"{path} is not a readable table of predictions "
            f"({str(error).strip()}). {again}"
        ) from error
    table = table.mask(table == "")
    if "image" not in table.columns:
        raise UmsrepError(
            f"{path} has no column 'image'. Expected one row per image. {again}"
        )
    twice = table["image"][table["image"].duplicated()]
    if len(twice):
        raise UmsrepError(
            f"{path} has more than one row for image '{twice.iloc[0]}'. "
            f"Expected one row per image. {again}"
        )
    return table


def labelled(table, task):
    """The rows of `table` that have a reference for `task`."""
    suffix = "true" if task.kind == "label" else COLUMNS[task.kind][0]
    reference = _column(table, f"{task.name}_{suffix}")
    return table[reference.notna() & (reference != "")]


def patients_of(table):
    """Patient per row; an image without a patient is its own patient."""
    patients = table.get("patient", pd.Series(np.nan, index=table.index))
    alone = "image:" + table["image"].astype(str)
    known = patients.notna() & (patients != "")
    return patients.where(known, alone).astype(str).to_numpy()


def label_arrays(table, task):
    """Arrays of a label task from its labelled rows.

    Returns:
        `(true, predicted, probabilities)`: class indices `(images,)` twice,
        and probabilities `(images, classes)`.

    Raises:
        UmsrepError: a class that the task does not have, a missing column or
            prediction.
    """
    table = labelled(table, task)
    columns = [f"{task.name}_p_{name}" for name in task.classes]
    probabilities = _numbers(table, columns)
    indices = []
    for column in (f"{task.name}_true", f"{task.name}_pred"):
        values = _column(table, column).astype(object)
        unknown = values[~values.isin(task.classes)]
        if len(unknown):
            raise UmsrepError(
                f"Column '{column}' holds {unknown.iloc[0]!r} for image "
                f"'{table['image'][unknown.index[0]]}'. Expected one of "
                f"{', '.join(task.classes)}. Evaluate again with the task's "
                "classes."
            )
        indices.append(
            pd.Categorical(values, categories=task.classes).codes.astype(int)
        )
    return (*indices, probabilities)


def task_metrics(table, task):
    """All metrics of one task.

    Args:
        table: Data frame with the columns of predictions.csv.
        task: A `TaskSpec` (name, kind, classes).

    Returns:
        {metric: value}; undefined ones are nan, and there are none when no
        image has a reference. A label task has those of
        `classification.label_metrics`; a mask or map task has the means over
        images of its columns, and a mask task `dice_median` and `dice_min`.
        The F-score of a mask is its Dice and is not repeated.
    """
    if labelled(table, task).empty:
        return {}
    return {
        name: float(value)
        for name, value in _statistics(table, task)(None).items()
    }


def all_metrics(table, tasks, bootstrap=1000, seed=0):
    """Metrics of every task with patient-clustered 95 % intervals.

    Args:
        table: Data frame with the columns of predictions.csv.
        tasks: `TaskSpec`s.
        bootstrap: Number of resamples; 0 for no intervals.
        seed: Seed of the resamples, the same for each task.

    Returns:
        {task: {...}} with, for each metric, its value, `<metric>_ci95` as
        [low, high] (nan twice where it cannot be had, see `bootstrap`; None
        for a minimum), `<metric>_undefined_resamples` where some resamples
        were dropped, and `images` and `patients`, the numbers of labelled
        ones.
    """
    result = {}
    for task in tasks:
        values = task_metrics(table, task)
        rows = labelled(table, task)
        patients = patients_of(rows)
        entry = {"images": len(rows), "patients": len(set(patients))}
        intervals = {}
        if values and bootstrap:
            intervals = bootstrap_intervals(
                _statistics(table, task), patients, bootstrap, seed
            )
        for name, value in values.items():
            entry[name] = value
            if name in WITHOUT_INTERVAL and bootstrap:
                entry[f"{name}_ci95"] = None
            elif name in intervals:
                interval = intervals[name]
                entry[f"{name}_ci95"] = [interval.low, interval.high]
                if interval.undefined:
                    entry[f"{name}_undefined_resamples"] = interval.undefined
        result[task.name] = entry
    return result


def pixel_values(table, task, column=None):
    """One per-image column of a mask or map task, labelled rows only.

    Default: Dice of a mask, KLD of a map.
    """
    column = column or COLUMNS[task.kind][0]
    return _numbers(labelled(table, task), [f"{task.name}_{column}"])[:, 0]


def _statistics(table, task):
    """The task's metrics as a function of weights, for the bootstrap."""
    if task.kind == "label":
        arrays = label_arrays(table, task)
        return lambda weights: classification.label_metrics(
            *arrays, weights, task.classes
        )
    columns = {}
    rows = labelled(table, task)
    for name in COLUMNS[task.kind]:
        column = f"{task.name}_{name}"
        if name in REQUIRED[task.kind]:
            columns[name] = pixel_values(table, task, name)
        elif column in table.columns and _filled(rows[column]).any():
            # Not every image has fixations.
            known = _filled(rows[column]).to_numpy()
            values = np.full(len(rows), np.nan)
            values[known] = _numbers(rows[known], [column])[:, 0]
            columns[name] = values

    def statistics(weights):
        if weights is None:
            weights = np.ones(len(rows))
        means = {name: _mean(x, weights) for name, x in columns.items()}
        if task.kind == "map":
            return means
        dice = columns["dice"]
        return means | {
            "dice_median": weighted_median(dice, weights),
            "dice_min": np.where(weights > 0, dice, np.inf).min(-1),
        }

    return statistics


def weighted_median(values, weights):
    """Median of `values` repeated `weights` times, over the last axis.

    With whole weights exactly the median of the repeated values.
    """
    order = np.argsort(values)
    values = values[order]
    cumulative = np.cumsum(weights[..., order], axis=-1)
    half = cumulative[..., -1:] / 2
    lower = np.argmax(cumulative >= half, axis=-1)
    upper = np.argmax(cumulative > half, axis=-1)
    return (values[lower] + values[upper]) / 2


def _filled(column):
    return column.notna() & (column != "")


def _mean(values, weights):
    """Mean of the values that are known; nan where none is."""
    known = ~np.isnan(values)
    total = np.asarray((weights * known).sum(-1), float)
    result = np.full(total.shape, np.nan)
    np.divide(
        weights @ np.where(known, values, 0.0),
        total,
        out=result,
        where=total > 0,
    )
    return result


def _column(table, column):
    if column not in table.columns:
        raise UmsrepError(
            f"The table of predictions has no column '{column}'. Its columns "
            f"are {', '.join(map(str, table.columns))}. Evaluate the run "
            "again, with this task."
        )
    return table[column]


def _numbers(table, columns):
    """Float array `(rows, columns)`; empty or other text is an error."""
    result = np.empty((len(table), len(columns)))
    for position, column in enumerate(columns):
        values = pd.to_numeric(_column(table, column), errors="coerce")
        values = values.to_numpy(float)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise UmsrepError(
                f"Column '{column}' holds {table[column].iloc[bad[0]]!r} for "
                f"image '{table['image'].iloc[bad[0]]}'; expected a finite "
                "number for every image with a reference. Look at that image "
                "and evaluate again."
            )
        result[:, position] = values
    return result
