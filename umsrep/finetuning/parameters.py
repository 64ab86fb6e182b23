"""Numbers of trainable parameters, by part."""

import numpy as np


def count(layer) -> int:
    """Number of trainable parameters of a layer or model."""
    return int(sum(np.prod(v.shape) for v in layer.trainable_variables))


def parameter_counts(model) -> dict[str, int]:
    """{"total": n, "encoder": n, task: n of its own part}.

    Frozen layers count 0. What a task reads from another task's head counts
    towards that other task. Separate models have a total and a count per task.

    Args:
        model: A `MultiTaskModel` or `SeparateModels`.
    """
    separate = getattr(model, "models", None)
    if separate is not None:
        counts = {single.tasks[0]: count(single) for single in separate}
        return {"total": sum(counts.values()), **counts}
    encoder = sum(map(count, model.representation.part("encoder")))
    counts = {task: _own(model, task, encoder) for task in model.tasks}
    return {"total": count(model), "encoder": encoder, **counts}


def _own(model, task, encoder):
    view = model.view(task)
    others = [h.name for h in view.providers if h.name in model.tasks]
    rest = count(model.view(others)) if others else encoder
    return count(view) - rest
