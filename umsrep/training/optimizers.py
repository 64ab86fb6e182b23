"""Optimizers by name, and one that takes smaller steps with a part."""

import keras

from umsrep import keras_import

# Beyond Keras's own names. GG-CAM (Section 4.1) compares SGD with and without
# momentum, but does not say how much; 0.9 is the usual one.
NAMED = {
    "sgd_momentum": lambda: keras.optimizers.SGD(momentum=0.9),
}
# These cannot be made by name: they need another optimizer.
_AROUND_OTHERS = ("lossscaleoptimizer", "multioptimizer")


def names() -> list[str]:
    """What `get` makes, sorted."""
    return sorted({*_of_keras(), *NAMED})


def get(optimizer) -> keras.optimizers.Optimizer:
    """A new optimizer of a name, with its default settings.

    Args:
        optimizer: One of `names()`, or whatever `keras.optimizers.get` takes;
            an optimizer itself comes back as it is.

    Raises:
        ValueError: an unknown name, by Keras.
    """
    # Not all of Keras's own are known to its `get`: Lamb is not.
    known = _of_keras() | NAMED
    if isinstance(optimizer, str) and optimizer in known:
        return known[optimizer]()
    return keras.optimizers.get(optimizer)


def _of_keras():
    """{name in lower case: class}.

    Without making one, which would use a device before the command has chosen
    one.
    """
    base = keras.optimizers.Optimizer
    return {
        name.lower(): cls
        for name, cls in vars(keras.optimizers).items()
        if isinstance(cls, type)
        and issubclass(cls, base)
        and cls is not base
        and name.lower() not in _AROUND_OTHERS
    }


@keras.saving.register_keras_serializable("umsrep")
class RatePerPart(keras.optimizers.Optimizer):
    """Two optimizers behind the interface of one: a part, and the rest.

    Each has its own slots and its own number of steps, so that the bias
    correction of Adam is right for a part that begins to learn later. The part
    learns at `factor` times the learning rate, which scales its steps and its
    weight decay; a scaled gradient would change nothing under Adam, RMSprop
    and others that divide by the gradient's size.

    Args:
        rest: The Keras optimizer of all other variables. One that has been
            built, on variables that this one is built with, goes on.
        part: The optimizer of the part, of the same kind.
        paths: Paths (`keras.Variable.path`) of the part's variables; those
            that are not trained may be among them.
        factor: Share of the learning rate at which the part learns.
    """

    def __init__(self, rest, part, paths, factor, name=None):
        # A variable of several devices is no number.
        rate = keras.ops.convert_to_numpy(rest.learning_rate)
        super().__init__(learning_rate=float(rate), name=name)
        self.rest = rest
        self.part = part
        self.paths = tuple(paths)
        self.factor = float(factor)

    @property
    def optimizers(self):
        """Both optimizers, in the order of `variables`."""
        return self.rest, self.part

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        for optimizer, _, chosen in self._shares(variables):
            optimizer.build([variables[i] for i in chosen])

    @property
    def variables(self):
        return [
            *super().variables,
            *self.rest.variables,
            *self.part.variables,
        ]

    def apply(self, grads, trainable_variables=None):
        variables = trainable_variables
        if variables is None:
            variables = self._trainable_variables
        variables = list(variables)
        self.build(variables)
        rate = keras.ops.convert_to_tensor(self.learning_rate)
        for optimizer, factor, chosen in self._shares(variables):
            if chosen:
                optimizer.learning_rate.assign(rate * factor)
                optimizer.apply(
                    [grads[i] for i in chosen], [variables[i] for i in chosen]
                )
        self._iterations.assign_add(1)

    def _shares(self, variables):
        """(optimizer, factor, positions of its variables) of both."""
        part, rest, paths = [], [], set(self.paths)
        for position, variable in enumerate(variables):
            (part if variable.path in paths else rest).append(position)
        return (self.rest, 1.0, rest), (self.part, self.factor, part)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "rest": serialize(self.rest),
            "part": serialize(self.part),
            "paths": list(self.paths),
            "factor": self.factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        keras_import.import_classes()
        inner = {
            key: keras.saving.deserialize_keras_object(
                config[key], custom_objects=custom_objects
            )
            for key in ("rest", "part")
        }
        return cls(**{**config, **inner})
