"""Run folders: everything needed to read a training later.

Names are imported when they are first used: reading a run needs no Keras.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["calibration", "gaze_reference", "stage_one"],
    submod_attrs={
        "folder": [
            "COPY",
            "DENOISING",
            "LEARNT_FROM",
            "SEEN",
            "SPLIT_COLUMNS",
            "UNLABELLED",
            "Run",
            "fold_folder",
        ],
        "header": ["HEADER", "is_complete", "read_run"],
        "inputs": ["describe_data", "fingerprints", "prepared_folder"],
        "models": [
            "denoise_images",
            "load_model",
            "network_of",
            "without_mask",
        ],
        "writer": ["RunWriter", "machine", "versions"],
    },
)
