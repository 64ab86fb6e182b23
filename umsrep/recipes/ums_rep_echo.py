"""UMS-Rep on Doppler strips: supervised construction, then target tasks.

Source: Zamzmi, Rajaraman, Antani, "UMS-Rep: Unified modality-specific
representation for efficient medical image analysis" (2021), Section 4.2. Its
images are private.
Command: `umsrep recipe ums-rep-echo --repeats 5` (synthetic strips), or with
`--data DATA` on prepared strips.
Cost: with the preset `small` about a quarter of an hour per repeat for 1200
strips at 128x128 on 2 CPU cores.
Result (docs/results-doppler.md, at equal epochs; medians of 5, independent,
alternating, joint, separate models): Dice of the envelope 0.599, 0.830, 0.759,
0.866; accuracy of the flow 0.967, 0.992, 0.975, 0.893.

A representation is constructed on the flow; heterogeneous tasks (envelope,
flow, quality) and homogeneous ones (pairs of flows) are then fine-tuned on
other patients by every strategy, and compared with separate models of the same
layers and images at equal steps per task.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from umsrep import data as data_package
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.evaluation import doppler
from umsrep.evaluation.summary import BASELINE
from umsrep.experiments import (
    doppler_data,
    fold_runs,
    presets,
    significance,
    tables,
)
from umsrep.experiments import strategies as strategies_tables
from umsrep.experiments.doppler import derived_tables
from umsrep.experiments.pictures import write_curves
from umsrep.experiments.repeats import (
    REPRESENTATION,
    Candidate,
    cost_rows,
    folders,
    run_repeats,
)
from umsrep.stages.construction import ConstructionSettings, construct
from umsrep.stages.settings import FinetuneSettings

STRATEGIES = ("independent", "alternating", "joint")
HETEROGENEOUS, HOMOGENEOUS = "heterogeneous", "homogeneous"
# The paper's tables of each set of tasks: results and cost.
NUMBERS = {HETEROGENEOUS: (7, 8), HOMOGENEOUS: (9, 10)}
# A mask counts as right for McNemar's test from this Dice on.
RIGHT_DICE = 0.9
# What a change of the preset changes in both stages.
SHARED = ("batch_size", "precision", "arguments")

# Mean normalisation is Section 3.1.2's; 460,115 parameters (Tables 8 and 10)
# are those of three channels.
NETWORK = {"normalization": "mean", "channels": 3}
# Section 4.2.1. What it leaves open is ConstructionSettings's.
CONSTRUCTION = ConstructionSettings(
    architecture="dilated_cnn",
    arguments=NETWORK,
    epochs=64,
    batch_size=16,
    dropout=0.5,
    optimizer="adam",
)
# Sections 2.2 and 4.2.2: of the 30 % of the patients that the construction
# leaves, 20 of 30 are trained on, and 10 of 30 tested on. A tenth of the
# former validates. Heads: average, dense, dropout, dense; a decoder on the
# deepest convolution.
TARGET = FinetuneSettings(
    architecture="dilated_cnn",
    arguments=NETWORK,
    classifier="dense",
    segmentation_features="bottleneck",
    classification_features="bottleneck",
    convolutions=(),
    hidden_units=256,
    epochs=64,
    batch_size=16,
    augmentation=0.0,
    augmentation_kind="doppler",
    fractions=(0.57, 0.10, 0.33),
)


@dataclass(frozen=True)
class Preset:
    """Settings of both stages.

    Attributes:
        construction: `ConstructionSettings` without the task.
        target: `FinetuneSettings` of the target tasks.
        classifiers: Optimizer of the label tasks, except in joint training,
            whose one optimizer is the target's.
        folds: Folds of the cross-validation of the target tasks; None makes
            repeats on one split.
    """

    construction: ConstructionSettings
    target: FinetuneSettings
    classifiers: str = "adam"
    folds: int | None = None


# One channel, percentiles and fewer epochs, for a laptop.
PRESETS = {
    # Section 4.2.2: Adam for the envelope and SGD for the classifiers, in ten
    # folds.
    "paper": Preset(CONSTRUCTION, TARGET, classifiers="sgd", folds=10),
    "small": Preset(
        replace(CONSTRUCTION, epochs=20, arguments={}),
        replace(TARGET, epochs=25, arguments={}),
    ),
}


@dataclass(frozen=True)
class Tasks:
    """Names of the tasks.

    Attributes:
        flow: Label task that the representation is constructed on.
        heterogeneous: Tasks with different kinds of labels.
        homogeneous: Tasks with similar labels; may be empty.
    """

    flow: str
    heterogeneous: tuple[str, ...]
    homogeneous: tuple[str, ...]

    @classmethod
    def of(cls, dataset, flow="flow"):
        """Finds them.

        Label tasks whose classes are some of the flow's are the homogeneous
        ones; all others, and the flow, are the heterogeneous ones.

        Args:
            dataset: A `data.Dataset`.
            flow: Name of the flow's task.
        """
        spec = dataset.task(flow)
        if spec.kind != "label" or len(spec.classes) < 2:
            raise UmsrepError(
                f"Task '{flow}' of '{dataset.name}' is a {spec.kind} task. "
                "The representation is constructed on a label task; name it "
                "with --flow."
            )
        similar = tuple(
            name
            for name, task in dataset.tasks.items()
            if name != flow
            and task.kind == "label"
            and set(task.classes) < set(spec.classes)
        )
        others = tuple(n for n in dataset.tasks if n not in (*similar, flow))
        if not others:
            raise UmsrepError(
                f"'{dataset.name}' has no task besides '{flow}'. Expected an "
                "envelope (mask) or a quality (label); add masks or a column "
                "and prepare it again."
            )
        return cls(flow, (*others, flow), similar)


def preset(
    name="small", epochs=None, construction_epochs=None, folds=None, **changes
):
    """A `Preset` with changes; None leaves the preset's.

    Args:
        name: One of `PRESETS`.
        epochs: Epochs of the target tasks.
        construction_epochs: Epochs of the construction.
        folds: Folds of the target tasks; 0 makes repeats on one split.
        changes: Fields that both settings have (batch_size, precision, ...),
            or that `FinetuneSettings` has. `arguments` are added to the
            preset's.
    """
    chosen = presets.choose(PRESETS, name)
    changes = presets.given(changes)
    if "arguments" in changes:
        own = chosen.construction.arguments
        changes["arguments"] = own | changes["arguments"]
    shared = {k: v for k, v in changes.items() if k in SHARED}
    return Preset(
        replace(
            chosen.construction,
            **shared,
            **presets.given({"epochs": construction_epochs}),
        ),
        replace(chosen.target, **changes, **presets.given({"epochs": epochs})),
        chosen.classifiers,
        chosen.folds if folds is None else folds or None,
    )


def optimizer(strategy, specs, preset):
    """The optimizer of each task: that of masks, and that of classifiers.

    Args:
        strategy: One of `STRATEGIES`, or the baseline.
        specs: `TaskSpec`s.
        preset: `Preset`.

    Returns:
        A name, or {task: name} where tasks do not share a loss.
    """
    shared = preset.target.optimizer
    if strategy == "joint" or preset.classifiers == shared:
        return shared
    return {
        spec.name: preset.classifiers if spec.kind == "label" else shared
        for spec in specs
    }


def candidates(tasks, preset, specs, strategies=STRATEGIES):
    """Every strategy and the baseline, on both sets of tasks.

    Args:
        tasks: `Tasks`.
        preset: `Preset`.
        specs: {name: `TaskSpec`}.
        strategies: Some of `STRATEGIES`.

    Returns:
        {set of tasks: {strategy: `Candidate`}}.
    """
    unknown = [name for name in strategies if name not in STRATEGIES]
    if unknown:
        raise UmsrepError(
            f"strategy='{unknown[0]}' is none of {', '.join(STRATEGIES)}. The "
            "separate models are always trained beside them."
        )
    sets = {HETEROGENEOUS: tasks.heterogeneous}
    if tasks.homogeneous:
        sets[HOMOGENEOUS] = tasks.homogeneous
    return {
        which: {
            strategy: Candidate(
                f"{which} {strategy}",
                names,
                replace(
                    preset.target,
                    strategy=strategy,
                    optimizer=optimizer(
                        strategy, [specs[name] for name in names], preset
                    ),
                ),
                constructed=strategy != BASELINE,
            )
            for strategy in (*strategies, BASELINE)
        }
        for which, names in sets.items()
    }


def run(
    data,
    out,
    preset,
    flow="flow",
    truth=None,
    strategies=STRATEGIES,
    repeats=5,
    seed=0,
    say=print,
):
    """Constructs, fine-tunes, evaluates; writes tables and figures.

    Args:
        data: Prepared strips with a label task of the flow and others.
        out: Folder; interrupted work goes on where it was.
        preset: `Preset`.
        flow: Name of the flow's task.
        truth: phantom.json of synthetic strips, whose velocities are known;
            None compares with what is measured in the reference masks.
        strategies: Some of `STRATEGIES`.
        repeats, seed: As in `repeats.run_repeats`; with the preset's `folds`
            there are no repeats.
        say: Called with a line per step.

    Returns:
        {title: data frame in the paper's layout}.

    Raises:
        UmsrepError: data without the tasks, see `Tasks.of`.
    """
    out = Path(out)
    dataset = data_package.load(data)
    tasks = Tasks.of(dataset, flow)
    # A wrong file is told before the trainings.
    known = doppler.read_truth(truth, dataset, flow) if truth else None
    sets = candidates(tasks, preset, dataset.tasks, strategies)
    construction = replace(preset.construction, task=flow)
    chosen = [c for group in sets.values() for c in group.values()]
    if preset.folds:
        repeats = preset.folds
        frame = _in_folds(data, chosen, out, repeats, seed, say, construction)
    else:
        frame = run_repeats(data, chosen, out, repeats, seed, say, construction)
    storage.write_csv(out / "repeats.csv", frame)
    medians = tables.median_and_spread(frame)
    found = {"Table 1: data": doppler_data.data_used(dataset, out, flow, sets)}
    for which, group in sets.items():
        results, cost = NUMBERS[which]
        specs = [dataset.task(name) for name in group[BASELINE].tasks]
        found |= {
            f"Table {results}: {which} tasks": strategies_tables.performance(
                medians, group, specs
            ),
            f"Table {cost}: cost of the {which} tasks": strategies_tables.cost(
                medians, group
            ),
            f"McNemar and Wilcoxon, {which} tasks": (
                _tests(out, group, specs, repeats, preset.folds)
            ),
        }
    write_curves(out, [candidate.name for candidate in chosen])
    doppler_data.write_examples(out, dataset, flow, tasks.heterogeneous)
    say("derived tasks")
    found |= derived_tables(
        data, out, sets[HETEROGENEOUS], flow, known, repeats
    )
    tables.write_tables(
        "UMS-Rep on Doppler strips",
        out,
        found,
        data,
        preset.target,
        repeats,
        seed,
        construction,
        _words(dataset, preset.folds, seed) if preset.folds else None,
    )
    return found


def _in_folds(data, chosen, out, folds, seed, say, construction):
    """One construction; the patients that it leaves are divided into folds."""
    source, _ = folders(out, REPRESENTATION, 0)
    say(REPRESENTATION)
    construct([data], source, replace(construction, seed=seed), True)

    def sources(candidate):
        name = "representation" if candidate.constructed else "leave_out"
        return {name: source}

    frame = fold_runs.run_folds(
        data, chosen, out, folds, sources, seed, say=say
    )
    cost = pd.DataFrame(cost_rows(REPRESENTATION, 0, seed, source))
    return pd.concat([cost, frame], ignore_index=True)


def _tests(out, group, specs, repeats, folds):
    """Of repeats the p-values are combined; of folds, each patient is once."""
    if not folds:
        return significance.paired_over_repeats(
            out, group, specs, repeats, RIGHT_DICE
        )
    whole = fold_runs.pooled_predictions(out, group, fold_runs.HELD_OUT)
    return significance.paired_tests(whole, specs, RIGHT_DICE)


def _words(dataset, folds, seed):
    return (
        f"Median ± standard deviation of {folds} folds by patient of what the "
        f"construction leaves of '{dataset.name}', each tested on the patients "
        f"it holds out; seed {seed}. Folds share most of their patients: their "
        "spread is no standard error."
    )
