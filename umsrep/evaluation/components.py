"""Keeping the organs of a predicted mask and leaving out the specks."""

import cv2
import numpy as np

from umsrep.errors import UmsrepError


def keep_largest(probabilities, count):
    """Probability maps without what lies outside the largest components.

    What is above 0.5 falls into 8-connected components; all but the `count`
    largest of each map are set to 0 (two for a pair of lungs).

    Args:
        probabilities: (n, height, width) in [0, 1].
        count: How many components to keep per map, at least 1.

    Returns:
        A new array of the same shape and type.
    """
    if int(count) != count or count < 1:
        raise UmsrepError(
            f"components={count}: expected a whole number of at least 1, such "
            "as 2 for a pair of lungs."
        )
    result = np.array(probabilities)
    for one in result:
        found, labels, stats, _ = cv2.connectedComponentsWithStats(
            (one > 0.5).astype(np.uint8), connectivity=8
        )
        if found - 1 <= count:
            continue
        areas = stats[1:, cv2.CC_STAT_AREA]
        # Stable, so that of equal areas the upper left one stays.
        smaller = np.argsort(-areas, kind="stable")[int(count) :] + 1
        one[np.isin(labels, smaller)] = 0
    return result


def clean(outputs, components):
    """`keep_largest` for the tasks of {task: count}; others unchanged.

    Args:
        outputs: {task: outputs} as of `predict.probabilities`.
        components: {mask task: count}, or None.
    """
    components = components or {}
    for task in components:
        if task not in outputs or outputs[task].ndim != 3:
            masks = [name for name, one in outputs.items() if one.ndim == 3]
            raise UmsrepError(
                f"components: '{task}' is no mask task of the run. Its mask "
                f"tasks: {', '.join(masks) or 'none'}."
            )
    return {
        task: keep_largest(output, components[task])
        if task in components
        else output
        for task, output in outputs.items()
    }
