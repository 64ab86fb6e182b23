"""Batches of pairs: two views of each image."""

from typing import Any

import numpy as np

from umsrep.data.augmentation import Augmentation
from umsrep.data.batches import Arrays, Batches
from umsrep.data.dataset import Dataset
from umsrep.errors import UmsrepError


class _View(Batches):
    """One of two views: the same images in the same order, drawn otherwise."""

    def __init__(self, number: int, dataset: Dataset, **options: Any) -> None:
        super().__init__(dataset, **options)
        self.number = number

    def _draw(self, epoch: int) -> int:
        return 2 * epoch + self.number


class Pairs:
    """Batches of two augmented views of each image, one after the other.

    Rows 0 and 1 of a batch are of one image, 2 and 3 of the next. All batches
    have one size: the last is filled up with other images, of weight 0. What
    a view looks like depends on (seed, epoch, image) alone, as of `Batches`.

    - images: (2 * batch_size, height, width, channels) float32, grey levels
      in [0, 255];
    - targets: {task: (2 * batch_size, 1) float32}, zeros: there is nothing to
      be learnt but that views agree;
    - weights: {task: (2 * batch_size,) float32}.

    Args:
        dataset: A `data.Dataset`; only its images are used.
        task: Name of the task.
        augmentation: A `data.Augmentation`, drawn for each view.
        batch_size: Images in a batch, at least 2.
        seed, channels: As of `Batches`.

    Raises:
        UmsrepError: fewer than two images.
    """

    features = None

    def __init__(
        self,
        dataset: Dataset,
        task: str,
        augmentation: Augmentation,
        batch_size: int = 32,
        seed: int = 0,
        channels: int = 1,
    ) -> None:
        if min(batch_size, len(dataset)) < 2:
            raise UmsrepError(
                f"Data set '{dataset.name}' with {len(dataset)} images and "
                f"batch_size={batch_size}: views are told apart from those of "
                "other images, so a batch needs two. Add images, or choose a "
                "larger --batch-size."
            )
        self.task = task
        self.dataset = dataset
        self.views = [
            _View(
                number,
                dataset,
                batch_size=min(batch_size, len(dataset)),
                tasks=(),
                augmentation=augmentation,
                shuffle=True,
                seed=seed,
                channels=channels,
                reconstruction=task,
            )
            for number in (0, 1)
        ]

    def __len__(self) -> int:
        return len(self.views[0])

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0."""
        return self.views[0].epoch

    def set_epoch(self, epoch: int) -> None:
        """Moves to the draws of an epoch, counted from 0."""
        for view in self.views:
            view.set_epoch(epoch)

    def prepare(self, epoch: int) -> None:
        """Nothing: there are no features to compute."""

    def __getitem__(self, number: int) -> tuple[Any, Arrays, Arrays]:
        return self.batch(self.epoch, number)

    def batch(self, epoch: int, number: int) -> tuple[Any, Arrays, Arrays]:
        """A batch of any epoch, both counted from 0."""
        (one, _, weights), (two, _, _) = (
            view.batch(epoch, number) for view in self.views
        )
        images = np.stack([one, two], axis=1).reshape(-1, *one.shape[1:])
        counted = np.repeat(weights[self.task], 2)
        return (
            images,
            {self.task: np.zeros((len(images), 1), np.float32)},
            {self.task: counted},
        )
