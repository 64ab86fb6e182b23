"""Segmentation losses (UMS-Rep, Equations 1-3)."""

import keras
from keras import ops

from umsrep.errors import UmsrepError


@keras.saving.register_keras_serializable("umsrep")
class BCEDice(keras.losses.Loss):
    """Weighted sum of binary cross-entropy and Dice loss, per image.

    `L = bce_weight * BCE + dice_weight * Dice` (UMS-Rep, Equation 1), with
    `BCE = -mean(y log p + (1 - y) log(1 - p))` and
    `Dice = 1 - (2 sum(y p) + eps) / (sum(y) + sum(p) + eps)`. Sums run over
    the pixels of one image, not over the batch, so that a missing mask can be
    given weight 0 and a small lung counts as much as a large one.

    Args:
        bce_weight, dice_weight: At least 0, not both 0.
        epsilon: Keeps Dice defined on an empty mask with an empty prediction.

    Call arguments:
        y_true: (batch, height, width, 1) in {0, 1}.
        y_pred: The same shape, probabilities.
    """

    def __init__(
        self,
        bce_weight: float = 0.5,
        dice_weight: float = 0.5,
        epsilon: float = 1.0,
        reduction: str = "mean_with_sample_weight",
        name: str = "bce_dice",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if min(bce_weight, dice_weight) < 0 or bce_weight + dice_weight == 0:
            raise UmsrepError(
                f"bce_weight={bce_weight}, dice_weight={dice_weight}: expected "
                "weights of at least 0, one of them above 0."
            )
        self.bce_weight = bce_weight
        self.dice_weight = dice_weight
        self.epsilon = epsilon

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.cast(y_pred, "float32")
        axes = (1, 2, 3)
        p = ops.clip(y_pred, 1e-7, 1.0 - 1e-7)
        entropy = -ops.mean(
            y_true * ops.log(p) + (1.0 - y_true) * ops.log(1.0 - p), axis=axes
        )
        overlap = 2.0 * ops.sum(y_true * y_pred, axis=axes) + self.epsilon
        total = ops.sum(y_true, axis=axes) + ops.sum(y_pred, axis=axes)
        dice = 1.0 - overlap / (total + self.epsilon)
        return self.bce_weight * entropy + self.dice_weight * dice

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "bce_weight": self.bce_weight,
            "dice_weight": self.dice_weight,
            "epsilon": self.epsilon,
        }
