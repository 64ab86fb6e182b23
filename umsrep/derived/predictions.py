"""The outputs of a model that derived tasks combine."""

import numpy as np

from umsrep.errors import UmsrepError


def decide(probabilities, positive_from: float | None = None) -> int:
    """Index of the predicted class of one image.

    Args:
        probabilities: (classes,).
        positive_from: With two classes, the probability from which the last
            one is predicted; None predicts the likeliest class.
    """
    if positive_from is None or len(probabilities) != 2:
        return int(np.argmax(probabilities))
    return int(probabilities[1] >= positive_from)


def predictions(model, tasks, images, batch_size=32):
    """{task: outputs} of some tasks of a model.

    Args:
        model: A `MultiTaskModel`.
        tasks: Names of the tasks.
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
