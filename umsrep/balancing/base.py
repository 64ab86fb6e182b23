"""The contract of a balancer."""

import keras

from umsrep.errors import UmsrepError
from umsrep.registry import Registry

registry = Registry("balancer")


class Balancer(keras.layers.Layer):
    """Combines the tasks' losses into the one that is minimised (abstract).

    A subclass implements `attach(tasks)`, which creates its weights, and
    `call(losses, present)`.

    Call arguments:
        losses: {task: scalar float32}, each the mean over the images of the
            batch that have the task's label; 0 where none has.
        present: {task: scalar float32}, 1 if the batch has a label of the
            task, else 0. What a task learns about its own weight must not
            change when the task is absent.

    Returns:
        A float32 scalar.
    """

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.tasks = ()

    def attach(self, tasks):
        """Sets the tasks' names; the model calls it once."""
        self.tasks = tuple(tasks)
        self.built = True

    def check_tasks(self, named, argument: str) -> None:
        """Raises if `named` contains a task that the model does not have."""
        unknown = set(named) - set(self.tasks)
        if unknown:
            raise UmsrepError(
                f"{argument} names {sorted(unknown)}, but the model's tasks "
                f"are {self.tasks}. Use their names."
            )

    def weights_of(self, tasks):
        """Variables that belong only to these tasks; none by default.

        An optimizer with momentum moves even a variable whose gradient is 0,
        so a training step restores those of tasks without a label in its
        batch.
        """
        return []

    def get_config(self) -> dict:
        config = super().get_config()
        config.pop("dtype", None)
        return config
