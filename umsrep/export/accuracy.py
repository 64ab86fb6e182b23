"""What a quantised file's metrics are, beside the run's."""

import numpy as np

from umsrep.evaluation import predict, table_metrics
from umsrep.export import reference
from umsrep.runs.calibration import Calibration


def change(source, predictor, dataset, references):
    """Metrics of the toolkit and of a file on the same images.

    Args:
        source: The `serving.Source` that was written.
        predictor: The file, as a `Predictor`.
        dataset: A `data.Dataset`, as prepared.
        references: {map task: `GazeReference`} of the training images.

    Returns:
        {"split", "images", "tasks": {task: {metric: [toolkit, file]}}}.
    """
    images = [dataset.image(index) for index in range(len(dataset))]
    grey = reference.prepared(source, images)
    if source.denoiser is not None:
        grey = np.rint(reference.denoised(source.denoiser, grey))
    own = reference.results(source, source.networks, grey, images)
    before, after = (
        _metrics(source, outputs, dataset, references)
        for outputs in (own, predictor(images))
    )
    return {
        "split": dataset.table["split"].iloc[0] or "all",
        "images": len(dataset),
        "tasks": {
            task: {name: [value, after[task][name]] for name, value in row}
            for task, entry in before.items()
            if (row := _numbers(entry))
        },
    }


def cells(before, after):
    """A metric of both as text, and its change.

    Undefined metrics (such as an AUC of a class that no image has) are None.
    """
    if before is None or after is None:
        texts = [
            "undefined" if v is None else f"{v:.4f}" for v in (before, after)
        ]
        return [*texts, ""]
    return [f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}"]


def _metrics(source, outputs, dataset, references):
    outputs = {task: np.stack(found) for task, found in outputs.items()}
    # The probabilities are calibrated already.
    calibrations = {
        task: Calibration(1.0, fitted.threshold)
        for task, fitted in source.calibrations.items()
    }
    specs = list(source.specs.values())
    table = predict.table(outputs, dataset, specs, calibrations, references)
    return table_metrics.all_metrics(table, specs, bootstrap=0)


def _numbers(entry):
    return [
        (name, value)
        for name, value in entry.items()
        if isinstance(value, float)
    ]
