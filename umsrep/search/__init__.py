"""Scans of settings with Talos.

    recipe = umsrep.search.load_recipe("scan.yaml")
    result = umsrep.search.scan(recipe, "scan", engine=umsrep.search.Local(2))
    print(result.table)

What each part does is in its module: `recipe` and `space` (what to scan),
`objective` (what to rank by), `scanning` (how Talos drives it), `engines`
(where rounds run), `talos_api` (for those who call `talos.Scan` themselves).
"""

import importlib

_PUBLIC = {
    "Dask": "engines",
    "InProcess": "engines",
    "Local": "engines",
    "Objective": "objective",
    "Recipe": "recipe",
    "ScanResult": "scanning",
    "engine": "engines",
    "load_recipe": "recipe",
    "scan": "scanning",
    "shipped": "recipe",
    "talos_inputs": "talos_api",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module = importlib.import_module(f"{__name__}.{_PUBLIC[name]}")
    return getattr(module, name)


def __dir__():
    return sorted([*globals(), *__all__])
