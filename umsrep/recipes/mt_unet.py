"""MT-UNet: where people look, together with the diagnosis.

Source: Zhu, Rohling, Salcudean, "Multi-task UNet: jointly boosting saliency
prediction and disease classification on chest X-ray images" (2022).
Command: `umsrep recipe mt-unet --data DATA --scheme mtls3 --repeats 5`.
Cost: `small` on 2 CPU cores some minutes per training of 300 images at
128x128; `paper` (width 64, 640x416, up to 1,024 epochs) needs a GPU.
Result (docs/results-gaze.md, medians of 5 trainings): on OSIE (`--epochs 15`,
real fixations) UNetS has KLD 0.761, CC 0.605 and NSS 2.118, the centre bias
1.315, 0.291 and 0.822; on 60 synthetic chests (`--fractions 0.1 0.1 0.8
--epochs 60 --patience 10`) MTLS3 has AUC 0.969 and UNetC 0.952.

The paper states neither learning rate nor patience; `paper` has those of its
published code.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from umsrep import balancing, heads, representations
from umsrep import data as data_package
from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.experiments import gaze, presets, significance, tables
from umsrep.experiments.pictures import write_curves
from umsrep.experiments.repeats import Candidate, run_repeats
from umsrep.model import MultiTaskModel
from umsrep.stages.settings import FinetuneSettings

# Appendix B and the published code.
PAPER = FinetuneSettings(
    strategy="joint",
    weighting="mtls3",
    architecture="unet",
    arguments={"width": 64, "depth": 5, "normalization": "none"},
    classification_features=("bottleneck", "decoded"),
    classifier="dense",
    convolutions=(),
    hidden_units=64,
    dropout=0.25,
    decay="return_to_best",
    learning_rate=1e-4,
    patience=40,
    epochs=1024,
    batch_size=6,
    augmentation=0.0,
    fractions=(0.7, 0.1, 0.2),
)
# For a laptop: narrow, few epochs, a rate to match, and augmentation, since
# such sets are small.
SMALL = replace(
    PAPER,
    arguments={"width": 16, "depth": 5, "normalization": "percentile"},
    hidden_units=16,
    learning_rate=1e-3,
    patience=6,
    epochs=40,
    batch_size=8,
    augmentation=0.5,
)
PRESETS = {"paper": PAPER, "small": SMALL}
# Which features the classification head reads (Section 5.2).
HEADS = {
    "MT-UNet": ("bottleneck", "decoded"),
    "MT-UNetB": "bottleneck",
    "MT-UNetT": "decoded",
}
SCHEMES = {"mtls1": "MTLS1", "mtls2": "MTLS2", "mtls3": "MTLS3"}
# The scheme of the network that is compared with others (Section 5.1).
BEST = "mtls3"
CLASSIFIERS = {
    "ResNet50": "resnet50",
    "IRNetV2": "inception_resnet_v2",
    "EffNetV2-S": "efficientnetv2s",
}
SALIENCY_NETWORKS = {
    "SimpleNet": "simple_net",
    "MSINet": "msi_net",
    "VGGSSM": "vgg_ssm",
}
NETWORKS = (
    *HEADS,
    "UNetC",
    *CLASSIFIERS,
    "UNetS",
    *SALIENCY_NETWORKS,
)
DEFAULT_NETWORKS = ("MT-UNet", "UNetC", "UNetS")
SALIENCY = {
    "kld": "KLD ↓",
    "cc": "PCC ↑",
    "sim": "HS ↑",
    "nss": "NSS ↑",
    "auc_judd": "AUC-Judd ↑",
    "shuffled_auc": "shuffled AUC ↑",
    "information_gain": "IG ↑",
}


@dataclass(frozen=True)
class Tasks:
    """Names of the data set's tasks.

    Attributes:
        saliency: A map task.
        classification: A label task, or None where there is none.
    """

    saliency: str
    classification: str | None = None

    @classmethod
    def of(cls, dataset):
        """The only map task and the only label task of a data set."""
        names = {
            kind: [n for n, t in dataset.tasks.items() if t.kind == kind]
            for kind in ("map", "label")
        }
        if len(names["map"]) != 1 or len(names["label"]) > 1:
            raise UmsrepError(
                f"Data set '{dataset.name}' has the map tasks "
                f"{names['map']} and the label tasks {names['label']}. "
                "Expected one map task and at most one label task; prepare "
                "the data with these alone."
            )
        return cls(names["map"][0], *names["label"])


def settings(preset="small", width=None, **changes):
    """`FinetuneSettings` of a preset, with changes.

    Args:
        preset: One of `PRESETS`.
        width: Width of the U-Net's first level, and of the dense layer.
        changes: Fields of `FinetuneSettings`; None leaves the preset's.
    """
    if width is not None:
        base = presets.choose(PRESETS, preset)
        changes["arguments"] = {**base.arguments, "width": width}
        changes["hidden_units"] = width
    return presets.changed(PRESETS, preset, **changes)


def mt_unet(
    image_shape=(640, 416, 1),
    num_classes=3,
    width=64,
    depth=5,
    scheme="mtls3",
    variant="MT-UNet",
    fidelity="paper",
    saliency="gaze",
    classification="finding",
):
    """The network of the paper (Figure 1).

    At width 64, one channel and three classes it has 34,632,837 trainable
    parameters, one sigma included.

    Args:
        image_shape: (height, width, channels).
        num_classes: Number of classes of the finding.
        width, depth: Width and depth of the U-Net.
        scheme: "mtls1", "mtls2" or "mtls3".
        variant: "MT-UNet"; "MT-UNetB" or "MT-UNetT", whose classification
            reads the bottleneck or the top alone; "UNetC" or "UNetS" with one
            task alone.
        fidelity: "paper"; or "code": half the saliency loss
            (`UncertaintyWeighting.scheme`).
        saliency, classification: Names of the tasks.

    Returns:
        A `MultiTaskModel`.
    """
    if variant not in (*HEADS, "UNetC", "UNetS"):
        raise UmsrepError(
            f"variant='{variant}' is unknown. Choose one of "
            f"{', '.join(HEADS)}, UNetC, UNetS."
        )
    chosen, balancer = [], None
    if variant != "UNetC":
        chosen.append(heads.SaliencyHead(saliency))
    if variant != "UNetS":
        chosen.append(
            heads.ClassificationHead(
                num_classes,
                classification,
                features=HEADS.get(variant, "bottleneck"),
                hidden_units=width,
                dropout=PAPER.dropout,
            )
        )
    if len(chosen) == 2:
        balancer = balancing.UncertaintyWeighting.scheme(
            scheme, saliency, classification, fidelity
        )
    representation = representations.UNet(
        image_shape,
        width=width,
        depth=depth,
        normalization=PAPER.arguments["normalization"],
    )
    return MultiTaskModel(representation, chosen, balancer, name="mt_unet")


def candidates(tasks, settings, schemes=("mtls3",), networks=DEFAULT_NETWORKS):
    """What the recipe trains.

    Args:
        tasks: `Tasks`.
        settings: `FinetuneSettings`, such as `SMALL`.
        schemes: Learning schemes of MT-UNet; with several, each is a network
            called as in the paper's Table 3.
        networks: Names of `NETWORKS`, or "all". Networks of comparison are
            scaled as the U-Net is: whole at width 64, a quarter of their
            filters at 16.

    Returns:
        `Candidate`s; networks of tasks that the data set lacks are left out.

    Raises:
        UmsrepError: an unknown name, or nothing left to train.
    """
    networks = NETWORKS if "all" in networks else tuple(networks)
    for given, known, what in (
        (networks, NETWORKS, "network"),
        (schemes, SCHEMES, "scheme"),
    ):
        unknown = [name for name in given if name not in known]
        if unknown:
            raise UmsrepError(
                f"No {what} is named '{unknown[0]}'. Choose among "
                f"{', '.join(known)}."
            )
    both = (tasks.saliency, tasks.classification)
    found = []
    for name in networks:
        if name in HEADS and tasks.classification:
            found += _joint(name, both, settings, schemes)
        elif name == "UNetC" or name in CLASSIFIERS:
            if tasks.classification:
                alone = _classifier(name, settings)
                found.append(Candidate(name, both[1:], alone))
        elif name not in HEADS:
            found.append(Candidate(name, both[:1], _saliency(name, settings)))
    if not found:
        raise UmsrepError(
            f"The data set has no label task, which {', '.join(networks)} "
            f"need. Choose among UNetS, {', '.join(SALIENCY_NETWORKS)}."
        )
    return found


def _joint(name, tasks, settings, schemes):
    for scheme in schemes:
        joint = replace(
            settings, weighting=scheme, classification_features=HEADS[name]
        )
        title = name
        if len(schemes) > 1 and name == "MT-UNet":
            title = SCHEMES[scheme]
        elif scheme != schemes[-1]:
            continue
        yield Candidate(title, tasks, joint)


def _classifier(name, settings):
    """UNetC, or a general network with GAP and one dense layer."""
    settings = replace(settings, classification_features="bottleneck")
    if name == "UNetC":
        return settings
    network = {"architecture": CLASSIFIERS[name]}
    settings = replace(settings, hidden_units=0)
    return _compared(settings, "keras_application", network)


def _saliency(name, settings):
    if name == "UNetS":
        return settings
    return _compared(settings, SALIENCY_NETWORKS[name], {})


def _compared(settings, architecture, arguments):
    """A network of comparison, as narrow as the U-Net, in 32nds."""
    unet = settings.arguments
    arguments = arguments | {
        "width": max(1, round(unet["width"] / 64 * 32)) / 32,
        "normalization": unet["normalization"],
    }
    return replace(settings, architecture=architecture, arguments=arguments)


def run(
    data,
    out,
    settings,
    schemes=("mtls3",),
    networks=DEFAULT_NETWORKS,
    repeats=5,
    seed=0,
    say=print,
):
    """Trains, evaluates, and writes tables and figures.

    Args:
        data: A prepared data set with one map task and at most one label
            task.
        out: Folder; interrupted work goes on where it was.
        settings: `FinetuneSettings`, such as `SMALL`.
        schemes, networks: As in `candidates`.
        repeats, seed: As in `repeats.run_repeats`.
        say: Called with a line per step.

    Returns:
        {title: data frame in the paper's layout}.

    Raises:
        UmsrepError: data or names that do not serve, see `candidates`.
    """
    out = Path(out)
    dataset = data_package.load(data)
    tasks = Tasks.of(dataset)
    chosen = candidates(tasks, settings, schemes, networks)
    frame = run_repeats(data, chosen, out, repeats, seed, say)
    gazing = [c.name for c in chosen if tasks.saliency in c.tasks]
    if gazing:
        say("floors and the inter-observer limit")
        references = gaze.references(
            data, tasks.saliency, out, gazing, repeats, say
        )
        frame = pd.concat([frame, *references], ignore_index=True)
        gaze.write_overlays(
            data, tasks.saliency, out, gazing, tasks.classification
        )
    write_curves(out, [candidate.name for candidate in chosen])
    storage.write_csv(out / "repeats.csv", frame)
    measured = significance.measured_by(out, dataset.tasks.values())
    found = _tables(frame, dataset, tasks, chosen, measured, repeats)
    tables.write_tables(
        *("MT-UNet", out, found, data, settings, repeats, seed),
        # How well people predict people is a limit, no network's rival.
        apart=(gaze.OBSERVERS,),
    )
    return found


def _pairs(candidates):
    """Each network of both tasks with each of one; else the first with each."""
    joint = [c.name for c in candidates if len(c.tasks) > 1]
    single = [c.name for c in candidates if len(c.tasks) == 1]
    if joint and single:
        return [(a, b) for a in joint for b in single]
    first, *others = joint + single
    return [(first, other) for other in others]


def compared_with_others(candidates):
    """{name: name in Tables 1 and 2} of what is compared with other networks.

    Of the networks of both tasks only MT-UNet is; all others are its
    ablations, and stand in Table 3. Of several schemes MT-UNet is the paper's
    (`BEST`), whatever the test images say: choosing by them would favour it.

    Args:
        candidates: As returned by `candidates`.
    """
    joint = {c.name for c in candidates if len(c.tasks) > 1}
    schemes = [c.name for c in candidates if c.name in SCHEMES.values()]
    own = "MT-UNet"
    if schemes:
        own = SCHEMES[BEST] if SCHEMES[BEST] in schemes else schemes[-1]
    if own in joint:
        joint = {own}
    return {
        c.name: "MT-UNet" if c.name == own else c.name
        for c in candidates
        if len(c.tasks) == 1 or c.name in joint
    }


def _ablation(medians, tasks, metrics, candidates):
    """{title: Table 3}: both tasks of every network that learns both."""
    # One scheme alone is called MT-UNet; here its scheme is what differs.
    joint = {
        c.name: SCHEMES[c.settings.weighting] if c.name == "MT-UNet" else c.name
        for c in candidates
        if len(c.tasks) > 1
    }
    if len(joint) < 2:
        return {}
    halves = [
        tables.layout(medians, task, headings, list(joint))
        for task, headings in (
            (tasks.saliency, SALIENCY),
            (tasks.classification, metrics),
        )
    ]
    title = "Table 3: ablation"
    shown = compared_with_others(candidates)
    for name, column in joint.items():
        if shown.get(name) == "MT-UNet":
            title += f"; MT-UNet above is {column}"
    return {title: pd.concat(halves).rename(columns=joint)}


def _tables(frame, dataset, tasks, candidates, measured, repeats):
    networks = [candidate.name for candidate in candidates]
    medians = tables.median_and_spread(frame)
    label, saliency = tasks.classification, tasks.saliency
    shown = compared_with_others(candidates)

    def table(task, metrics, before=(), after=()):
        found = tables.layout(medians, task, metrics, [*before, *shown, *after])
        return found.rename(columns=shown)

    found, metrics = {}, {}
    if label:
        metrics = tables.classification_metrics(dataset.task(label).classes)
        found["Table 1: classification"] = table(label, metrics)
    found["Table 2: saliency"] = table(saliency, SALIENCY, after=gaze.FLOORS)
    half = gaze.halves_of(saliency)
    if (medians["task"] == half).any():
        found["Saliency against half of the observers"] = table(
            half, SALIENCY, before=(gaze.OBSERVERS,)
        )
    found |= _ablation(medians, tasks, metrics, candidates)
    found["Cost"] = tables.cost(medians, networks)
    compared = [(saliency, m) for m in ("kld", "cc", "sim", "nss")]
    compared += [(label, m) for m in ("accuracy", "auc")] if label else []
    pairs = _pairs(candidates)
    tests = significance.mann_whitney(frame, pairs, compared)
    found["Mann-Whitney over repeats"] = tests.round(4)
    tests = significance.over_patients_and_trainings(
        measured, pairs, compared, repeats
    )
    found["Over patients and trainings"] = tests.round(4)
    return tables.without_empty(found)
