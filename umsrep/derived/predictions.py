"""Outputs of a model that derived tasks combine."""

import numpy as np

from umsrep.errors import UmsrepError


def predictions(model, tasks, images, batch_size=32):
    """{task: outputs} of some tasks.

    Args:
        model: A `MultiTaskModel`.
        tasks: Names of its tasks.
        images: (n, height, width, channels).
        batch_size: Images per forward pass.
    """
    if np.ndim(images) != 4 or len(images) == 0:
        raise UmsrepError(
            f"images of shape {np.shape(images)}; expected (n, height, "
            "width, channels) with at least one image. Pass image[None] "
            "for a single one."
        )
    view = model.view(tasks)
    parts = [
        view.predict_on_batch(np.asarray(images[start : start + batch_size]))
        for start in range(0, len(images), batch_size)
    ]
    return {
        task: np.concatenate([np.asarray(part[task]) for part in parts])
        for task in tasks
    }
