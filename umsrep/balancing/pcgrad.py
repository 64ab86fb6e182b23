"""Gradient surgery: what conflicts is projected away."""

import itertools
import math

import keras
import numpy as np
from keras import ops

from umsrep.balancing.base import registry
from umsrep.balancing.gradients import GradientBalancer

# Orders of the other tasks; of more, so many are drawn once.
MOST_ORDERS = 720


@registry.register("pcgrad")
class PCGrad(GradientBalancer):
    """`sum_i g_i^PC`, projecting conflicting gradients (Yu et al. 2020).

    Each task's gradient meets the others' in turn; where the inner product is
    negative, it is projected onto the other's normal plane (Algorithm 1 of
    "Gradient Surgery for Multi-Task Learning"),

        g_i^PC <- g_i^PC - <g_i^PC, g_j> / |g_j|^2 g_j  if <g_i^PC, g_j> < 0.

    Of two tasks, the result has a non-negative inner product with both
    gradients; of more, not always (`UPGrad` has). The paper draws the order of
    the others anew in each step; here the result is the mean over all orders,
    which is what it expects, and needs no random state. Of two tasks both are
    the same. With more than seven tasks it is the mean over 720 orders.

    The gradients are those of the encoder's features: see
    `umsrep.balancing.gradients` for what that means, and what it costs.
    """

    def __init__(self, name: str = "pcgrad", **kwargs):
        super().__init__(name=name, **kwargs)

    def gradient_weights(self, gramian):
        size = gramian.shape[0]
        orders = _orders(size - 1)
        total = 0.0
        for task in range(size):
            others = np.array([j for j in range(size) if j != task])
            # Of each order, the coefficients of all gradients: (orders, K).
            found = ops.tile(
                ops.one_hot([task], size, dtype="float32"), (len(orders), 1)
            )
            for turn in orders.T:
                met = ops.one_hot(others[turn], size, dtype="float32")
                inner = ops.sum(ops.matmul(found, gramian) * met, axis=1)
                square = ops.matmul(met, ops.diagonal(gramian))
                away = ops.minimum(inner, 0.0) / ops.maximum(
                    square, keras.config.epsilon() ** 4
                )
                found = found - away[:, None] * met
            total = total + ops.mean(found, axis=0)
        return total


def _orders(count):
    """(orders, count) permutations of `range(count)`."""
    if math.factorial(count) <= MOST_ORDERS:
        return np.array(list(itertools.permutations(range(count))), int)
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(count) for _ in range(MOST_ORDERS)])
