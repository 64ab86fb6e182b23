"""Export: a run as one file of another runtime, checked against the run.

Importing this registers the layers of serving models, so that a .keras file
opens in Keras's safe mode.
"""

from umsrep.export.exported import ExportedPredictor, open_file
from umsrep.export.exporting import export_run

__all__ = ["ExportedPredictor", "export_run", "open_file"]
