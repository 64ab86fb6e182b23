"""The multi-task model: a representation, heads and a balancer."""

import functools
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import ops

from umsrep import backend, distribution, keras_import
from umsrep.balancing import FixedWeighting
from umsrep.errors import UmsrepError
from umsrep.representations import geometry


@dataclass(frozen=True)
class _Parts:
    """Hides the parts from Keras, which tracks a model's attributes.

    The graph already holds the layers that the tasks need; if the parts were
    tracked as well, an unused decoder would count as trainable.
    """

    representation: keras.Model
    heads: tuple
    tasks: tuple
    # {name: head that provides it}, and {name: tensor} of all features.
    provided: dict
    tensors: dict
    # {tasks: what belongs to them alone}, as they come up.
    own: dict = field(default_factory=dict)


@keras.saving.register_keras_serializable("umsrep")
class MultiTaskModel(keras.Model):
    """A functional Keras model from images to {task: prediction}.

    Trains with `compile` and `fit` like any Keras model. A task's loss is its
    head's, unless `compile(loss={task: loss})` names another; the balancer
    combines them. A missing label has sample weight 0.

    Args:
        representation: A `Representation`.
        heads: One `Head` per task, or a list of them. A head may read what
            an earlier one predicts (by its name) or provides (`Head.provide`).
        balancer: A `Balancer`; default: all weights 1.
        tasks: Names of the heads that are tasks, with an output and a loss;
            the others only provide. Default: all.

    Raises:
        UmsrepError: two heads with the same name, or a head that reads a
            feature that neither the representation nor an earlier head
            provides.
    """

    def __init__(
        self,
        representation,
        heads,
        balancer=None,
        name="multi_task",
        tasks=None,
        **kwargs,
    ):
        heads = list(heads) if isinstance(heads, (list, tuple)) else [heads]
        tasks = _checked_tasks(heads, tasks)
        balancer = balancer if balancer is not None else FixedWeighting()
        predictions, provided, tensors = _connect(
            representation, heads, balancer
        )
        super().__init__(
            inputs=representation.input,
            outputs={task: predictions[task] for task in tasks},
            name=name,
            **kwargs,
        )
        self._parts = _Parts(
            representation, tuple(heads), tasks, provided, tensors
        )
        self.jit()
        self.balancer = balancer
        if not self.balancer.tasks:
            self.balancer.attach(tasks)
        self.loss_trackers = {
            task: keras.metrics.Mean(name=f"{task}_loss") for task in tasks
        }
        # The number of devices that hold a copy of the weights.
        self.replicas = backend.replicas_of(self.variables)

    def jit(self, xla=None):
        """The argument `jit_compile`; None uses XLA only where it helps."""
        # Keras asks this for "auto", and refuses True without it.
        self.supports_jit = backend.xla_helps() if xla is None else xla
        return "auto" if xla is None else xla

    @property
    def representation(self):
        """The shared `Representation`."""
        return self._parts.representation

    @property
    def heads(self):
        """The heads, one per task."""
        by_name = {head.name: head for head in self._parts.heads}
        return tuple(by_name[task] for task in self.tasks)

    @property
    def providers(self):
        """Heads that are not tasks here, but provide what a task reads."""
        return tuple(
            head for head in self._parts.heads if head.name not in self.tasks
        )

    @property
    def tasks(self):
        """Names of the tasks."""
        return self._parts.tasks

    @property
    def read_features(self):
        """Names of the representation's features that the heads read."""
        names = [
            name
            for head in self._parts.heads
            for name in head.feature_names
            if name not in self._parts.provided
        ]
        return tuple(dict.fromkeys(names))

    def head(self, task):
        """The head of `task`.

        Raises:
            UmsrepError: there is none; the message lists the tasks.
        """
        for head in self.heads:
            if head.name == task:
                return head
        raise UmsrepError(
            f"No task is named '{task}'. The model's tasks: "
            f"{', '.join(self.tasks)}."
        )

    def default_losses(self):
        """{task: loss} of the heads."""
        return {head.name: head.loss for head in self.heads}

    def view(self, tasks, balancer=None):
        """A model of some of the tasks that shares the weights of this one.

        It leaves out what the tasks do not need (an unused decoder) and keeps
        heads that provide what they read, although these are not among its
        tasks. It is compiled separately.

        Args:
            tasks: A task or a list of tasks.
            balancer: Default: all weights 1.
        """
        tasks = [tasks] if isinstance(tasks, str) else list(tasks)
        needed = {}
        waiting = [self.head(task) for task in tasks]
        while waiting:
            head = waiting.pop()
            needed[head.name] = head
            waiting += [
                self._parts.provided[name]
                for name in head.feature_names
                if name in self._parts.provided
            ]
        return MultiTaskModel(
            self.representation,
            [head for head in self._parts.heads if head.name in needed],
            balancer,
            name="_".join(tasks),
            tasks=tasks,
        )

    def with_head(self, head, balancer=None):
        """A model with one more head; everything else is shared."""
        return MultiTaskModel(
            self.representation,
            [*self._parts.heads, head],
            balancer,
            name=self.name,
            tasks=(*self.tasks, head.name),
        )

    def with_representation(self, representation):
        """The same heads and balancer on another representation.

        Args:
            representation: Provides all of `read_features`, in the same
                shapes.
        """
        return MultiTaskModel(
            representation,
            self._parts.heads,
            self.balancer,
            name=self.name,
            tasks=self.tasks,
        )

    def features(self, images, names):
        """{feature: tensor} of the named features, in inference mode."""
        return self.feature_model(names)(images, training=False)

    def feature_model(self, names):
        """A Keras model from images to {feature: tensor}.

        Args:
            names: Features of the representation, or what heads provide.
        """
        tensors = self._parts.tensors
        missing = set(names) - set(tensors)
        if missing:
            raise UmsrepError(
                f"No feature is named '{sorted(missing)[0]}'. Representation "
                f"'{self.representation.name}' and the heads provide "
                f"{tuple(tensors)}."
            )
        return keras.Model(
            self.representation.input, {name: tensors[name] for name in names}
        )

    def cells(self, feature):
        """`umsrep.Cells` of a feature, or of what a head provides."""
        return geometry.cells_of(self.feature_model([feature]), feature)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The balanced loss; each task's mean is over its labelled images."""
        losses, present = {}, {}
        for head in self.heads:
            task = head.name
            if y is None or task not in y:
                raise UmsrepError(
                    f"The targets have no entry '{task}' (they hold "
                    f"{sorted(y or {})}). Train a view of the tasks that are "
                    "labelled: model.view([...])."
                )
            values = ops.cast(
                _loss_of(self, head).call(y[task], y_pred[task]), "float32"
            )
            values = ops.reshape(values, (ops.shape(values)[0], -1))
            values = ops.mean(values, axis=1)
            weights = ops.ones_like(values)
            if sample_weight is not None and task in sample_weight:
                weights = ops.cast(
                    ops.reshape(sample_weight[task], (-1,)), "float32"
                )
            # Summed over the whole batch, where several devices share it.
            total = backend.sum_over_replicas(ops.sum(weights))
            present[task] = ops.cast(total > 0, "float32")
            losses[task] = backend.sum_over_replicas(
                ops.sum(values * weights)
            ) / ops.maximum(total, keras.config.epsilon())
            self.loss_trackers[task].update_state(
                losses[task], sample_weight=total
            )
        if training:
            self.balancer.update(losses, present)
        loss = self.balancer(losses, present)
        for penalty in self.losses:
            loss = loss + ops.cast(ops.sum(penalty), "float32")
        return backend.per_replica_share(loss)

    def compute_metrics(self, *arguments, **options):
        logs = super().compute_metrics(*arguments, **options)
        if backend.several_workers():
            # Over workers, Keras averages along an axis that scalars lack.
            logs = {name: ops.reshape(log, (1,)) for name, log in logs.items()}
        return logs

    # Keras hands every replica the whole batch in the next three.
    @backend.quiet_tracing()
    def train_on_batch(self, x, y=None, sample_weight=None, **options):
        held = _held(self, _absent(sample_weight))
        x, y, sample_weight = distribution.training_batch(
            self, (x, y, sample_weight)
        )
        before = [ops.convert_to_numpy(variable) for variable in held]
        logs = super().train_on_batch(x, y, sample_weight, **options)
        for variable, value in zip(held, before, strict=True):
            variable.assign(value)
        return logs

    @backend.quiet_tracing()
    def test_on_batch(self, x, y=None, sample_weight=None, **options):
        x, y, sample_weight = distribution.validation_batch(
            self, (x, y, sample_weight)
        )
        return super().test_on_batch(x, y, sample_weight, **options)

    @backend.quiet_tracing()
    def predict(self, x, **options):
        return super().predict(x, **options)

    @backend.quiet_tracing()
    def predict_on_batch(self, x):
        if self.replicas == backend.replicas() == 1:
            return super().predict_on_batch(x)
        # On the first device of this process, so that one worker can predict.
        return keras.tree.map_structure(
            ops.convert_to_numpy, self(x, training=False)
        )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "representation": serialize(self.representation),
            "heads": [serialize(head) for head in self._parts.heads],
            "balancer": serialize(self.balancer),
            "name": self.name,
            "tasks": list(self.tasks),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # A file names classes of modules that nothing may have imported yet.
        keras_import.import_classes()

        deserialize = functools.partial(
            keras.saving.deserialize_keras_object, custom_objects=custom_objects
        )
        return cls(
            representation=deserialize(config["representation"]),
            heads=[deserialize(head) for head in config["heads"]],
            balancer=deserialize(config["balancer"]),
            name=config["name"],
            # Files of earlier versions have none.
            tasks=config.get("tasks"),
        )


