"""Scans of settings with Talos.

    plan = umsrep.search.load_space("scan.yaml")
    result = umsrep.search.scan(plan, "scan", engine=umsrep.search.Local(2))
    print(result.table)

What each part does is in its module: `plan` and `space` (what to scan),
`objective` (what to rank by), `scanning` (how Talos drives it), `engines`
(where rounds run), `talos_api` (for those who call `talos.Scan` themselves).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "engines": ["Dask", "InProcess", "Local", "engine"],
        "objective": ["Objective"],
        "plan": ["ScanPlan", "load_space"],
        "scanning": ["ScanResult", "scan"],
        "shipped_spaces": ["shipped"],
        "talos_api": ["talos_inputs"],
    },
)
