"""The steps of the main job: from prepared data to run folders."""

from umsrep.stages.construction import ConstructionSettings, construct
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.finetuning import FinetuneSettings, finetune
from umsrep.stages.pretraining import PretrainSettings, pretrain
from umsrep.stages.settings_file import read_settings

__all__ = [
    "ConstructionSettings",
    "FinetuneSettings",
    "PretrainSettings",
    "construct",
    "evaluate_run",
    "finetune",
    "pretrain",
    "read_settings",
]
