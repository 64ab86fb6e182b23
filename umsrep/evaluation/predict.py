"""From a model and images to the per-image table."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from umsrep import tasks
from umsrep.data import Dataset
from umsrep.data.batches import ahead
from umsrep.data.prepared import TaskSpec
from umsrep.data.stores import OtherImages, Store
from umsrep.data.test_time_augmentation import TestTimeAugmentation
from umsrep.progress import Progress
from umsrep.runs import denoise_images
from umsrep.runs.calibration import Calibration, CrossFitted
from umsrep.runs.gaze_reference import GazeReference
from umsrep.tasks.attention import Attention

if TYPE_CHECKING:
    from umsrep.finetuning import SeparateModels
    from umsrep.model import MultiTaskModel

BATCH_SIZE = 32


class _Replaced(OtherImages):
    """The images given, by row."""

    def __init__(self, store: Store, images: Mapping[int, np.ndarray]) -> None:
        super().__init__(store)
        self._images = images

    def image(self, row: int) -> np.ndarray:
        return self._images[row]


def denoise(model: "MultiTaskModel", dataset: Dataset) -> Dataset:
    """The data set with every image denoised.

    Args:
        model: A model with the task "denoised".
        dataset: A `data.Dataset`.

    Returns:
        A `data.Dataset` over the denoised images, uint8.
    """
    images: dict[int, np.ndarray] = {}
    batches = dataset.batches(BATCH_SIZE, tasks=())
    for number, (noisy, _, _) in enumerate(ahead(batches)):
        rows = dataset.rows[number * BATCH_SIZE :]
        clean = denoise_images(model, noisy)[..., 0]
        images |= dict(zip(rows, clean, strict=False))
    return dataset.with_store(_Replaced(dataset.store, images))


def probabilities(
    model: "MultiTaskModel | SeparateModels",
    dataset: Dataset,
    progress: bool = False,
    tta: TestTimeAugmentation | None = None,
) -> dict[str, np.ndarray]:
    """{task: outputs} for all images, each forward pass serving all tasks.

    Args:
        model: A `MultiTaskModel`, or `finetuning.SeparateModels`.
        dataset: A `data.Dataset`.
        progress: Show a progress bar.
        tta: The `data.TestTimeAugmentation` to take the mean over, or None.

    Returns:
        {task: (n, classes) float32 of a label; (n, 1) of a number; (n, height,
        width) of a mask, in float16 to spare memory, or of a map, float32}.
    """
    models = getattr(model, "models", [model])
    kinds = {
        head.name: tasks.get(head.kind)
        for part in models
        for head in part.heads
    }
    # Supervised attention is for training; explanations show the maps.
    kept = [task for task in model.tasks if kinds[task] is not Attention]
    outputs: dict[str, list[np.ndarray]] = {task: [] for task in kept}
    tta = tta or TestTimeAugmentation(1)
    maps = [task for task in kept if kinds[task].form == "map"]
    channels = model.representation.image_shape[-1]
    batches = dataset.batches(BATCH_SIZE, tasks=(), channels=channels)
    with Progress("predict", len(batches), enabled=progress) as bar:
        for images, _, _ in ahead(batches):
            for part in models:
                for task, output in _predicted(part, images, tta, maps):
                    if task not in outputs:
                        continue
                    if output.ndim == 4:
                        output = output[..., 0]
                    if kinds[task].kept_as:
                        output = output.astype(kinds[task].kept_as)
                    outputs[task].append(output)
            bar.advance()
    return {task: np.concatenate(arrays) for task, arrays in outputs.items()}


def _predicted(
    model: Any, images: np.ndarray, tta: TestTimeAugmentation, maps: list[str]
) -> Iterable[tuple[str, np.ndarray]]:
    """(task, array) of a batch."""
    if tta.copies > 1:
        return tta.mean(model.predict_on_batch, images, maps).items()
    found = model.predict_on_batch(images)
    return [(task, np.asarray(output)) for task, output in found.items()]


def table(
    outputs: Mapping[str, np.ndarray],
    dataset: Dataset,
    specs: Iterable[TaskSpec],
    calibrations: Mapping[str, Calibration | CrossFitted],
    references: Mapping[str, GazeReference] | None = None,
) -> pd.DataFrame:
    """The per-image table (predictions.csv).

    Args:
        outputs: As returned by `probabilities`.
        dataset: The `data.Dataset` that gave them; tasks it does not have, and
            labels it lacks, leave empty cells.
        specs: `TaskSpec`s of the tasks predicted.
        calibrations: {label task: `runs.calibration.Calibration`, or
            `CrossFitted` ones}.
        references: {map task: `gaze_reference.GazeReference`} of training
            images, for the metrics that compare with other images.

    Returns:
        A data frame: image, patient, split, and the columns of each task's
        kind (`TaskKind.predictions`).
    """
    frame = dataset.table[["image", "patient", "split"]].copy()
    columns: dict[str, Any] = {}
    for spec in specs:
        columns |= tasks.of(spec).predictions(
            outputs[spec.name],
            dataset,
            calibrations.get(spec.name, Calibration()),
            (references or {}).get(spec.name),
        )
    return pd.concat(
        [frame, pd.DataFrame(columns, index=frame.index)], axis="columns"
    )
