"""Keeping the organs of a predicted mask and dropping the specks."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from umsrep.errors import UmsrepError


def keep_largest(probabilities: ArrayLike, count: int) -> NDArray:
    """Probability maps whose smaller components are set to 0.

    The pixels above 0.5 form 8-connected components; all but the `count`
    largest of each map are set to 0 (two remain for a pair of lungs).

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
    for probability in result:
        found, labels, stats, _ = cv2.connectedComponentsWithStats(
            (probability > 0.5).astype(np.uint8), connectivity=8
        )
        if found - 1 <= count:
            continue
        areas = stats[1:, cv2.CC_STAT_AREA]
        # Stable, so that of equal areas the upper left one stays.
        smaller = np.argsort(-areas, kind="stable")[int(count) :] + 1
        probability[np.isin(labels, smaller)] = 0
    return result


def clean(
    outputs: Mapping[str, NDArray], components: Mapping[str, int] | None
) -> dict[str, NDArray]:
    """`keep_largest` for the tasks of {task: count}; others unchanged.

    Args:
        outputs: {task: outputs}, as `predict.probabilities` returns.
        components: {mask task: count}, or None.
    """
    components = components or {}
    for task in components:
        if task not in outputs or outputs[task].ndim != 3:
            masks = [name for name, maps in outputs.items() if maps.ndim == 3]
            raise UmsrepError(
                f"components: '{task}' is not a mask task of the run. Its mask "
                f"tasks: {', '.join(masks) or 'none'}."
            )
    return {
        task: keep_largest(output, components[task])
        if task in components
        else output
        for task, output in outputs.items()
    }
