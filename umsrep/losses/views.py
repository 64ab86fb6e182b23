"""Losses on the embeddings of two views of each image."""

import keras
from keras import ops

from umsrep.errors import UmsrepError


@keras.saving.register_keras_serializable("umsrep")
class VICReg(keras.losses.Loss):
    """Variance, invariance, covariance (Bardes et al. 2022, Equation 6).

    `lambda s(Z, Z') + mu (v(Z) + v(Z')) + nu (c(Z) + c(Z'))`. The invariance
    s is the mean over images of the squared distance of the two views; the
    variance v (Equation 1) is what each dimension's standard deviation over
    the batch lacks to 1; the covariance c (Equations 3 and 4) is the sum of
    the squared covariances of different dimensions, over their number. There
    are no negatives: what keeps all images from becoming one point is v.

    As in the authors' code, s is a mean over dimensions too, and v of the two
    views is halved.

    Args:
        invariance, variance, covariance: The weights lambda, mu and nu.

    Call arguments:
        y_true: Ignored.
        y_pred: (2 * images, dimensions), two views of an image in rows one
            after the other.

    Returns:
        (2 * images,), the loss of the batch for every row: it is none of
        single images.
    """

    def __init__(
        self,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        reduction: str = "mean_with_sample_weight",
        name: str = "vicreg",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        weights = (invariance, variance, covariance)
        if min(weights) < 0:
            raise UmsrepError(
                f"VICReg weights {weights}: expected numbers of at least 0, "
                "such as 25, 25, 1. Fix them."
            )
        self.invariance, self.variance, self.covariance = weights

    def call(self, y_true, y_pred):
        embedded = ops.cast(y_pred, "float32")
        dimensions = embedded.shape[-1]
        pairs = ops.reshape(embedded, (-1, 2, dimensions))
        one, two = pairs[:, 0], pairs[:, 1]
        loss = self.invariance * ops.mean(ops.square(one - two))
        loss = loss + self.variance * (missing(one) + missing(two)) / 2.0
        loss = loss + self.covariance * (shared(one) + shared(two))
        return ops.zeros_like(embedded[:, 0]) + loss

    def get_config(self):
        return {
            **super().get_config(),
            "invariance": self.invariance,
            "variance": self.variance,
            "covariance": self.covariance,
        }


def missing(embedded):
    """v: what standard deviations lack to 1, the mean over dimensions.

    Args:
        embedded: (images, dimensions).
    """
    count = ops.cast(ops.shape(embedded)[0], "float32")
    centred = embedded - ops.mean(embedded, axis=0, keepdims=True)
    total = ops.sum(ops.square(centred), axis=0)
    variance = total / ops.maximum(count - 1.0, 1.0)
    return ops.mean(ops.relu(1.0 - ops.sqrt(variance + 1e-4)))


def shared(embedded):
    """c: squared covariances of different dimensions, over their number.

    Args:
        embedded: (images, dimensions).
    """
    count = ops.cast(ops.shape(embedded)[0], "float32")
    centred = embedded - ops.mean(embedded, axis=0, keepdims=True)
    products = ops.matmul(ops.transpose(centred), centred)
    squares = ops.square(products / ops.maximum(count - 1.0, 1.0))
    own = ops.sum(
        ops.square(
            ops.sum(ops.square(centred), axis=0) / ops.maximum(count - 1.0, 1.0)
        )
    )
    return (ops.sum(squares) - own) / embedded.shape[-1]
