"""Training on several devices of one machine, or on several machines.

The frameworks do the work: `tf.distribute` on TensorFlow and
`keras.distribution` on JAX. The devices share each batch, so that training
gives the same result on any number of devices: losses are means over the
labelled images of the whole batch, and batch norms use its statistics.
(Dropout draws different masks, as it does with another seed.)
"""

import contextlib
import functools
import json
import os
import sys

import keras
import numpy as np

from umsrep import backend
from umsrep.errors import UmsrepError

NAMES = ("none", "mirrored", "multi_worker")


class Devices:
    """The devices that share a training, as a context to build and train in.

    Attributes:
        name: One of `NAMES`.
        count: Number of devices.
        leads: Whether this process writes and reports: true for all but the
            other workers of a cluster.
    """

    def __init__(self, name, scope=None, count=1, strategy=None, leads=True):
        self.name = name
        self.count = count
        self.leads = leads
        self._scope = scope or contextlib.nullcontext
        self._strategy = strategy
        self._entered = contextlib.ExitStack()

    def __enter__(self):
        self._entered.enter_context(self._scope())
        return self

    def __exit__(self, kind, error, trace):
        self._entered.close()
        if error is not None:
            self._explain(error)

    def from_leader(self, number: int) -> int:
        """The leading worker's integer, on every worker.

        Each worker waits here for all others.
        """
        if self.name != "multi_worker":
            return number
        values = self._strategy.experimental_distribute_values_from_function(
            lambda context: np.int32(
                number if context.replica_id_in_sync_group == 0 else 0
            )
        )
        try:
            return int(self._strategy.reduce("SUM", values, axis=None))
        except Exception as error:
            self._explain(error)
            raise

    def _explain(self, error):
        """Raises an `UmsrepError` if `error` means that a worker has ended."""
        if self.name != "multi_worker":
            return
        import tensorflow as tf

        signs = (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
        )
        if isinstance(error, signs):
            raise UmsrepError(
                "Another worker has ended; its own message says why. Repeat "
                "the command on all workers, with --resume if the run folder "
                "holds a state."
            ) from error


@functools.cache
def use(name: str = "none") -> Devices:
    """The devices that share a training, by name.

    Models must be built and trained in its context:

        with umsrep.distribution.use("mirrored"):
            model = umsrep.MultiTaskModel(...)
            umsrep.finetuning.Joint().fit(model, ...)

    Args:
        name: "none"; "mirrored": all devices of this machine; or
            "multi_worker": all machines of the cluster that the environment
            variable TF_CONFIG describes, each running the same program. A
            process has one cluster, and asks for it before any tensor exists.

    Returns:
        `Devices`; the same object for the same name.

    Raises:
        UmsrepError: an unknown name, a backend that does not offer it, or a
            missing or invalid TF_CONFIG.
    """
    if name not in NAMES:
        raise UmsrepError(
            f"distribution='{name}' is unknown. Choose one of "
            f"{', '.join(NAMES)}."
        )
    if name == "none":
        return Devices(name)
    library = keras.backend.backend()
    if library == "jax" and name == "mirrored":
        spread = keras.distribution.DataParallel()
        return Devices(name, spread.scope, spread.num_model_replicas)
    if library != "tensorflow":
        raise UmsrepError(
            f"distribution='{name}' is not offered by Keras on the backend "
            f"'{library}'. Set KERAS_BACKEND=tensorflow"
            + (" (or jax, on one machine)." if name == "mirrored" else ".")
        )
    strategy = _mirrored() if name == "mirrored" else _multi_worker()
    with strategy.scope():
        first = leads()
    return Devices(
        name, strategy.scope, strategy.num_replicas_in_sync, strategy, first
    )


def _mirrored():
    import tensorflow as tf

    # By default the strategy takes only one of several logical CPUs.
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy(
        [device.name for device in tf.config.list_logical_devices(kind)]
    )


def _multi_worker():
    import tensorflow as tf

    workers, task = _cluster()
    if workers > 1:
        print(
            f"Worker {task} of {workers} (counted from 0) waits for the "
            "others.",
            file=sys.stderr,
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise UmsrepError(
            f"distribution='multi_worker' comes too late ({error}). Ask for "
            "it before any model or tensor is made, in a new process."
        ) from error
    except tf.errors.OpError as error:
        raise UmsrepError(
            "The workers of TF_CONFIG do not all answer "
            f"({str(error.message).splitlines()[0][:160]}). Start the same "
            "command on every one of them, with its own task index."
        ) from error


def _cluster():
    """(number of workers, index of this one) of TF_CONFIG, checked."""
    example = (
        'Set it on each machine, for example to {"cluster": {"worker": '
        '["host0:12345", "host1:12345"]}, "task": {"type": "worker", "index": '
        "0}}, with the machine's own index."
    )
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        raise UmsrepError(
            "distribution='multi_worker' needs the environment variable "
            f"TF_CONFIG. {example}"
        )
    try:
        config = json.loads(text)
        workers = len(config["cluster"]["worker"])
        kind, index = config["task"]["type"], int(config["task"]["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise UmsrepError(
            f"TF_CONFIG={text}: expected a cluster of workers and this "
            f"one's task. {example}"
        ) from error
    if kind != "worker" or "chief" in config["cluster"]:
        raise UmsrepError(
            f"TF_CONFIG={text}: expected workers only; worker 0 leads. "
            f"{example}"
        )
    if not 0 <= index < workers:
        raise UmsrepError(
            f"TF_CONFIG: task index {index}, but there are {workers} workers, "
            f"counted from 0. {example}"
        )
    return workers, index


def leads() -> bool:
    """Whether this process writes and reports, in the current context."""
    return backend.worker() == 0


def training_batch(model, batch):
    """A training batch in the form that the current devices take.

    Args:
        model: A `MultiTaskModel`.
        batch: (images, targets, weights).

    Raises:
        UmsrepError: the batch cannot be divided evenly, or the model was built
            in another context.
    """
    count = _shards(model)
    if count == 1:
        return batch
    images = _images(batch)
    if images % count:
        raise UmsrepError(
            f"A training batch of {images} images cannot be divided evenly "
            f"over {count} devices. Choose a batch size that is a multiple of "
            f"{count} and at most the number of a task's training images."
        )
    return _divided(batch)


def validation_batch(model, batch):
    """Like `training_batch`; images of weight 0 fill up an uneven batch.

    Outside training, additional images do not affect batch norms.
    """
    count = _shards(model)
    if count == 1:
        return batch
    images, targets, weights = batch
    lacking = -_images(batch) % count
    if lacking:
        if weights is None:
            weights = {
                task: np.ones(len(values), np.float32)
                for task, values in targets.items()
            }
        images, targets, weights = keras.tree.map_structure(
            lambda array: np.concatenate(
                [array, np.repeat(array[-1:], lacking, axis=0)]
            ),
            (images, targets, weights),
        )
        for values in weights.values():
            values[-lacking:] = 0
    return _divided((images, targets, weights))


def _images(batch):
    return len(keras.tree.flatten(batch[0])[0])


def _divided(batch):
    # On JAX, Keras itself spreads the batch over the devices.
    if backend.replicas() == 1:
        return batch
    return backend.split_over_replicas(batch)


def _shards(model):
    if model.replicas != backend.replicas():
        raise UmsrepError(
            f"The model '{model.name}' was built for {model.replicas} devices "
            f"and is to be trained on {backend.replicas()}. Build and train "
            "it inside the same `with umsrep.distribution.use(...)`."
        )
    return backend.shards()
