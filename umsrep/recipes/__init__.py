"""Papers' networks, hyper-parameters and tables, one file per recipe."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "gg_cam",
        "mt_unet",
        "paper_values",
        "ums_rep_cxr",
        "ums_rep_echo",
    ],
)
