"""A run under every simulated shift, to choose settings by."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from umsrep import runs
from umsrep.data import Dataset
from umsrep.data.shifts import simulated_shifts
from umsrep.errors import UmsrepError
from umsrep.evaluation import components as component_filter
from umsrep.evaluation import predict, table_metrics
from umsrep.evaluation.subject import Subject
from umsrep.progress import Progress


def shift_table(
    run_folder: str | Path,
    data: str | Path | Dataset,
    split: str = "validation",
    components: Mapping[str, int] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Metrics of a run on images as they are and under each shift.

    A setting that is better here has a reason to be better on another
    hospital's images, without a look at them.

    Args:
        run_folder: A run of `finetune`.
        data: The prepared folder that it was trained on, or the
            `data.Dataset` loaded from it.
        split: "validation"; "test" images are not for choosing settings.
        components: {mask task: components to keep}, or None.
        progress: Show a progress bar.

    Returns:
        A data frame: one row per shift ("none" first, "mean" last, which is
        the mean over the shifts without "none"), one column
        "<task> <metric>" for each metric.

    Raises:
        UmsrepError: a cross-validation, or what `Subject` refuses.
    """
    if runs.Run(run_folder).folds:
        raise UmsrepError(
            f"{run_folder} is a cross-validation, whose folds have validation "
            "images of their own. Pass the run of one, such as "
            f"{Path(run_folder) / 'fold-1'}."
        )
    subject = Subject(run_folder, data, split)
    rows = {}
    names = (None, *simulated_shifts())
    with Progress("shifts", len(names), enabled=progress) as bar:
        for name in names:
            shifted = subject.shifted(name)
            outputs = component_filter.clean(
                shifted.outputs(),
                components,
            )
            table = predict.table(
                outputs, shifted.dataset, subject.specs, subject.calibrations
            )
            metrics = table_metrics.all_metrics(
                table, subject.specs, bootstrap=0
            )
            rows[name or "none"] = {
                f"{task} {metric}": value
                for task, row in metrics.items()
                for metric, value in row.items()
                if isinstance(value, (int, float))
            }
            bar.advance(1, name or "")
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.loc["mean"] = frame.drop(index="none").mean()
    return frame
