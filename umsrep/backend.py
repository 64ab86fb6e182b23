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


def has_accelerator():
    """Whether the backend computes on a GPU or TPU."""
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if name == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import torch

    return torch.cuda.is_available()


def xla_helps():
    """Whether `compile(jit_compile="auto")` should use XLA.

    On TensorFlow without an accelerator XLA slows the training of small
    convolutional networks down, and it does not compile sums over replicas;
    JAX needs it; PyTorch has none, and Keras leaves it eager.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        return replicas() == 1 and has_accelerator()
    return name == "jax"


def random_state():
    """The generators that no `keras.Variable` holds, as NumPy arrays.

    On PyTorch, Keras draws dropout from PyTorch's own generators. Elsewhere
    every random state is a variable of a model, and the list is empty.
    """
    if keras.backend.backend() != "torch":
        return []
    import torch

    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states += torch.cuda.get_rng_state_all()
    return [state.numpy() for state in states]


def set_random_state(states):
    """Goes on from `states`, an earlier answer of `random_state`.

    States of another backend, or of accelerators that this machine lacks,
    are left out.
    """
    if keras.backend.backend() != "torch" or not states:
        return
    import torch

    cpu, *others = [torch.from_numpy(state.copy()) for state in states]
    torch.set_rng_state(cpu)
    for device, state in enumerate(others[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, device)


def compiled(function, variables):
    """`function` of tensors as one graph that follows the weights.

    Args:
        function: Of tensors; changes no variable.
        variables: All `keras.Variable`s that it reads.

    On TensorFlow a graph refers to the variables, so it stays right while
    they train. JAX would freeze their values into it, so there they are passed
    in at every call. On PyTorch the function is called as it is.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return tf.function(function, reduce_retracing=True)
    if name != "jax":
        return function
    import jax

    @jax.jit
    def stateless(values, arguments):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(*arguments)

    def current(*arguments):
        return stateless([one.value for one in variables], arguments)

    return current


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

    # Whoever asks for a gradient means it, whatever the caller switched off.
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_(True)
        value, extra = function(leaf)
        (grad,) = torch.autograd.grad(value, leaf)
    return grad, extra


def replicas():
    """How many copies of a model the present `tf.distribute` strategy trains.

    1 without a strategy, and on JAX and PyTorch: JAX runs one program over
    arrays that lie on several devices.
    """
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def worker():
    """Index of this process in the strategy's cluster; 0 without one."""
    if keras.backend.backend() != "tensorflow":
        return 0
    import tensorflow as tf

    resolver = tf.distribute.get_strategy().cluster_resolver
    return getattr(resolver, "task_id", None) or 0


def several_workers():
    """Whether the present strategy trains in several processes."""
    if replicas() == 1:
        return False
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    here = len(strategy.extended.worker_devices)
    return strategy.num_replicas_in_sync > here


def shards():
    """Over how many devices a batch is divided; 1 without a distribution."""
    if keras.backend.backend() == "jax":
        distribution = keras.distribution.distribution()
        if distribution is not None:
            return distribution.num_model_replicas
    return replicas()


def sum_over_replicas(value):
    """Sum of a tensor over the replicas of a step, with its gradient.

    The gradient is that of the sum of all replicas' losses, so a loss made of
    such sums is divided by the number of replicas (`per_replica_share`).
    """
    if replicas() == 1:
        return value
    import tensorflow as tf

    # None where Keras traces a model's shapes outside of a step.
    context = tf.distribute.get_replica_context()
    return value if context is None else context.all_reduce("SUM", value)


def per_replica_share(loss):
    """A replica's part of a loss that all compute alike: optimizers add."""
    count = replicas()
    return loss if count == 1 else loss / count


def divide(batch):
    """Each replica's part of a batch, as `strategy.run` takes it.

    Args:
        batch: Nested arrays (or None) of (images, ...), the number of images a
            multiple of the number of replicas. All workers of a cluster hold
            the same batch.
    """
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()

    def parts(array):
        if array is None:
            return None
        size = len(array) // strategy.num_replicas_in_sync

        def part(context):
            start = context.replica_id_in_sync_group * size
            return tf.convert_to_tensor(array[start : start + size])

        return strategy.experimental_distribute_values_from_function(part)

    return keras.tree.map_structure(parts, batch)


def replicas_of(variables):
    """Number of replicas that hold variables; 1 if built without a strategy."""
    if keras.backend.backend() != "tensorflow" or not variables:
        return replicas()
    strategy = getattr(variables[0].value, "distribute_strategy", None)
    return 1 if strategy is None else strategy.num_replicas_in_sync
