"""The selective loss of GG-CAM."""

import keras
from keras import ops

from umsrep.errors import UmsrepError


@keras.saving.register_keras_serializable("umsrep")
class SelectiveMSE(keras.losses.Loss):
    """Squared error of the true class's attention map alone.

    `L_sm = mean_ij (Omega'_Y,ij - Psi_ij)^2` for the true class Y and the heat
    map Psi (GG-CAM, Zhu et al. 2022, Equation 9). The target itself says which
    class is the true one, so no label enters the loss. An image without a
    target costs 0 and has no gradient; give it sample weight 0 as well, so
    that it is not averaged in.

    Args:
        fidelity: "paper"; or "code", as in the authors' published code, where
            the sigmoid is applied to the label instead of the map, which
            always picks class 0: the map of class 0 is compared with the heat
            map, whatever the true class.

    Call arguments:
        y_true: (batch, rows, columns, classes): the heat map in [0, 1] in the
            channel of the true class, -1 elsewhere; all -1 where there is no
            target (`data.attention_target`).
        y_pred: The same shape, from an `AttentionHead`.
    """

    def __init__(
        self,
        fidelity: str = "paper",
        reduction: str = "mean_with_sample_weight",
        name: str = "selective_mse",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if fidelity not in ("paper", "code"):
            raise UmsrepError(
                f"fidelity='{fidelity}' is unknown. Choose 'paper', or 'code' "
                "for what the authors' published code does instead."
            )
        self.fidelity = fidelity

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.cast(y_pred, "float32")
        if self.fidelity == "code":
            # Of all channels, only the true one is above -1.
            y_true = ops.max(y_true, axis=-1)
            y_pred = y_pred[..., 0]
        known = ops.cast(y_true >= 0, "float32")
        error = known * ops.square(y_pred - y_true)
        axes = tuple(range(1, len(y_true.shape)))
        cells = ops.maximum(ops.sum(known, axis=axes), 1.0)
        return ops.sum(error, axis=axes) / cells

    def get_config(self) -> dict:
        return {**super().get_config(), "fidelity": self.fidelity}
