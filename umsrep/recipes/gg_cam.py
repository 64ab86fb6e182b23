"""GG-CAM: class activation maps supervised by gaze or by anatomy.

Source: Zhu, Salcudean, Rohling, "Gaze-guided class activation mapping:
leveraging human visual attention for network attention in chest X-rays
classification" (2022).
Command: `umsrep recipe gg-cam --data DATA --backbone resnet-small
--attention gaze --organ pneumonia=lung --repeats 5`.
Cost: the small backbones a minute or two per training of some hundred images
at 128x128 on 2 CPU cores; `resnet50` and `efficientnetv2s` need a GPU.
Result (docs/results-gaze.md, medians of 5 trainings without and with
supervised maps): on 90 synthetic chests (`--backbone resnet-small --backbone
efficientnetv2-small --epochs 35 --fractions 0.15 0.15 0.7`) AUC 0.938 and
0.967, 0.504 and 0.963; on Shenzhen (`--attention lung --organ lung --epochs
15`) AUC 0.851 and 0.853, the share of maps with their peak in the lungs 0.596
and 1.000.

Each backbone is trained twice as often as asked: with a plain CAM head, and
with the same head supervised (three more trainable scalars).
"""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep import data as data_package
from umsrep.data import prepared, storage
from umsrep.errors import UmsrepError
from umsrep.experiments import attention as maps
from umsrep.experiments import (
    attention_pictures,
    presets,
    significance,
    tables,
)
from umsrep.experiments.hyper_parameters import hyper_parameters
from umsrep.experiments.pictures import write_curves
from umsrep.experiments.repeats import Candidate, run_repeats
from umsrep.stages.settings import FinetuneSettings

# Section 4.1: images in [0, 1], a tenth of the rate after P epochs, Adam as
# the best of four optimizers. The rest is the published code's, since Table 1
# is not in the paper's text: P, batch, epochs, and the return to the best
# epoch.
PAPER = FinetuneSettings(
    strategy="joint",
    arguments={"normalization": "none"},
    classifier="cam",
    classification_features="bottleneck",
    decay="return_to_best",
    optimizer="adam",
    learning_rate=5e-3,
    patience=40,
    epochs=1024,
    batch_size=4,
    augmentation=0.0,
    attention_sigma=math.exp(-16),
    fractions=(0.7, 0.1, 0.2),
)
# The published code's: sigma of the attention starts near 0, so that attention
# comes first. Its e^-23 for ResNet50 is out of range: Adam's square of the
# gradient overflows float32 there (`balancing.uncertainty`).
BY_BACKBONE = {
    "resnet50": {"learning_rate": 5e-3, "attention_sigma": math.exp(-20)},
    "efficientnetv2s": {
        "learning_rate": 6e-3,
        "attention_sigma": math.exp(-16),
    },
}
# From e^-16 sigma needs some 45,000 steps to its equilibrium, which a short
# training does not have. Percentiles, augmentation, and one rate for all.
SMALL = replace(
    PAPER,
    arguments={},
    learning_rate=1e-3,
    patience=6,
    epochs=30,
    batch_size=8,
    augmentation=0.5,
    attention_sigma=0.3,
)


@dataclass(frozen=True)
class Preset:
    """Settings, and what differs by backbone.

    Attributes:
        settings: `FinetuneSettings` of every backbone that is not named.
        by_backbone: {backbone: {field: value}}.
    """

    settings: FinetuneSettings
    by_backbone: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, backbone: str) -> FinetuneSettings:
        """The settings of one of `BACKBONES`, its network among them.

        Raises:
            UmsrepError: another name.
        """
        if backbone not in BACKBONES:
            raise UmsrepError(
                f"No backbone is named '{backbone}'. Choose among "
                f"{', '.join(BACKBONES)}."
            )
        architecture, arguments = BACKBONES[backbone]
        return replace(
            self.settings,
            architecture=architecture,
            arguments={**self.settings.arguments, **arguments},
            **self.by_backbone.get(backbone, {}),
        )


