"""Where people look whatever the image: the training images' gaze.

The centre bias is a Gaussian-smoothed mean of the training images' fixations
with a share of the uniform distribution. Bandwidth and share are those that
predict the fixations on left out training pictures best (cross-validation by
patient, mean log-likelihood per fixation), as in Kuemmerer, Wallis and Bethge
2015 ("Information-theoretic model comparison unifies saliency metrics"): a
mean map as it is has pixels near 0 wherever nobody happened to look, and
information gain over it is too high.

It is kept without padding, stretched to the size of the prepared images, and
is laid over the part of an image that its picture covers.

File `gaze-<task>.npz` of a run folder:

    centre_bias  float32 (height, width), sum 1
    bandwidth    standard deviation as a share of the height and of the width
    uniform      share of the uniform distribution

A file of an earlier version holds the mean of the maps, padding included, and
no bandwidth.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from umsrep import tasks
from umsrep.data import Dataset, TaskSpec, gaze
from umsrep.data.frame import Frame
from umsrep.data.owners import owners
from umsrep.data.storage import atomic_path
from umsrep.errors import UmsrepError
from umsrep.tasks.map import inside

# Parts of the training pictures that are left out in turn.
PARTS = 10
# To choose from, the most careful first: what cannot be told apart, as with a
# single training picture, is uniform.
UNIFORM_SHARES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 1e-4, 1e-5)
BANDWIDTHS = tuple(0.32 / 2 ** (step / 2) for step in range(11))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GazeReference:
    """Gaze on training images.

    Attributes:
        centre_bias: (height, width), sum 1, of pictures stretched to the size
            of the prepared images.
        bandwidth: Standard deviation of its Gaussian, as a share of height and
            width; None is the mean map of an earlier version, of whole
            prepared images.
        uniform: Share of the uniform distribution in it.
    """

    centre_bias: NDArray[np.float32]
    bandwidth: float | None = None
    uniform: float = 0.0

    def inside(self, frame: Frame) -> NDArray[np.float32]:
        """The centre bias of a picture without padding, sum 1.

        Args:
            frame: Where the picture lies, `Dataset.frame`.

        Returns:
            (height, width) of `frame.inner`.
        """
        if self.bandwidth is None:
            part = self.centre_bias[frame.content]
            # Nobody looked into this part of any other picture.
            return gaze.normalized(part if part.any() else np.ones(part.shape))
        return gaze.resize_map(self.centre_bias, frame.inner)

    def on(self, frame: Frame) -> NDArray[np.float32]:
        """The same at the size of the prepared image, 0 in the padding."""
        return frame.pad(self.inside(frame))


def measure(dataset: Dataset, task: str) -> GazeReference:
    """The reference of a data set's map task.

    Every picture counts alike, whatever the number of its fixations. Where
    fixations are not known, its map counts.

    Args:
        dataset: The training images.
        task: Name of the map task.
    """
    parts = _parts(dataset, task)
    bandwidth, share = _chosen(parts)
    found = _mixed(_smoothed(parts.sum(axis=0), bandwidth), share)
    return GazeReference(gaze.normalized(found), bandwidth, share)


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
                bandwidth=np.float64(reference.bandwidth),
                uniform=np.float64(reference.uniform),
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
                fitted = (
                    (float(stored["bandwidth"]), float(stored["uniform"]))
                    if "bandwidth" in stored
                    else ()
                )
                found[spec.name] = GazeReference(stored["centre_bias"], *fitted)
        except (OSError, ValueError, KeyError) as error:
            raise UmsrepError(
                f"{path} cannot be read ({error}). The run folder is damaged; "
                "train again."
            ) from error
    return found


def _path(folder: str | Path, task: str) -> Path:
    return Path(folder) / f"gaze-{task}.npz"


def _parts(dataset: Dataset, task: str) -> Floats:
    """(parts, height, width): where each part's pictures were looked at.

    The sum over its pictures, each of sum 1, stretched to the same size.
    """
    whose = dataset.table["patient"].to_numpy(dtype=object)
    if "copies" in dataset.table:
        whose = owners(dataset)
    known = np.flatnonzero(dataset.labelled(task))
    people, person = np.unique(whose[known].astype(str), return_inverse=True)
    count = min(PARTS, len(people))
    order = np.random.default_rng([0, len(people)]).permutation(len(people))
    parts = np.zeros((max(count, 1), *dataset.image_size))
    for index, one in zip(known, person, strict=True):
        parts[order[one] % count] += _looked_at(dataset, task, int(index))
    return parts


def _looked_at(dataset: Dataset, task: str, index: int) -> Floats:
    """Where one picture was looked at, (height, width), sum 1."""
    size, frame = dataset.image_size, dataset.frame(index)
    fixations = dataset.fixations(task, index)
    if fixations is None or not len(fixations):
        values = dataset.target(task, index)[frame.content]
        return gaze.resize_map(values, size).astype(np.float64)
    places = inside(fixations, frame) / frame.inner[::-1] * size[::-1]
    columns, rows = np.floor(places).astype(int).T
    found = np.zeros(size)
    np.add.at(found, (rows, columns), 1 / len(places))
    return found


def _chosen(parts: Floats) -> tuple[float, float]:
    """Bandwidth and uniform share that predict left out parts best."""
    found = {
        (bandwidth, share): likelihood
        for bandwidth in BANDWIDTHS
        for share, likelihood in _likelihoods(parts, bandwidth)
    }
    best = max(found.values())
    # The first of those that cannot be told apart.
    return next(key for key, value in found.items() if value >= best - 1e-9)


def _likelihoods(
    parts: Floats, bandwidth: float
) -> Iterator[tuple[float, float]]:
    """(uniform share, mean log-likelihood of the parts left out) in nats."""
    total = parts.sum(axis=0)
    others = [_smoothed(total - part, bandwidth) for part in parts]
    for share in UNIFORM_SHARES:
        nats = [
            (part[part > 0] * np.log(_mixed(other, share)[part > 0])).sum()
            for part, other in zip(parts, others, strict=True)
        ]
        yield share, float(np.sum(nats) / total.sum())


def _smoothed(values: Floats, bandwidth: float) -> Floats:
    """Blurred, sum 1; uniform where there is nothing to blur."""
    values = np.maximum(values, 0)
    if values.sum() < 1e-9:
        return np.full(values.shape, 1 / values.size)
    found = gaze.blur(values, np.multiply(bandwidth, values.shape))
    return found / found.sum()


def _mixed(density: Floats, share: float) -> Floats:
    return (1 - share) * density + share / density.size
