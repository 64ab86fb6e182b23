"""Batches: pictures, targets and weights, drawn from a stored seed."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast

import keras
import numpy as np
from numpy.typing import NDArray

from umsrep import tasks as task_kinds
from umsrep.data import attention, order
from umsrep.data.augmentation import Augmentation
from umsrep.data.balance import ClassBalance
from umsrep.data.corruption import Corruption
from umsrep.data.dataset import Dataset
from umsrep.data.focusing import FocusedImages
from umsrep.data.prepared import AttentionSpec
from umsrep.errors import UmsrepError

Floats = NDArray[np.float32]
Arrays = dict[str, Any]
# Beside the tasks' masks; no task has an empty name.
_FOCUS = ""


class Features(Protocol):
    """Features in place of pictures; see `finetuning.features.FeatureStore`."""

    def prepare(self, draw: int) -> None: ...

    def read(
        self,
        draw: int,
        rows: NDArray[np.int_],
        names: Sequence[str],
        tasks: Sequence[str],
    ) -> tuple[Arrays, Arrays]: ...


class Batches(keras.utils.PyDataset):
    """Batches `(images, targets, weights)` of a data set.

    What an image looks like in an epoch depends on (seed, draw, row of the
    image in its prepared data set) alone, not on the order of work or on the
    task, so an interrupted training goes on exactly, and tasks see the same
    pictures. The draw is the number of the epoch, modulo `draws` if given.

    - images: (batch, height, width, channels) float32, grey levels in
      [0, 255];
    - targets: {task: (batch,) int32 class indices, (batch, 1) float32 numbers,
      or (batch, height, width, 1) float32 mask in {0, 1}, map of sum 1, or
      clean image in [0, 1], -1 where a corruption leaves nothing to learn
      (`Corruption.learnt`); or an attention target, see
      `data.attention_target`};
    - weights: {task: (batch,) float32}, 0 where the label is missing, and for
      images that fill up the last batch of a shuffled epoch (`data.order`);
      else 1, or the weight of the label's class.

    Args:
        dataset: A `data.Dataset`.
        batch_size: Images per batch.
        tasks: Names of the tasks to deliver; default: all of the data set, or
            none where a corruption is given.
        reconstruction: Name of a task whose target is the uncorrupted image;
            default "denoised" where a corruption is given.
        augmentation: A `data.Augmentation`, or None.
        corruption: Noise added to the image but not to its target, or None.
        shuffle: A new order each epoch, and batches of one size. Otherwise
            the last batch is as small as it comes.
        every_task: With `shuffle`, each batch has a label of every task, so
            that each step is one of each task. Where a task has fewer labels
            than there are batches, its images come again, in place of others.
        seed: Seed of order, augmentation and corruption.
        channels: 1, or 3 to repeat the grey image.
        draws: How many versions of each image are drawn; epochs go round
            them. None draws anew every epoch.
        features: A `finetuning.features.FeatureStore` to read from instead
            of drawing pictures, and `inputs`, the names of the features to
            deliver: the images are then {feature: array}.
        balance: A `ClassBalance` of label tasks; sampling needs `shuffle`.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 16,
        tasks: Sequence[str] | None = None,
        reconstruction: str | None = None,
        augmentation: Augmentation | None = None,
        corruption: Callable[[NDArray, np.random.Generator], Floats]
        | None = None,
        shuffle: bool = False,
        every_task: bool = False,
        seed: int = 0,
        channels: int = 1,
        draws: int | None = None,
        features: Features | None = None,
        inputs: Sequence[str] = (),
        balance: ClassBalance | None = None,
    ) -> None:
        super().__init__(workers=2)
        if len(dataset) == 0:
            raise UmsrepError(
                f"Data set '{dataset.name}': no image to make batches of. "
                "Choose other split fractions."
            )
        if reconstruction is None and corruption is not None:
            reconstruction = "denoised"
        if tasks is None:
            tasks = () if reconstruction else tuple(dataset.tasks)
        self.dataset = dataset
        self.batch_size = batch_size
        self.tasks = tuple(tasks)
        self.reconstruction = reconstruction
        self.augmentation = augmentation
        self.corruption = corruption
        self.shuffle = shuffle
        self.every_task = every_task
        self.seed = seed
        self.channels = channels
        self.draws = _checked(draws)
        self.features = features
        self.inputs = tuple(inputs)
        self.epoch = 0
        self._kinds: dict[str, Any] = {
            task: task_kinds.of(dataset.task(task)) for task in self.tasks
        }
        self._cells = {
            task: self._kinds[task].batch(dataset.values(task))
            for task in self._at(task_kinds.CELL)
        }
        self._labelled = {
            task: dataset.labelled(task).astype(np.float32)
            for task in self.tasks
        }
        self._pictured = self._at(task_kinds.PICTURE)
        self._attention = {
            task: cast(AttentionSpec, dataset.task(task))
            for task in self._at(task_kinds.DERIVED)
        }
        self._attended = {
            task: dataset.labels(spec.label)
            for task, spec in self._attention.items()
        }
        self._orders: dict[int, order.Order] = {}
        # {task: {class: its number of images and what is made of it}}
        self.class_counts: dict[str, dict[str, dict[str, Any]]] = {}
        self._shares: NDArray[np.float64] | None = None
        if balance is not None:
            self.class_counts, self._shares = balance.applied(
                dataset, self._cells, self._labelled
            )

    def _at(self, place: str) -> list[str]:
        """The tasks whose targets lie in such a place."""
        return [t for t, kind in self._kinds.items() if kind.place == place]

    def _order(self, epoch: int) -> order.Order:
        """The order of a shuffled epoch; the last two are remembered."""
        found = self._orders.get(epoch)
        if found is None:
            # Attention follows from its label, and is no task of its own.
            tasks = [*self._cells, *self._pictured] if self.every_task else []
            found = order.shuffled(
                len(self.dataset),
                self.batch_size,
                np.random.default_rng([self.seed, epoch]),
                {task: self._labelled[task] > 0 for task in tasks},
                self._shares,
            )
            # Two threads may be on both sides of the end of an epoch.
            kept = list(self._orders.items())[-1:]
            self._orders = {**dict(kept), epoch: found}
        return found

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Moves to the draws of an epoch, counted from 0."""
        self.epoch = epoch
        self.prepare(epoch)

    def prepare(self, epoch: int) -> None:
        """Has the features of an epoch computed, if there are any to read."""
        if self.features is not None:
            self.features.prepare(self._draw(epoch))

    def _draw(self, epoch: int) -> int:
        """Which version of each image an epoch shows."""
        return epoch if self.draws is None else epoch % self.draws

    def on_epoch_end(self) -> None:
        """Called by Keras's `fit`."""
        self.set_epoch(self.epoch + 1)

    def __getitem__(self, number: int) -> tuple[Any, Arrays, Arrays]:
        return self.batch(self.epoch, number)

    def batch(self, epoch: int, number: int) -> tuple[Any, Arrays, Arrays]:
        """A batch of any epoch, both counted from 0."""
        start = number * self.batch_size
        if self.shuffle:
            drawn = self._order(epoch)
            chosen, counted = drawn.positions[number], drawn.counted[number]
        else:
            end = min(start + self.batch_size, len(self.dataset))
            chosen = np.arange(start, end)
            counted = np.ones(len(chosen), bool)
        draw = self._draw(epoch)
        if self.features is not None:
            images, targets = self.features.read(
                draw,
                self.dataset.rows[chosen],
                self.inputs,
                self._pictured,
            )
        else:
            images, targets = self._pictures(chosen, draw)
        for task, values in self._cells.items():
            targets[task] = values[chosen]
        weights = {
            task: self._labelled[task][chosen] * counted for task in self.tasks
        }
        for task in (*self._pictured, *self._attention):
            usable = self._kinds[task].usable(targets[task])
            weights[task] = weights[task] * usable
        if self.reconstruction:
            weights[self.reconstruction] = counted.astype(np.float32)
        return images, targets, weights

    def _pictures(
        self, chosen: NDArray[np.int_], draw: int
    ) -> tuple[Any, Arrays]:
        height, width = self.dataset.image_size
        images = np.empty((len(chosen), height, width, 1), np.float32)
        targets: Arrays = {
            task: np.zeros((len(chosen), height, width, 1), np.float32)
            for task in self._pictured
        }
        if self.reconstruction:
            targets[self.reconstruction] = np.empty_like(images)
        looks: dict[str, list[Floats | None]] = {
            task: [] for task in self._attention
        }
        for slot, index in enumerate(chosen):
            clean, noisy, learnt, pictures = self._sample(int(index), draw)
            images[slot, ..., 0] = noisy
            for task in self._pictured:
                if task in pictures:
                    targets[task][slot, ..., 0] = pictures[task]
            for task, spec in self._attention.items():
                looks[task].append(self._look(spec, int(index), pictures))
            if self.reconstruction:
                target = clean / 255.0
                if learnt is not None:
                    target[~learnt] = -1.0
                targets[self.reconstruction][slot, ..., 0] = target
        for task, spec in self._attention.items():
            targets[task] = attention.attention_target(
                looks[task],
                self._attended[task][chosen],
                len(self.dataset.task(spec.label).classes),
                spec.cells.grid,
            )
        if self.channels > 1:
            images = np.repeat(images, self.channels, axis=-1)
            if self.reconstruction:
                targets[self.reconstruction] = np.repeat(
                    targets[self.reconstruction], self.channels, axis=-1
                )
        return images, targets

    def _source(self, spec: AttentionSpec, index: int) -> str | None:
        """The mask or map task behind an image's attention, or None."""
        return dict(spec.sources).get(self.dataset.table[spec.label][index])

    def _look(
        self, spec: AttentionSpec, index: int, pictures: Arrays
    ) -> Floats | None:
        """Where to look on the CAM's grid, its peak 1; None if unknown."""
        source = self._source(spec, index)
        picture = None if source is None else pictures.get(source)
        if source is None or picture is None or not picture.any():
            return None
        # A mask's cells are shares already, of at most 1.
        kind: Any = task_kinds.of(self.dataset.task(source))
        rescale = not kind.discrete
        return attention.to_grid(picture, spec.cells, rescale=rescale)

    def _sample(
        self, index: int, draw: int
    ) -> tuple[Floats, Floats, NDArray | None, Arrays]:
        """(clean image, image, what of it is learnt, {task: picture})."""
        row = int(self.dataset.rows[index])
        store = self.dataset.store
        focused = store if isinstance(store, FocusedImages) else None
        whole = store.image if focused is None else focused.whole
        image: NDArray = whole(row)
        sources = [self._source(s, index) for s in self._attention.values()]
        needed = dict.fromkeys([*self._pictured, *sources])
        # Masks and maps move with the image, each in its own way.
        masks: Arrays = {}
        maps: Arrays = {}
        for task in needed:
            if task is None:
                continue
            picture = self.dataset.target(task, index)
            if picture is not None:
                kind: Any = task_kinds.of(self.dataset.task(task))
                (masks if kind.discrete else maps)[task] = picture
        if focused is not None:
            # What is outside is taken away last, so that it stays away.
            masks[_FOCUS] = focused.mask(row)
        rng = np.random.default_rng([self.seed, draw, row])
        if self.augmentation is not None:
            stack: Any = np.stack(list(masks.values()), -1) if masks else None
            if len(masks) == 1:
                stack = stack[..., 0]
            drawn = self.augmentation.draw(rng)
            image, stack = self.augmentation.apply(image, stack, drawn)
            if masks:
                stack = stack.reshape(*image.shape[:2], len(masks))
                masks = {t: stack[..., i] for i, t in enumerate(masks)}
            for task, values in maps.items():
                values = self.augmentation.apply_to_map(values, drawn)
                maps[task] = values / (values.sum() or 1.0)
        if focused is not None:
            image = focused.focusing(image, masks.pop(_FOCUS))
        clean = np.asarray(image, np.float32)
        noisy, learnt = clean, None
        if isinstance(self.corruption, Corruption):
            parameters = self.corruption.draw(rng)
            noisy = self.corruption.apply(clean, parameters)
            learnt = self.corruption.learnt(clean.shape, parameters)
        elif self.corruption is not None:
            noisy = self.corruption(clean, rng)
        return clean, noisy, learnt, masks | maps


def _checked(draws: int | None) -> int | None:
    if draws is not None and (int(draws) != draws or draws < 1):
        raise UmsrepError(
            f"draws={draws}: expected a whole number of at least 1, or "
            "None to draw anew every epoch."
        )
    return draws


def ahead(
    batches: Any, workers: int = 2, depth: int = 4
) -> Iterator[tuple[Any, Arrays, Arrays]]:
    """Iterates over `batches` in order, with some prepared in advance.

    OpenCV and NumPy release the interpreter lock, so two threads keep ahead of
    training; at most `depth` batches are in memory.
    """
    total = len(batches)
    with ThreadPoolExecutor(workers) as pool:
        waiting = [
            pool.submit(batches.__getitem__, i)
            for i in range(min(depth, total))
        ]
        try:
            for number in range(total):
                ready = waiting.pop(0).result()
                if number + depth < total:
                    waiting.append(
                        pool.submit(batches.__getitem__, number + depth)
                    )
                yield ready
        finally:
            for future in waiting:
                future.cancel()
