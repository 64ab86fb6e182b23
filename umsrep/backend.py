"""The few operations that Keras does not offer on every backend.

Everything else in umsrep is written in `keras.ops`. TensorFlow is imported
here only when it is the active backend.
"""

import keras


def fused_batch_norm(inputs, gamma, beta, epsilon):
    """Batch normalisation in one kernel, or None where there is none.

    Args:
        inputs: (batch, height, width, channels), any float type.
        gamma, beta: (channels,), float32.
        epsilon: Added to the variance.

    Returns:
        None, or (outputs, batch mean, biased batch variance).
    """
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.cast(gamma, "float32"),
        offset=tf.cast(beta, "float32"),
        mean=tf.zeros((0,), "float32"),
        variance=tf.zeros((0,), "float32"),
        epsilon=epsilon,
        exponential_avg_factor=1.0,
        is_training=True,
    )
    # The kernel returns the unbiased variance; Keras keeps the biased one.
    shape = tf.shape(inputs)
    count = tf.cast(shape[0] * shape[1] * shape[2], "float32")
    return outputs, mean, variance * (count - 1.0) / count


def xla_helps():
    """Whether `compile(jit_compile="auto")` should use XLA.

    On TensorFlow without an accelerator XLA slows the training of small
    convolutional networks down; JAX needs it.
    """
    if keras.backend.backend() != "tensorflow":
        return True
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def compiled(function):
    """`function` of tensors as one graph, where the backend keeps its weights.

    On TensorFlow a graph refers to the model's variables, so it stays right
    while they train. JAX would freeze their values into it, so there, and on
    PyTorch, the function is called as it is.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, reduce_retracing=True)


def gradient(function, inputs):
    """Value and gradient of a batch-summed scalar.

    Args:
        function: Maps a tensor to (scalar, anything).
        inputs: The tensor to differentiate by.

    Returns:
        (gradient with the shape of `inputs`, the second output of
        `function`).
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value, extra = function(inputs)
        return tape.gradient(value, inputs), extra
    if name == "jax":
        import jax

        grad, extra = jax.grad(function, has_aux=True)(inputs)
        return grad, extra
    import torch

    leaf = inputs.detach().clone().requires_grad_(True)
    value, extra = function(leaf)
    (grad,) = torch.autograd.grad(value, leaf)
    return grad, extra
