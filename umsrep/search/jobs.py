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
    construction,
    inputs,
    network,
    pretraining,
    settings_file,
)

# Settings that a given representation decides.
OF_A_NEW_ONE = ("architecture", "arguments")


def job(recipe, chosen, scratch=None):
    """What a worker needs to train a round: plain values.

    Args:
        recipe: A `Recipe`.
        chosen: {name in the space: value}.
        scratch: Folder for the run, or None for a temporary one.
    """
    values = with_values(recipe.settings, chosen)
    return {
        "stage": recipe.stage,
        # A worker may be in another folder.
        "data": [os.path.abspath(folder) for folder in recipe.data],
        "tasks": list(recipe.tasks),
        "sources": {
            name: folder and os.path.abspath(folder)
            for name, folder in recipe.sources.items()
        },
        "settings": storage.plain(values),
        "scratch": scratch and str(scratch),
    }


def settings_of(recipe, chosen):
    """The settings object of a round.

    Raises:
        UmsrepError: values that do not go together.
    """
    values = with_values(recipe.settings, chosen)
    return settings_file.make(recipe.stage, values, "round")


def check(recipe, chosen):
    """Raises where a round cannot train, as far as is known before it does.

    Raises:
        UmsrepError: a value by itself, or values that do not go together.
    """
    settings = settings_of(recipe, chosen)
    if recipe.stage == "pretrain":
        return
    if recipe.sources["representation"] is not None:
        for name in {**recipe.settings, **chosen}:
            if name.partition(".")[0] in OF_A_NEW_ONE:
                raise UmsrepError(
                    f"'{name}' is of a new representation, and "
                    f"{recipe.sources['representation']} is given. Remove "
                    "it, or write representation: none."
                )
    if recipe.sources["representation"] is None:
        network.check_arguments(settings.architecture, settings.arguments)


def identity(recipe):
    """What all rounds of a scan have in common, besides the settings."""
    sources = [folder for folder in recipe.sources.values() if folder]
    datasets = [data_package.load(folder) for folder in recipe.data]
    return storage.plain(
        {
            "stage": recipe.stage,
            "tasks": recipe.tasks,
            "settings": recipe.settings,
            "fingerprints": runs.fingerprints(datasets, sources),
        }
    )


def key(recipe, chosen, common):
    """Twelve hexadecimal digits that stand for all settings of a round.

    Args:
        recipe: A `Recipe`.
        chosen: {name in the space: value}.
        common: `identity(recipe)`.
    """
    values = with_values(recipe.settings, chosen)
    defaults = asdict(settings_file.STAGES[recipe.stage]())
    whole = {**common, "settings": {**defaults, **values}}
    text = json.dumps(storage.plain(whole), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def splits(recipe):
    """(all images, training images, validation images), `data.Dataset`s.

    The split of every round: by patient, and of one seed. Test images are
    none of a scan's business.
    """
    settings = settings_file.make(recipe.stage, recipe.settings, recipe.name)
    parts = [data_package.load(folder) for folder in recipe.data]
    if recipe.stage == "finetune":
        sides = inputs.splits(
            parts[0],
            settings,
            recipe.sources["representation"],
            recipe.sources["leave_out"],
        )
    else:
        objective = {
            "construct": construction.Classification,
            "pretrain": pretraining.Denoising,
        }[recipe.stage](settings)
        for part in parts:
            objective.check(part)
        sides = objective.splits(parts)
    whole = data_package.concatenate(parts)
    return whole, sides["train"], sides["validation"]


def task_specs(recipe, dataset):
    """`data.TaskSpec`s of the tasks that are learnt; none for denoising."""
    if recipe.stage == "pretrain":
        return []
    return [dataset.task(name) for name in recipe.tasks or dataset.tasks]
