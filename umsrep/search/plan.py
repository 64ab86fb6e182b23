"""What a scan does, as of the file of a search space.

A YAML file, or a mapping of the same shape:

    data: prepared/shenzhen      # a list, for pretrain and construct
    stage: finetune              # or construct (with task), pretrain
    tasks: [lung, abnormality]   # finetune: all of the data set by default
    representation: runs/cxr     # finetune: none by default; also
                                 # denoise_with, leave_out
    settings: {epochs: 20}       # the same in every round; the other fields
                                 # are the stage's defaults
    space: {...}                 # see `space`
    search: random               # or grid, latin_hypercube, sobol, halton,
                                 # korobov
    rounds: 20                   # or fraction: 0.1 of the grid
    reduction: {...}             # see `reduction`
    objective: {task: lung, metric: dice}   # validation loss by default
    seed: 0                      # of the search and of the trainings

Paths are relative to the folder the command runs in.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from umsrep.data import yaml_file
from umsrep.errors import UmsrepError
from umsrep.runs.former import renamed
from umsrep.search.objective import Objective
from umsrep.search.reduction import Reduction, read_reduction, whole_number
from umsrep.search.shipped_spaces import SPACES, shipped
from umsrep.search.space import read_space
from umsrep.stages import settings_file
from umsrep.stages.declaration import declared
from umsrep.stages.settings import OF_DENSE, STAGES, has_tasks

# The names of Talos. Its methods that ask a service on the network for
# random numbers are left out.
METHODS = {
    "grid": "uniform_mersenne",
    "random": "uniform_mersenne",
    "latin_hypercube": "latin_matrix",
    "sobol": "sobol",
    "halton": "halton",
    "korobov": "korobov_matrix",
}
LARGEST_GRID = 10_000
KEYS = (
    "data",
    "stage",
    "task",
    "tasks",
    *settings_file.SOURCES,
    "settings",
    "space",
    "search",
    "rounds",
    "fraction",
    "reduction",
    "objective",
    "seed",
)


@dataclass(frozen=True)
class ScanPlan:
    """What a scan does; made by `load_space`.

    Attributes:
        name: Name of the file.
        stage: "finetune", or the name of an objective.
        data: Prepared data sets; one for finetune.
        tasks: Names of tasks; empty for all of the data set.
        sources: {"representation", "denoise_with", "leave_out": run folder or
            None}.
        settings: {field: value}, the same in every round.
        space: {name: values}.
        search: A key of `METHODS`.
        rounds, fraction: How much of the grid; None where not given.
        reduction: A `Reduction`, or None.
        objective: An `Objective`.
        seed: Seed of the search and of the trainings.
    """

    name: str
    stage: str
    data: tuple
    tasks: tuple
    sources: dict
    settings: dict
    space: dict
    search: str = "random"
    rounds: int | None = None
    fraction: float | None = None
    reduction: Reduction | None = None
    objective: Objective = field(default_factory=Objective)
    seed: int = 0

    @property
    def grid(self):
        """The number of combinations in the space."""
        size = 1
        for values in self.space.values():
            size *= len(values)
        return size


def load_space(
    space, data=None, representation=None, tasks=None, rounds=None, settings=()
):
    """Reads and checks a search space.

    Args:
        space: Path of a YAML file, name of a shipped one (`shipped`), or a
            mapping of the same shape.
        data: Prepared data set (or a list of them) instead of the file's.
        representation: Run folder, or "none", instead of the file's.
        tasks: Names of tasks instead of the file's.
        rounds: Instead of the file's rounds or fraction.
        settings: {field: value}, the same in every round; takes precedence
            over the file's.

    Returns:
        A `ScanPlan`.

    Raises:
        UmsrepError: names the file, the key and the remedy.
    """
    if isinstance(space, dict):
        stored, where = dict(space), "search space"
    else:
        path = _path(space)
        stored, where = yaml_file.read_yaml(path, "search space"), path
    settings_file.check_keys(stored, KEYS, where)
    if data is not None:
        stored["data"] = data
    if representation is not None:
        stored["representation"] = str(representation)
    if tasks:
        stored.pop("task", None)
        stored["tasks"] = list(tasks)
    if rounds is not None:
        stored.pop("fraction", None)
        stored["rounds"] = rounds
        if stored.get("search") == "grid":
            stored["search"] = "random"
    if settings:
        fixed = settings_file.mapping(stored.get("settings"), "settings", where)
        stored["settings"] = renamed(fixed) | dict(settings)
    name = "scan" if isinstance(space, dict) else path.stem
    return _read(stored, name, where)


def _path(space):
    path = Path(space)
    if path.exists():
        return path
    if str(space) in shipped():
        return SPACES / f"{space}.yaml"
    raise UmsrepError(
        f"{space} does not exist. Expected the file of a search space, or one "
        f"of the shipped search spaces: {', '.join(shipped())}."
    )


def _read(stored, name, where):
    stage = settings_file.check_stage(stored.get("stage"), where)
    tasks = settings_file.names(stored.get("tasks"), "tasks", where)
    if "task" in stored:
        tasks = settings_file.names(stored["task"], "task", where)
    fixed = settings_file.mapping(stored.get("settings"), "settings", where)
    fixed = renamed(fixed)
    seed = whole_number(stored.get("seed", 0), "seed", where, least=0)
    for name in ("folds", "fold"):
        if name in fixed or name in (stored.get("space") or {}):
            raise UmsrepError(
                f"{where}: '{name}' in a scan: rounds would be chosen by the "
                "patients that the folds hold out to be tested on. Scan on "
                "one split, and cross-validate with what it finds "
                "(umsrep finetune --settings best.yaml --folds 5)."
            )
    given = set(fixed)
    fixed = {"seed": seed, **fixed}
    sources = _sources(stored, stage, where)
    space = settings_file.mapping(stored.get("space"), "space", where)
    if "split_seed" in declared(STAGES[stage]):
        # All rounds have one split, whatever else their seed decides.
        fixed = {"split_seed": fixed["seed"], **fixed}
        if "seed" in space and "seed" not in given:
            del fixed["seed"]
    # Whatever value a round has, the default among them, it is dense's; and
    # rounds of other strategies are compared with the same head.
    if stage == "finetune" and (
        OF_DENSE & {*space, *fixed}
        or {"strategy", "freeze", "release_after"} & set(space)
    ):
        if "classifier" not in space:
            fixed = {"classifier": "dense", **fixed}
    if stage == "none":
        raise UmsrepError(
            f"{where}: the stage none trains nothing. Write another, such as "
            "stage: denoising."
        )
    if has_tasks(stage):
        if not tasks:
            raise UmsrepError(
                f"{where}: task: {list(tasks)}; the stage {stage} learns "
                "tasks. Write task: NAME."
            )
        fixed = {"task": tasks[0] if len(tasks) == 1 else tasks, **fixed}
    elif stage != "finetune" and tasks:
        raise UmsrepError(
            f"{where}: the stage {stage} learns from images, without tasks. "
            "Remove 'tasks', or write stage: supervised."
        )
    settings_file.make(stage, fixed, f"{where}: settings")
    plan = ScanPlan(
        name=name,
        stage=stage,
        data=_data(stored.get("data"), stage, where),
        tasks=tasks,
        sources=sources,
        settings=fixed,
        space=read_space(space, stage, fixed, where),
        objective=Objective.read(stored.get("objective"), where),
        reduction=read_reduction(stored.get("reduction"), where),
        seed=seed,
    )
    plan.objective.check_space(plan, where)
    return replace(plan, **_breadth(stored, plan, where))


def _sources(stored, stage, where):
    given = {
        key: settings_file.source(stored.get(key))
        for key in settings_file.SOURCES
    }
    if stage != "finetune" and any(given.values()):
        (key, *_) = [key for key, value in given.items() if value]
        raise UmsrepError(
            f"{where}: '{key}' is about fine-tuning. Remove it, or write "
            "stage: finetune."
        )
    return given


def _data(value, stage, where):
    if value is None:
        raise UmsrepError(
            f"{where}: 'data' is missing. Write data: FOLDER, a prepared data "
            "set, or pass --data FOLDER."
        )
    folders = value if isinstance(value, (list, tuple)) else [value]
    folders = tuple(str(folder) for folder in folders)
    if not folders or (stage == "finetune" and len(folders) > 1):
        raise UmsrepError(
            f"{where}: data: {list(folders)}; the stage {stage} takes "
            f"{'one' if folders else 'at least one'} prepared data set. Name "
            "it."
        )
    return folders


def _breadth(stored, plan, where):
    """search, rounds and fraction, which go together."""
    search = stored.get("search", "random")
    rounds, fraction = stored.get("rounds"), stored.get("fraction")
    if not isinstance(search, str) or search not in METHODS:
        raise UmsrepError(
            f"{where}: search: {search!r}; expected one of "
            f"{', '.join(METHODS)}. Fix it."
        )
    if search == "grid":
        if rounds is not None or fraction is not None:
            raise UmsrepError(
                f"{where}: search: grid trains all {plan.grid} "
                "combinations. Remove 'rounds' and 'fraction', or write "
                "search: random."
            )
    elif (rounds is None) == (fraction is None):
        raise UmsrepError(
            f"{where}: search: {search} needs either 'rounds' or 'fraction' "
            f"of the {plan.grid} combinations. Write one, such as "
            "rounds: 20."
        )
    if rounds is not None:
        rounds = min(whole_number(rounds, "rounds", where), plan.grid)
    if fraction is not None:
        if type(fraction) not in (int, float) or not 0 < fraction <= 1:
            raise UmsrepError(
                f"{where}: fraction: {fraction!r}; expected a share above 0 "
                "and up to 1, such as 0.1."
            )
        rounds = max(1, int(plan.grid * fraction))
    count = plan.grid if rounds is None else rounds
    # For every other method Talos numbers the whole grid.
    listed = search not in ("random", "korobov")
    if count > LARGEST_GRID or (listed and plan.grid > 100 * LARGEST_GRID):
        raise UmsrepError(
            f"{where}: {count} rounds of {plan.grid} combinations. Expected "
            f"at most {LARGEST_GRID} rounds; name fewer values, or write "
            "search: random and rounds: 50."
        )
    return {"search": search, "rounds": rounds, "fraction": fraction}
