"""Settings of runs and files written before, in the names of today.

This is the one place that knows former names.
"""

from typing import Any

# Denoising had the arguments of its autoencoder as settings of its own, and
# commands wrote the defaults of the arguments out.
DEFAULT_ARGUMENTS = {
    "preset": "small",
    "filters": None,
    "skip_connections": None,
    "normalization": "percentile",
}

# What representations were constructed by, before there were more ways.
STAGES = {"pretrain": "denoising", "construct": "supervised"}


def renamed_stage(name: Any) -> Any:
    """The name of today of a stage, or of an objective."""
    return STAGES.get(name, name) if isinstance(name, str) else name


def renamed(settings: dict[str, Any]) -> dict[str, Any]:
    """{setting: value} with the names of today.

    Args:
        settings: {setting: value} of run.json or of a settings file.
    """
    moved = {
        name: settings[name] for name in DEFAULT_ARGUMENTS if name in settings
    }
    if not moved:
        return settings
    kept = {k: v for k, v in settings.items() if k not in moved}
    arguments = {**moved, **(settings.get("arguments") or {})}
    return {
        "architecture": "conv_autoencoder",
        **kept,
        "arguments": without_defaults(arguments),
    }


def renamed_field(name: str) -> str:
    """A former name of a setting as an argument of today, "arguments.filters".

    Args:
        name: Name in a search space.
    """
    return f"arguments.{name}" if name in DEFAULT_ARGUMENTS else name


# Settings that came later than runs that are still resumed, at what these did.
LATER = {
    "encoder_rate": 1.0,
    "freeze_batch_norms": False,
    "class_balance": "none",
    "focus_fill": "blank",
    "focus_margin": 0.04,
}


def comparable(config: dict[str, Any]) -> dict[str, Any]:
    """The same, with what may be left out left out: equal for equal runs.

    Args:
        config: The "config" of run.json.
    """
    # A setting that came later, and is not used, is None, or in `LATER`.
    config = {
        name: value
        for name, value in renamed(config).items()
        if value is not None and LATER.get(name) != value
    }
    if config.get("objective") in STAGES.values():
        # Runs of these did not say so.
        del config["objective"]
    if "arguments" not in config:
        return config
    return {**config, "arguments": without_defaults(config["arguments"])}


def without_defaults(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a representation that are not the classes' defaults."""
    return {
        name: value
        for name, value in arguments.items()
        if name not in DEFAULT_ARGUMENTS or value != DEFAULT_ARGUMENTS[name]
    }
