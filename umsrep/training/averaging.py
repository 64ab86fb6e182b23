"""An exponential moving average of weights."""

import contextlib

import keras
from keras import ops

from umsrep import backend
from umsrep.errors import UmsrepError


class WeightAverage:
    """The exponential moving average (EMA) of variables.

    After step t, counted from 0, average <- d average + (1 - d) value, with
    d = min(decay, (1 + t) / (10 + t)), so that a short training is not an
    average with its initial weights (the rule of TensorFlow's
    `ExponentialMovingAverage`; averaging: Polyak and Juditsky 1992). It
    begins with the values at hand. What does not change stays as it is, bit
    by bit. Variables of whole numbers (random states) are not averaged.

    Args:
        variables: `keras.Variable`s, batch-norm statistics among them.
        decay: d of a long training, from 0 to below 1.

    Attributes:
        updates: Number of steps so far.
        values: The averages, one per variable.

    Raises:
        UmsrepError: a decay out of range.
    """

    def __init__(self, variables, decay):
        check_decay(decay)
        self.decay = decay
        self.variables = [
            variable
            for variable in variables
            if "float" in keras.backend.standardize_dtype(variable.dtype)
        ]
        self.updates = 0
        self._move = backend.compiled(_moved, [])
        self.restart()

    def restart(self):
        """Begins anew with the values at hand."""
        self.restore(self.current())

    def current(self):
        """The variables' own values, as arrays."""
        return [ops.convert_to_numpy(v) for v in self.variables]

    def arrays(self):
        """The averages, as arrays."""
        return [ops.convert_to_numpy(value) for value in self.values]

    def restore(self, values):
        """Sets the averages."""
        self.values = [ops.convert_to_tensor(value) for value in values]

    def update(self):
        """Takes the variables' values after a step."""
        step = self.updates
        decay = min(self.decay, (1 + step) / (10 + step))
        self.values = self._move(
            self.values,
            [
                ops.stop_gradient(ops.convert_to_tensor(v))
                for v in self.variables
            ],
            ops.convert_to_tensor(1 - decay, "float32"),
        )
        self.updates += 1

    @contextlib.contextmanager
    def in_place(self):
        """Has the variables hold the averages, in this context."""
        own = self.current()
        self._assign(self.arrays())
        try:
            yield
        finally:
            self._assign(own)

    def _assign(self, values):
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)


def check_decay(decay):
    """Raises unless it is a decay of an average."""
    if not 0 <= decay < 1:
        raise UmsrepError(
            f"weight_average={decay}: expected the decay of a moving average, "
            "from 0 to below 1, such as 0.99, or None for none."
        )


def _moved(averages, values, share):
    # Where both are equal, the average stays to the bit.
    return [
        average + ops.cast(share, average.dtype) * (value - average)
        for average, value in zip(averages, values, strict=True)
    ]
