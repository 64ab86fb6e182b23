"""Where people look whatever the image: the training images' gaze.

Location-based metrics compare a prediction with the centre bias, and with
fixations on other images. Both come from training images, so that no test
image affects the score of another.

File `gaze-<task>.npz` of a run folder:

    centre_bias  float32 (height, width), the mean of the training maps, sum 1
    fixations    float32 (n, 2), x and y of the training fixations; 0 rows
                 where the data set has maps only
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from umsrep import tasks
from umsrep.data import Dataset, TaskSpec, gaze
from umsrep.data.storage import atomic_path
from umsrep.errors import UmsrepError

# With this many, chance no longer changes the shuffled AUC.
MOST_FIXATIONS = 20_000


@dataclass(frozen=True)
class GazeReference:
    """Gaze on training images.

    Attributes:
        centre_bias: (height, width), sum 1.
        fixations: (n, 2): x, y in pixels of the prepared images.
    """

    centre_bias: NDArray[np.float32]
    fixations: NDArray[np.float32]


def measure(dataset: Dataset, task: str, seed: int = 0) -> GazeReference:
    """The reference of a data set's map task.

    Args:
        dataset: The training images.
        task: Name of the map task.
        seed: Seed of the choice, where there are more than `MOST_FIXATIONS`
            fixations.
    """
    total = np.zeros(dataset.image_size, np.float64)
    points = []
    for index in np.flatnonzero(dataset.labelled(task)):
        total += dataset.map(task, index)
        fixations = dataset.fixations(task, index)
        if fixations is not None:
            points.append(fixations[["x", "y"]].to_numpy(np.float32))
    found = np.concatenate(points) if points else np.empty((0, 2), np.float32)
    if len(found) > MOST_FIXATIONS:
        rng = np.random.default_rng([seed, len(found)])
        found = found[rng.choice(len(found), MOST_FIXATIONS, replace=False)]
    return GazeReference(gaze.normalized(total), found)


def save(
    folder: str | Path, dataset: Dataset, specs: Iterable[TaskSpec]
) -> None:
    """Writes the references of the map tasks into a run folder."""
    for spec in specs:
        if not tasks.get(spec.kind).compared:
            continue
        reference = measure(dataset, spec.name)
        with (
            atomic_path(_path(folder, spec.name)) as temporary,
            open(temporary, "wb") as out,
        ):
            np.savez_compressed(
                out,
                centre_bias=reference.centre_bias,
                fixations=reference.fixations,
            )


def load(
    folder: str | Path, specs: Iterable[TaskSpec]
) -> dict[str, GazeReference]:
    """{map task: reference} of a run folder.

    Raises:
        UmsrepError: a file is missing or damaged.
    """
    found = {}
    for spec in specs:
        if not tasks.get(spec.kind).compared:
            continue
        path = _path(folder, spec.name)
        try:
            with np.load(path, allow_pickle=False) as stored:
                found[spec.name] = GazeReference(
                    stored["centre_bias"], stored["fixations"]
                )
        except (OSError, ValueError, KeyError) as error:
            raise UmsrepError(
                f"{path} cannot be read ({error}). The run folder is damaged; "
                "train again."
            ) from error
    return found


def _path(folder: str | Path, task: str) -> Path:
    return Path(folder) / f"gaze-{task}.npz"
