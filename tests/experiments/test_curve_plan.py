import pytest
from typer.testing import CliRunner

from umsrep import runs
from umsrep.cli.main import app
from umsrep.data import load
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.experiments import curve_folder
from umsrep.experiments.curve_plan import load_plan, short_plan
from umsrep.experiments.learning_curve import with_sizes
from umsrep.search.evaluated import train_and_evaluate
from umsrep.stages import finetuning, first_stage, network, objectives
from umsrep.stages.network import head, new_representation
from umsrep.stages.settings import STAGES, FinetuneSettings

PLAN = {
    "data": "prepared/x",
    "tasks": ["level"],
    "settings": {"epochs": 3, "fractions": [0.5, 0.2, 0.3]},
    "candidates": {
        "A (new)": {"learning_rate": 1e-2},
        "b": {"strategy": "joint", "representation": "runs/r", "tasks": "blob"},
    },
}


def plan(**changes):
    return load_plan(PLAN | changes)


def test_a_candidate_has_what_all_have_and_its_own():
    first, second = plan().candidates
    assert (first.settings.epochs, second.settings.epochs) == (3, 3)
    assert first.settings.learning_rate == 1e-2
    # As `umsrep finetune`: without a representation, separate models.
    assert first.settings.strategy == "separate"
    assert first.sources["representation"] is None
    assert second.settings.strategy == "joint"
    assert second.sources["representation"] == "runs/r"
    assert (first.tasks, second.tasks) == (("level",), ("blob",))
    assert first.slug == "a-new"
    assert plan().baseline == "A (new)"


def test_what_the_command_says_takes_precedence():
    found = load_plan(
        PLAN, {"sizes": [9, 3, 3], "seed": 4, "repeats": None}, {"epochs": 7}
    )
    assert found.sizes == (3, 9)
    assert (found.seed, found.repeats) == (4, 5)
    assert {c.settings.epochs for c in found.candidates} == {7}
    settings = found.settings_of(found.candidates[0], 9, 2)
    assert (settings.seed, settings.split_seed) == (6, 4)
    assert settings.labelled_patients == 9


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"candidates": {}}, "Write at least one"),
        ({"candidates": {"a": {"seed": 3}}}, "Remove it there"),
        ({"candidates": {"a": {"steps": 3}}}, "write it in 'settings'"),
        ({"settings": {"labelled_patients": 3}}, "the plan's 'sizes'"),
        ({"settings": {"labelled_tasks": ["x"]}}, "share patients"),
        ({"candidates": {"a": {"nose": 3}}}, "Its settings: architecture"),
        ({"candidates": {"a": {"epochs": 0}}}, "Fix the value"),
        ({"candidates": {"a b": {}, "a-b": {}}}, "Rename one"),
        (
            {
                "candidates": {
                    "a": {"representation": "r", "architecture": "unet"}
                }
            },
            "or write representation: none",
        ),
        (
            {"settings": {"arguments": {"width": 4}}},
            "b: arguments, of all candidates.*with new weights alone",
        ),
        ({"baseline": "c"}, "name of a candidate"),
        ({"sizes": [0]}, "sizes: 0; expected a whole number"),
        ({"repeats": 0}, "at least 1"),
        ({"data": None}, "pass --data FOLDER"),
        ({"nose": 1}, "Fix or remove it"),
    ],
)
def test_mistakes_say_what_to_do(changes, advice):
    with pytest.raises(UmsrepError, match=advice):
        plan(**changes)


def test_arguments_of_the_network_are_merged():
    """One more for all leaves a candidate's own; another network has others."""
    found = plan(
        settings={"arguments": {"normalization": "mean", "filters": [4, 8]}},
        candidates={
            "a": {},
            "b": {"arguments": {"filters": [2, 4]}},
            "c": {"architecture": "unet", "arguments": {"width": 4}},
        },
    )
    assert [c.settings.arguments for c in found.candidates] == [
        {"normalization": "mean", "filters": [4, 8]},
        {"normalization": "mean", "filters": [2, 4]},
        {"width": 4},
    ]
    new = {"a": {"arguments": {"filters": [2, 4]}}}
    over = {"arguments": {"normalization": "rank"}}
    (one,) = load_plan(PLAN | {"candidates": new}, None, over).candidates
    assert one.settings.arguments == {
        "filters": [2, 4],
        "normalization": "rank",
    }
    with pytest.raises(UmsrepError, match="options of the command.*alone"):
        load_plan(PLAN, None, over)


