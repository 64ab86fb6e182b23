"""Prepared data sets on disk <-> batches.

Names are imported when they are first used: `Batches` is a Keras class, and
preparing and verifying data do not wait for a backend.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attention": ["attention_target", "box_mask", "to_grid"],
        "augmentation": [
            "Augmentation",
            "GeometricAugmentation",
            "IntensityAugmentation",
            "ScannerAugmentation",
        ],
        "balance": ["ClassBalance"],
        "batches": ["Batches"],
        "corruption": [
            "TABLE_2_LEVELS",
            "GaussianNoise",
            "PoissonNoise",
            "RandomChoice",
        ],
        "dataset": ["Dataset"],
        "folding": ["fold_of"],
        "focusing": ["FocusedImages", "Focusing"],
        "loading": ["concatenate", "load"],
        "participants": ["cohort", "exclusions"],
        "prepared": ["TaskSpec"],
        "restoration": [
            "Chain",
            "Downscale",
            "InPainting",
            "LocalShuffling",
            "NonLinearIntensity",
            "OutPainting",
            "PatchMask",
            "Sometimes",
        ],
        "scale": ["AxisScale", "Scale"],
        "shifts": ["simulated_shifts"],
        "test_time_augmentation": ["TestTimeAugmentation"],
        "views": ["Pairs"],
    },
)
