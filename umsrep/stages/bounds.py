"""Which values the settings of a training may have.

The command line, a settings file, a recipe of a scan and a notebook all make
the same settings objects, so the bounds are checked there.
"""

import math
from numbers import Integral, Real

from umsrep.errors import UmsrepError

AT_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "patience": 1,
    "stop_patience": 1,
    "draws": 1,
    "seed": 0,
    "split_seed": 0,
    "hidden_units": 0,
}
# Numbers from the first on, below the second.
SHARES = {"dropout": (0, 1), "label_smoothing": (0, 1)}
ABOVE_ZERO = ("learning_rate", "attention_sigma")
WHOLE = ("filters", "convolutions")


def check(settings):
    """Raises at the first field of settings that no training can have.

    Args:
        settings: A dataclass of settings; fields it does not have, and None,
            are passed over.
    """
    for name, value in vars(settings).items():
        expected = None if value is None else _expected(name, value)
        if expected:
            raise UmsrepError(
                f"{name}={value!r}: expected {expected}. Mend the value."
            )
    if vars(settings).get("optimizer") is not None:
        _check_optimizer(settings.optimizer)


def _expected(name, value):
    """What was expected instead of a value, or None if it is fine."""
    if name in AT_LEAST:
        least = AT_LEAST[name]
        if not isinstance(value, Integral) or value < least:
            return f"a whole number of at least {least}"
    elif name in SHARES:
        low, high = SHARES[name]
        if not isinstance(value, Real) or not low <= value < high:
            return f"a number from {low} on and below {high}"
    elif name in ABOVE_ZERO:
        if not _finite(value) or value <= 0:
            return "a number above 0"
    elif name == "augmentation":
        if not _finite(value) or not 0 <= value <= 1.5:
            return "a strength from 0 to 1.5"
    elif name == "fractions":
        if len(value) != 3 or not all(map(_finite, value)):
            return "three shares, for training, validation and test"
    elif name in WHOLE:
        if not all(isinstance(n, Integral) and n >= 1 for n in value):
            return "whole numbers of at least 1"
    elif name == "weighting" and isinstance(value, dict):
        if not all(_finite(one) and one >= 0 for one in value.values()):
            return "a number of at least 0 for each task"
    return None


def _finite(value):
    return isinstance(value, Real) and math.isfinite(value)


def _check_optimizer(name):
    import keras

    # By name: an optimizer made here would use a device before the command
    # has chosen one.
    known = {
        one.__name__.lower()
        for one in vars(keras.optimizers).values()
        if isinstance(one, type) and issubclass(one, keras.optimizers.Optimizer)
    }
    if not isinstance(name, str) or name.lower() not in known:
        raise UmsrepError(
            f"The optimizer '{name}' is unknown. Name one of Keras, such as "
            "adam, rmsprop or sgd."
        )
