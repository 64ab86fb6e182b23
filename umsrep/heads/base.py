"""The contract of a head."""

import keras

from umsrep.errors import UmsrepError
from umsrep.registry import Registry

registry = Registry("head")


class Head(keras.layers.Layer):
    """One task on top of a representation (abstract).

    The head's name is the task's name everywhere: output key, loss key, metric
    prefix, manifest column, exported signature.

    A subclass sets `kind`, the kind of target it learns from, implements
    `call(features)` on a list of tensors in the order of `features`, and
    returns a float32 prediction.

    Kinds (`umsrep.tasks`) and their targets: "label", class indices (batch,);
    "number", (batch, 1) in the task's unit; "mask", (batch, height, width, 1)
    in {0, 1}; "map", the same shape, of sum 1; "image",
    grey levels in [0, 1]; "attention", (batch, rows, columns, classes), the
    heat map in [0, 1] in the channel of the true class and -1 elsewhere
    (`data.attention_target`).

    Args:
        name: The task.
        features: Name of the feature it reads, or a tuple of names: the
            representation's, or what an earlier head provides.
        loss: A `keras.losses.Loss` with one value per sample; None is the
            head's default.
    """

    kind = None
    # Registered name of the derived task that explains its classes.
    explainer = "grad_cam"

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

    def check_features(self, representation, provided=()):
        """Raises unless everything that this head reads is there.

        Args:
            representation: The model's `Representation`.
            provided: Names of what the earlier heads provide.
        """
        there = {*representation.features, *provided}
        missing = set(self.feature_names) - there
        if missing:
            heads = ""
            if provided:
                heads = f", and the heads before it {tuple(provided)}"
            raise UmsrepError(
                f"Head '{self.name}' needs feature "
                f"'{sorted(missing)[0]}', but representation "
                f"'{representation.name}' provides "
                f"{representation.features}{heads}. Pass features="
                "'bottleneck', or a representation that has it, or list the "
                "head that provides it first."
            )

    def attach(self, representation):
        """Takes from `representation` what must be known before building.

        Such as a stride; nothing by default. What the head reads from other
        heads is not among the representation's features.
        """

    def adapt(self, training):
        """Takes from the training images what must be known before training.

        Such as the mean and spread of their labels; nothing by default. A
        strategy's `fit` calls it before the first step.

        Args:
            training: The training images, a `data.Dataset`.
        """

    def columns(self, features):
        """What the head is solved on, (batch, columns); None: it trains.

        A function of the features alone, of no variable of the head.
        """
        return None

    def solve(self, columns, labels, groups, weights=None, seed=0):
        """Sets the head's weights by the columns of training images.

        Args:
            columns: (n, columns) as `columns` returns.
            labels: (n,) class indices, none missing.
            groups: (n,) whose each image is.
            weights: Weight of an image by its class; None is 1.
            seed: Seed of what is drawn.

        Returns:
            The mean loss on these images.
        """
        raise NotImplementedError

    def provide(self, features):
        """{name: tensor} for the heads after this one; nothing by default.

        Called once by the model, after `call`, on the same symbolic tensors.
        It may call layers of the head, but no operation on a bare variable:
        the graph would not hold it. Such a layer needs a name that is unique
        in the model.
        """
        return {}

    def logs(self):
        """{name: number} of what the head learns and is worth a curve."""
        return {}

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
