"""The folder of a learning curve in the making, and its runs.

learning_curve.json   the plan, what it may not be changed in, "status"
runs/                 <candidate>/<patients>-<repeat>: run folders, without
                      their models unless these are kept
evaluations/          <candidate>/<patients>-<repeat>/<test set>
failed/               what a run printed that did not end
curve.csv             a row per candidate, size, repeat, test set, metric
summary.csv, differences.csv, relative.csv, reached.csv, cost.csv
curve.md, curve.png
report.html           the same as one page
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from umsrep import runs
from umsrep.data import Dataset, load, storage
from umsrep.errors import UmsrepError
from umsrep.evaluation.curve_folder import FORMAT, FORMAT_VERSION, HEADER
from umsrep.experiments.budget import equal_steps
from umsrep.experiments.curve_plan import CurveCandidate, CurvePlan, slug
from umsrep.search.evaluated import is_evaluated
from umsrep.stages.focusing import with_focus
from umsrep.stages.inputs import splits
from umsrep.stages.network import with_absolute_weights

# Resamples of an evaluation's intervals.
BOOTSTRAP = 500


@dataclass(frozen=True)
class EvaluationSet:
    """Images that every run is evaluated on.

    Attributes:
        name: What tables call it.
        data: A prepared data set.
        options: Arguments of `stages.evaluate_run`.
    """

    name: str
    data: str
    options: dict[str, Any]


@dataclass(frozen=True)
class CurveRun:
    """One run of a learning curve.

    Attributes:
        candidate: A `CurveCandidate`.
        patients: Number of labelled patients.
        repeat: Which one, from 0.
        folder: Its run folder.
        evaluations: {name of a test set: folder}.
    """

    candidate: CurveCandidate
    patients: int
    repeat: int
    folder: Path
    evaluations: dict[str, Path]

    @property
    def done(self) -> bool:
        """Whether it is trained and evaluated."""
        return runs.is_complete(self.folder) and all(
            map(is_evaluated, self.evaluations.values())
        )

    @property
    def words(self) -> str:
        """What it is, in words."""
        return (
            f"{self.candidate.name}, {self.patients} patients, repeat "
            f"{self.repeat + 1}"
        )


class CurveFolder:
    """A learning curve's folder; hold it with `storage.locked`.

    Args:
        path: The folder.
        plan: A `CurvePlan` whose sizes are given.
        steps: Optimizer steps of each task in every run.
        tests: `EvaluationSet`s.
    """

    def __init__(
        self,
        path: str | Path,
        plan: CurvePlan,
        steps: int,
        tests: list[EvaluationSet],
    ) -> None:
        self.path = Path(path)
        self.plan = plan
        self.steps = steps
        self.tests = tests
        self.identity = _identity(plan, steps, tests)

    def open(self) -> None:
        """Begins the folder, or goes on in one of the same settings.

        Raises:
            UmsrepError: it holds other files, or runs of other settings.
        """
        file = self.path / HEADER
        if not file.exists():
            if self.path.exists() and any(self.path.iterdir()):
                raise UmsrepError(
                    f"{self.path} already holds other files. Choose a new "
                    "--out folder."
                )
            self.write("running")
            return
        header = storage.read_json(file, "learning curve")
        if header.get("format") != FORMAT:
            raise UmsrepError(
                f"{file} is not of a learning curve. Choose a new --out folder."
            )
        changed = sorted(_changed(header["identity"], self.identity))
        if changed:
            raise UmsrepError(
                f"{self.path} was begun with other settings: "
                f"{', '.join(changed)} differ. Sizes within the largest, "
                "repeats, test sets and candidates may be added. Restore the "
                "plan, give a changed candidate another name, or choose a "
                "new --out folder."
            )
        # What was there stays known, so that it cannot change later either.
        for part in ("candidates", "tests"):
            self.identity[part] = header["identity"][part] | self.identity[part]
        self.write("running")

    def write(self, status: str, **entries: Any) -> None:
        """Writes learning_curve.json."""
        datasets = [load(self.plan.data), *map(load, self.plan.test_data)]
        storage.write_json(
            self.path / HEADER,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "status": status,
                "plan": asdict(self.plan),
                "steps": self.steps,
                "identity": self.identity,
                "data": runs.describe_data(datasets),
                "test_sets": [test.name for test in self.tests],
                "versions": runs.versions(),
                "machine": runs.machine(),
                **entries,
            },
        )

    def runs(self) -> Iterator[CurveRun]:
        """All runs; after the first repeat, every point has a number."""
        for repeat in range(self.plan.repeats):
            for patients in self.plan.sizes:
                for candidate in self.plan.candidates:
                    place = Path(candidate.slug) / f"{patients}-{repeat}"
                    folder = self.path / "evaluations" / place
                    yield CurveRun(
                        candidate,
                        patients,
                        repeat,
                        self.path / "runs" / place,
                        {t.name: folder / slug(t.name) for t in self.tests},
                    )

    def job(self, run: CurveRun, keep_models: bool) -> dict[str, Any]:
        """What a worker needs: plain values, `search.evaluated`."""
        settings = self.plan.settings_of(
            run.candidate, run.patients, run.repeat
        )
        sources = run.candidate.sources
        return storage.plain(
            {
                "work": "evaluated",
                # A worker may be in another folder.
                "data": str(Path(self.plan.data).absolute()),
                "tasks": list(run.candidate.tasks) or None,
                "sources": {
                    name: folder and str(Path(folder).absolute())
                    for name, folder in sources.items()
                },
                "settings": with_absolute_weights(asdict(settings))
                | {"steps": self.steps},
                "run": run.folder.absolute(),
                "keep_models": keep_models,
                "evaluations": [
                    {
                        "data": str(Path(test.data).absolute()),
                        "out": run.evaluations[test.name].absolute(),
                        "options": test.options,
                    }
                    for test in self.tests
                ],
            }
        )


def tests_of(plan: CurvePlan) -> list[EvaluationSet]:
    """The test sets of a plan.

    Every data set as it is, and, where the plan blanks what lies outside a
    mask, those that have the mask so, too.

    Raises:
        UmsrepError: two data sets of one name, images of another size, no
            mask to blank by, or components of what is no mask task.
    """
    home = load(plan.data)
    found, names = [], []
    common = {
        "bootstrap": BOOTSTRAP,
        "components": plan.components,
        "pictures": False,
    }
    blank = plan.blank_outside
    for folder in (plan.data, *plan.test_data):
        dataset = load(folder)
        _check_test(home, dataset, folder, names)
        names.append(dataset.name)
        found.append(EvaluationSet(dataset.name, folder, common))
        if blank and dataset.tasks.get(blank, None) is not None:
            found.append(
                EvaluationSet(
                    f"{dataset.name}, black outside {blank}",
                    folder,
                    {**common, "blank_outside": blank},
                )
            )
    if blank and (blank not in home.tasks or home.task(blank).kind != "mask"):
        raise UmsrepError(
            f"blank_outside: '{blank}' is no mask task of '{home.name}'. "
            "Name one, or leave it out."
        )
    for task in plan.components or {}:
        if home.task(task).kind != "mask":
            raise UmsrepError(
                f"components: '{task}' is no mask task of '{home.name}'. "
                "Name one, or leave it out."
            )
    return found


def _check_test(home: Dataset, dataset: Dataset, folder, names) -> None:
    if dataset.name in names:
        raise UmsrepError(
            f"{folder}: a data set named '{dataset.name}' is there already. "
            "Leave it out, or prepare it under another name."
        )
    if dataset.image_size != home.image_size:
        size = home.image_size
        raise UmsrepError(
            f"Data set '{dataset.name}' has images of "
            f"{dataset.image_size[0]}x{dataset.image_size[1]}, but those of "
            f"'{home.name}' are {size[0]}x{size[1]}. Prepare it with --size "
            f"{size[0]}."
        )


def learnt_by(candidate: CurveCandidate, whole: Dataset) -> tuple[str, ...]:
    """Names of a candidate's tasks, the mask of its focus among them.

    Args:
        candidate: A `CurveCandidate`.
        whole: The plan's data set.

    Raises:
        UmsrepError: a focus that is no mask task.
    """
    tasks = with_focus(whole, candidate.tasks or None, candidate.settings)
    return tuple(tasks or whole.tasks)


def with_common_patients(plan: CurvePlan) -> CurvePlan:
    """The plan with all candidates' patients drawn by the tasks of all.

    A candidate whose tasks these are draws by its own.
    """
    whole = load(plan.data)
    learnt = [learnt_by(candidate, whole) for candidate in plan.candidates]
    union = tuple(dict.fromkeys(task for tasks in learnt for task in tasks))
    candidates = [
        replace(c, labelled_tasks=union if set(tasks) != set(union) else None)
        for c, tasks in zip(plan.candidates, learnt, strict=True)
    ]
    return replace(plan, candidates=tuple(candidates))


def common_split(plan: CurvePlan) -> list[Dataset]:
    """The training side of each candidate, all labels being there.

    Raises:
        UmsrepError: candidates would be validated or tested on different
            images.
    """
    sides, names = [], []
    whole = load(plan.data)
    for candidate in plan.candidates:
        found = splits(
            plan.data,
            plan.settings_of(candidate, None, 0),
            candidate.sources["representation"],
            candidate.sources["leave_out"],
            learnt_by(candidate, whole),
        )
        sides.append(found["train"])
        names.append(
            [set(found[n].table["image"]) for n in ("validation", "test")]
        )
        if names[-1] != names[0]:
            raise UmsrepError(
                f"Candidates '{plan.candidates[0].name}' and "
                f"'{candidate.name}' would be tested on different images: one "
                "starts from a representation that knows the labels of some "
                "patients. Write leave_out: RUN, that representation, at the "
                "other."
            )
    return sides


def budget(plan: CurvePlan) -> int:
    """Optimizer steps of each task, in every run of the curve.

    Those of the largest number of patients, for all numbers: a few labels need
    as many steps to be learnt from, and a curve of labels is then no curve of
    steps.
    """
    whole = load(plan.data)
    tasks = [t for c in plan.candidates for t in learnt_by(c, whole)]
    return max(
        equal_steps(
            plan.data,
            tuple(dict.fromkeys(tasks)),
            plan.settings_of(candidate, max(plan.sizes), 0),
            candidate.sources["leave_out"],
        )
        for candidate in plan.candidates
    )


def _identity(plan: CurvePlan, steps: int, tests: list[EvaluationSet]):
    """What may not change in a folder, as plain values."""
    return storage.plain(
        {
            "data": runs.fingerprints([load(plan.data)]),
            "seed": plan.seed,
            "steps": steps,
            "components": plan.components,
            "candidates": {
                c.slug: {
                    # A setting that came later, and is not used, is None.
                    "settings": {
                        k: v
                        for k, v in asdict(c.settings).items()
                        if v is not None and k not in ("seed", "steps")
                    }
                    | (
                        {"labelled_tasks": c.labelled_tasks}
                        if c.labelled_tasks
                        else {}
                    )
                    | runs.fingerprints([], [], c.settings.arguments),
                    "tasks": c.tasks,
                    "sources": {
                        name: folder and runs.fingerprints([], [folder])
                        for name, folder in c.sources.items()
                    },
                }
                for c in plan.candidates
            },
            "tests": {t.name: runs.fingerprints([load(t.data)]) for t in tests},
        }
    )


def _changed(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Names of what differs."""
    for key in ("data", "seed", "steps", "components"):
        if old[key] != new[key]:
            yield key
    for part, word in (("candidates", "candidate"), ("tests", "test set")):
        for name in set(old[part]) & set(new[part]):
            if old[part][name] != new[part][name]:
                yield f"{word} '{name}'"
