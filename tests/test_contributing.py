"""The code in README and CONTRIBUTING runs as printed."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from number_folder import SETTINGS, write_folder

import data_prep
import umsrep
from umsrep import heads, losses, runs, tasks
from umsrep.data.verification import verify
from umsrep.evaluation import comparison
from umsrep.evaluation.folder import read_evaluation
from umsrep.metrics import catalogue
from umsrep.report.page import write_report
from umsrep.stages import FinetuneSettings, finetune
from umsrep.stages.evaluation import evaluate_run

ROOT = Path(__file__).parents[1]


def python_blocks(page):
    return re.findall(
        r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL
    )


@pytest.fixture(scope="module")
def examples():
    """The classes of the page, registered as long as this file's tests run."""
    names = {
        "catalogue": catalogue,
        "heads": heads,
        "keras": keras,
        "losses": losses,
        "np": np,
        "tasks": tasks,
    }
    before = {r: dict(r._classes) for r in (heads.registry, tasks.registry)}
    for code in python_blocks("CONTRIBUTING.md"):
        exec(code, names)  # noqa: S102
    yield names
    for registry, classes in before.items():
        registry._classes = classes
    catalogue.LISTED.pop("off")


def test_the_head_of_contributing_keeps_the_contract(examples):
    head = examples["AgeHead"]("age")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(head)
    )
    assert copy.name == "age"
    model = umsrep.MultiTaskModel(
        umsrep.representations.ConvAutoencoder((32, 32, 1), filters=(4, 6)),
        copy,
    )
    assert copy.loss.call(np.zeros((3, 1)), np.ones((3, 1))).shape == (3,)
    assert model.output["age"].dtype == "float32"


CONFIG = """\
labels:
  age: {kind: number, unit: years, column: years}
  severity: {kind: grade, column: grade}
"""


@pytest.mark.usefixtures("examples")
def test_the_examples_of_contributing_go_from_a_folder_to_a_report(tmp_path):
    source = write_folder(tmp_path / "clinic", CONFIG)
    prepared = tmp_path / "prepared"
    data_prep.get("folder")(
        source, prepared, size=32, config=source / "tasks.yaml"
    )
    assert verify(prepared) == []
    folders = []
    for strategy in ("joint", "separate"):
        settings = FinetuneSettings(
            strategy=strategy,
            heads={"age": "age"},
            **SETTINGS | {"epochs": 5},
        )
        run, out = (tmp_path / f"{kind}-{strategy}" for kind in ("run", "out"))
        finetune(prepared, None, run, settings=settings, progress=False)
        assert type(runs.Run(run).model("age").head("age")).__name__ == (
            "AgeHead"
        )
        metrics = evaluate_run(run, prepared, out, bootstrap=100)
        assert metrics["age"]["mae_ci95"][0] < metrics["age"]["mae_ci95"][1]
        assert 0 <= metrics["severity"]["off"] <= 4
        folders.append(out)
    a, b = map(read_evaluation, folders)
    compared = comparison.compare(
        a.predictions, b.predictions, comparison.common_tasks(a, b)
    )
    assert [(t.task, t.metric) for t in compared] == [
        ("age", "mean absolute error"),
        ("severity", "mean Grades off"),
    ]
    page = write_report(folders, tmp_path / "report.html").read_text()
    assert "<th>MAE</th>" in page
    assert "<th>Grades off</th>" in page
    assert "lowest Grades off" in page


def test_the_python_of_the_readme(tmp_path, monkeypatch, prepared_folder):
    code = "".join(python_blocks("README.md"))
    # The toy set stands for Shenzhen: other names, smaller, fewer epochs. A
    # ResNet50 has a single cell at 32 pixels.
    start = code.index("own = keras.applications")
    resnet = code[start : code.index("\n", start)]
    small = (
        "own = keras.Sequential([keras.Input((32, 32, 1)), "
        "keras.layers.Conv2D(4, 3, strides=4)])"
    )
    for old, new in (
        (resnet, small),
        ("abnormality_cam", "level_cam"),
        ("(256, 256, 1)", "(32, 32, 1)"),
        ('"lung"', '"blob"'),
        ('"abnormality"', '"level"'),
        ("epochs=20", "epochs=1"),
        ("(0.7, 0.1, 0.2)", "(0.5, 0.3, 0.2)"),
        ("test.images[:8]", "test.images[:2]"),
    ):
        assert old in code
        code = code.replace(old, new)
    shutil.copytree(prepared_folder, tmp_path / "prepared" / "shenzhen")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)  # noqa: S102
    assert names["heatmaps"].shape == (2, 32, 32)
    assert {"peak_in_mask", "energy_in_mask"} <= set(names["table"])
    loaded = keras.saving.load_model(tmp_path / "cxr.keras")
    assert loaded.tasks == ("blob", "level")


@pytest.mark.parametrize("page", ["README.md", "docs/your-own-data.md"])
def test_every_command_on_the_page_exists(page):
    from typer.main import get_command

    from umsrep.cli.main import app

    text = (ROOT / page).read_text()
    lines = re.findall(r"^umsrep .*$", text, re.MULTILINE)
    assert lines
    commands = get_command(app).commands
    for line in lines:
        words = line.replace("\\", " ").split()
        command = commands[words[1]]
        known = {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        if hasattr(command, "commands"):
            continue
        used = {word for word in words if word.startswith("--")}
        assert used <= known, line


PAGES = sorted(
    str(page.relative_to(ROOT))
    for folder in (".", "docs", "notebooks")
    for page in (ROOT / folder).glob("*.md")
)


@pytest.mark.parametrize("page", PAGES)
def test_every_sub_command_in_the_text_exists(page):
    from umsrep.cli.main import COMMANDS

    text = (ROOT / page).read_text()
    assert set(re.findall(r"`umsrep ([a-z][\w-]*)", text)) <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_exists(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    text = re.sub(r"\s+", " ", (ROOT / page).read_text())
    used = set(re.findall(r"`+ ?make ([a-z-]+)", text))
    assert used <= set(targets)
    if page == "CONTRIBUTING.md":
        assert {"test", "test-fast", "test-wheel", "bench"} <= used


def test_every_program_that_ci_calls_exists():
    script = (ROOT / ".ci/run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    called = set(re.findall(r"^make ([a-z-]+)$", script, re.M))
    assert called == {"test", "test-notebooks", "test-wheel"}
    for target in called:
        assert re.search(rf"^{target}:", makefile, re.M), target
    assert (ROOT / ".ci/wheel").stat().st_mode & 0o100


@pytest.mark.parametrize(
    "page",
    [
        "docs/balancing.md",
        "docs/learning-curves.md",
        "docs/results-few-labels.md",
    ],
)
def test_the_plans_on_the_page_are_read(page):
    from umsrep.experiments.curve_plan import load_plan
    from umsrep.stages.network import check_arguments

    text = (ROOT / page).read_text(encoding="utf-8")
    written = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert written
    for block in written:
        plan = load_plan(yaml.safe_load(block))
        assert len(plan.candidates) > 1
        for candidate in plan.candidates:
            chosen = candidate.settings
            check_arguments(chosen.architecture, chosen.arguments)
