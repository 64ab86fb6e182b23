"""The contract of a balancer."""

import keras
from keras import ops

from umsrep.errors import UmsrepError
from umsrep.registry import Registry

registry = Registry("balancer")


class Balancer(keras.layers.Layer):
    """Combines the tasks' losses into the one that is minimised (abstract).

    A subclass implements `attach(tasks)`, which creates its weights, and
    `call(losses, present)`. One whose arguments depend on the tasks also
    implements `for_tasks`; one that follows the losses from step to step keeps
    what it knows in `add_state` and moves it in `update`; one that treats the
    gradients of tasks apart implements `branch`.

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
    # Whether it changes nothing but what the encoder learns.
    needs_encoder = False

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

    def add_state(self, name: str, start: float = 0.0) -> dict:
        """{task: float32 scalar} that is saved but not trained.

        It goes with the model's weights, so checkpoints, saved models and the
        return to the best epoch hold it. Called in `attach`.

        Args:
            name: What it is, the beginning of the variables' names.
            start: The initial value.
        """
        return {
            task: self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(start),
                trainable=False,
                dtype="float32",
                # Every device computes the same from the whole batch's losses.
                aggregation="only_first_replica",
                name=f"{name}_{task}",
            )
            for task in self.tasks
        }

    def update(self, losses, present):
        """Moves the state; nothing by default.

        The model calls it once per step of training, before `call`, with the
        same arguments; never in validation.
        """

    def branch(self, representation, heads):
        """{head: {feature: tensor}} of features that a head has for itself.

        The model calls it while it is built. By default none: all heads read
        the representation's own tensors.

        Args:
            representation: A `Representation`.
            heads: The model's heads, in their order.
        """
        return {}

    def logs(self) -> dict[str, float]:
        """{column: number} that is worth a curve; nothing by default."""
        return {}

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


def stacked(values, tasks):
    """(tasks,) float32 tensor, without gradient, of {task: scalar}."""
    return ops.stop_gradient(
        ops.stack(
            [
                ops.cast(ops.convert_to_tensor(values[t]), "float32")
                for t in tasks
            ]
        )
    )


def softmax_over(logits, mask):
    """The softmax of (tasks,) logits over those with mask 1; others get 0."""
    # No overflow, and 0 instead of nan where the mask is empty.
    logits = ops.where(mask > 0, logits, -1e30)
    powers = mask * ops.exp(logits - ops.max(logits))
    return powers / ops.maximum(ops.sum(powers), keras.config.epsilon())


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
