"""Export: a run as one file of another runtime, checked against the run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exported": ["ExportedPredictor", "open_file"],
        "exporting": ["export_run"],
    },
)
