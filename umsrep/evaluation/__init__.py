"""Evaluation: predict once -> per-image table -> metrics, tests.

Names are imported when they are first used: reading a table needs no
TensorFlow.
"""

import importlib

_PUBLIC = {
    "Calibration": "calibration",
    "all_metrics": "table_metrics",
    "compare": "comparison",
    "evaluate": "model_evaluation",
    "faithfulness_summary": "faithfulness",
    "faithfulness_table": "faithfulness",
    "interpretability_summary": "interpretability",
    "interpretability_table": "interpretability",
    "mcnemar": "comparison",
    "perturbation_curves": "faithfulness",
    "read_folder": "folder",
    "read_predictions": "table_metrics",
    "side_by_side": "model_evaluation",
    "summary_table": "summary",
    "task_metrics": "table_metrics",
    "wilcoxon": "comparison",
}
# Whole modules that a notebook works with.
_MODULES = ("gaze_floors",)
__all__ = sorted([*_PUBLIC, *_MODULES])


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module = importlib.import_module(f"{__name__}.{_PUBLIC[name]}")
    return getattr(module, name)


def __dir__():
    return sorted([*globals(), *__all__])
