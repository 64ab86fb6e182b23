"""The attention that GG-CAM supervises."""

import math

import keras
from keras import ops

from umsrep import losses
from umsrep.errors import UmsrepError
from umsrep.heads.base import Head, registry
from umsrep.layers.class_maps import check_fidelity


@registry.register("attention")
class AttentionHead(Head):
    """Class activation maps in [0, 1], to be compared with human attention.

    `Omega'_c = sigmoid(alpha Omega_c)` with a trainable scalar `alpha > 0`
    (GG-CAM, Zhu et al. 2022, Equation 10), stored as its logarithm in float32.
    Its targets are needed in training only: `model.view("finding")` predicts
    without this head.

    Args:
        name: The task, such as "finding_attention".
        features: The maps: what a `CAMHead` provides, such as "finding_cam".
            That head comes first in the model's list.
        loss: Default: `losses.SelectiveMSE`.
        initial: alpha at the start, above 0.
        fidelity: "paper"; or "code", as in the authors' published code: the
            maps as they are, without sigmoid or alpha (which is there, but
            does not train), and the loss on class 0 (see
            `losses.SelectiveMSE`).

    Output shape: (batch, rows, columns, classes), float32, in [0, 1].
    """

    kind = "attention"

    def __init__(
        self,
        name,
        features,
        loss=None,
        initial=1.0,
        fidelity="paper",
        **kwargs,
    ):
        check_fidelity(fidelity)
        kwargs["dtype"] = "float32"
        if loss is None:
            loss = losses.SelectiveMSE(fidelity)
        super().__init__(name=name, features=features, loss=loss, **kwargs)
        if not 0 < initial < math.inf:
            raise UmsrepError(
                f"Head '{name}': initial={initial}; expected an alpha above "
                "0, such as 1."
            )
        if len(self.feature_names) != 1:
            raise UmsrepError(
                f"Head '{name}': features={features}; expected the maps of "
                "one CAMHead, such as 'finding_cam'."
            )
        self.initial = initial
        self.fidelity = fidelity

    @property
    def alpha(self):
        """The current slope of the sigmoid."""
        return math.exp(ops.convert_to_numpy(self.log_alpha))

    def logs(self):
        return {"alpha": self.alpha}

    def build(self, input_shape):
        self.log_alpha = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.initial)),
            trainable=self.fidelity == "paper",
            name="log_alpha",
        )

    def call(self, features):
        if self.fidelity == "code":
            return features[0]
        return ops.sigmoid(ops.exp(self.log_alpha) * features[0])

    def compute_output_spec(self, features):
        return keras.KerasTensor(features[0].shape, dtype="float32")

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        return {
            **config,
            "initial": self.initial,
            "fidelity": self.fidelity,
        }
