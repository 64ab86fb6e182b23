"""Jacobian descent: no task's loss rises, to first order."""

import itertools

import numpy as np
from keras import ops

from umsrep.balancing.base import registry
from umsrep.balancing.gradients import GradientBalancer
from umsrep.errors import UmsrepError

# A task more doubles the time of the projection.
MOST_TASKS = 8
# Added to the squared lengths, which are 1: opposite gradients have a singular
# Gramian.
RIDGE = 1e-5


@registry.register("upgrad")
class UPGrad(GradientBalancer):
    """The sum of the gradients, each projected onto the dual cone (UPGrad).

    The dual cone of the gradients holds the directions that have a
    non-negative inner product with each of them. Each gradient is projected
    onto it, and the projections are added up (Quinton & Rey 2024, "Jacobian
    Descent for Multi-Objective Optimization", Section 3; theirs is the mean,
    which is the sum over K). So a small enough step raises no task's loss, and
    gradients without conflict are summed as they are.

    The projection of g_i is `sum_j v_j g_j` with the v of smallest `v G v`
    among those that are at least `e_i` (Proposition 1). It is solved exactly,
    by trying each set of tasks whose v is at that bound, so the number of
    tasks is at most 8.

    The gradients are those of the encoder's features: see
    `umsrep.balancing.gradients` for what that means, and what it costs.

    Raises:
        UmsrepError: more than 8 tasks.
    """

    def __init__(self, name: str = "upgrad", **kwargs):
        super().__init__(name=name, **kwargs)

    def attach(self, tasks):
        if len(tasks) > MOST_TASKS:
            raise UmsrepError(
                f"UPGrad of {len(tasks)} tasks: its projection takes 2^K "
                f"systems of equations, so at most {MOST_TASKS} tasks. Use "
                "PCGrad, or fewer tasks."
            )
        super().attach(tasks)

    def gradient_weights(self, gramian):
        lengths = ops.sqrt(ops.maximum(ops.diagonal(gramian), 0.0))
        inverse = ops.where(
            lengths > 0, 1.0 / ops.where(lengths > 0, lengths, 1.0), 0.0
        )
        # In units of the gradients' lengths all tasks are alike, however
        # much larger one loss is than another.
        cosines = gramian * inverse[:, None] * inverse[None, :]
        found = _projections(cosines, gramian.shape[0])
        # Of row i, v_j = y_j |g_i| / |g_j|.
        return ops.sum(found * lengths[:, None] * inverse[None, :], axis=0)


def _projections(cosines, size):
    """(tasks, tasks): row i minimises `y C y` among y of at least `e_i`."""
    unit = ops.eye(size, dtype="float32")
    # Of each set, 1 for the tasks whose y is free, 0 for those at the bound.
    sets = np.array(list(itertools.product((0, 1), repeat=size)), "float32")
    free = ops.convert_to_tensor(sets)
    rows, columns = free[:, :, None], free[:, None, :]
    matrix = cosines + RIDGE * unit
    # Free: the gradient of y C y is 0. At the bound: y is that of e_i.
    system = rows * columns * matrix + (1 - rows) * unit
    bounds = (1 - rows) * unit
    right = bounds - rows * ops.matmul(matrix, bounds)
    # (sets, tasks, i).
    found = ops.solve(system, right)
    allowed = ops.all(found >= unit - 1e-5, axis=1)
    cost = ops.sum(found * ops.matmul(matrix, found), axis=1)
    best = ops.argmin(ops.where(allowed, cost, float("inf")), axis=0)
    chosen = ops.transpose(ops.one_hot(best, len(sets), dtype="float32"))
    # No nan among the others: with the ridge no system is singular.
    return ops.transpose(ops.sum(found * chosen[:, None, :], axis=0))