def _checked_tasks(heads, tasks):
    """Names of the tasks; None stands for all heads."""
    names = [head.name for head in heads]
    if not heads:
        raise UmsrepError("heads=[]: expected at least one head.")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UmsrepError(
            f"heads: the name {sorted(twice)[0]!r} occurs twice. Give each "
            "task its own name."
        )
    tasks = tuple(names if tasks is None else tasks)
    if not tasks or set(tasks) - set(names):
        raise UmsrepError(
            f"tasks={tasks}: expected at least one of the heads {tuple(names)}."
        )
    return tasks


def _connect(representation, heads, balancer):
    """Connects the heads to the representation, in their order.

    A balancer may give a head features of its own (`Balancer.branch`).

    Returns:
        ({head: prediction}, {provided name: head}, {name: tensor} of every
        feature, provided ones included).
    """
    predictions, provided = {}, {}
    tensors = dict(representation.output)
    taken = {*tensors, *(head.name for head in heads)}
    own = balancer.branch(representation, heads)
    for head in heads:
        head.check_features(representation, provided)
        head.attach(representation)
        read = {**tensors, **own.get(head.name, {})}
        inputs = [read[name] for name in head.feature_names]
        predictions[head.name] = head(inputs)
        if head.name not in tensors:
            # A later head may read what this one predicts.
            provided[head.name] = head
            tensors[head.name] = predictions[head.name]
        for name, tensor in head.provide(inputs).items():
            if name in taken:
                raise UmsrepError(
                    f"Head '{head.name}' provides '{name}', but a feature or "
                    "head of that name exists. Rename one of the two heads."
                )
            taken.add(name)
            provided[name] = head
            tensors[name] = tensor
    return predictions, provided, tensors


