"""UMS-Rep on Doppler strips: supervised construction, then target tasks.

Source: Zamzmi, Rajaraman, Antani, "UMS-Rep: Unified modality-specific
representation for efficient medical image analysis" (2021), Section 4.2. Its
images are private.
Command: `umsrep recipe ums-rep-echo --repeats 5` (synthetic strips), or with
`--data DATA` on prepared strips.
Cost: with the preset `small` about a quarter of an hour per repeat for 1200
strips at 128x128 on 2 CPU cores.
Expected: docs/results-doppler.md.

A representation is constructed on the flow; heterogeneous tasks (envelope,
flow, quality) and homogeneous ones (pairs of flows) are then fine-tuned on
other patients by every strategy, and compared with separate models of the same
layers, images and epochs.
"""

from dataclasses import dataclass, replace

from umsrep.errors import UmsrepError
from umsrep.experiments.repeats import Candidate
from umsrep.stages.construction import ConstructionSettings
from umsrep.stages.settings import FinetuneSettings

STRATEGIES = ("independent", "alternating", "joint")
BASELINE = "separate"
HETEROGENEOUS, HOMOGENEOUS = "heterogeneous", "homogeneous"

# Section 4.2.1. What it leaves open is ConstructionSettings's.
CONSTRUCTION = ConstructionSettings(
    architecture="dilated_cnn", epochs=64, batch_size=16
)
# Sections 2.2 and 4.2.2: of the 30 % of the patients that the construction
# leaves, 20 of 30 are trained on, and 10 of 30 tested on. A tenth of the
# former validates. Heads: average, dense, dropout, dense; a decoder on the
# deepest convolution.
TARGET = FinetuneSettings(
    architecture="dilated_cnn",
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
    """

    construction: ConstructionSettings
    target: FinetuneSettings


PRESETS = {
    "paper": Preset(CONSTRUCTION, TARGET),
    "small": Preset(
        replace(CONSTRUCTION, epochs=20), replace(TARGET, epochs=25)
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


def preset(name="small", epochs=None, construction_epochs=None, **changes):
    """A `Preset` with changes; None leaves the preset's.

    Args:
        name: One of `PRESETS`.
        epochs: Of the target tasks.
        construction_epochs: Of the construction.
        changes: Fields that both settings have (batch_size, precision, ...),
            or that `FinetuneSettings` has.
    """
    if name not in PRESETS:
        raise UmsrepError(
            f"preset='{name}' is unknown. Choose one of {', '.join(PRESETS)}."
        )
    chosen = PRESETS[name]
    changes = {k: v for k, v in changes.items() if v is not None}
    shared = {
        k: v
        for k, v in changes.items()
        if k in ("batch_size", "precision", "arguments")
    }
    construction = replace(chosen.construction, **shared)
    if construction_epochs is not None:
        construction = replace(construction, epochs=construction_epochs)
    if epochs is not None:
        changes["epochs"] = epochs
    return Preset(construction, replace(chosen.target, **changes))


def candidates(tasks, settings, strategies=STRATEGIES):
    """Every strategy and the baseline, on both sets of tasks.

    Args:
        tasks: `Tasks`.
        settings: `FinetuneSettings` of the target tasks.
        strategies: Some of `STRATEGIES`.

    Returns:
        {set of tasks: {strategy: `Candidate`}}.
    """
    unknown = [one for one in strategies if one not in STRATEGIES]
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
                replace(settings, strategy=strategy),
                constructed=strategy != BASELINE,
            )
            for strategy in (*strategies, BASELINE)
        }
        for which, names in sets.items()
    }
