"""Scans of settings with Talos.

    plan = umsrep.search.load_space("scan.yaml")
    result = umsrep.search.scan(plan, "scan", engine=umsrep.search.Local(2))
    print(result.table)

What each part does is in its module: `plan` and `space` (what to scan),
`objective` (what to rank by), `scanning` (how Talos drives it), `engines`
(where rounds run), `talos_api` (for those who call `talos.Scan` themselves).
"""

import importlib

_PUBLIC = {
    "Dask": "engines",
    "InProcess": "engines",
    "Local": "engines",
    "Objective": "objective",
    "ScanPlan": "plan",
    "ScanResult": "scanning",
    "engine": "engines",
    "load_space": "plan",
    "scan": "scanning",
    "shipped": "shipped_spaces",
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