PRESETS = {"paper": Preset(PAPER, BY_BACKBONE), "small": Preset(SMALL)}
# Cells of 16 pixels on small images, of 32 at the papers' sizes.
BACKBONES = {
    "resnet50": ("keras_application", {"architecture": "resnet50"}),
    "efficientnetv2s": (
        "keras_application",
        {"architecture": "efficientnetv2s"},
    ),
    "resnet-small": (
        "keras_application",
        {
            "architecture": "resnet50",
            "width": 0.25,
            "depth": 0.3,
            "output_stride": 16,
        },
    ),
    "efficientnetv2-small": (
        "keras_application",
        {
            "architecture": "efficientnetv2s",
            "width": 0.5,
            "depth": 0.3,
            "output_stride": 16,
        },
    ),
    "unet": ("unet", {"width": 16}),
    "conv_autoencoder": (
        "conv_autoencoder",
        {"filters": (16, 32, 64, 128)},
    ),
}
SUPERVISED = "GG-CAM"
TWO_CLASSES = {"sensitivity": "sensitivity ↑", "specificity": "specificity ↑"}
INTERPRETABILITY = {
    "peak_in_mask": "peak in organ ↑",
    "peak_in_mask_chance": "by chance",
    "peak_in_mask_mean_map": "by the mean map of other images",
    "pointing_game": "peak's pixel in organ ↑",
    "pointing_game_chance": "by chance (pixel)",
    "pointing_game_mean_map": "pixel of the mean map of other images",
    "peak_near_mask": "peak within a cell ↑",
    "peak_near_mask_chance": "by chance (within a cell)",
    "peak_near_mask_mean_map": "within a cell, mean map of other images",
    "energy_in_mask": "energy in organ ↑",
    "mask_share": "by chance: the organ's share",
    "energy_in_mask_mean_map": "energy of the mean map of other images",
}
FAITHFULNESS = {
    "deletion": "deletion ↓",
    "insertion": "insertion ↑",
    "deletion_random": "deletion, random order",
    "insertion_random": "insertion, random order",
}


def preset(name="small", **changes):
    """A `Preset` with changes, which hold for every backbone.

    Args:
        name: One of `PRESETS`.
        changes: Fields of `FinetuneSettings`; None leaves the preset's.
    """
    chosen = presets.choose(PRESETS, name)
    changes = presets.given(changes)
    return Preset(
        replace(chosen.settings, **changes),
        {
            backbone: {k: v for k, v in own.items() if k not in changes}
            for backbone, own in chosen.by_backbone.items()
        },
    )


def candidates(task, preset, backbones, attention):
    """Each backbone without and with supervised maps.

    Args:
        task: The label task.
        preset: `Preset`.
        backbones: Names of `BACKBONES`.
        attention: A map or mask task, or {class: map or mask task}.

    Returns:
        `Candidate`s: "<backbone>" and "<backbone> GG-CAM", in turn.
    """
    found = []
    for name in backbones:
        plain = preset.of(name)
        found.append(Candidate(name, (task,), plain))
        found.append(
            Candidate(
                f"{name} {SUPERVISED}",
                (task,),
                replace(plain, attention=attention),
            )
        )
    return found


def run(
    data,
    out,
    preset,
    backbones=("resnet-small",),
    attention="gaze",
    organs=None,
    task=None,
    external=None,
    repeats=5,
    seed=0,
    say=print,
):
    """Trains, evaluates, and writes tables and figures.

    Args:
        data: A prepared data set with a label task.
        out: Folder; interrupted work goes on where it was.
        preset: `Preset`.
        backbones: Names of `BACKBONES`.
        attention: A map or mask task, or {class: map or mask task}.
        organs: Where maps should point: a mask task, or {class: mask task}.
            Each is also what everything outside of is blanked. None leaves
            both out.
        task: The label task; None is the only one.
        external: Another prepared data set with the same tasks, tested on as
            well.
        repeats, seed: As in `repeats.run_repeats`.
        say: Called with a line per step.

    Returns:
        {title: data frame in the paper's layout}.
    """
    out = Path(out)
    dataset = data_package.load(data)
    task = _label_task(dataset, task)
    chosen = candidates(task, preset, backbones, attention)
    _check(dataset, task, attention, organs, external)
    parts = [run_repeats(data, chosen, out, repeats, seed, say)]
    names = [candidate.name for candidate in chosen]
    sets = {"": data} | ({"external": external} if external else {})
    for which, place in sets.items():
        say(f"maps and controls: {place}")
        parts += [
            maps.measure_maps(out, name, repeat, task, place, which, organs)
            for name in names
            for repeat in range(repeats)
        ]
    frame = pd.concat(parts, ignore_index=True)
    storage.write_csv(out / "repeats.csv", frame)
    spec = dataset.task(task)
    pairs = list(zip(names[::2], names[1::2], strict=True))
    compared = {which: _compared(spec, which, organs) for which in sets}
    measured = maps.measured(out, spec, sets, organs)
    tests, crossed = _tests(frame, pairs, compared, measured, repeats)
    found = tables.without_empty(
        {
            "Table 1: hyper-parameters": hyper_parameters(
                chosen, prepared.read_header(data).get("gaze")
            ),
            **_tables(frame, spec, names, sets, organs),
            "Mann-Whitney and ANOVA over repeats": tests.round(4),
            "Over patients and trainings": crossed.round(4),
        }
    )
    say("figures")
    write_curves(out, names)
    attention_pictures.write_cam_values(out, pairs, task, data)
    for which, place in sets.items():
        suffix = f"-{which}" if which else ""
        attention_pictures.write_box_plots(
            out / f"figure-3{suffix}.svg", frame, names, compared[which], tests
        )
        attention_pictures.write_maps_beside(
            out / f"maps{suffix}.png",
            *(out, names, task, place, _reference(place, attention, organs)),
        )
    tables.write_tables("GG-CAM", out, found, data, preset, repeats, seed)
    return found


