"""Features of a frozen encoder, computed once instead of once per task.

A frozen encoder gives the same features for the same picture, whatever the
heads on it do (UMS-Rep, Section 2.3). So each picture, or each augmented
version of it, goes through the encoder once, and all heads train on the
result.
"""

import errno
import math
import os
import tempfile

import keras
import numpy as np

from umsrep import backend
from umsrep import tasks as task_kinds
from umsrep.data.batches import ahead
from umsrep.errors import UmsrepError
from umsrep.representations import Representation

BATCH_SIZE = 32


class _Rest(Representation):
    """The part of a representation after some features; shares its layers."""

    def __init__(self, whole, names):
        inputs = {}
        for name in names:
            tensor = whole.output[name]
            inputs[name] = keras.Input(
                tensor.shape[1:], dtype=tensor.dtype, name=name
            )
        outputs = dict(inputs)
        if "decoded" in whole.features and "decoded" not in names:
            if set(whole.sources("decoded")) <= set(names):
                outputs["decoded"] = whole.decode(inputs)
        super().__init__(inputs=inputs, outputs=outputs, name=whole.name)


def sources(model, frozen):
    """Names of the features from which the rest of `model` is computed.

    Args:
        model: A `MultiTaskModel`.
        frozen: Names of the frozen parts, "encoder" among them.
    """
    representation = model.representation
    names = []
    for feature in model.read_features:
        if "decoder" in frozen:
            names.append(feature)
        else:
            names += representation.sources(feature)
    return tuple(dict.fromkeys(names))


def rest(model, names):
    """The model that starts from features instead of images, weights shared.

    Args:
        model: A `MultiTaskModel`.
        names: Names of the features, as from `sources`.
    """
    return model.with_representation(_Rest(model.representation, names))


class FeatureStore:
    """Features, masks and maps of every image, per augmented version.

    Args:
        model: A `MultiTaskModel` with a frozen encoder.
        names: Features to keep.
        dataset: The images.
        tasks: Names of the mask and map tasks whose targets are kept as well
            (an augmentation moves them along with the image).
        seed, augmentation, draws: As for `data.Batches`. Without `draws`, the
            versions of each epoch replace those of the previous one.
        memory: Bytes that may be kept in memory; anything larger is kept in a
            memory-mapped file in `folder`.
        folder: Folder for that file; None is the system's temporary folder.
    """

    def __init__(
        self,
        model,
        names,
        dataset,
        tasks=(),
        seed: int = 0,
        augmentation=None,
        draws=None,
        memory=2 * 2**30,
        folder=None,
    ):
        self.names = tuple(names)
        self.tasks = tuple(tasks)
        self._extractor = model.feature_model(self.names)
        self._batches = dataset.batches(
            BATCH_SIZE,
            tasks=self.tasks,
            augmentation=augmentation,
            seed=seed,
            draws=draws,
            channels=model.representation.image_shape[-1],
        )
        self._position = {row: i for i, row in enumerate(dataset.rows)}
        self._versions = 1 if augmentation is None else draws or 1
        # Without a number of draws, one slot serves every epoch.
        self._filled = [None] * self._versions
        self.bytes = self._versions * size(model, names, dataset, tasks)
        self._folder = folder
        self._in_memory = self.bytes <= memory
        self._arrays = None

    def prepare(self, draw):
        """Computes the features of a draw, unless they are already there."""
        slot = draw % self._versions
        if self._versions == 1 and self._batches.augmentation is None:
            draw = 0
        if self._filled[slot] == draw:
            return
        if self._arrays is None:
            self._allocate()
        self._batches.set_epoch(draw)
        for number, (images, targets, _) in enumerate(ahead(self._batches)):
            begin = number * BATCH_SIZE
            here = slice(begin, begin + len(images))
            with backend.quiet_tracing():
                found = self._extractor.predict_on_batch(images)
            for name in self.names:
                self._arrays[name][slot, here] = np.asarray(found[name])
            for task in self.tasks:
                self._arrays[task, "target"][slot, here] = targets[task][..., 0]
        self._filled[slot] = draw

    def read(self, draw, rows, names, tasks):
        """({feature: array}, {task: (n, height, width, 1) float32})."""
        slot = draw % self._versions
        at = [self._position[row] for row in rows]
        features = {name: self._arrays[name][slot, at] for name in names}
        targets = {
            task: self._arrays[task, "target"][slot, at][..., None].astype(
                np.float32
            )
            for task in tasks
        }
        return features, targets

    def _allocate(self):
        count = len(self._position)
        layout = {}
        for name in self.names:
            tensor = self._extractor.output[name]
            kind = _numpy_type(tensor.dtype)
            layout[name] = (tuple(tensor.shape[1:]), kind)
        dataset = self._batches.dataset
        for task in self.tasks:
            kind = _target_type(dataset, task)
            layout[task, "target"] = (dataset.image_size, kind)
        self._arrays = {
            key: self._array((self._versions, count, *shape), kind)
            for key, (shape, kind) in layout.items()
        }

    def release(self):
        """Frees the memory or the file."""
        self._arrays = None
        self._filled = [None] * self._versions

    def _array(self, shape, kind):
        if self._in_memory:
            return np.empty(shape, kind)
        needed = max(math.prod(shape) * np.dtype(kind).itemsize, 1)
        # The file has no name, so not even a killed training leaves it behind.
        with tempfile.TemporaryFile(dir=self._folder) as file:
            try:
                if hasattr(os, "posix_fallocate"):
                    # A sparse file on a full disk would end the process.
                    os.posix_fallocate(file.fileno(), 0, needed)
                return np.memmap(file, kind, "r+", shape=shape)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise UmsrepError(
                    f"{self._folder or tempfile.gettempdir()} has no room for "
                    f"the {self.bytes / 2**30:.1f} GiB of features of the "
                    "frozen encoder. Make room, ask for fewer draws, or "
                    "switch cache_features off (--no-cache-features)."
                ) from error


def size(model, names, dataset, tasks):
    """Bytes that the features and targets of one version of a set take."""
    tensors = model.feature_model(names).output.values()
    per_image = sum(
        math.prod(t.shape[1:]) * np.dtype(_numpy_type(t.dtype)).itemsize
        for t in tensors
    )
    per_image += math.prod(dataset.image_size) * sum(
        _target_type(dataset, task).itemsize for task in tasks
    )
    return per_image * len(dataset)


def _target_type(dataset, task):
    """The type in which a target picture is kept; masks are 0 and 1."""
    return np.dtype(task_kinds.of(dataset.task(task)).cached_as)


def _numpy_type(name):
    if name != "bfloat16":
        return np.dtype(name)
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)
