"""Grad-CAM: which regions speak for a class."""

import weakref

import cv2
import numpy as np
from keras import ops

from umsrep import backend
from umsrep.derived.base import DerivedTask, registry
from umsrep.errors import UmsrepError


@registry.register("grad_cam")
class GradCAM(DerivedTask):
    """Gradient-weighted class activation maps of one classification task.

    `map = ReLU(sum_k w_k A_k)` with `w_k = mean_ij d score / d A_k,ij`
    (Selvaraju et al. 2017, Equations 1 and 2), where A is the feature that the
    head reads and the score is the class's value before the softmax; then
    divided by its maximum (UMS-Rep, Section 4.1.3: the heatmap of the winning
    class in [0, 1]).

    Args:
        task: Name of a classification task.
        class_index: Class to explain; None is each image's winning class.
        feature: Which of the head's features; default: its first.
        batch_size: Images per gradient.

    Call arguments:
        model: A `MultiTaskModel`.
        images: (n, height, width, channels), grey levels in [0, 255].
        classes: (n,) class to explain for each image, instead of
            `class_index`; -1 is the winning one.

    Returns:
        (n, height, width) float32 in [0, 1], bilinearly enlarged to the
        images; all zero where nothing speaks for the class.
    """

    def __init__(self, task, class_index=None, feature=None, batch_size=32):
        self.task = task
        self.class_index = class_index
        self.feature = feature
        self.batch_size = batch_size
        # One compiled function per model serves every later call.
        self._compiled = weakref.WeakKeyDictionary()

    def __call__(self, model, images, classes=None):
        height, width = np.shape(images)[1:3]
        grids = self.grids(model, images, classes)
        return np.stack([cv2.resize(grid, (width, height)) for grid in grids])

    def grids(self, model, images, classes=None):
        """The maps on the cells of the feature, (n, rows, columns)."""
        head = self._head(model)
        if classes is None:
            # -1 stands for the winning class.
            one = -1 if self.class_index is None else self.class_index
            classes = np.full(len(images), one)
        elif len(classes) != len(images):
            raise UmsrepError(
                f"classes: {len(classes)} for {len(images)} images. Pass the "
                "class to explain for each image."
            )
        classes = np.asarray(classes, np.int32)
        if classes.max(initial=-1) >= head.num_classes:
            raise UmsrepError(
                f"class {classes.max()}: task '{self.task}' has the classes 0 "
                f"to {head.num_classes - 1}."
            )
        if model not in self._compiled:
            self._compiled[model] = backend.compiled(
                self._function(model), model.variables
            )
        grids = []
        for start in range(0, len(images), self.batch_size):
            here = slice(start, start + self.batch_size)
            grid = self._compiled[model](
                ops.convert_to_tensor(np.asarray(images[here], np.float32)),
                ops.convert_to_tensor(classes[here]),
            )
            grids.append(ops.convert_to_numpy(grid))
        grids = np.concatenate(grids)
        peaks = grids.max(axis=(1, 2), keepdims=True)
        return grids / np.where(peaks > 0, peaks, 1.0)

    def _head(self, model):
        head = model.head(self.task)
        if not hasattr(head, "logits"):
            raise UmsrepError(
                f"Task '{self.task}' is no classification task, so it has no "
                "class to explain. Choose a task with a ClassificationHead."
            )
        if self.class_index is not None and not (
            0 <= self.class_index < head.num_classes
        ):
            raise UmsrepError(
                f"class_index={self.class_index}: task '{self.task}' has the "
                f"classes 0 to {head.num_classes - 1}."
            )
        if self.feature not in (None, *head.feature_names):
            raise UmsrepError(
                f"feature='{self.feature}': head '{head.name}' reads "
                f"{head.feature_names}. Choose one of them."
            )
        return head

    def _function(self, model):
        """(images, classes) -> maps before their division by the maximum."""
        head = self._head(model)
        names = head.feature_names
        extractor = model.feature_model(names)
        position = names.index(self.feature) if self.feature else 0

        def maps(images, classes):
            features = extractor(images, training=False)
            inputs = [features[name] for name in names]

            def score(activation):
                inputs[position] = ops.cast(activation, inputs[position].dtype)
                logits = head.logits(inputs, training=False)
                chosen = ops.where(
                    classes < 0, ops.argmax(logits, axis=-1), classes
                )
                picked = ops.one_hot(chosen, head.num_classes, dtype="float32")
                return ops.sum(logits * picked), logits

            activation = ops.cast(inputs[position], "float32")
            gradient, _ = backend.gradient(score, activation)
            weights = ops.mean(gradient, axis=(1, 2), keepdims=True)
            return ops.relu(ops.sum(weights * activation, axis=-1))

        return maps
