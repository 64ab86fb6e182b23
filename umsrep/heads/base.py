"""The contract of a head."""

import keras

from umsrep.errors import UmsrepError
from umsrep.registry import Registry

registry = Registry("head")


class Head(keras.layers.Layer):
    """One task on top of a representation (abstract).

    The head's name is the task's name everywhere: output key, loss key, metric
    prefix, manifest column, exported signature.

    A subclass sets `kind`, the kind of target it learns from ("label",
    "mask", "map" or "image"), implements `call(features)` on a list of tensors
    in the order of `features`, and returns a float32 prediction.

    Args:
        name: The task.
        features: Name of the feature it reads, or a tuple of names.
        loss: A `keras.losses.Loss` with one value per sample; None is the
            head's default.
    """

    kind = None

    def __init__(self, name, features, loss=None, **kwargs):
        super().__init__(name=name, **kwargs)
        if not isinstance(name, str) or not name.isidentifier():
            raise UmsrepError(
                f"name={name!r} cannot name a task: it becomes an output key, "
                "a column and a signature. Use letters, digits and _."
            )
        self.features = (
            features if isinstance(features, str) else tuple(features)
        )
        self.loss = loss if loss is not None else self.default_loss()

    def default_loss(self):
        """The loss used when none is given."""
        raise NotImplementedError

    @property
    def feature_names(self):
        """The features read, as a tuple."""
        if isinstance(self.features, str):
            return (self.features,)
        return self.features

    def attach(self, representation):
        """Checks that `representation` offers what this head reads.

        Subclasses take from it what they need to know before they are built,
        such as a stride.
        """
        missing = set(self.feature_names) - set(representation.features)
        if missing:
            raise UmsrepError(
                f"Head '{self.name}' needs feature "
                f"'{sorted(missing)[0]}', but representation "
                f"'{representation.name}' provides "
                f"{representation.features}. Pass features='bottleneck', or "
                "a representation that has it."
            )

    def get_config(self):
        return {
            **super().get_config(),
            "features": self.features,
            "loss": keras.saving.serialize_keras_object(self.loss),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config.get("loss"), dict):
            config["loss"] = keras.saving.deserialize_keras_object(
                config["loss"]
            )
        return super().from_config(config)
