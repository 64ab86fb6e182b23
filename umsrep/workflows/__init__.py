"""The steps of the main job: from prepared data to run folders."""

from umsrep.workflows.construction import ConstructionSettings, construct
from umsrep.workflows.finetuning import FinetuneSettings, finetune
from umsrep.workflows.pretraining import PretrainSettings, pretrain
from umsrep.workflows.settings_file import read_settings
from umsrep.workflows.synthetic import phantom_data

__all__ = [
    "ConstructionSettings",
    "FinetuneSettings",
    "PretrainSettings",
    "construct",
    "finetune",
    "phantom_data",
    "pretrain",
    "read_settings",
]
