"""Grad-CAM: which regions speak for a class."""

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

    Returns:
        (n, height, width) float32 in [0, 1], bilinearly enlarged to the
        images; all zero where nothing speaks for the class.
    """

    def __init__(self, task, class_index=None, feature=None, batch_size=32):
        self.task = task
        self.class_index = class_index
        self.feature = feature
        self.batch_size = batch_size

    def __call__(self, model, images):
        head = model.head(self.task)
        if not hasattr(head, "logits"):
            raise UmsrepError(
                f"Task '{self.task}' is no classification task, so it has no "
                "class to explain. Choose a task with a ClassificationHead."
            )
        classes = head.num_classes
        if self.class_index is not None and not (
            0 <= self.class_index < classes
        ):
            raise UmsrepError(
                f"class_index={self.class_index}: task '{self.task}' has the "
                f"classes 0 to {classes - 1}."
            )
        feature = self.feature or head.feature_names[0]
        if feature not in head.feature_names:
            raise UmsrepError(
                f"feature='{feature}': head '{head.name}' reads "
                f"{head.feature_names}. Choose one of them."
            )
        extractor = model.feature_model(head.feature_names)
        height, width = np.shape(images)[1:3]
        maps = []
        for start in range(0, len(images), self.batch_size):
            batch = np.asarray(
                images[start : start + self.batch_size], np.float32
            )
            for grid in self._grids(extractor, head, feature, batch):
                maps.append(cv2.resize(grid, (width, height)))
        return np.stack(maps)

    def _grids(self, extractor, head, feature, images):
        features = extractor(images, training=False)
        position = head.feature_names.index(feature)

        def score(activation):
            inputs = [features[name] for name in head.feature_names]
            inputs[position] = ops.cast(activation, inputs[position].dtype)
            logits = head.logits(inputs, training=False)
            if self.class_index is None:
                chosen = ops.argmax(logits, axis=-1)
            else:
                chosen = ops.full(
                    (len(images),), self.class_index, dtype="int32"
                )
            picked = ops.one_hot(chosen, head.num_classes, dtype="float32")
            return ops.sum(logits * picked), logits

        activation = ops.cast(features[feature], "float32")
        gradient, _ = backend.gradient(score, activation)
        weights = ops.mean(gradient, axis=(1, 2), keepdims=True)
        grids = ops.relu(ops.sum(weights * activation, axis=-1))
        grids = ops.convert_to_numpy(grids).astype(np.float32)
        peaks = grids.max(axis=(1, 2), keepdims=True)
        return grids / np.where(peaks > 0, peaks, 1.0)
