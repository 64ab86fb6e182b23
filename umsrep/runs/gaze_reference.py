"""Where people look whatever the image: the training images' gaze.

The centre bias is a Gaussian-smoothed mean of the training images' fixations
with a share of the uniform distribution. Bandwidth and share are those that
predict the fixations on left out training pictures best (cross-validation by
patient, mean log-likelihood per fixation), as in Kuemmerer, Wallis and Bethge
2015 ("Information-theoretic model comparison unifies saliency metrics"): a
mean map as it is has pixels near 0 wherever nobody happened to look, and
information gain over it is too high.

It lies as the prepared images do. Where pictures of several shapes are padded,
a place is as bright as people looked there in the pictures that reach it.

File `gaze-<task>.npz` of a run folder:

    centre_bias  float32 (height, width), sum 1
    bandwidth    standard deviation as a share of the longer side
    uniform      share of the uniform distribution

A file of an earlier version holds the mean of the maps and no bandwidth.
"""

from collections import Counter
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
        centre_bias: (height, width) of the prepared images, sum 1.
        bandwidth: Standard deviation of its Gaussian, as a share of the longer
            side; None is the mean map of an earlier version.
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
        part = self.centre_bias[frame.content]
        # In a mean map of an earlier version nobody may have looked there.
        return gaze.normalized(part if part.any() else np.ones(part.shape))

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
    relative = _smoothed(
        parts.looked.sum(axis=0), parts.covered.sum(axis=0), bandwidth
    )
    found = _mixed(relative, share)
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


@dataclass(frozen=True)
class _Parts:
    """The training pictures in parts that share no patient or picture.

    Attributes:
        looked: (parts, height, width): where people looked, each picture with
            the sum 1.
        covered: The same of people who look everywhere alike.
        shapes: Of each part, how many pictures lie in which frame.
    """

    looked: Floats
    covered: Floats
    shapes: list[Counter[Frame]]


def _parts(dataset: Dataset, task: str) -> _Parts:
    whose = dataset.table["patient"].to_numpy(dtype=object)
    if "copies" in dataset.table:
        whose = owners(dataset)
    known = np.flatnonzero(dataset.labelled(task))
    people, person = np.unique(whose[known].astype(str), return_inverse=True)
    count = max(1, min(PARTS, len(people)))
    order = np.random.default_rng([0, len(people)]).permutation(len(people))
    looked, covered = np.zeros((2, count, *dataset.image_size))
    shapes: list[Counter[Frame]] = [Counter() for _ in range(count)]
    for index, part in zip(map(int, known), order[person] % count, strict=True):
        frame = dataset.frame(index)
        looked[part] += _looked_at(dataset, task, index)
        covered[part][frame.content] += 1 / np.prod(frame.inner)
        shapes[part][frame] += 1
    return _Parts(looked, covered, shapes)


def _looked_at(dataset: Dataset, task: str, index: int) -> Floats:
    """Where one picture was looked at, (height, width), sum 1."""
    fixations = dataset.fixations(task, index)
    if fixations is None or not len(fixations):
        return np.asarray(dataset.target(task, index), np.float64)
    columns, rows = np.floor(fixations[["x", "y"]].to_numpy()).astype(int).T
    found = np.zeros(dataset.image_size)
    np.add.at(found, (rows, columns), 1 / len(fixations))
    return found


def _chosen(parts: _Parts) -> tuple[float, float]:
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
    parts: _Parts, bandwidth: float
) -> Iterator[tuple[float, float]]:
    """(uniform share, mean log-likelihood of the parts left out) in nats."""
    looked, covered = (
        np.maximum(of_all.sum(axis=0) - of_all, 0)
        for of_all in (parts.looked, parts.covered)
    )
    others = [
        _smoothed(*rest, bandwidth)
        for rest in zip(looked, covered, strict=True)
    ]
    for share in UNIFORM_SHARES:
        nats = 0.0
        for left_out, shapes, other in zip(
            parts.looked, parts.shapes, others, strict=True
        ):
            bias, seen = _mixed(other, share), left_out > 0
            nats += (left_out[seen] * np.log(bias[seen])).sum()
            # Of each picture's own part of it the sum is 1.
            for frame, count in shapes.items():
                nats -= count * np.log(bias[frame.content].sum())
        yield share, float(nats / parts.looked.sum())


def _smoothed(looked: Floats, covered: Floats, bandwidth: float) -> Floats:
    """How much more people look at each place than if everywhere alike.

    1 where no picture reaches, not even blurred.
    """
    sigma = bandwidth * max(looked.shape)
    found, base = (gaze.blur(values, sigma) for values in (looked, covered))
    known = base > 1e-6 * base.max()
    return np.divide(found, base, out=np.ones(base.shape), where=known)


def _mixed(relative: Floats, share: float) -> Floats:
    return (1 - share) * relative + share
