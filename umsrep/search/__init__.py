"""Scans of settings with Talos.

    recipe = umsrep.search.load_recipe("scan.yaml")
    result = umsrep.search.scan(recipe, "scan", engine=umsrep.search.Local(2))
    print(result.table)

What each part does is in its module: `recipe` and `space` (what to scan),
`objective` (what to rank by), `scanning` (how Talos drives it), `engines`
(where rounds run), `talos_api` (for those who call `talos.Scan` themselves).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "engines": ["Dask", "InProcess", "Local", "engine"],
        "objective": ["Objective"],
        "recipe": ["Recipe", "load_recipe", "shipped"],
        "scanning": ["ScanResult", "scan"],
        "talos_api": ["talos_inputs"],
    },
)
