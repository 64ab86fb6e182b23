"""What a learning curve trains, as of a file.

A YAML file, or a mapping of the same shape:

    data: prepared/shenzhen
    test_data: [prepared/montgomery]   # other hospitals; none by default
    tasks: [lung, abnormality]         # all of the data set by default
    sizes: [13, 26, 53, 106]           # labelled patients; by default all,
                                       # half of them, a quarter, ...
    repeats: 5
    seed: 0                            # of the split and the first repeat
    baseline: separate                 # the first candidate by default
    blank_outside: lung                # measure everything so, too
    components: {lung: 2}
    settings: {epochs: 25, draws: 4}   # of every candidate
    candidates:                        # a name, and what is different
      separate: {strategy: separate}
      joint: {strategy: joint, representation: runs/cxr}

A candidate may have `tasks`, `representation`, `denoise_with` and `leave_out`
(run folders, or none) and any setting of `finetune`, except those that the
curve itself decides. Paths are relative to the folder the command runs in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from umsrep import runs
from umsrep.data import yaml_file
from umsrep.errors import UmsrepError
from umsrep.experiments.decided import DECIDED, OF_A_CANDIDATE
from umsrep.runs.former import renamed
from umsrep.search.reduction import whole_number
from umsrep.stages import settings_file
from umsrep.stages.network import (
    OF_A_NEW_ONE,
    PRETRAINED_FILTERS,
    of_run,
)
from umsrep.stages.settings import FinetuneSettings

KEYS = (
    "data",
    "test_data",
    "tasks",
    "sizes",
    "repeats",
    "seed",
    "baseline",
    "blank_outside",
    "components",
    "settings",
    "candidates",
)


@dataclass(frozen=True)
class CurveCandidate:
    """One way of training.

    Attributes:
        name: Its name in tables and folders.
        settings: `FinetuneSettings`; seeds, steps and the number of labelled
            patients are set for each run.
        tasks: Names of its tasks; empty for all of the data set.
        sources: {"representation", "denoise_with", "leave_out": run folder or
            None}.
        labelled_tasks: Tasks that its labelled patients are drawn by; None
            for its own.
    """

    name: str
    settings: FinetuneSettings
    tasks: tuple[str, ...]
    sources: dict[str, str | None]
    labelled_tasks: tuple[str, ...] | None = None

    @property
    def slug(self) -> str:
        """Its name as part of a path."""
        return slug(self.name)


@dataclass(frozen=True)
class CurvePlan:
    """What a learning curve trains; made by `load_plan`.

    Attributes:
        data: A prepared data set.
        candidates: `CurveCandidate`s.
        test_data: Other prepared data sets to evaluate on.
        sizes: Numbers of labelled patients; empty for the default.
        repeats: Trainings of each candidate and size.
        seed: Seed of the split, and of the first repeat.
        baseline: Name of the candidate that others are compared with.
        blank_outside: A mask task, or None: also evaluate on images that are
            black outside its mask.
        components: As of `stages.evaluate_run`, or None.
    """

    data: str
    candidates: tuple[CurveCandidate, ...]
    test_data: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    repeats: int = 5
    seed: int = 0
    baseline: str = ""
    blank_outside: str | None = None
    components: dict[str, int] | None = None

    def settings_of(
        self, candidate: CurveCandidate, patients: int | None, repeat: int
    ) -> FinetuneSettings:
        """The settings of one run, but for its steps."""
        return replace(
            candidate.settings,
            seed=self.seed + repeat,
            split_seed=self.seed,
            labelled_patients=patients,
            labelled_tasks=candidate.labelled_tasks if patients else None,
        )


def slug(name: str) -> str:
    """A name as every file system takes it."""
    return re.sub(r"[^a-z0-9_.]+", "-", name.lower()).strip("-.") or "x"


def load_plan(
    plan: str | Path | Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> CurvePlan:
    """Reads and checks a plan.

    Args:
        plan: Path of a YAML file, or a mapping of the same shape.
        changes: {key: value} instead of the plan's; None changes nothing.
        settings: {field: value} of every candidate, which take precedence.

    Raises:
        UmsrepError: names the file, the key and the remedy.
    """
    if isinstance(plan, Mapping):
        stored, where = dict(plan), "plan"
    else:
        stored, where = yaml_file.read_yaml(plan, "plan"), str(plan)
    settings_file.check_keys(stored, KEYS, where)
    stored |= {k: v for k, v in (changes or {}).items() if v is not None}
    if not isinstance(stored.get("data"), (str, Path)):
        raise UmsrepError(
            f"{where}: data: {stored.get('data')!r}; expected one prepared "
            "data set. Write data: FOLDER, or pass --data FOLDER."
        )
    candidates = _candidates(stored, dict(settings or {}), where)
    names = [candidate.name for candidate in candidates]
    baseline = stored.get("baseline", names[0])
    if baseline not in names:
        raise UmsrepError(
            f"{where}: baseline: {baseline!r}; expected the name of a "
            f"candidate: {', '.join(names)}. Fix it."
        )
    blank = stored.get("blank_outside")
    return CurvePlan(
        data=str(stored["data"]),
        candidates=candidates,
        test_data=_paths(stored.get("test_data"), where),
        sizes=_sizes(stored.get("sizes"), where),
        repeats=whole_number(stored.get("repeats", 5), "repeats", where),
        seed=whole_number(stored.get("seed", 0), "seed", where, least=0),
        baseline=baseline,
        blank_outside=blank and str(blank),
        components=stored.get("components") or None,
    )


def short_plan(
    data: str | Path, representation: str | Path | None
) -> dict[str, Any]:
    """The plan without a file: is a representation worth its learning?

    New weights in separate models, against joint training and heads on the
    frozen encoder from the representation; without one, separate and joint
    training from new weights.

    Args:
        data: A prepared data set.
        representation: Run folder of `pretrain`, or None.
    """
    if representation is None:
        candidates: dict[str, Any] = {
            "separate": {"strategy": "separate"},
            "joint": {"strategy": "joint"},
        }
    else:
        source = runs.Run(representation)
        new = _new_weights(source)
        if source.has_labels:
            # The patients whose labels the representation knows.
            new["leave_out"] = str(representation)
        learnt = {"representation": str(representation)}
        candidates = {
            "new weights, separate": {"strategy": "separate", **new},
            "representation, joint": {"strategy": "joint", **learnt},
            "representation, independent": {
                "strategy": "independent",
                **learnt,
            },
        }
    return {"data": str(data), "candidates": candidates}


def _new_weights(source):
    """Settings of a network like that of a `runs.Run`, newly drawn.

    Weights are all that differs, also where the run's own came from a file.
    """
    new = of_run(source)
    arguments = dict(new.get("arguments") or {})
    if arguments.pop("weights", None) is not None:
        # The graph of a network with pretrained weights.
        if arguments.get("preprocessing") is None:
            arguments["preprocessing"] = True
        new["arguments"] = arguments
    if source.info.get("pretrained"):
        new["decoder_filters"] = PRETRAINED_FILTERS
    return new


def _candidates(stored, over, where):
    entries = settings_file.mapping(
        stored.get("candidates"), "candidates", where
    )
    if not entries:
        raise UmsrepError(
            f"{where}: 'candidates' is missing. Write at least one, such as "
            "candidates: {joint: {strategy: joint}}."
        )
    shared = renamed(
        settings_file.mapping(stored.get("settings"), "settings", where)
    )
    _refuse(shared | over, where, OF_A_CANDIDATE)
    tasks = settings_file.names(stored.get("tasks"), "tasks", where)
    found = []
    for name, entry in entries.items():
        here = f"{where}: candidates: {name}"
        entry = settings_file.mapping(entry, name, here)
        sources = {
            key: settings_file.source(entry.get(key))
            for key in settings_file.SOURCES
        }
        own = settings_file.names(entry.get("tasks"), "tasks", here)
        outside = (*settings_file.SOURCES, "tasks")
        values = renamed({k: v for k, v in entry.items() if k not in outside})
        _refuse(values, here)
        values = _merged(shared, values, over, sources["representation"], here)
        settings = settings_file.make("finetune", values, here)
        found.append(CurveCandidate(name, settings, own or tasks, sources))
    slugs = [candidate.slug for candidate in found]
    for candidate in found:
        if slugs.count(candidate.slug) > 1:
            raise UmsrepError(
                f"{where}: candidates: '{candidate.name}' and another have "
                f"the same folder, {candidate.slug}. Rename one."
            )
    return tuple(found)


def _merged(shared, values, over, representation, here):
    """A candidate's settings: those of all, its own, those of the command.

    Arguments of a new representation are merged one by one, unless they are
    of another architecture.
    """
    for given, whose in (
        (values, "the candidate's"),
        (shared, "of all candidates (settings)"),
        (over, "of all candidates (options of the command)"),
    ):
        named = [name for name in OF_A_NEW_ONE if name in given]
        if representation and named:
            raise UmsrepError(
                f"{here}: {' and '.join(named)}, {whose}, are of a new "
                f"representation, and {representation} is given. Write them "
                "at the candidates with new weights alone, or write "
                "representation: none."
            )
    layers = shared, values, over
    arguments: dict[str, Any] = {}
    for layer in layers:
        if "architecture" in layer:
            arguments = {}
        arguments |= settings_file.mapping(
            layer.get("arguments"), "arguments", here
        )
    default = settings_file.default_strategy(representation, arguments)
    merged = {**default, **shared, **values, **over}
    return {**merged, "arguments": arguments}


def _refuse(values, where, but=()):
    for name, why in DECIDED.items():
        if name in values and name not in but:
            raise UmsrepError(
                f"{where}: '{name}' is not a candidate's own: {why}. Remove "
                "it there."
            )


def _paths(value, where):
    value = [] if value is None else value
    value = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(value, Sequence):
        raise UmsrepError(
            f"{where}: test_data: {value!r}; expected a list of prepared data "
            "sets. Fix it."
        )
    return tuple(str(path) for path in value)


def _sizes(value, where):
    value = [] if value is None else value
    value = [value] if isinstance(value, int) else value
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise UmsrepError(
            f"{where}: sizes: {value!r}; expected numbers of labelled "
            "patients, such as [13, 26, 53]. Fix it."
        )
    return tuple(sorted({whole_number(n, "sizes", where) for n in value}))
