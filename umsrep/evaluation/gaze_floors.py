"""What a saliency prediction is worth: floors and the inter-observer limit.

- *uniform*: every pixel alike;
- *centre bias*: the training images' mean map, whatever the image;
- *other observers*: the map of one half of the people, scored against the
  other half, both ways. No image-based model can be expected to do much better.
  The model's score against the same halves is shown beside it, because a
  target made of fewer people is noisier.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep.data import Dataset, gaze
from umsrep.errors import UmsrepError
from umsrep.runs.gaze_reference import GazeReference
from umsrep.tasks.map import score

# Shares of the other half's map to try; the rest is the centre bias.
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
    constant = {
        "centre bias": reference.centre_bias,
        "uniform": np.full(dataset.image_size, 1.0),
    }
    indices = np.flatnonzero(dataset.labelled(task))
    return {
        name: pd.DataFrame(
            score(
                dataset.map(task, index),
                values,
                dataset.fixations(task, index),
                reference,
            )
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


def _content(values: NDArray) -> NDArray[np.float64]:
    """1 where the map's content lies: nobody can look at the padding."""
    rows, columns = (np.flatnonzero(values.any(axis)) for axis in (1, 0))
    inside = np.zeros(values.shape)
    inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 1
    return inside


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
        self.reference = reference
        self.items: list[_Image] = []
        for index in np.flatnonzero(dataset.labelled(task)):
            fixations = dataset.fixations(task, index)
            if fixations is None:
                continue
            parts = halves(fixations)
            if not all(map(len, parts)):
                continue
            inside = _content(dataset.map(task, index))
            maps = [
                gaze.normalized(
                    gaze.density(part, dataset.image_size, sigma, weight)
                    * inside
                )
                for part in parts
            ]
            self.items.append(_Image(int(index), parts, maps))
        if not self.items:
            raise UmsrepError(
                f"No image of '{dataset.name}' has fixations of two people "
                f"for '{task}', so there is no inter-observer limit. Leave it "
                "out."
            )

    def of_observers(self, share: float) -> pd.DataFrame:
        """Per-image metrics of each half as prediction for the other.

        Args:
            share: Share of the half's map in the prediction; the rest is the
                centre bias. See `best_share`.
        """
        rows = []
        for _, parts, maps in self.items:
            scores = [
                score(
                    maps[half],
                    share * maps[1 - half]
                    + (1 - share) * self.reference.centre_bias,
                    parts[half],
                    self.reference,
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
                score(target, outputs[index], part, self.reference)
                for part, target in zip(parts, maps, strict=True)
            ]
            rows.append(pd.DataFrame(scores).mean())
        return pd.DataFrame(rows).reset_index(drop=True)

    def best_share(self) -> float:
        """The share of `SHARES` with the highest information gain.

        Choose it on training or validation images.
        """
        gains = [
            self.of_observers(share)["information_gain"].mean()
            for share in SHARES
        ]
        return SHARES[int(np.argmax(gains))]