def test_the_strategy_is_that_of_a_single_training(monkeypatch, tmp_path):
    """Of a plan's candidate as of `umsrep finetune`, if none is named."""
    made = []
    monkeypatch.setattr(
        finetuning,
        "finetune",
        lambda *given, settings, **others: made.append(settings.strategy) or {},
    )
    for options, entry in (
        (["--representation", "none"], {}),
        (
            ["--architecture", "vgg16", "--weights", "imagenet"],
            {"architecture": "vgg16", "arguments": {"weights": "imagenet"}},
        ),
        (["--representation", "runs/r"], {"representation": "runs/r"}),
    ):
        (candidate,) = plan(candidates={"a": entry}).candidates
        call = ["finetune", "--data", "d", "--out", str(tmp_path), *options]
        result = CliRunner().invoke(app, call)
        assert result.exit_code == 0, result.output
        assert candidate.settings.strategy == made[-1]
    assert made == ["separate", "independent", "independent"]


def test_workers_elsewhere_find_weights(prepared_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.h5").write_bytes(b"weights")
    for given, expected in (
        ("mine.h5", str(tmp_path / "mine.h5")),
        ("imagenet", "imagenet"),
        ("lost.h5", "lost.h5"),
    ):
        entry = {"architecture": "vgg16", "arguments": {"weights": given}}
        found = plan(
            data=str(prepared_folder), candidates={"a": entry}, sizes=[4]
        )
        folder = curve_folder.CurveFolder(tmp_path / "curve", found, 3, [])
        job = folder.job(next(folder.runs()), False)
        assert job["settings"]["arguments"]["weights"] == expected
        values = network.with_absolute_weights(entry)
        assert values["arguments"]["weights"] == expected
        assert entry["arguments"]["weights"] == given


def test_default_sizes_are_halves_of_all(prepared_folder):
    new = {"candidates": {"a": {}}, "data": str(prepared_folder)}
    found = with_sizes(plan(**new)).sizes
    (training,) = curve_folder.common_split(plan(**new))
    labelled = training.table["patient"][training.labelled("level")].nunique()
    assert found[-1] == labelled
    for small, large in zip(found, found[1:], strict=False):
        assert small == large // 2
    with pytest.raises(UmsrepError, match="Pass at most that many"):
        with_sizes(plan(**new, sizes=[labelled + 1]))


def test_candidates_learn_from_the_same_patients(
    prepared_writer, tmp_path, monkeypatch
):
    """Whatever their tasks; a focus learns a mask besides."""
    data = prepared_writer(tmp_path / "many", count=120, mask_share=0.3)

    trained = []

    def stop(inputs, settings, training, *others):
        trained.append(set(training.table["patient"]))
        raise RuntimeError("not trained")

    monkeypatch.setattr(finetuning, "_train", stop)
    found = with_sizes(
        plan(
            data=str(data),
            sizes=[8, 16],
            repeats=2,
            candidates={
                "label": {},
                "inside": {"focus": "blob"},
                "mask": {"tasks": ["blob"]},
            },
        )
    )
    folder = curve_folder.CurveFolder(
        tmp_path / "curve", found, 3, curve_folder.tests_of(found)
    )
    patients = {}
    for run in folder.runs():
        with pytest.raises(RuntimeError, match="not trained"):
            train_and_evaluate(folder.job(run, False))
        point = patients.setdefault((run.patients, run.repeat), [])
        point.append(trained.pop())
    assert len(patients) == 4
    for (count, _), point in patients.items():
        assert len(point) == 3
        assert point[0] == point[1] == point[2]
        assert len(point[0]) == count
    # A folder of candidates that drew otherwise is another one.
    alone = with_sizes(
        plan(data=str(data), sizes=[8], candidates={"label": {}})
    )
    one = curve_folder.CurveFolder(tmp_path / "curve", alone, 3, [])
    assert (
        one.identity["candidates"]["label"]
        != folder.identity["candidates"]["label"]
    )


def test_a_focus_counts_where_sizes_and_steps_are_found(
    prepared_writer, tmp_path
):
    data = prepared_writer(tmp_path / "many", count=60, mask_share=0.3)
    focused = {"data": str(data), "candidates": {"a": {"focus": "blob"}}}
    both = {
        "data": str(data),
        "candidates": {"a": {"tasks": ["level", "blob"]}},
    }
    one, other = with_sizes(plan(**focused)), with_sizes(plan(**both))
    assert one.sizes == other.sizes
    assert curve_folder.budget(one) == curve_folder.budget(other)
    with pytest.raises(UmsrepError, match="no mask task.*Name one"):
        with_sizes(plan(data=str(data), candidates={"a": {"focus": "level"}}))


def test_the_budget_is_one_for_all_sizes_and_candidates(prepared_folder):
    found = with_sizes(
        plan(
            data=str(prepared_folder),
            candidates={"a": {}, "b": {"tasks": ["blob", "level"]}},
            sizes=[4, 8],
        )
    )
    steps = curve_folder.budget(found)
    assert steps == curve_folder.budget(found)
    given = plan(
        data=str(prepared_folder),
        candidates={"a": {}},
        settings={"steps": 17},
        sizes=[4],
    )
    assert curve_folder.budget(given) == 17
    # Of the largest number of patients, whatever the smaller ones are.
    assert steps == curve_folder.budget(
        plan(
            data=str(prepared_folder),
            candidates={"a": {}, "b": {"tasks": ["blob", "level"]}},
            sizes=[8],
        )
    )


def test_images_to_test_on(prepared_folder, other_folder):
    both = {
        "data": str(prepared_folder),
        "test_data": [str(other_folder)],
        "candidates": {"a": {}},
    }
    names = [t.name for t in curve_folder.tests_of(plan(**both))]
    assert names == ["toy", "other"]
    blanked = curve_folder.tests_of(plan(**both, blank_outside="blob"))
    assert [t.name for t in blanked][1::2] == [
        "toy, black outside blob",
        "other, black outside blob",
    ]
    for changes, advice in (
        ({"blank_outside": "level"}, "is no mask task"),
        ({"components": {"level": 1}}, "is no mask task"),
        ({"test_data": [str(prepared_folder)]}, "under another name"),
    ):
        with pytest.raises(UmsrepError, match=advice):
            curve_folder.tests_of(plan(**both | changes))


def test_without_a_plan_new_weights_are_compared():
    found = load_plan(short_plan("prepared/x", None))
    assert [c.settings.strategy for c in found.candidates] == [
        "separate",
        "joint",
    ]
    assert found.baseline == "separate"


@pytest.mark.parametrize("kind", ["image", "label"])
def test_a_representation_is_compared_with_its_own_network(write_run, kind):
    """Where it knows labels, new weights leave the same patients out."""
    run = write_run(
        "r",
        task_specs={"x": {"kind": kind}},
        config={"architecture": "unet", "arguments": {"width": 4}},
    )
    new, joint, frozen = load_plan(short_plan("prepared/x", run)).candidates
    assert new.settings.architecture == "unet"
    assert new.settings.arguments == {"width": 4}
    assert new.settings.strategy == "separate"
    assert new.sources["representation"] is None
    leaves_out = new.sources["leave_out"]
    assert leaves_out == (str(run) if kind == "label" else None)
    for candidate, strategy in ((joint, "joint"), (frozen, "independent")):
        assert candidate.sources["representation"] == str(run)
        assert candidate.settings.strategy == strategy


def test_new_weights_of_a_pretrained_network_are_not_pretrained(write_run):
    """The same graph, its heads too: weights are all that differs."""
    arguments = {"width": 1.0, "weights": "imagenet"}
    run = write_run(
        "r",
        config={"architecture": "vgg16", "arguments": arguments},
        pretrained={"weights": "imagenet"},
    )
    new = load_plan(short_plan("prepared/x", run)).candidates[0].settings
    assert new.architecture == "vgg16"
    assert new.arguments == {"width": 1.0, "preprocessing": True}
    made = new_representation((64, 64), new.architecture, new.arguments)
    assert made.origin is None
    spec = TaskSpec("lung", "mask")
    pretrained = new_representation((64, 64), "vgg16", new.arguments)
    pretrained.origin = {"weights": "imagenet"}
    usual = FinetuneSettings()
    assert (
        head(spec, new, made).get_config()
        == head(spec, usual, pretrained).get_config()
    )


def test_a_choice_against_preprocessing_stays(write_run):
    arguments = {"weights": "imagenet", "preprocessing": False}
    config = {"architecture": "vgg16", "arguments": arguments}
    run = write_run("r", config=config)
    new = load_plan(short_plan("prepared/x", run)).candidates[0].settings
    assert new.arguments == {"preprocessing": False}


def test_a_network_that_was_trained_further_is_known(
    write_run, prepared_folder
):
    """Its run names its own network, not the default of the settings."""
    config = {"architecture": "unet", "arguments": {"width": 4}}
    first = write_run("first", config=config, task_specs={})
    (first / "model.keras").write_bytes(b"weights")
    objective = objectives.registry.get("restoration")(
        STAGES["restoration"](epochs=1)
    )
    objective.source = runs.Run(first)
    further = first_stage.config_of(objective, [load(prepared_folder)], first)
    second = write_run("second", config=further, task_specs={})
    new = load_plan(short_plan("prepared/x", second)).candidates[0].settings
    assert (new.architecture, new.arguments) == ("unet", {"width": 4})