def _loss_of(model, head):
    # The class of `compile(loss=...)`.
    if isinstance(model.loss, dict) and model.loss.get(head.name) is not None:
        return keras.losses.get(model.loss[head.name])
    return head.loss


def _absent(sample_weight):
    """Tasks for which the batch has no label."""
    if not isinstance(sample_weight, dict):
        return []
    return [
        task
        for task, weights in sample_weight.items()
        if not np.any(ops.convert_to_numpy(weights))
    ]


def _held(model, absent):
    """What a step without a label of the tasks `absent` leaves as it is.

    Momentum and weight decay move even variables without a gradient: the
    tasks' sigmas, and the layers that no other task reads, with what the
    optimizer remembers of them.
    """
    absent = [task for task in model.tasks if task in absent]
    if not absent:
        return []
    held = own_weights(model, absent) + model.balancer.weights_of(absent)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return held + backend.optimizer_slots(model.optimizer, held)


def own_weights(model, tasks):
    """Weights of the layers that none but these tasks of a model read."""
    known = model._parts.own
    if tuple(tasks) not in known:
        others = [task for task in model.tasks if task not in tasks]
        # Of a view: a balancer's branches join what tasks do not share.
        shared = model.view(others).weights if others else []
        kept = {id(weight) for weight in shared}
        whole = keras.Model(model.input, model.output)
        known[tuple(tasks)] = [w for w in whole.weights if id(w) not in kept]
    return known[tuple(tasks)]
