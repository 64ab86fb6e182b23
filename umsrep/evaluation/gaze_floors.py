"""What a saliency prediction is worth: floors and the inter-observer limit.

- *uniform*: every pixel of the picture alike;
- *centre bias*: where people look in the training images, whatever the image
  (`runs.gaze_reference`);
- *other observers*: the map of one half of the people, scored against the
  other half, both ways. No image-based model can be expected to do much better.
  The model's score against the same halves is shown beside it, because a
  target made of fewer people is noisier.

Padding beside a picture counts in none of them.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.data import Dataset, gaze
from umsrep.errors import UmsrepError
from umsrep.metrics.saliency import FLOOR
from umsrep.runs.gaze_reference import GazeReference
from umsrep.tasks.map import Scorer, inside

# To choose from: the blur of a half's map, in sigmas of the targets' blur (no
# sharper, since it is also compared with the targets), and its share in the
# prediction, of which the rest is the centre bias.
WIDTHS = (1.0, 1.4, 2.0, 2.8)
SHARES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def floor_tables(
    dataset: Dataset, task: str, reference: GazeReference
) -> dict[str, pd.DataFrame]:
    """Per-image metrics of the predictions that ignore the image.

    Args:
        dataset: The images.
        task: Name of the map task.
        reference: Gaze on the training images.

    Returns:
        {"centre bias": data frame, "uniform": data frame}, one row per image
        with gaze.
    """
    score = Scorer(dataset, task, reference)
    constant = {
        "centre bias": reference.on,
        "uniform": lambda frame: np.ones(frame.size),
    }
    indices = np.flatnonzero(dataset.labelled(task))
    return {
        name: pd.DataFrame(
            score(int(index), values(dataset.frame(int(index))))
            for index in indices
        )
        for name, values in constant.items()
    }


def halves(fixations: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The fixations of every other observer, in order of name, and the rest."""
    observers = fixations["observer"].astype(str)
    names = sorted(observers.unique(), key=lambda name: (len(name), name))
    first = observers.isin(names[::2])
    return (
        fixations[first].reset_index(drop=True),
        fixations[~first].reset_index(drop=True),
    )


class Prediction(NamedTuple):
    """How one half of the people is made a prediction of the other.

    Attributes:
        width: Sigma of the blur of its map, in those of the targets' blur.
        share: Share of its map; the rest is the centre bias.
    """

    width: float
    share: float


class _Image(NamedTuple):
    """An image by its index, with each half's fixations and map."""

    image: int
    parts: tuple[pd.DataFrame, pd.DataFrame]
    maps: list[NDArray[np.float32]]


class Halves:
    """Scores against one half of the observers.

    Args:
        dataset: The images; fixations of at least two people on each count.
        task: Name of the map task.
        reference: Gaze on the training images.
        sigma: Standard deviation of the blur of a half's map, in pixels of the
            prepared images, or a pair for (y, x).
        weight: "count" or "duration".

    Raises:
        UmsrepError: no image with two observers' fixations.
    """

    def __init__(
        self,
        dataset: Dataset,
        task: str,
        reference: GazeReference,
        sigma: ArrayLike,
        weight: str = "count",
    ) -> None:
        self.dataset = dataset
        self.reference = reference
        self.sigma = np.broadcast_to(np.asarray(sigma, float), 2)
        self.weight = weight
        self._score = Scorer(dataset, task, reference)
        self.items: list[_Image] = []
        for index in map(int, np.flatnonzero(dataset.labelled(task))):
            fixations = dataset.fixations(task, index)
            if fixations is None:
                continue
            parts = halves(fixations)
            if not all(map(len, parts)):
                continue
            maps = [self._map(index, part) for part in parts]
            self.items.append(_Image(index, parts, maps))
        if not self.items:
            raise UmsrepError(
                f"No image of '{dataset.name}' has fixations of two people "
                f"for '{task}', so there is no inter-observer limit. Leave it "
                "out."
            )

    def of_observers(self, how: Prediction) -> pd.DataFrame:
        """Per-image metrics of each half as prediction for the other.

        Args:
            how: See `best`.
        """
        rows = []
        for index, parts, maps in self.items:
            bias = self.reference.on(self.dataset.frame(index))
            scores = [
                self._score(
                    index,
                    how.share * self._map(index, parts[1 - half], how.width)
                    + (1 - how.share) * bias,
                    maps[half],
                    parts[half],
                )
                for half in (0, 1)
            ]
            rows.append(pd.DataFrame(scores).mean())
        return pd.DataFrame(rows).reset_index(drop=True)

    def of_model(self, outputs: NDArray) -> pd.DataFrame:
        """Per-image metrics of a model against each half, averaged.

        Args:
            outputs: (images of the data set, height, width), sum 1.
        """
        rows = []
        for index, parts, maps in self.items:
            scores = [
                self._score(index, outputs[index], target, part)
                for part, target in zip(parts, maps, strict=True)
            ]
            rows.append(pd.DataFrame(scores).mean())
        return pd.DataFrame(rows).reset_index(drop=True)

    def best(self) -> Prediction:
        """That of `WIDTHS` and `SHARES` with the highest log-likelihood.

        Of one half's fixations under the prediction from the other. Choose it
        on training images.
        """
        bits = np.zeros((len(WIDTHS), len(SHARES)))
        shares = np.array(SHARES)[:, None]
        for index, parts, _ in self.items:
            frame = self.dataset.frame(index)
            bias = self.reference.inside(frame)
            for half, part in enumerate(parts):
                columns, rows = np.floor(inside(part, frame)).astype(int).T
                for number, width in enumerate(WIDTHS):
                    other = self._map(index, parts[1 - half], width)
                    mixed = (
                        shares * other[frame.content][rows, columns]
                        + (1 - shares) * bias[rows, columns]
                    )
                    bits[number] += np.log2(np.maximum(mixed, FLOOR)).mean(1)
        best, share = divmod(int(bits.argmax()), len(SHARES))
        return Prediction(WIDTHS[best], SHARES[share])

    def _map(
        self, index: int, part: pd.DataFrame, width: float = 1.0
    ) -> NDArray[np.float32]:
        """A half's map, 0 in the padding."""
        frame = self.dataset.frame(index)
        x, y = inside(part, frame).T
        points = part.assign(x=x, y=y)
        return frame.pad(
            gaze.density(points, frame.inner, width * self.sigma, self.weight)
        )
