"""Training on what lies inside a mask, and the network that finds it itself.

First the tasks with pictures (the mask among them) are learnt on whole images,
then labels and numbers on images without what lies outside the mask: of the
training images the reference mask where there is one, and otherwise the one
that the first network predicts, as for every other image. Both are put
together as one network of whole images (`representations.Focused`).
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np
import pandas as pd

from umsrep import finetuning, heads, representations
from umsrep import tasks as task_kinds
from umsrep.data import Dataset, FocusedImages, Focusing, focusing
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict
from umsrep.model import MultiTaskModel
from umsrep.stages.inputs import Inputs
from umsrep.stages.network import class_balance, new_network
from umsrep.stages.settings import FinetuneSettings

# What trains one network: (network, its settings, training images, validation
# images, name of the folder of its state) -> `finetuning.History`.
Fit = Callable[..., finetuning.History]


def with_focus(
    dataset: Dataset, tasks: Sequence[str] | None, settings: FinetuneSettings
) -> Sequence[str] | None:
    """The tasks of a run: those asked for, and the mask of `focus`.

    Raises:
        UmsrepError: it is no mask task, there is nothing to focus for, or
            a weighting or balance that neither training has a use for.
    """
    if settings.focus is None:
        return tasks
    wanted = tuple(tasks or dataset.tasks)
    if dataset.task(settings.focus).kind != "mask":
        masks = [n for n, spec in dataset.tasks.items() if spec.kind == "mask"]
        raise UmsrepError(
            f"focus='{settings.focus}' is no mask task of '{dataset.name}'. "
            f"Its mask tasks: {', '.join(masks) or 'none'}. Name one."
        )
    if not _split(dataset, wanted)[1]:
        raise UmsrepError(
            f"focus='{settings.focus}': no label or number task among "
            f"{', '.join(wanted)} could look at the inside of a mask. Add one "
            "with --task, or leave --focus out."
        )
    if settings.focus not in wanted:
        wanted = (*wanted, settings.focus)
    balance = class_balance(settings)
    if balance is not None:
        balance.check([dataset.task(name) for name in wanted])
    _check_weighting(_split(dataset, wanted), settings)
    return wanted


def _check_weighting(parts, settings):
    """Raises at loss weights that change nothing.

    Args:
        parts: Names of the tasks of each training.
        settings: `FinetuneSettings`.
    """
    weighting = settings.weighting
    if weighting == "equal":
        return
    joint = [name for part in parts if len(part) > 1 for name in part]
    if not joint:
        raise UmsrepError(
            f"weighting={weighting!r} with focus='{settings.focus}': "
            f"{' and '.join(name for part in parts for name in part)} are "
            "learnt one after the other, so no losses are added up. Leave "
            "the weights or --focus out."
        )
    if isinstance(weighting, dict):
        idle = [name for name in weighting if name not in joint]
        if idle:
            raise UmsrepError(
                f"weighting: '{idle[0]}' with focus='{settings.focus}': its "
                "loss is added to no other. Weigh only tasks that are learnt "
                f"together: {', '.join(joint)}."
            )


def stage_settings(
    settings: FinetuneSettings, dataset: Dataset, names: Sequence[str]
) -> FinetuneSettings:
    """The settings of one training, without what its tasks have no use for.

    Args:
        settings: Those of the whole run.
        dataset: The `data.Dataset` of the tasks.
        names: Names of the tasks of this training.

    Returns:
        The same, with no class balance where no task has classes, and the
        loss weights of these tasks alone.
    """
    changes: dict[str, Any] = {}
    if not any(dataset.task(name).classes for name in names):
        changes |= {"class_balance": "none", "class_balance_beta": None}
    weighting = settings.weighting
    if isinstance(weighting, dict):
        own = {n: value for n, value in weighting.items() if n in names}
        changes["weighting"] = own or "equal"
    return replace(settings, **changes)


def train(
    inputs: Inputs,
    settings: FinetuneSettings,
    training: Dataset,
    validation: Dataset,
    fit: Fit,
) -> tuple[Any, finetuning.History, dict[str, Any]]:
    """Trains both networks and puts them together.

    Returns:
        (`MultiTaskModel` or `SeparateModels` of whole images,
        `finetuning.History`, what run.json tells of the focus).
    """
    task = str(settings.focus)
    pictured, labelled = _split(inputs.whole, inputs.tasks)
    stages = [
        stage_settings(settings, inputs.whole, names)
        for names in (pictured, labelled)
    ]
    # Both before the first step, so that a resumed training begins alike.
    whole, seen = (
        new_network(inputs.whole, names, stage, inputs.source)
        for names, stage in zip((pictured, labelled), stages, strict=True)
    )
    first = fit(whole, stages[0], training, validation, task)
    view = whole.view(task)
    rule = Focusing(settings.focus_fill, settings.focus_margin)
    sides, facts = [], {}
    for name, images, trusted in (
        ("training", training, True),
        ("validation", validation, False),
    ):
        side, found = _focused(view, task, rule, images, trusted)
        sides.append(side)
        facts[name] = found
    _warn(facts)
    second = fit(seen, stages[1], *sides, "focused")
    history = _joined((first, "_".join(pictured)), (second, "_".join(labelled)))
    network = _whole_network(whole, seen, task, rule)
    entry = {"task": task, **asdict(rule), "images": facts}
    return network, history, entry


def _split(dataset, names):
    """(tasks with pictures, labels and numbers)."""
    cells = [
        name
        for name in names
        if task_kinds.of(dataset.task(name)).place == task_kinds.CELL
    ]
    return [name for name in names if name not in cells], cells


def _focused(view, task, rule, images, trusted):
    """(images without the outside, {"reference", "predicted", "whole"}).

    Args:
        view: The network that predicts the mask.
        task: The mask task.
        rule: `Focusing`.
        images: A `data.Dataset`.
        trusted: Whether reference masks are used where there are any.
    """
    known = images.labelled(task) & trusted
    predicted = {}
    if not known.all():
        unknown = images.subset(~known)
        outputs = predict.probabilities(view, unknown)[task]
        kind: Any = task_kinds.of(images.task(task))
        predicted = {
            int(row): focusing.pack((values > kind.threshold).astype(np.uint8))
            for row, values in zip(unknown.rows, outputs, strict=True)
        }
    store = FocusedImages(images.store, task, rule, predicted)
    failed = sum(rule.failed(store.mask(row)) for row in images.rows)
    return images.with_store(store), {
        "reference": int(known.sum()),
        "predicted": len(predicted),
        "whole": int(failed),
    }


def _warn(facts: Mapping[str, Mapping[str, int]]) -> None:
    for name, found in facts.items():
        if found["whole"]:
            print(
                f"Warning: {found['whole']} {name} images have a mask that "
                "covers next to nothing; of these the whole image is seen.",
                file=sys.stderr,
            )


def _whole_network(whole, seen, task, rule):
    """One network of whole images, or separate models of them."""
    if isinstance(whole, finetuning.SeparateModels):
        finder = whole.view(task)
        return finetuning.SeparateModels(
            [
                *whole.models,
                *(_put_together(finder, m, task, rule) for m in seen.models),
            ]
        )
    model = _put_together(whole, seen, task, rule)
    for head in whole.heads:
        model = model.with_head(
            heads.ResultHead(
                head.name, f"focus_{head.name}", head.kind, loss=head.loss
            ),
            model.balancer,
        )
    return model


def _put_together(finder, seen, task, rule) -> MultiTaskModel:
    finder = keras.Model(finder.input, dict(finder.output), name="whole")
    return seen.with_representation(
        representations.Focused(
            seen.representation, finder, task, **asdict(rule)
        )
    )


def _joined(*parts):
    """The `History` of trainings one after the other.

    Args:
        parts: (its `History`, the name its group gets if two have the same).
    """
    names = [group.name for history, _ in parts for group in history.groups]
    groups, tables, counts = [], [], {"total": 0}
    for history, name in parts:
        table = history.table
        for group in history.groups:
            if names.count(group.name) > 1:
                table = table.rename(
                    columns={
                        f"{column}_{group.name}": f"{column}_{name}"
                        for column in ("learning_rate", "val_loss", "seconds")
                    }
                )
                group.lanes[0].name = name
            groups.append(group)
        tables.append(table.set_index("epoch"))
        for part, count in history.trainable_parameters.items():
            counts[part] = counts.get(part, 0) + count
    cached = {name: h.cached for h, name in parts if h.cached is not None}
    return finetuning.History(
        _side_by_side(tables), groups, counts, cached or None
    )


def _side_by_side(tables):
    """One table of several; seconds that all of them have are added up."""
    table = pd.concat(tables, axis=1)
    # A list of one name gives a table, also where one training has the column.
    sums = {
        column: table[[column]].sum(axis=1)
        for column in ("seconds_features", "seconds")
        if column in table
    }
    return table.drop(columns=list(sums)).assign(**sums).reset_index()
