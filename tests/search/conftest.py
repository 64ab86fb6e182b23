"""A search space whose rounds take about two seconds each."""

import pytest

SETTINGS = {
    "strategy": "joint",
    "epochs": 3,
    "batch_size": 8,
    "augmentation": 0,
    "arguments": {"filters": [4, 4]},
    "convolutions": [],
    "hidden_units": 4,
    "classification_features": "bottleneck",
    "precision": "float32",
    "fractions": [0.6, 0.3, 0.1],
}


@pytest.fixture(scope="session")
def toy_space(prepared_folder):
    """A function that makes a search space as a mapping, with changes."""

    def make(**changes):
        plan = {
            "data": str(prepared_folder),
            "stage": "finetune",
            "tasks": ["level"],
            "settings": SETTINGS,
            "space": {"learning_rate": [1e-2, 0.1, 1e39]},
            "search": "grid",
        } | changes
        return {k: v for k, v in plan.items() if v is not None}

    return make
