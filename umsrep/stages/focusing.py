"""Training on what lies inside a mask, and the network that finds it itself.

First the tasks with pictures (the mask among them) are learnt on whole images,
then labels and numbers on images without what lies outside the mask: of the
training images the reference mask where there is one, and otherwise the one
that the first network predicts, as for every other image. Both are put
together as one network of whole images (`representations.Focused`).
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
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
from umsrep.stages.network import new_network
from umsrep.stages.settings import FinetuneSettings

# What trains one network: (network, training images, validation images, name
# of the folder of its state) -> `finetuning.History`.
Fit = Callable[..., finetuning.History]


def with_focus(
    dataset: Dataset, tasks: Sequence[str] | None, settings: FinetuneSettings
) -> Sequence[str] | None:
    """The tasks of a run: those asked for, and the mask of `focus`.

    Raises:
        UmsrepError: it is no mask task, or there is nothing to focus for.
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
    return wanted


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
    # Both before the first step, so that a resumed training begins alike.
    whole, seen = (
        new_network(inputs.whole, names, settings, inputs.source)
        for names in (pictured, labelled)
    )
    first = fit(whole, training, validation, task)
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
    second = fit(seen, *sides, "focused")
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
    seconds = pd.concat([t["seconds"] for t in tables], axis=1).sum(axis=1)
    table = pd.concat([t.drop(columns="seconds") for t in tables], axis=1)
    table = table.assign(seconds=seconds).reset_index()
    return finetuning.History(table, groups, counts)
