"""A recipe's settings: a preset with changes."""

from dataclasses import replace

from umsrep.errors import UmsrepError


def choose(presets, name):
    """One of a recipe's presets.

    Args:
        presets: {name: preset}.
        name: One of them.

    Raises:
        UmsrepError: another name.
    """
    if name not in presets:
        raise UmsrepError(
            f"preset='{name}' is unknown. Choose one of {', '.join(presets)}."
        )
    return presets[name]


def given(changes):
    """The changes that are not None, which leaves the preset's value."""
    return {k: v for k, v in changes.items() if v is not None}


def changed(presets, name, **changes):
    """A preset's settings with changes; None leaves the preset's value."""
    return replace(choose(presets, name), **given(changes))
