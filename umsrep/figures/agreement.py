"""Measured values over their references."""

import numpy as np

from umsrep.errors import UmsrepError
from umsrep.figures.style import Plot, styled


@styled
def agreement(reference, found, groups=None, label=""):
    """Measured values over their references, with the line of agreement.

    Args:
        reference, found: n numbers each; a pair with nan is left out.
        groups: n names, one colour each, or None.
        label: What was measured, with its unit, for the axes.

    Returns:
        A matplotlib figure.

    Raises:
        UmsrepError: other numbers of values, or no pair of numbers.
    """
    reference, found = (np.asarray(v, float) for v in (reference, found))
    names = np.full(reference.shape, "") if groups is None else groups
    names = np.asarray(names).astype(str)
    if reference.ndim != 1 or not reference.shape == found.shape == names.shape:
        raise UmsrepError(
            f"Values of shape {reference.shape} and {found.shape}, groups of "
            f"{names.shape}; expected one of each per image. Pass columns of "
            "one table."
        )
    known = np.isfinite(reference) & np.isfinite(found)
    if not known.any():
        raise UmsrepError(
            f"None of {len(known)} pairs has two numbers. Look at the masks "
            "that they were measured in."
        )
    figure = Plot(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    values = np.concatenate([reference[known], found[known]])
    ends = [values.min(), values.max()]
    axes.plot(ends, ends, color="0.75", zorder=0)
    for name in dict.fromkeys(names[known]):
        here = known & (names == name)
        axes.plot(reference[here], found[here], ".", label=name)
    axes.set(xlabel=f"reference {label}", ylabel=f"found {label}")
    axes.set_aspect("equal", "datalim")
    if groups is not None:
        axes.legend()
    return figure