def _check(dataset, task, attention, organs, external):
    """A wrong name is found before hours of training."""
    dataset.with_attention("attention", task, attention, (1, 1))
    sides = [dataset]
    if external is not None:
        sides.append(data_package.load(external))
    for side in sides:
        if side.image_size != dataset.image_size:
            raise UmsrepError(
                f"'{side.name}' has images of {side.image_size}, but "
                f"'{dataset.name}' of {dataset.image_size}. Prepare both at "
                "one --size."
            )
        if side.task(task) != dataset.task(task):
            raise UmsrepError(
                f"Task '{task}' has other classes in '{side.name}' than in "
                f"'{dataset.name}'. Rename one of them."
            )
        if organs:
            # The same rules as of what supervises: classes and mask tasks.
            side.with_attention("organ", task, organs, (1, 1))
            for organ in maps.organ_names(organs):
                if side.task(organ).kind != "mask":
                    raise UmsrepError(
                        f"Organ '{organ}' is a {side.task(organ).kind} task "
                        f"of '{side.name}'. Name a mask task."
                    )


def _label_task(dataset, task):
    labels = [n for n, t in dataset.tasks.items() if t.kind == "label"]
    if task is None and len(labels) != 1:
        raise UmsrepError(
            f"Data set '{dataset.name}' has the label tasks {labels}. Name "
            "one with --task."
        )
    return task or labels[0]


def _reference(place, attention, organs):
    """What the maps are shown beside: the attention; without it, the organ."""
    there = data_package.load(place).tasks
    if all(name in there for name in maps.organ_names(attention)):
        return attention
    return organs


def _compared(spec, which, organs):
    """{(task, metric): heading} of what is tested over repeats."""
    title = maps.title_of(spec.name, which)
    found = {(title, "auc"): "AUC"}
    if not organs:
        return found
    for organ in maps.organ_names(organs):
        found[f"{title}: {organ} alone", "auc"] = f"AUC, {organ} alone"
    # The paper tests where the maps point class by class.
    for label in ["all", *_pointing(spec, organs)]:
        heading = f"peak in organ, {label}"
        found[f"{title}: maps, {label}", "peak_in_mask"] = heading
    everything = f"{title}: maps, all"
    found[everything, "pointing_game"] = "peak's pixel in organ, all"
    found[everything, "energy_in_mask"] = "energy in organ, all"
    return found


def _pointing(spec, organs):
    """Classes whose maps should point at an organ."""
    return list(organs) if isinstance(organs, dict) else list(spec.classes)


def _tests(frame, pairs, compared, measured, repeats):
    """Over repeats; and over patients and trainings at once."""
    tested = [key for part in compared.values() for key in part]
    return (
        significance.mann_whitney(frame, pairs, tested),
        significance.over_patients_and_trainings(
            measured,
            # Differences are what the supervision adds.
            [(ours, plain) for plain, ours in pairs],
            tested,
            repeats,
        ),
    )


def _tables(frame, spec, names, sets, organs):
    medians = tables.median_and_spread(frame)
    metrics = tables.classification_metrics(spec.classes, TWO_CLASSES)
    found = {}

    def add(heading, place, headings):
        found[heading] = tables.layout(medians, place, headings, names)

    for which in sets:
        title = maps.title_of(spec.name, which)
        alone = maps.organ_names(organs) if organs else []
        for place in (title, *(f"{title}: {organ} alone" for organ in alone)):
            add(f"Classification, {place}", place, metrics)
        for label in ["all", *_pointing(spec, organs)] if organs else []:
            place = f"{title}: maps, {label}"
            add(f"Maps, {place}", place, INTERPRETABILITY)
        place = f"{title}: faithfulness"
        add(f"Deletion and insertion, {title}", place, FAITHFULNESS)
    found["Cost"] = tables.cost(medians, names)
    return found
