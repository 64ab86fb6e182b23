"""Tensors and gradients in tests, the same on every backend."""

import keras
import numpy as np

array = keras.ops.convert_to_numpy


def dtype(tensor):
    """The name of a tensor's or variable's number format."""
    return keras.backend.standardize_dtype(tensor.dtype)


def gradients(function, variables):
    """Gradients of a scalar with respect to `keras.Variable`s.

    Args:
        function: Computes the scalar from the variables' values; what it
            assigns to variables is lost on JAX and kept elsewhere.
        variables: List of `keras.Variable`.

    Returns:
        List of arrays; 0 for a variable that the scalar does not depend on.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        values = [variable.value for variable in variables]
        with tf.GradientTape() as tape:
            scalar = function()
        found = tape.gradient(scalar, values)
    elif name == "jax":
        import jax

        def stateless(values):
            mapping = list(zip(variables, values, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                return function()

        found = jax.grad(stateless)([variable.value for variable in variables])
    else:
        import torch

        values = [variable.value for variable in variables]
        found = torch.autograd.grad(function(), values, allow_unused=True)
    return [
        np.zeros(variable.shape, "float32") if one is None else array(one)
        for variable, one in zip(variables, found, strict=True)
    ]
