"""Linear heads, which are solved on frozen features."""

import math

import keras
import numpy as np
from keras import ops

from umsrep.heads import logistic
from umsrep.heads.base import registry
from umsrep.heads.label import LabelHead

# Pixels per cell: finer cells see single lines.
FINEST = 8
# Of pretrained weights: what is coarser knows ImageNet's classes rather than
# what it sees (docs/which-construction.md has the figures).
COARSEST_PRETRAINED = 16
# Under the root of a variance: the slope of a root at 0 is infinite.
EPSILON = 1e-8


def usual_features(representation):
    """Names of the features that tell most of a label, coarse to fine.

    All stages of at least 8 pixels per cell; of pretrained weights up to 16.

    Args:
        representation: A `Representation`.
    """
    coarsest = COARSEST_PRETRAINED if representation.origin else np.inf
    chosen = [
        name
        for name in representation.stages
        if FINEST <= representation.stride(name) <= coarsest
    ]
    return tuple(chosen) or ("bottleneck",)


def pooled(features, deviations=True):
    """Means and standard deviations over the cells, (batch, columns) float32.

    Args:
        features: Tensors (batch, rows, columns, channels); one without cells
            gives its values.
        deviations: Whether the deviations follow each feature's means.
    """
    found = []
    for feature in features:
        x = ops.cast(feature, "float32")
        if len(x.shape) != 4:
            found.append(ops.reshape(x, (-1, math.prod(x.shape[1:]))))
            continue
        found.append(ops.mean(x, axis=(1, 2)))
        if deviations:
            found.append(ops.sqrt(ops.var(x, axis=(1, 2)) + EPSILON))
    return ops.concatenate(found, axis=-1)


@registry.register("linear")
class LinearHead(LabelHead):
    """Class probabilities by logistic regression on what an encoder sees.

    Mean and standard deviation of every channel over the image, of one feature
    or several, standardised by those of the training images; one dense layer;
    softmax. On a frozen encoder this is the linear evaluation of
    self-supervised learning (Zhang et al. 2016, Chen et al. 2020): a strategy
    solves it (`solve`) instead of making steps. Where the encoder learns
    afterwards, it begins there, and learns at the encoder's rate.

    Args:
        num_classes: At least 2.
        name: The task.
        features: One feature, or several; None are `usual_features` of the
            representation that it is attached to.
        deviations: Whether standard deviations are read beside the means.
        loss: Default: categorical cross-entropy.

    Output shape: (batch, num_classes), float32, sums to 1.
    """

    # Grad-CAM sees one feature, and none of its deviations.
    explainer = "cam"
    has_maps = True

    def __init__(
        self,
        num_classes,
        name,
        features=None,
        deviations=True,
        loss=None,
        **kwargs,
    ):
        # None until it is attached.
        given = () if features is None else features
        super().__init__(num_classes, name, given, loss, **kwargs)
        self.features = self.features or None
        self.deviations = deviations
        self.classes = keras.layers.Dense(
            num_classes, dtype="float32", name="classes"
        )

    def check_features(self, representation, provided=()):
        if self.features is None:
            self.features = usual_features(representation)
        super().check_features(representation, provided)

    def build(self, input_shape):
        self._grids = [tuple(shape[1:3]) for shape in input_shape]
        width = sum(shape[-1] for shape in input_shape)
        width *= 2 if self.deviations else 1
        # Factors instead of spreads: 0 where a column says nothing.
        self.centre, self.factor = (
            self.add_weight(
                shape=(width,),
                initializer=initial,
                trainable=False,
                autocast=False,
                dtype="float32",
                name=name,
            )
            for name, initial in (("centre", "zeros"), ("factor", "ones"))
        )
        self.classes.build((None, width))

    def columns(self, features):
        return pooled(features, self.deviations)

    def solve(self, columns, labels, groups, weights=None, seed=0):
        fitted = logistic.fit(
            columns, labels, groups, self.num_classes, weights, seed
        )
        self.centre.assign(fitted.centre)
        self.factor.assign(1 / fitted.spread)
        self.classes.kernel.assign(fitted.kernel)
        self.classes.bias.assign(fitted.bias)
        return fitted.loss

    def logits(self, features, training=None):
        """Scores before the softmax, (batch, num_classes), float32."""
        x = (self.columns(features) - self.centre) * self.factor
        return self.classes(x)

    @property
    def map_feature(self):
        """The feature whose cells `maps` has: the finest that is read."""
        rows = [grid[0] for grid in self._grids]
        return self.feature_names[int(np.argmax(rows))]

    def maps(self, features, training=None):
        """Class activation maps: what each cell adds to each class's score.

        The logits are a sum over columns, and each column an average over
        cells: a mean of the channel itself, a standard deviation of squared
        distances from the mean, divided by it. So the average of a map over
        its cells is the logit, as in a class activation map (Zhou et al.
        2016). Coarse cells are repeated on the grid of the finest feature, or
        enlarged bilinearly where they do not tile it.

        (batch, rows, columns, num_classes), float32.
        """
        finest = max(self._grids)
        total, start = 0.0, 0
        for feature in features:
            x = ops.cast(feature, "float32")
            parts = [x]
            if self.deviations:
                mean = ops.mean(x, axis=(1, 2), keepdims=True)
                squares = ops.square(x - mean) + EPSILON
                spread = ops.sqrt(ops.mean(squares, axis=(1, 2), keepdims=True))
                parts.append(squares / spread)
            for part in parts:
                width = part.shape[-1]
                here = slice(start, start + width)
                scaled = (part - self.centre[here]) * self.factor[here]
                cells = ops.matmul(scaled, self.classes.kernel[here])
                total = total + _on_grid(cells, finest)
                start += width
        return total + self.classes.bias

    def get_config(self):
        return {
            **super().get_config(),
            "deviations": self.deviations,
        }


def _on_grid(cells, grid):
    """Maps on a finer grid, with the same mean over the cells."""
    old = tuple(cells.shape[1:3])
    if all(not n % k for n, k in zip(grid, old, strict=True)):
        for axis in (1, 2):
            times = grid[axis - 1] // old[axis - 1]
            cells = ops.repeat(cells, times, axis=axis)
        return cells
    enlarged = ops.image.resize(cells, grid, "bilinear")
    means = [ops.mean(x, axis=(1, 2), keepdims=True) for x in (cells, enlarged)]
    return enlarged + means[0] - means[1]
