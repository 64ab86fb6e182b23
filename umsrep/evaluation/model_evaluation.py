"""A model on a data set -> a table of metrics, for notebooks."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from umsrep import tasks
from umsrep.data import Dataset
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict, table_metrics
from umsrep.finetuning import SeparateModels
from umsrep.model import MultiTaskModel
from umsrep.runs.calibration import Calibration
from umsrep.runs.gaze_reference import GazeReference


def evaluate(
    model: MultiTaskModel | SeparateModels,
    dataset: Dataset,
    calibrations: Mapping[str, Calibration] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    references: Mapping[str, GazeReference] | None = None,
) -> pd.DataFrame:
    """Metrics of every task that the data set has labels for.

    Args:
        model: The model.
        dataset: The images.
        calibrations: {label task: calibration} from validation images;
            default: none, and a threshold of 0.5.
        bootstrap: Resamples of patients for those 95 % intervals that are
            bootstraps; 0 for no intervals.
        seed: Seed of the resamples.
        references: {map task: `gaze_reference.measure(training images,
            task)`}; without them, shuffled AUC and information gain are left
            out.

    Returns:
        A data frame: task, metric, value, low, high, how the interval was
        made and what limits it (`to_markdown` prints it where tabulate is
        installed).
    """
    specs = [dataset.task(t) for t in model.tasks if t in dataset.tasks]
    # Supervised attention is for training.
    specs = [spec for spec in specs if spec.kind in tasks.names()]
    outputs = predict.probabilities(model, dataset)
    table = predict.table(
        outputs, dataset, specs, calibrations or {}, references
    )
    metrics = table_metrics.all_metrics(
        table, specs, bootstrap=bootstrap, seed=seed
    )
    rows = []
    for task, entry in metrics.items():
        for name, value in entry.items():
            if not isinstance(value, (int, float)):
                continue
            low, high = entry.get(f"{name}_ci95") or (None, None)
            told = entry.get("intervals", {"methods": {}, "notes": {}})
            rows.append(
                {
                    "task": task,
                    "metric": name,
                    "value": value,
                    "low": low,
                    "high": high,
                    "method": told["methods"].get(name, ""),
                    "note": told["notes"].get(name, ""),
                }
            )
    return pd.DataFrame(rows)


def side_by_side(
    tables: Mapping[str, pd.DataFrame], metrics: Sequence[str], digits: int = 2
) -> pd.DataFrame:
    """Several models' metrics, each with its 95 % interval, as text.

    Args:
        tables: {name of a model: table}, as `evaluate` returns, or another
            whose first column says what a row is about, such as the class in
            `interpretability_summary`.
        metrics: Names of metrics to show, in order.
        digits: Digits after the decimal point.

    Returns:
        A data frame of text with a row per task (or class) and metric and a
        column per model: "0.81 (0.72 to 0.88)". Empty where a model has no
        such metric.

    Raises:
        UmsrepError: no model has one of the metrics.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, table in tables.items():
        row: Any
        for row in table.itertuples(index=False, name="Row"):
            cell = f"{row.value:.{digits}f}"
            if pd.notna(row.low):
                cell += f" ({row.low:.{digits}f} to {row.high:.{digits}f})"
            rows.setdefault((row[0], row.metric), {})[name] = cell
    known = list(dict.fromkeys(metric for _, metric in rows))
    missing = [metric for metric in metrics if metric not in known]
    if missing:
        raise UmsrepError(
            f"No model has the metric '{missing[0]}'. Choose among "
            f"{', '.join(known)}."
        )
    groups = dict.fromkeys(group for group, _ in rows)
    shown = [(g, m) for g in groups for m in metrics if (g, m) in rows]
    about = next(iter(tables.values())).columns[0]
    return pd.DataFrame(
        [rows[key] for key in shown],
        index=pd.MultiIndex.from_tuples(shown, names=[about, "metric"]),
        columns=list(tables),
    ).fillna("")
