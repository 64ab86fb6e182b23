"""The rounds of a scan as plain values, each with a key of its settings."""

import hashlib
import json
import os
from dataclasses import asdict

from umsrep import data as data_package
from umsrep import runs
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.search.space import with_values
from umsrep.stages import (
    focusing,
    inputs,
    network,
    objectives,
    settings_file,
)
from umsrep.stages.settings import STAGES, has_tasks


def job(plan, chosen, scratch=None):
    """What a worker needs to train a round: plain values.

    Args:
        plan: A `ScanPlan`.
        chosen: {name in the space: value}.
        scratch: Folder for the run, or None for a temporary one.
    """
    values = with_values(plan.settings, chosen)
    return {
        "stage": plan.stage,
        # A worker may be in another folder.
        "data": [os.path.abspath(folder) for folder in plan.data],
        "tasks": list(plan.tasks),
        "sources": {
            name: folder and os.path.abspath(folder)
            for name, folder in plan.sources.items()
        },
        "settings": storage.plain(network.with_absolute_weights(values)),
        "scratch": scratch and str(scratch),
    }


def settings_of(plan, chosen):
    """The settings object of a round.

    Raises:
        UmsrepError: values that do not go together.
    """
    values = with_values(plan.settings, chosen)
    return settings_file.make(plan.stage, values, "round")


def check(plan, chosen):
    """Raises where a round cannot train, as far as is known before it does.

    Raises:
        UmsrepError: a value by itself, or values that do not go together.
    """
    settings = settings_of(plan, chosen)
    if plan.sources["representation"] is not None:
        for name in {**plan.settings, **chosen}:
            if name.partition(".")[0] in network.OF_A_NEW_ONE:
                raise UmsrepError(
                    f"'{name}' is of a new representation, and "
                    f"{plan.sources['representation']} is given. Remove "
                    "it, or write representation: none."
                )
    if plan.sources["representation"] is None:
        network.check_arguments(settings.architecture, settings.arguments)


def identity(plan):
    """What all rounds of a scan have in common, besides the settings."""
    sources = [folder for folder in plan.sources.values() if folder]
    datasets = [data_package.load(folder) for folder in plan.data]
    return storage.plain(
        {
            "stage": plan.stage,
            "tasks": plan.tasks,
            "settings": plan.settings,
            "fingerprints": runs.fingerprints(datasets, sources),
        }
    )


def key(plan, chosen, common):
    """Twelve hexadecimal digits that stand for all settings of a round.

    Args:
        plan: A `ScanPlan`.
        chosen: {name in the space: value}.
        common: `identity(plan)`.
    """
    values = with_values(plan.settings, chosen)
    defaults = asdict(STAGES[plan.stage]())
    whole = {**common, "settings": {**defaults, **values}}
    weights = runs.fingerprints([], [], values.get("arguments"))
    if weights:
        whole["weights"] = weights
    text = json.dumps(storage.plain(whole), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def splits(plan):
    """(all images, training images, validation images), `data.Dataset`s.

    The split of every round: by patient, and of one seed. Test images are
    none of a scan's business.
    """
    settings = settings_file.make(plan.stage, plan.settings, plan.name)
    parts = [data_package.load(folder) for folder in plan.data]
    if plan.stage == "finetune":
        sides = inputs.splits(
            parts[0],
            settings,
            plan.sources["representation"],
            plan.sources["leave_out"],
            settings.labelled_tasks
            or focusing.with_focus(parts[0], plan.tasks, settings),
        )
    else:
        objective = objectives.registry.get(plan.stage)(settings)
        for part in parts:
            objective.check(part)
        sides = objective.splits(parts)
    whole = data_package.concatenate(parts)
    return whole, sides["train"], sides["validation"]


def task_specs(plan, dataset):
    """`data.TaskSpec`s of the tasks that are learnt; none without labels."""
    if plan.stage != "finetune" and not has_tasks(plan.stage):
        return []
    return [dataset.task(name) for name in plan.tasks or dataset.tasks]
