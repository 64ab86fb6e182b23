"""Papers' networks, hyper-parameters and tables, one file per recipe."""

import importlib

__all__ = ["gg_cam", "mt_unet", "ums_rep_echo"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__():
    return sorted([*globals(), *__all__])
