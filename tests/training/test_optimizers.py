import keras
import numpy as np
import pytest
from tensors import array

from umsrep.training import optimizers


def steps(name, count=3):
    """Where a variable at 1 goes under a constant gradient of 1."""
    optimizer = optimizers.get(name)
    optimizer.learning_rate = 0.1
    variable = keras.Variable(np.ones(1, "float32"))
    optimizer.build([variable])
    places = []
    for _ in range(count):
        optimizer.apply([keras.ops.ones((1,))], [variable])
        places.append(float(array(variable)[0]))
    return places


def test_the_four_of_gg_cam_take_steps_of_their_own():
    # Section 4.1: Adam, Adamax, SGD and SGD with momentum.
    assert steps("sgd") == pytest.approx([0.9, 0.8, 0.7])
    # The steps add up: 0.1, then 0.9 of it more, and so on.
    assert steps("sgd_momentum") == pytest.approx([0.9, 0.71, 0.439])
    # Under a constant gradient both divide it by its size.
    assert steps("adam") == pytest.approx([0.9, 0.8, 0.7], abs=1e-4)
    assert steps("adamax") == pytest.approx([0.9, 0.8, 0.7], abs=1e-4)
    kinds = {type(optimizers.get(name)) for name in ("adam", "adamax", "sgd")}
    assert len(kinds) == 3


def test_adam_is_keras_s():
    # Of a gradient as small as epsilon, 1e-7, the first step is a share of
    # the rate: s g / (s g + epsilon) with s^2 = 1 - 0.999. PyTorch's 1e-8 would
    # make it another.
    optimizer = optimizers.get("adam")
    optimizer.learning_rate = 1.0
    variable = keras.Variable(np.zeros(1, "float32"))
    optimizer.build([variable])
    optimizer.apply([keras.ops.full((1,), 1e-7)], [variable])
    share = 0.001**0.5 / (0.001**0.5 + 1)
    assert float(array(variable)[0]) == pytest.approx(-share, rel=1e-3)


@pytest.mark.parametrize("name", optimizers.names())
def test_every_name_makes_a_new_optimizer(name):
    one = optimizers.get(name)
    assert isinstance(one, keras.optimizers.Optimizer)
    assert optimizers.get(name) is not one


def test_an_optimizer_is_taken_as_it_is():
    one = keras.optimizers.SGD(momentum=0.5)
    assert optimizers.get(one) is one
