import json

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from umsrep.cli import compare, report
from umsrep.errors import UmsrepError

CLASSES = ["normal", "abnormal"]


def app():
    application = typer.Typer()
    compare.add_to(application)
    report.add_to(application)
    return application


def run(*words):
    result = CliRunner().invoke(
        app(), [str(word) for word in words], env={"COLUMNS": "200"}
    )
    if result.exception is not None and not isinstance(
        result.exception, SystemExit
    ):
        raise result.exception
    return result


def write(folder, right, images=None):
    """An evaluation of eight images, of which `right` are classified right."""
    folder.mkdir()
    images = images or [f"{n}.png" for n in range(8)]
    true = [CLASSES[n % 2] for n in range(8)]
    pred = [CLASSES[(n + (n >= right)) % 2] for n in range(8)]
    pd.DataFrame(
        {
            "image": images,
            "patient": images,
            "split": "test",
            "finding_true": true,
            "finding_pred": pred,
            "finding_p_normal": [float(name == "normal") for name in pred],
            "finding_p_abnormal": [float(name != "normal") for name in pred],
        }
    ).to_csv(folder / "predictions.csv", index=False)
    (folder / "evaluation.json").write_text(
        json.dumps(
            {
                "format": "umsrep-evaluation",
                "format_version": 1,
                "run": {"strategy": folder.name},
                "data": {"name": "montgomery"},
                "split": "test",
                "tasks": {"finding": {"kind": "label", "classes": CLASSES}},
            }
        )
    )
    return folder


def test_compare_prints_and_writes_the_tests(tmp_path):
    a, b = write(tmp_path / "a", 8), write(tmp_path / "b", 2)
    out = tmp_path / "tests.json"
    result = run("compare", a, b, "--out", out)
    assert result.exit_code == 0
    # Six images right in A only: 2 / 2**6.
    for words in (
        "finding",
        "sign flips",
        "1.000",
        "0.250",
        "6 : 0",
        "AUC",
    ):
        assert words in result.output
    written = json.loads(out.read_text())
    assert set(written["evaluations"]) == {"A", "B"}
    first, *others = written["tests"]
    assert first["p"] == first["p_patients"] == 2 / 64
    assert (first["a_better"], first["b_better"]) == (6, 0)
    assert "the interval belongs to p" in result.output
    # Adjusted once, for all three.
    assert len(others) == 2
    assert first["p_patients_holm"] >= first["p_patients"]


def test_compare_takes_more_than_two_and_rates_that_are_given(tmp_path):
    folders = [write(tmp_path / str(right), right) for right in (8, 5, 2)]
    out = tmp_path / "tests.json"
    result = run("compare", *folders, "--out", out, "--at-specificity", 0.9)
    assert "A - C: finding" in result.output
    tests = json.loads(out.read_text())["tests"]
    assert len(tests) == 3 * 4
    assert {t["name_a"] + t["name_b"] for t in tests} == {"AB", "AC", "BC"}
    assert "sensitivity at specificity 0.9" in {t["metric"] for t in tests}
    with pytest.raises(UmsrepError, match="umsrep compare joint separate"):
        run("compare", folders[0])


def test_compare_tells_delta_m_of_several_tasks(tmp_path):
    folders = [write(tmp_path / str(right), right) for right in (8, 5)]
    out = tmp_path / "tests.json"
    assert "Delta m" not in run("compare", *folders, "--out", out).output
    assert json.loads(out.read_text())["relative_improvement"] == []
    for folder, dice in zip(folders, (0.9, 0.6), strict=True):
        header = folder / "evaluation.json"
        known = json.loads(header.read_text())
        known["tasks"]["lung"] = {"kind": "mask"}
        header.write_text(json.dumps(known))
        table = pd.read_csv(folder / "predictions.csv")
        table["lung_dice"] = table["lung_iou"] = dice
        table.to_csv(folder / "predictions.csv", index=False)
    text = " ".join(run("compare", *folders, "--out", out).output.split())
    (found,) = json.loads(out.read_text())["relative_improvement"]
    assert (found["name"], found["baseline"]) == ("A", "B")
    auc, dice = (part["percent"] for part in found["tasks"])
    assert dice == pytest.approx(50)
    assert found["percent"] == pytest.approx((auc + dice) / 2)
    assert f"Delta m of A over B: {found['percent']:+.1f} % (95 %" in text
    assert "lung Dice +50.0 %" in text
    assert "Little to rest on: 8 patients" in text


def test_compare_refuses_what_cannot_be_compared(tmp_path):
    a = write(tmp_path / "a", 8)
    other = write(tmp_path / "o", 8, [f"other{n}.png" for n in range(8)])
    with pytest.raises(UmsrepError, match="same data and split"):
        run("compare", a, other)
    with pytest.raises(UmsrepError, match="check the path"):
        run("compare", a, tmp_path / "nowhere")
    renamed = write(tmp_path / "r", 8)
    header = renamed / "evaluation.json"
    header.write_text(header.read_text().replace("finding", "cough"))
    with pytest.raises(UmsrepError, match="evaluations of the same tasks"):
        run("compare", a, renamed)
    header.write_text(
        header.read_text()
        .replace("cough", "finding")
        .replace('["normal", "abnormal"]', '["abnormal", "normal"]')
    )
    with pytest.raises(UmsrepError, match="same prepared data"):
        run("compare", a, renamed)


def test_report_writes_the_page(tmp_path):
    a, b = write(tmp_path / "a", 8), write(tmp_path / "b", 2)
    out = tmp_path / "page.html"
    result = run("report", a, b, "--out", out, "--title", "A & B")
    assert result.exit_code == 0
    assert "page.html" in result.output
    assert "<h1>A &amp; B</h1>" in out.read_text()


@pytest.mark.parametrize("command", ["compare", "report"])
def test_help_and_missing_arguments(command):
    assert run(command, "--help").exit_code == 0
    assert run(command).exit_code == 2
