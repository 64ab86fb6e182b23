"""Several networks of the same tasks as one."""

import functools
from dataclasses import dataclass

import keras

from umsrep import backend, keras_import
from umsrep.errors import UmsrepError
from umsrep.layers import TemperatureScaling


@dataclass(frozen=True)
class _Members:
    """Hides the members from Keras, which tracks a model's attributes.

    The graph already holds their layers; of what belongs to training alone
    (balancers, counters of losses) an ensemble keeps nothing.
    """

    models: tuple
    temperatures: dict


@keras.saving.register_keras_serializable("umsrep")
class Ensemble(keras.Model):
    """A functional Keras model: the mean of what several networks predict.

    Probabilities, masks, maps and numbers are averaged (a mean of
    distributions is one). Where to look in an image, and what it says of a
    class, is as of its members: explainers average their maps.

    Args:
        members: `MultiTaskModel`s of the same tasks and image shape, such as
            those of the folds of a cross-validation.
        temperatures: {label task: a temperature per member}, by which each
            member's probabilities are calibrated before the mean
            (`runs.calibration`). Default: 1.

    Input and output: as of a member.

    Raises:
        UmsrepError: no member, members of different tasks or shapes, or not
            as many temperatures as members.
    """

    def __init__(self, members, temperatures=None, name="ensemble", **kwargs):
        members = tuple(members)
        temperatures = {k: list(v) for k, v in (temperatures or {}).items()}
        _check(members, temperatures)
        image = keras.Input(members[0].representation.image_shape, name="image")
        found = [
            # A graph of its own name, without losses and balancer.
            keras.Model(m.input, dict(m.output), name=f"member_{number}")(image)
            for number, m in enumerate(members, start=1)
        ]
        super().__init__(
            inputs=image,
            outputs={
                task: _mean(task, found, temperatures.get(task))
                for task in members[0].tasks
            },
            name=name,
            **kwargs,
        )
        self._members = _Members(members, temperatures)

    @property
    def members(self):
        """The networks."""
        return self._members.models

    @property
    def tasks(self):
        """Names of the tasks."""
        return self.members[0].tasks

    @property
    def heads(self):
        """The first member's heads; the others' are of the same kind."""
        return self.members[0].heads

    @property
    def representation(self):
        """The first member's `Representation`, for the image's shape."""
        return self.members[0].representation

    def head(self, task):
        """The first member's head of `task`."""
        return self.members[0].head(task)

    def cells(self, feature):
        """`umsrep.Cells` of a feature, the same in every member."""
        return self.members[0].cells(feature)

    def view(self, tasks):
        """An ensemble of some of the tasks, of the same weights."""
        views = [member.view(tasks) for member in self.members]
        kept = {
            task: values
            for task, values in self._members.temperatures.items()
            if task in views[0].tasks
        }
        return Ensemble(views, kept, name=self.name)

    @backend.quiet_tracing()
    def predict(self, x, **options):
        return super().predict(x, **options)

    @backend.quiet_tracing()
    def predict_on_batch(self, x):
        return super().predict_on_batch(x)

    def get_config(self):
        return {
            "members": [
                keras.saving.serialize_keras_object(m) for m in self.members
            ],
            "temperatures": self._members.temperatures,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # As of `MultiTaskModel`.
        keras_import.import_classes()
        deserialize = functools.partial(
            keras.saving.deserialize_keras_object, custom_objects=custom_objects
        )
        return cls(
            [deserialize(member) for member in config["members"]],
            config["temperatures"],
            config["name"],
        )


def _mean(task, found, temperatures):
    outputs = [member[task] for member in found]
    if temperatures:
        outputs = [
            TemperatureScaling(value, name=f"{task}_calibrated_{number}")(out)
            for number, (value, out) in enumerate(
                zip(temperatures, outputs, strict=True), start=1
            )
        ]
    if len(outputs) == 1:
        return keras.layers.Identity(name=task, dtype="float32")(outputs[0])
    return keras.layers.Average(name=task, dtype="float32")(outputs)


def _check(members, temperatures):
    if not members:
        raise UmsrepError("members=(): expected at least one model.")
    first = members[0]
    shape = first.representation.image_shape
    for member in members[1:]:
        if member.tasks != first.tasks:
            raise UmsrepError(
                f"Members of an ensemble have the tasks {first.tasks} and "
                f"{member.tasks}. Expected the same in all; pass a view of "
                "those they share."
            )
        if member.representation.image_shape != shape:
            raise UmsrepError(
                f"Members of an ensemble take images of {shape} and "
                f"{member.representation.image_shape}. Expected one shape."
            )
    for task, values in temperatures.items():
        if len(values) != len(members) or task not in first.tasks:
            raise UmsrepError(
                f"temperatures: {len(values)} of '{task}' for "
                f"{len(members)} members with the tasks {first.tasks}. "
                "Expected one per member, of a task of theirs."
            )
