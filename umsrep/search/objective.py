"""What rounds are ranked by.

A training ends with the weights of its best epoch, that of the least
validation loss (of each group of tasks that trains together). A round counts
with that epoch, never with its last one:

- `loss`: the validation losses of the tasks at that epoch, summed, unweighted,
  so that rounds with other loss weights compare;
- any other metric: measured on the validation images with those weights.

Test images take no part.
"""

import math
from dataclasses import dataclass

from umsrep import tasks
from umsrep.errors import UmsrepError
from umsrep.metrics import catalogue
from umsrep.stages import settings_file
from umsrep.stages.settings import has_tasks

LOSS = "loss"
DENOISING = ("psnr", "ssim", "ms_ssim")


@dataclass(frozen=True)
class Objective:
    """A validation figure and its direction.

    Attributes:
        task: Name of the task; None for the losses of all.
        metric: "loss", or a metric of metrics.json such as "dice",
            "accuracy", "auc"; of denoising "psnr", "ssim", "ms_ssim" (means
            over the noise levels).
        direction: "min" or "max"; by default the metric's own.
    """

    task: str | None = None
    metric: str = LOSS
    direction: str | None = None

    def __post_init__(self):
        try:
            better = catalogue.metric(self.metric).better
        except UmsrepError:
            better = "higher"  # Known or not, `check_tasks` says.
        if better is None:
            raise UmsrepError(
                f"objective: metric: {self.metric}: neither more nor less of "
                "it is better. Choose another metric."
            )
        smaller = better == "lower"
        natural = "min" if smaller else "max"
        if self.direction not in (None, natural):
            better = "smaller" if smaller else "larger"
            raise UmsrepError(
                f"objective: direction: {self.direction!r}; a {better} "
                f"{self.metric} is better. Write {natural}, or leave it out."
            )
        object.__setattr__(self, "direction", natural)

    @classmethod
    def read(cls, value, where):
        """Reads that of a search space: a mapping, a metric or None."""
        if isinstance(value, str):
            value = {"metric": value}
        value = settings_file.mapping(value, "objective", where)
        keys = tuple(cls.__dataclass_fields__)
        settings_file.check_keys(value, keys, f"{where}: objective")
        for key, text in value.items():
            if not isinstance(text, str):
                raise UmsrepError(
                    f"{where}: objective.{key}: {text!r}; expected text. "
                    "Correct it."
                )
        try:
            return cls(**value)
        except UmsrepError as error:
            raise UmsrepError(f"{where}: {error}") from None

    def __str__(self):
        named = f"{self.task} " if self.task else ""
        return f"validation {named}{self.metric}"

    @property
    def sign(self):
        """1 where smaller is better, -1 where larger is."""
        return 1 if self.direction == "min" else -1

    def check_space(self, plan, where):
        """Raises where the losses of the rounds would not compare."""
        if self.metric == LOSS and "label_smoothing" in plan.space:
            raise UmsrepError(
                f"{where}: space: label_smoothing changes the loss itself, so "
                "losses do not compare. Choose another metric, such as "
                "objective: {task: NAME, metric: auc}."
            )
        if self.metric != LOSS or self.task or not plan.tasks:
            return
        # A focus is learnt as a task, so rounds would add up other tasks.
        for name in plan.space.get("focus", ()):
            if name is not None and name not in plan.tasks:
                raise UmsrepError(
                    f"{where}: space: focus: {name} is learnt as one more "
                    "task, so sums of losses do not compare. Add it to tasks, "
                    "or name a task, such as objective: {task: "
                    f"{plan.tasks[0]}, metric: loss}}."
                )

    def check_tasks(self, stage, specs):
        """Raises unless the rounds will have the figure.

        Args:
            stage: "finetune", or the name of an objective.
            specs: `data.TaskSpec`s of the tasks learnt; none without labels.
        """
        if stage != "finetune" and not has_tasks(stage):
            if self.task is not None:
                raise UmsrepError(
                    f"objective: task: {self.task}; the stage {stage} learns "
                    "from images, without tasks. Remove it."
                )
            # It needs Keras, and plans do not.
            from umsrep.stages import objectives

            by_level = objectives.registry.get(stage).by_level
            self._check_metric((LOSS, *(DENOISING if by_level else ())))
            return
        named = {spec.name: spec for spec in specs}
        if self.task is not None and self.task not in named:
            raise UmsrepError(
                f"objective: task: {self.task} is not learnt. The tasks: "
                f"{', '.join(named)}."
            )
        if self.metric == LOSS:
            return
        if self.task is None and len(named) > 1:
            raise UmsrepError(
                f"objective: metric: {self.metric} needs a task. Add task: "
                f"with one of {', '.join(named)}."
            )
        self._check_metric((LOSS, *metric_names(named[self._of(named)])))

    def _check_metric(self, known):
        if self.metric not in known:
            raise UmsrepError(
                f"objective: metric: {self.metric} is unknown here. Choose "
                f"one of {', '.join(known)}."
            )

    def _of(self, tasks):
        (only, *_) = tasks
        return self.task or only

    def value(self, record):
        """The figure of a finished round's record; nan if undefined."""
        losses, metrics = record["losses"], record["metrics"]
        if self.metric == LOSS:
            chosen = [self.task] if self.task else list(losses)
            return float(sum(losses[task] for task in chosen))
        value = metrics[self._of(metrics)].get(self.metric)
        return math.nan if value is None else float(value)


def metric_names(spec):
    """Names of the metrics of a task.

    Args:
        spec: A `data.TaskSpec`.
    """
    return tasks.of(spec).metric_names()
