"""A small data set, and a recipe over it."""

import pytest


@pytest.fixture(scope="session")
def toy(prepared_folder):
    """A prepared data set with a mask and a label."""
    return prepared_folder


@pytest.fixture
def recipe(toy):
    """A recipe as a mapping; four rounds of which one cannot be built."""
    return {
        "data": str(toy),
        "stage": "finetune",
        "tasks": ["level", "blob"],
        "settings": {
            "strategy": "joint",
            "architecture": "unet",
            "arguments": {"width": 2, "depth": 2},
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 0.05,
            "augmentation": 0,
            "convolutions": [],
            "hidden_units": 0,
            "precision": "float32",
            "fractions": [0.5, 0.25, 0.25],
        },
        "space": {
            "dropout": [0.0, 0.5],
            "classification_features": ["bottleneck", "stage9"],
        },
        "search": "grid",
    }
