"""Construction by tasks and a mean teacher, over unlabelled images too."""

import copy
import math
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import ops

from umsrep import heads, losses
from umsrep import tasks as task_kinds
from umsrep.balancing import Balancer
from umsrep.data import Augmentation, Dataset, GaussianNoise
from umsrep.errors import UmsrepError
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import registry
from umsrep.stages.objectives.supervised import Supervised
from umsrep.training import Companion, Group, Lane, optimizers

# The noise that the student sees and the teacher does not, in grey levels.
NOISE = (0.0, 15.0)
SUFFIX = "_consistency"
CLEAN = "clean_view"


@registry.register("mean_teacher")
class MeanTeacher(Supervised):
    """Tasks, and agreement with a teacher on every image.

    Tarvainen & Valpola 2017 ("Mean teachers are better role models"): the
    teacher is the exponential moving average of the student's weights
    (Equation: `theta'_t = a theta'_{t-1} + (1 - a) theta_t`), and the student
    learns its tasks where there are labels, and what the teacher predicts on
    all images. Both see one augmentation of an image, for masks and maps move
    with it; the student sees noise on top. Probabilities are compared by
    squared error, numbers and maps by the loss of their heads. The run keeps
    the teacher.

    Args:
        settings: `MeanTeacherSettings`.

    Attributes:
        used: The `data.Augmentation` of the training; None before it, and
            where there is none.
    """

    used: Augmentation | None = None

    def check(self, data: Dataset) -> None:
        super().check(data)
        if self.settings.distribution != "none":
            raise UmsrepError(
                f"distribution='{self.settings.distribution}' with the "
                "objective 'mean_teacher': the teacher follows the student on "
                "one device. Leave --distribution out."
            )

    def train(
        self,
        model: MultiTaskModel,
        training: Dataset,
        validation: Dataset,
        **loop: Any,
    ) -> tuple[pd.DataFrame, Group]:
        settings = self.settings
        training.require(self.tasks, "training")
        validation.require(self.tasks, "validation")
        for head in model.heads:
            head.adapt(training)
        student, teacher = paired(model)
        student.compile(
            optimizers.get(settings.optimizer),
            jit_compile=student.jit(settings.xla),
        )
        options = {
            "batch_size": settings.batch_size,
            "seed": settings.seed,
            "channels": model.representation.image_shape[-1],
            "tasks": self.tasks,
            "reconstruction": CLEAN,
        }
        augmentation = None
        if settings.augmentation:
            augmentation = Augmentation.of(
                settings.augmentation_kind, settings.augmentation
            ).with_references(training, settings.seed)
        self.used = augmentation
        lane = Lane(
            "joint",
            student,
            training.batches(
                shuffle=True,
                augmentation=augmentation,
                corruption=GaussianNoise(NOISE),
                **options,
            ),
            validation.batches(**options),
            companion=Teacher(
                teacher,
                student,
                settings.teacher_momentum,
                settings.consistency,
                settings.rampup,
            ),
        )
        found = self.run(lane, loop)
        # What is measured and kept is the teacher.
        for own, better in zip(model.weights, teacher.weights, strict=True):
            own.assign(better)
        return found

    def entries(self, model: MultiTaskModel) -> dict[str, Any]:
        return {"augmentation": self.used and self.used.get_config()}


class ConsistencyHead(heads.Head):
    """What another head predicts, to be compared with a teacher's.

    Args:
        task: Name of that head.
        loss: How predictions are compared.
    """

    def __init__(self, task: str, loss: keras.losses.Loss) -> None:
        super().__init__(name=f"{task}{SUFFIX}", features=task, loss=loss)

    def default_loss(self):
        return losses.ConsistencySquaredError()

    def call(self, features):
        return ops.cast(features[0], "float32")

    def compute_output_spec(self, features):
        return keras.KerasTensor(features[0].shape, dtype="float32")


class RampedConsistency(Balancer):
    """Tasks with weight 1, consistencies with one that `factor` holds."""

    def attach(self, tasks):
        super().attach(tasks)
        self.factor = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            name="factor",
        )

    def call(self, losses, present):
        return sum(
            loss * self.factor if task.endswith(SUFFIX) else loss
            for task, loss in losses.items()
        )


def paired(model: MultiTaskModel) -> tuple[MultiTaskModel, MultiTaskModel]:
    """(student, teacher): the model with consistencies, and a copy of it.

    The student shares the model's weights; the teacher has its own, equal
    ones.
    """
    consistencies = [
        ConsistencyHead(head.name, _comparison(head)) for head in model.heads
    ]
    student = MultiTaskModel(
        model.representation,
        [*model.heads, *consistencies],
        RampedConsistency(),
        name="student",
    )
    teacher = MultiTaskModel.from_config(model.get_config())
    for copied, own in zip(teacher.weights, model.weights, strict=True):
        copied.assign(own)
    return student, teacher


def _comparison(head):
    """How two predictions of a head are compared."""
    if task_kinds.get(head.kind).form in ("classes", "mask"):
        return losses.ConsistencySquaredError()
    return copy.deepcopy(head.loss)


class Teacher(Companion):
    """Predicts what the student is to agree with, and follows it.

    Args:
        teacher: A `MultiTaskModel` with the student's tasks.
        student: The model that is trained, see `paired`.
        momentum: Share of the teacher's old weights kept per step; in the
            first steps less, so that it is their average, as in the authors'
            code.
        consistency, rampup: The weight of the consistency, and the share of
            the training in which it rises.
    """

    def __init__(
        self,
        teacher: MultiTaskModel,
        student: MultiTaskModel,
        momentum: float,
        consistency: float,
        rampup: float,
    ) -> None:
        self.teacher, self.student = teacher, student
        self.momentum = momentum
        self.consistency, self.rampup = consistency, rampup
        followed = student.view(teacher.tasks)
        self.pairs = list(zip(teacher.weights, followed.weights, strict=True))

    @property
    def variables(self) -> list:
        return [own for own, _ in self.pairs]

    def before(
        self, images: Any, targets: dict, weights: dict, training: bool
    ) -> tuple[Any, dict, dict]:
        targets, weights = dict(targets), dict(weights)
        clean, counted = targets.pop(CLEAN), weights.pop(CLEAN)
        predicted = self.teacher.predict_on_batch(clean * 255.0)
        for task in self.teacher.tasks:
            targets[task + SUFFIX] = np.asarray(predicted[task], np.float32)
            # Agreement is nothing to choose an epoch by: a student that has
            # learnt nothing agrees best.
            weights[task + SUFFIX] = counted * float(training)
        return images, targets, weights

    def after(self, step: int, total: int) -> None:
        momentum = min(1.0 - 1.0 / (step + 1.0), self.momentum)
        for own, followed in self.pairs:
            own.assign(own * momentum + followed * (1.0 - momentum))
        self.student.balancer.factor.assign(self.factor(step, total))

    def factor(self, step: int, total: int) -> float:
        """The weight of the consistency after a number of steps."""
        risen = min(1.0, step / max(self.rampup * total, 1e-9))
        return self.consistency * math.exp(-5.0 * (1.0 - risen) ** 2)
