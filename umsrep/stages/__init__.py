"""The steps of the main job: from prepared data to run folders.

Names are imported when they are first used: settings need no Keras.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "construction": ["construct"],
        "evaluation": ["evaluate_run"],
        "finetuning": ["finetune"],
        "pretraining": ["pretrain"],
        "settings": [
            "ConstructionSettings",
            "FinetuneSettings",
            "PretrainSettings",
        ],
        "settings_file": ["read_settings"],
    },
)
