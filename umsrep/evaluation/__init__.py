"""Evaluation: predict once -> per-image table -> metrics, tests, audits.

Names are imported when they are first used: reading a table needs no
TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    # What a notebook works with as a whole.
    submodules=["gaze_floors", "intervals"],
    submod_attrs={
        "audit_result": ["Audit"],
        "auditing": ["audit"],
        "comparison": ["compare", "compare_all"],
        "faithfulness": [
            "faithfulness_summary",
            "faithfulness_table",
            "perturbation_curves",
        ],
        "folder": ["read_folder"],
        "interpretability": [
            "interpretability_summary",
            "interpretability_table",
        ],
        "paired_tests": ["mcnemar", "ranking", "wilcoxon"],
        "model_evaluation": ["evaluate", "side_by_side"],
        "probes": ["Probes", "probe"],
        "relative_improvement": ["improvements", "relative_improvement"],
        "summary": ["summary_table"],
        "table_metrics": ["all_metrics", "read_predictions", "task_metrics"],
    },
)
