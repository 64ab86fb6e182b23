"""The few operations that Keras does not offer on every backend.

Everything else in umsrep is written in `keras.ops`. TensorFlow is imported
here only when it is the active backend.
"""

import contextlib
import logging
from collections.abc import Iterator

import keras
import numpy as np


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


def has_accelerator() -> bool:
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


def xla_helps() -> bool:
    """Whether `compile(jit_compile="auto")` should use XLA.

    On TensorFlow without an accelerator, XLA slows down the training of small
    convolutional networks, and it does not compile sums over replicas. JAX
    needs it. PyTorch has none, and Keras runs it eagerly.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        return replicas() == 1 and has_accelerator()
    return name == "jax"


def random_state() -> list[np.ndarray]:
    """The states of random generators that no `keras.Variable` holds.

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


def set_random_state(states: list[np.ndarray]) -> None:
    """Restores the states that `random_state` returned earlier.

    States of another backend, or of accelerators that this machine lacks,
    are ignored.
    """
    if keras.backend.backend() != "torch" or not states:
        return
    import torch

    cpu, *others = [torch.from_numpy(state.copy()) for state in states]
    torch.set_rng_state(cpu)
    for device, state in enumerate(others[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, device)


def outputs(model, images) -> dict[str, np.ndarray]:
    """{name: float32 array} of a model's outputs in inference mode.

    Args:
        model: A Keras model from images to a dict.
        images: A batch; of several devices, one computes it.
    """
    if replicas() == 1:
        with quiet_tracing():
            found = model.predict_on_batch(images)
    else:
        # Keras would give one copy of the batch per replica.
        found = model(images, training=False)
    return {
        name: np.asarray(keras.ops.convert_to_numpy(values), np.float32)
        for name, values in found.items()
    }


def optimizer_slots(optimizer, variables):
    """What an optimizer remembers of some variables, such as their momentum.

    Keras keeps it in lists with an entry for each of the trainable variables.

    Args:
        optimizer: A built Keras optimizer.
        variables: Some of the variables it was built with; others have none.

    Returns:
        Its `keras.Variable`s that belong to these alone.
    """
    # Mixed precision in float16 wraps the optimizer.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    # One with a rate per part holds several (`training.RatePerPart`).
    parts = getattr(optimizer, "optimizers", None)
    if parts is not None:
        found = (optimizer_slots(part, variables) for part in parts)
        return [slot for slots in found for slot in slots]
    trained = optimizer._trainable_variables
    wanted = {id(variable) for variable in variables}
    places = [i for i, v in enumerate(trained) if id(v) in wanted]
    lists = [
        value
        for name, value in vars(optimizer).items()
        if isinstance(value, list)
        and len(value) == len(trained)
        and name not in ("_variables", "_trainable_variables")
    ]
    return [
        slots[place]
        for slots in lists
        for place in places
        if isinstance(slots[place], keras.Variable)
    ]


def compiled(function, variables):
    """Compiles a function into one graph that follows the weights.

    On TensorFlow a graph refers to the variables, so it stays valid while
    they are trained. JAX would freeze their values into it, so there they are
    passed in at every call. On PyTorch the function is returned unchanged.

    Args:
        function: A function of tensors that changes no variable.
        variables: All `keras.Variable`s that it reads.
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
        return stateless([variable.value for variable in variables], arguments)

    return current


def gradient(function, inputs):
    """The gradient of a scalar that is summed over the batch.

    Args:
        function: Maps a tensor to (scalar, anything).
        inputs: The tensor to differentiate with respect to.

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

    # The gradient is wanted even where the caller has switched gradients off.
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_(True)
        value, extra = function(leaf)
        (grad,) = torch.autograd.grad(value, leaf)
    return grad, extra


def branches(tensors, count, combine):
    """Copies of tensors whose gradients are combined into one.

    Forward they are the tensors themselves, without memory of their own.
    Backward, all gradients of all copies are there at once, where without
    this they would be summed as they come.

    Args:
        tensors: List of tensors.
        count: How many copies of each.
        combine: Takes a list of gradients for each copy, in the order of
            `tensors`, and returns the list that is passed on.

    Returns:
        A list of lists of tensors, one for each copy.
    """
    tensors = list(tensors)

    def apart(flat):
        size = len(tensors)
        return [list(flat[k * size : (k + 1) * size]) for k in range(count)]

    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        @tf.custom_gradient
        def copied(*inputs):
            copies = [tf.identity(x) for _ in range(count) for x in inputs]
            return copies, lambda *found: combine(apart(found))

        return apart(copied(*tensors))
    if name == "jax":
        import jax

        @jax.custom_vjp
        def copied(*inputs):
            return tuple(inputs) * count

        copied.defvjp(
            lambda *inputs: (copied(*inputs), None),
            lambda _, found: tuple(combine(apart(found))),
        )
        return apart(copied(*tensors))
    import torch

    class Copied(torch.autograd.Function):
        @staticmethod
        def forward(context, *inputs):
            return tuple(x.view_as(x) for _ in range(count) for x in inputs)

        @staticmethod
        def backward(context, *found):
            return tuple(combine(apart(found)))

    return apart(Copied.apply(*tensors))


def replicas() -> int:
    """How many copies of a model the current `tf.distribute` strategy trains.

    It is 1 without a strategy, and on JAX and PyTorch: JAX runs one program
    over arrays that are spread over several devices.
    """
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def worker() -> int:
    """Index of this process in the strategy's cluster; 0 without one."""
    if keras.backend.backend() != "tensorflow":
        return 0
    import tensorflow as tf

    resolver = tf.distribute.get_strategy().cluster_resolver
    return getattr(resolver, "task_id", None) or 0


def several_workers() -> bool:
    """Whether the current strategy trains in several processes."""
    if replicas() == 1:
        return False
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    here = len(strategy.extended.worker_devices)
    return strategy.num_replicas_in_sync > here


def shards() -> int:
    """Number of devices that share a batch; 1 without a distribution."""
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

    # None where Keras traces a model's shapes outside a step.
    context = tf.distribute.get_replica_context()
    return value if context is None else context.all_reduce("SUM", value)


def per_replica_share(loss):
    """A replica's share of a loss that every replica computes in full.

    Optimizers sum the gradients of the replicas.
    """
    count = replicas()
    return loss if count == 1 else loss / count


def split_over_replicas(batch):
    """Each replica's part of a batch, in the form that `strategy.run` takes.

    Args:
        batch: Nested arrays (or None) of shape (images, ...); the number of
            images is a multiple of the number of replicas. All workers of a
            cluster hold the same batch.
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


def replicas_of(variables) -> int:
    """Number of replicas that hold variables; 1 if built without a strategy."""
    if keras.backend.backend() != "tensorflow" or not variables:
        return replicas()
    strategy = getattr(variables[0].value, "distribute_strategy", None)
    return 1 if strategy is None else strategy.num_replicas_in_sync


@contextlib.contextmanager
def quiet_tracing() -> Iterator[None]:
    """Without TensorFlow's warning that functions are traced often.

    Every model has functions of its own and traces each once or, for a last,
    smaller batch, twice; TensorFlow counts them together and suspects a loop
    that makes functions. Warnings of a user's own functions stay.
    """
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_of_other_functions)
    try:
        yield
    finally:
        logger.removeFilter(_of_other_functions)


def _of_other_functions(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()
