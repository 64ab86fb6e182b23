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
        present: {task: scalar float32}, 1 where the batch holds a label of
            the task, else 0. What a task learns about its own weight must not
            move when it is absent.

    Returns:
        A float32 scalar.
    """

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.tasks = ()

    def attach(self, tasks):
        """Names the tasks; called once by the model."""
        self.tasks = tuple(tasks)
        self.built = True

    def check_tasks(self, named, argument):
        """Raises if `named` mentions a task that the model has not."""
        unknown = set(named) - set(self.tasks)
        if unknown:
            raise UmsrepError(
                f"{argument} names {sorted(unknown)}, but the model's tasks "
                f"are {self.tasks}. Use their names."
            )

    def weights_of(self, tasks):
        """Variables that belong to these tasks alone (none by default).

        An optimizer with momentum moves a variable whose gradient is 0; a
        training step puts these back for tasks that its batch lacks.
        """
        return []

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        return config
