"""UMS-Rep on chest X-rays: denoising construction, then target tasks.

Source: Zamzmi, Rajaraman, Antani, "UMS-Rep: Unified modality-specific
representation for efficient medical image analysis" (2021), Section 4.1.
Command: `umsrep recipe ums-rep-cxr` (synthetic X-rays), or with prepared sets
`--construct-on RSNA --heterogeneous SHENZHEN --external MONTGOMERY
--homogeneous KERMANY`.
Cost: the preset `small` on 1,400 synthetic images of 64x64 takes minutes on 2
CPU cores; on the real sets at 128x128 hours; `paper` needs a GPU.
Result: docs/results.md.

A representation is constructed by removing noise. Heterogeneous tasks (lungs,
abnormality) are fine-tuned on it in folds by patient and tested in another
hospital; homogeneous ones (pairs of classes) in folds and tested on the data
set's own test images; by every strategy, and compared with separate models of
the same layers on images that a separate model has denoised, at equal steps
per task.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from umsrep import data as data_package
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.evaluation.summary import BASELINE
from umsrep.experiments import cxr_pictures, fold_runs, presets, significance
from umsrep.experiments import strategies as strategies_tables
from umsrep.experiments import tables as tables_of
from umsrep.experiments.pictures import write_curves
from umsrep.experiments.repeats import REPRESENTATION, Candidate, cost_rows
from umsrep.recipes.ums_rep_echo import RIGHT_DICE, STRATEGIES
from umsrep.stages.pretraining import pretrain
from umsrep.stages.settings import FinetuneSettings, PretrainSettings

HETEROGENEOUS, HOMOGENEOUS = "heterogeneous", "homogeneous"
# The paper's tables of each set of tasks: results and cost.
NUMBERS = {HETEROGENEOUS: (3, 4), HOMOGENEOUS: (5, 6)}
FOLDS = 10
# What a change of the preset changes in both stages.
SHARED = ("batch_size", "precision")

# The denoising autoencoder (Section 4.1.1). RMSprop is the objective's own.
# Ours, since the paper says no number: both patiences and the most epochs.
CONSTRUCTION = PretrainSettings(
    architecture="conv_autoencoder",
    arguments={"preset": "paper"},
    batch_size=16,
    learning_rate=1e-3,
    patience=3,
    stop_patience=8,
    epochs=50,
    fractions=(0.7, 0.2, 0.1),
)
# Sections 3.2.3 and 4.1.2: average, dense, dropout, softmax on the encoder; a
# sigmoid neuron on the whole autoencoder. Ours, since the paper says no number:
# epochs, batch, rate, its decay, the share that validates (a ninth of nine
# tenths), hidden units and the share of them that is dropped, and that images
# are not augmented. The separate models have the same network.
TARGET = FinetuneSettings(
    architecture=CONSTRUCTION.architecture,
    arguments=CONSTRUCTION.arguments,
    epochs=50,
    batch_size=16,
    augmentation=0.0,
    fractions=(0.8, 0.1, 0.1),
    classifier="dense",
    classification_features="bottleneck",
    segmentation_features="decoded",
    convolutions=(),
    hidden_units=256,
    dropout=0.5,
)
# One channel, skips, fewer filters, folds and epochs, for a laptop. Four
# convolutions of stride 2 as in the paper: a cell is 16 pixels, on which a heat
# map still says where.
SMALL_NETWORK = {"normalization": "mean", "filters": (16, 32, 64, 128)}


@dataclass(frozen=True)
class Preset:
    """Settings of both stages.

    Attributes:
        construction: `PretrainSettings`.
        target: `FinetuneSettings` of the target tasks.
        folds: Folds of the cross-validations.
    """

    construction: PretrainSettings
    target: FinetuneSettings
    folds: int = FOLDS


PRESETS = {
    "paper": Preset(CONSTRUCTION, TARGET),
    "small": Preset(
        replace(CONSTRUCTION, epochs=10, arguments=SMALL_NETWORK),
        replace(
            TARGET,
            epochs=10,
            arguments=SMALL_NETWORK,
            learning_rate=2e-3,
            augmentation=1.0,
        ),
        folds=3,
    ),
}


@dataclass(frozen=True)
class Sets:
    """The prepared data sets.

    Attributes:
        construction: Those that the representation is constructed on.
        heterogeneous: With tasks of different kinds, such as Shenzhen's.
        external: The same tasks in another hospital, such as Montgomery's.
        homogeneous: With several label tasks and test images of its own, such
            as the paediatric set.
    """

    construction: tuple
    heterogeneous: Path
    external: Path
    homogeneous: Path

    def check(self):
        """Raises unless the tables can be made of these sets."""
        size = None
        for place in (*self.construction, *self.targets.values()):
            data = data_package.load(place)
            size = size or data.image_size
            if data.image_size != size:
                raise UmsrepError(
                    f"{place} has images of {data.image_size[0]}x"
                    f"{data.image_size[1]}, but those of "
                    f"{self.construction[0]} are {size[0]}x{size[1]}. Prepare "
                    "all with one --size."
                )
        home, abroad, similar = map(data_package.load, self.targets.values())
        if set(home.tasks) - set(abroad.tasks) or len(home.tasks) < 2:
            raise UmsrepError(
                f"'{home.name}' has the tasks {', '.join(home.tasks)} and "
                f"'{abroad.name}' {', '.join(abroad.tasks) or 'none'}. "
                "Expected at least two, and the same in both (--heterogeneous "
                "and --external), such as Shenzhen's and Montgomery's lungs "
                "and abnormality."
            )
        if home.name == abroad.name:
            raise UmsrepError(
                f"{self.external} is of the data set that is trained on, "
                f"'{home.name}'. Pass another hospital's with --external."
            )
        labels = [s for s in similar.tasks.values() if s.kind == "label"]
        if len(labels) < 2:
            raise UmsrepError(
                f"'{similar.name}' has {len(labels)} label tasks. Expected "
                "several, such as the pairs of classes of the paediatric set; "
                "pass it with --homogeneous."
            )
        if not (similar.table["split"] == "test").any():
            raise UmsrepError(
                f"'{similar.name}' has no test images of its own, on which "
                "the paper tests its folds. Prepare a set that has, or write "
                "test into its column split."
            )

    @property
    def targets(self):
        """{what a set is for: its folder}."""
        return {
            HETEROGENEOUS: self.heterogeneous,
            "external": self.external,
            HOMOGENEOUS: self.homogeneous,
        }


def preset(
    name="small", epochs=None, construction_epochs=None, folds=None, **changes
):
    """A `Preset` with changes; None leaves the preset's.

    Args:
        name: One of `PRESETS`.
        epochs: Epochs of the target tasks.
        construction_epochs: Epochs of the construction.
        folds: Folds of the cross-validations.
        changes: Fields of `FinetuneSettings`; those of `SHARED`, of both
            stages. `arguments` are added to the preset's, of both.
    """
    chosen = presets.choose(PRESETS, name)
    changes = presets.given(changes)
    shared = {k: v for k, v in changes.items() if k in SHARED}
    if "arguments" in changes:
        own = chosen.construction.arguments | changes["arguments"]
        changes["arguments"] = shared["arguments"] = own
    return Preset(
        replace(
            chosen.construction,
            **shared,
            **presets.given({"epochs": construction_epochs}),
        ),
        replace(chosen.target, **changes, **presets.given({"epochs": epochs})),
        folds or chosen.folds,
    )


def candidates(which, tasks, settings, strategies=STRATEGIES):
    """{strategy: `Candidate`} of one set of tasks, the baseline last."""
    unknown = [name for name in strategies if name not in STRATEGIES]
    if unknown:
        raise UmsrepError(
            f"strategy='{unknown[0]}' is none of {', '.join(STRATEGIES)}. The "
            "separate models are always trained beside them."
        )
    return {
        strategy: Candidate(
            f"{which} {strategy}",
            tuple(tasks),
            replace(settings, strategy=strategy),
            constructed=strategy != BASELINE,
        )
        for strategy in (*strategies, BASELINE)
    }


def run(sets, out, preset, strategies=STRATEGIES, seed=0, say=print):
    """Constructs, cross-validates, evaluates; writes tables and figures.

    Args:
        sets: `Sets`.
        out: Folder; interrupted work goes on where it was.
        preset: `Preset`.
        strategies: Some of `STRATEGIES`.
        seed: Seed of the construction and of the folds.
        say: Called with a line per step.

    Returns:
        {title: data frame in the paper's layout}.

    Raises:
        UmsrepError: sets that the tables cannot be made of, see `Sets.check`.
    """
    out = Path(out)
    sets.check()
    say(f"construct the representation on {len(sets.construction)} data sets")
    source = out / "runs" / REPRESENTATION
    pretrain(
        list(sets.construction),
        source,
        replace(preset.construction, seed=seed),
        resume=True,
    )
    found = {
        "Table 1: data": cxr_pictures.data_used(sets),
        "Table 2: denoising": strategies_tables.denoising(
            storage.read_json(source / "metrics.json", "metrics")
        ),
    }
    for which, data, external in (
        (HETEROGENEOUS, sets.heterogeneous, sets.external),
        (HOMOGENEOUS, sets.homogeneous, None),
    ):
        group = candidates(
            which, _tasks(which, data), preset.target, strategies
        )
        frame = fold_runs.run_folds(
            data,
            list(group.values()),
            out,
            preset.folds,
            lambda candidate: _sources(candidate, source),
            seed,
            external,
            say,
        )
        storage.write_csv(out / f"{which}.csv", frame)
        found |= _tables(out, which, group, data, frame, source, preset.folds)
        write_curves(out, [c.name for c in group.values()])
    cxr_pictures.write(out, sets, source)
    tables_of.write_tables(
        "UMS-Rep on chest X-rays",
        out,
        found,
        sets.heterogeneous,
        preset.target,
        preset.folds,
        seed,
        preset.construction,
        trainings=_words(sets, preset.folds, seed),
    )
    return found


def _words(sets, folds, seed):
    names = {k: data_package.load(v).name for k, v in sets.targets.items()}
    return (
        f"Median ± standard deviation of {folds} folds by patient of "
        f"'{names[HETEROGENEOUS]}', tested on '{names['external']}', and of "
        f"'{names[HOMOGENEOUS]}', tested on its own test images; seed {seed}. "
        "Folds share most of their patients: their spread is no standard "
        "error. Ensembles are the mean over the folds, with 95 % intervals "
        "over test patients."
    )


def _tasks(which, data):
    specs = data_package.load(data).tasks
    if which == HETEROGENEOUS:
        return tuple(specs)
    return tuple(n for n, spec in specs.items() if spec.kind == "label")


def _sources(candidate, source):
    """A separate model is of new weights, on images denoised first."""
    name = "representation" if candidate.constructed else "denoise_with"
    return {name: source}


def _tables(out, which, group, data, frame, source, folds):
    """The paper's two tables of a set of tasks, and what stands beside."""
    results, cost = NUMBERS[which]
    dataset = data_package.load(data)
    specs = [dataset.task(name) for name in group[BASELINE].tasks]
    medians = tables_of.median_and_spread(frame)
    costs = pd.DataFrame(cost_rows(REPRESENTATION, 0, 0, source))
    construction = strategies_tables.whole_cost(
        tables_of.median_and_spread(costs), REPRESENTATION
    )
    found = {
        f"Table {results}: {which} tasks": strategies_tables.performance(
            medians, group, specs
        ),
        f"Table {results}, ensembles of the {folds} folds": (
            fold_runs.ensemble_table(
                out, group, strategies_tables.metrics_of, specs
            )
        ),
        f"Table {cost}: cost of the {which} tasks": (
            strategies_tables.paper_cost(medians, group, construction)
        ),
        f"McNemar and Wilcoxon over folds, {which} tasks": (
            significance.paired_over_repeats(
                out, group, specs, folds, RIGHT_DICE
            )
        ),
    }
    if which == HETEROGENEOUS:
        home = fold_runs.HELD_OUT
        found |= {
            f"{dataset.name}, each patient by the fold that held them out": (
                fold_runs.ensemble_table(
                    out, group, strategies_tables.metrics_of, specs, home
                )
            ),
            f"McNemar and Wilcoxon on held out patients of {dataset.name}": (
                significance.paired_tests(
                    fold_runs.pooled_predictions(out, group, home),
                    specs,
                    RIGHT_DICE,
                )
            ),
        }
    return found
