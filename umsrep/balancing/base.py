"""The contract of a balancer."""

import keras

from umsrep.errors import UmsrepError
from umsrep.registry import Registry

registry = Registry("balancer")


class Balancer(keras.layers.Layer):
    """Combines the tasks' losses into the one that is minimised (abstract).

    A subclass implements `attach(tasks)`, which creates its weights, and
    `call(losses, present)`. One whose arguments depend on the tasks also
    implements `for_tasks`.

    Call arguments:
        losses: {task: scalar float32}, each the mean over the images of the
            batch that have the task's label; 0 where none has.
        present: {task: scalar float32}, 1 if the batch has a label of the
            task, else 0. What a task learns about its own weight must not
            change when the task is absent.

    Returns:
        A float32 scalar.
    """

    # Further names by which a weighting of this class may be asked for.
    schemes = ()

    @classmethod
    def for_tasks(cls, kinds, scheme=None, fidelity="paper"):
        """The balancer that a weighting of settings stands for.

        Args:
            kinds: {task: kind}, such as {"lung": "mask"}.
            scheme: One of `schemes`; None: the class's registered name.
            fidelity: "paper", or "code" for what a paper's published code
                does otherwise.

        Raises:
            UmsrepError: the scheme needs tasks of other kinds.
        """
        return cls()

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
        batch, as it does with the layers that only these tasks read.
        """
        return []

    def get_config(self) -> dict:
        config = super().get_config()
        config.pop("dtype", None)
        return config


def weightings():
    """Names of all weightings: balancers and their schemes."""
    return [
        weighting
        for name, cls in registry.items()
        for weighting in (name, *cls.schemes)
    ]


def weighting(name, kinds, fidelity="paper"):
    """The balancer that a weighting stands for.

    Args:
        name: One of `weightings()`.
        kinds: {task: kind}.
        fidelity: As of `Balancer.for_tasks`.
    """
    for registered, cls in registry.items():
        if name in cls.schemes:
            return cls.for_tasks(kinds, name, fidelity)
        if name == registered:
            return cls.for_tasks(kinds, None, fidelity)
    raise UmsrepError(
        f"No weighting is named '{name}'. Choose one of "
        f"{', '.join(weightings())}."
    )
