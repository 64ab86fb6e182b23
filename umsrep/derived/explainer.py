"""The contract of an explainer: where in the image a class is found."""

import weakref

import numpy as np
from keras import ops

from umsrep import backend
from umsrep.cells import Cells
from umsrep.derived.base import DerivedTask
from umsrep.errors import UmsrepError


class Explainer(DerivedTask):
    """Maps of the evidence for a class of a classification task (abstract).

    A subclass implements `function(model, head)`, or `raw(model, head, images,
    classes)` where the map is not a function of tensors. If its map has the
    cells of a feature, `feature_of(model)` names it.

    Args:
        task: Name of a classification task; the model may have others.
        class_index: Class to explain; None is each image's likeliest class.
        batch_size: Images per forward pass.

    Call arguments:
        model: A `MultiTaskModel`, or an `Ensemble`, whose map is the mean of
            its members'.
        images: (n, height, width, channels), grey levels in [0, 255].
        classes: (n,) class to explain for each image, instead of
            `class_index`; -1 is the likeliest one.

    Returns:
        (n, height, width) float32 in [0, 1]: the grid's positive part, divided
        by its maximum and then enlarged (which may lower the peak); all zero
        where there is no evidence for the class. Of a representation that
        sees a part of the image (`Representation.visible`), the rest is 0.
    """

    def __init__(
        self, task: str, class_index: int | None = None, batch_size: int = 32
    ):
        self.task = task
        self.class_index = class_index
        self.batch_size = batch_size
        # One compiled function per model serves every later call.
        self._compiled = weakref.WeakKeyDictionary()

    def __call__(self, model, images, classes=None):
        members = getattr(model, "members", ())
        if members:
            classes = self._ensemble_classes(model, images, classes)
            maps = [self(member, images, classes) for member in members]
            return np.mean(maps, axis=0, dtype=np.float32)
        grids = self.grids(model, images, classes)
        return self.cut(model, images, self.enlarge(model, grids))

    def cut(self, model, images, maps):
        """Maps of the images' size, 0 where the network sees nothing.

        Cells there have evidence too, of how the organ's outline differs from
        the usual one; the scale remains that of the whole map.
        """
        visible = model.representation.visible(images)
        return maps if visible is None else maps * visible

    def grids(self, model, images, classes=None):
        """The maps as computed, on the cells of the feature.

        Returns:
            (n, rows, columns) float32, not scaled; negative values are kept
            where the method has them. Of a representation that sees a part of
            the image (`Representation.moves_image`) they are brought back to
            it, (n, height, width).
        """
        if np.ndim(images) != 4 or len(images) == 0:
            raise UmsrepError(
                f"images of shape {np.shape(images)}; expected (n, height, "
                "width, channels) with at least one image. Pass image[None] "
                "for a single one."
            )
        members = getattr(model, "members", ())
        if members:
            classes = self._ensemble_classes(model, images, classes)
            found = [self.grids(member, images, classes) for member in members]
            return np.mean(found, axis=0, dtype=np.float32)
        head = self.head(model)
        classes = self._classes(head, classes, len(images))
        grids = self.raw(model, head, images, classes)
        feature = self.feature_of(model)
        if feature is None or not model.representation.moves_image:
            return grids
        placed = model.cells(feature).enlarge(grids)
        return model.representation.restored(placed, images)

    def enlarge(self, model, grids):
        """Maps in [0, 1] at the images' size, from `grids`.

        Each value stands where its cell's receptive field has its centre.
        """
        return self.cells(model, np.shape(grids)[1:3]).enlarge(scaled(grids))

    def cells(self, model, grid):
        """Where the cells of `grids` lie in the image: `umsrep.Cells`.

        Args:
            model: The model.
            grid: (rows, columns) of the maps.
        """
        feature = self.feature_of(model)
        if feature is None or model.representation.moves_image:
            return Cells.tiling(grid, model.representation.image_shape[:2])
        return model.cells(feature)

    def feature_of(self, model):
        """The feature whose cells the maps have; None where they tile."""
        return None

    def head(self, model):
        """The model's head of the task; raises unless it has classes."""
        head = model.head(self.task)
        if not hasattr(head, "logits"):
            raise UmsrepError(
                f"Task '{self.task}' is not a classification task, so it has "
                "no class to explain. Choose a task with a ClassificationHead "
                "or a CAMHead."
            )
        return head

    def function(self, model, head):
        """The function (images, classes) -> maps; classes may hold -1."""
        raise NotImplementedError

    def raw(self, model, head, images, classes):
        """The maps of `grids`, for checked classes."""
        if model not in self._compiled:
            self._compiled[model] = backend.compiled(
                self.function(model, head), model.variables
            )
        grids = []
        for start in range(0, len(images), self.batch_size):
            here = slice(start, start + self.batch_size)
            with backend.quiet_tracing():
                grid = self._compiled[model](
                    ops.convert_to_tensor(np.asarray(images[here], np.float32)),
                    ops.convert_to_tensor(classes[here]),
                )
            grids.append(ops.convert_to_numpy(grid))
        return np.concatenate(grids)

    def _ensemble_classes(self, model, images, classes):
        """The ensemble's likeliest class, which a member may not share."""
        classes = self._classes(self.head(model), classes, len(images))
        known = model.predict_on_batch(np.asarray(images, np.float32))
        winner = np.argmax(known[self.task], axis=-1)
        return np.where(classes < 0, winner, classes)

    def _classes(self, head, classes, count):
        if classes is None:
            if self.class_index is not None and self.class_index < 0:
                raise UmsrepError(
                    f"class_index={self.class_index}: task '{self.task}' has "
                    f"the classes 0 to {head.num_classes - 1}; None is the "
                    "likeliest one."
                )
            # -1 stands for the likeliest class.
            chosen = -1 if self.class_index is None else self.class_index
            classes = np.full(count, chosen)
        elif len(classes) != count:
            raise UmsrepError(
                f"{len(classes)} classes for {count} images. Pass the class to "
                "explain for each image."
            )
        classes = np.asarray(classes, np.int32)
        wrong = classes[(classes < -1) | (classes >= head.num_classes)]
        if len(wrong):
            raise UmsrepError(
                f"class {wrong[0]}: task '{self.task}' has the classes 0 "
                f"to {head.num_classes - 1}; -1 is the likeliest one."
            )
        return classes


def scaled(grids):
    """The positive part of each map, divided by its maximum."""
    grids = np.maximum(np.asarray(grids, np.float32), 0)
    peaks = grids.max(axis=(1, 2), keepdims=True)
    return grids / np.where(peaks > 0, peaks, 1.0)


def one_hot_of(classes, logits):
    """(batch, classes) float32, 1 at the class to explain of each image."""
    winner = ops.argmax(logits, axis=-1)
    chosen = ops.where(classes < 0, ops.cast(winner, "int32"), classes)
    return ops.one_hot(chosen, logits.shape[-1], dtype="float32")
