import base64
import html
import itertools
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from umsrep.errors import UmsrepError
from umsrep.evaluation import comparison, summary
from umsrep.evaluation import folder as folders
from umsrep.metrics import catalogue
from umsrep.report import embedding, pictures, results, terminal
from umsrep.report import page as report

ATTACK = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(shared_four):
    """The whole report, made once."""
    return report.render(shared_four)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_table_says_what_the_folders_say(shared_four):
    four = shared_four
    table = summary.summary_table(four)
    assert len(table) == 3 * 2 + 1
    row = table[(table.strategy == "joint") & (table.task == "lung")].iloc[0]
    stored = json.loads((four[2] / "metrics.json").read_text())["lung"]
    assert row["dice"] == stored["dice"]
    assert list(row["dice_ci95"]) == stored["dice_ci95"]
    assert row["data"] == "montgomery, test split"
    assert (row["images"], row["patients"]) == (24, 12)
    assert (row["seconds"], row["trainable_parameters"]) == (12.5, 30000)
    assert np.isnan(row["auc"])
    assert row["auc_ci95"] is None
    assert table.iloc[-1]["strategy"] == "pre-training"


def test_the_printed_table_holds_every_number(shared_four):
    table = summary.summary_table(shared_four)
    console = Console(width=100, record=True)
    terminal.print_summary(table, console)
    printed = console.export_text().replace("−", "-")
    for metric in catalogue.LISTED:
        for value in table[metric].dropna():
            assert f"{value:.3f}" in printed
    for words in ("independent", "finding", "30,000", "montgomery"):
        assert words in printed


def test_names_of_the_same_strategy_differ(write_evaluation, tmp_path):
    info = {"strategy": "joint", "seed": 1}
    paths = [write_evaluation(name, run=info) for name in ("a", "b/x", "c/x")]
    names = summary.labels([folders.read_folder(path) for path in paths])
    assert names == ["joint (a)", "joint (x) (2)", "joint (x) (3)"]
    other = write_evaluation("d", run=info, data={"name": "elsewhere"})
    mixed = [folders.read_folder(path) for path in (paths[0], other)]
    assert summary.labels(mixed) == ["joint", "joint"]


def test_the_page_is_self_contained(text, page, shared_four):
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    sources = [image["src"] for image in page.all("img")]
    assert len(sources) > 10
    assert all(source.startswith("data:image/") for source in sources)
    for source in sources:
        assert len(base64.b64decode(source.partition("base64,")[2])) > 100
    # Nothing is loaded, and links stay on the page.
    anchors = {a["href"] for a in page.all("a")}
    identities = {f"#{tags['id']}" for _, tags in page.tags if "id" in tags}
    assert anchors <= identities
    without_pictures = re.sub(r"data:image/[^\"]*", "", text)
    assert "://" not in without_pictures
    assert "url(" not in without_pictures
    # The machine's folders stay private.
    assert "/secret" not in without_pictures
    assert str(shared_four[0].parent) not in without_pictures


def test_the_page_shows_every_part(page, shared_four):
    dice = folders.read_folder(shared_four[1]).predictions["lung_dice"]
    worst = dice.astype(float).rank().astype(int)[0]
    for words in (
        "Not for clinical use",
        "independent",
        "trained on shenzhen; seed 3",
        "keras 3.15.0",
        "Test CPU",
        "Gaussian, σ = 10/255",
        "35.60",
        "misses the base 2",
        f"rank {worst} of 24",
        "score 0.750",
        "sign flips",
        "24 images of 12 patients",
        "30,000",
    ):
        assert words in page.text, words


def test_pairs_are_tested_and_adjusted_together(page, shared_four):
    evaluations = [folders.read_folder(path) for path in shared_four[1:]]
    pairs = itertools.combinations(evaluations, 2)
    tests = comparison.holm(
        [
            test
            for a, b in pairs
            for test in comparison.paired_tests(
                a.predictions, b.predictions, a.tasks
            )
        ]
    )
    # Of three pairs: two tests of the masks, three of the labels.
    assert len(tests) == 3 * (2 + 3)
    shown = [
        word for word in page.words if word in ("sign flips", "exchanged ranks")
    ]
    assert sorted(shown) == sorted(test.test_patients for test in tests)
    assert "p (Holm)<br>by image" not in page.text
    for test in tests:
        assert report.results.signed(test.difference) in page.text
        assert report.results.p_value(test.p_patients_holm) in page.text


def test_names_are_escaped_everywhere(four):
    file = four[1] / "pictures" / "pictures.json"
    entries = json.loads(file.read_text())
    for entry in entries:
        entry |= {"image": f"{ATTACK}.png", "caption": ATTACK, "task": ATTACK}
    file.write_text(json.dumps(entries))
    for path, header in ((four[0], "run.json"), (four[2], "evaluation.json")):
        content = json.loads((path / header).read_text())
        content |= {"tasks": content["tasks"], "data": {"name": ATTACK}}
        run = content.get("run", content)
        run |= {"strategy": ATTACK, "seed": ATTACK, "data": [{"name": ATTACK}]}
        run["config"] = {ATTACK: f'" onload="{ATTACK}'}
        (path / header).write_text(json.dumps(content))
    metrics = four[0] / "metrics.json"
    level = json.loads(metrics.read_text())["denoised"]["poisson"]
    metrics.write_text(json.dumps({"denoised": {ATTACK: level}}))
    history = four[0] / "history.csv"
    table = pd.read_csv(history).rename(
        columns={"denoised_loss": f"{ATTACK}$_loss"}
    )
    table.to_csv(history, index=False)
    text = report.render([four[0], four[1], four[2]], title=ATTACK)
    page = Page(text)
    assert not page.all("script")
    assert not [a for _, a in page.tags if "onload" in a]
    assert text.count(html.escape(ATTACK, quote=False)[:10]) > 8


@pytest.mark.parametrize("which", [0, 1])
def test_a_single_folder_is_enough(shared_four, which):
    page = Page(report.render([shared_four[which]]))
    assert "Not for clinical use" in page.text
    assert len(page.all("img")) >= 3


def test_missing_pieces_are_stated(write_run, write_evaluation):
    run, evaluation = write_run(), write_evaluation()
    for file in ("history.csv", "metrics.json", "samples/samples.json"):
        (run / file).unlink()
    for file in (
        "history.csv",
        "metrics.json",
        "predictions.csv",
        "pictures/pictures.json",
    ):
        (evaluation / file).unlink()
    page = Page(report.render([run, evaluation]))
    assert page.all("img") == []
    for words in (
        "no training curves",
        "was not measured",
        "no triplets",
        "its metrics are not shown",
        "No predictions.csv",
        "no overlays",
    ):
        assert words in page.text, words


def test_headers_with_little_in_them(write_run, write_evaluation):
    run, evaluation = write_run(), write_evaluation(run={})
    header = {
        "format": "umsrep-run",
        "format_version": 1,
        "status": "complete",
        "kind": "finetune",
        "config": {},
        "versions": {},
        "tasks": [],
        "task_specs": {},
        "data": [],
    }
    (run / "run.json").write_text(json.dumps(header))
    page = Page(report.render([run, evaluation]))
    assert "machine not recorded" in page.text


def test_nulls_and_unlabelled_tasks_are_dashes(write_evaluation):
    folder = write_evaluation()
    table = pd.read_csv(folder / "predictions.csv")
    table["lung_dice"] = table["finding_true"] = np.nan
    table.to_csv(folder / "predictions.csv", index=False)
    metrics = {
        "lung": {"images": 0, "patients": 0},
        "finding": {"auc": None, "auc_ci95": [None, None], "accuracy": 0.5},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    page = Page(report.render([folder]))
    assert "0 images of 0 patients" in page.text
    assert not re.search(r"\bnan\b", page.text, re.IGNORECASE)
    assert "–" in page.text


def test_one_class_and_three_classes(write_evaluation):
    folder = write_evaluation()
    (folder / "history.csv").unlink()
    table = pd.read_csv(folder / "predictions.csv")
    table["finding_true"] = "normal"
    table.to_csv(folder / "predictions.csv", index=False)
    assert "finding" in Page(report.render([folder])).text
    table["finding_p_other"] = 0.0
    table.to_csv(folder / "predictions.csv", index=False)
    header = json.loads((folder / "evaluation.json").read_text())
    header["tasks"]["finding"]["classes"] = ["normal", "abnormal", "other"]
    (folder / "evaluation.json").write_text(json.dumps(header))
    assert "normal / abnormal / other" in Page(report.render([folder])).text


def test_other_images_are_stated_not_tested(write_evaluation):
    one, other = write_evaluation("one"), write_evaluation("other")
    for folder in (one, other):
        (folder / "history.csv").unlink()
    table = pd.read_csv(other / "predictions.csv")
    table["image"] = "x" + table["image"]
    table.to_csv(other / "predictions.csv", index=False)
    page = Page(report.render([one, other]))
    assert "Not compared" in page.text
    assert "same data and split" in page.text
    assert "sign flips" not in page.text


def test_a_run_given_twice_counts_once(write_run, write_evaluation, tmp_path):
    run = write_run("joint_run", kind="finetune", strategy="joint")
    info = json.loads((run / "run.json").read_text())
    copy = info | {"folder": "/secret/place/joint_run"}
    evaluation = write_evaluation("joint", run=copy)
    text = report.render([run, evaluation])
    page = Page(text)
    settings = text.split('id="settings"')[1]
    assert settings.count("<details>") == 1
    total = page.words.index("All")
    assert "12.5" in " ".join(page.words[total : total + 6])


def test_equal_folders_give_equal_pages(shared_four):
    run = shared_four[:1]
    assert report.render(run) == report.render(run)


@pytest.mark.parametrize(
    ("side", "shown"),
    [(64, 256), (100, 200), (256, 256), (300, 300), (512, 256)],
)
def test_pictures_change_size_by_whole_factors(tmp_path, side, shown):
    path = tmp_path / "x.png"
    image = np.zeros((side, side), np.uint8)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    embedded = embedding.embedded(folders.Picture(path))
    assert (embedded["width"], embedded["height"]) == (shown, shown)
    assert embedded["sharp"] == (shown > side)


def test_a_table_too_wide_is_one_for_each_kind(shared_four, monkeypatch):
    """No column is beyond the edge, and none is empty."""

    def headings():
        head = r"<th class=\"text\">Strategy</th>.*?</thead>"
        found = re.findall(head, report.render(shared_four), re.DOTALL)
        return [set(re.findall(r"<th>(.*?)</th>", text)) for text in found]

    masks, labels = headings()
    monkeypatch.setattr(results, "WIDEST", 9)
    (both,) = headings()
    assert {"Dice", "AUC"} <= both
    assert "Dice" in masks - labels
    assert "AUC" in labels - masks
    assert masks | labels == both


@pytest.mark.parametrize("total", [3, 9, 16, 17, 40])
def test_many_pictures_are_thinned_from_worst_to_best(write_evaluation, total):
    folder = write_evaluation()
    entries = [
        {
            "kind": "mask",
            "task": "lung",
            "image": f"{n}.png",
            "file": "pictures/m0.png",
            "score": n / 100,
        }
        for n in range(total)
    ]
    (folder / "pictures" / "pictures.json").write_text(
        json.dumps(entries[::-1])
    )
    (section,) = pictures.sections([("joint", folders.read_folder(folder))])
    (strip,) = section["strategies"]
    shown = [int(picture["name"]) for picture in strip["pictures"]]
    assert shown == sorted(set(shown))
    assert len(shown) == min(total, 16)
    assert {0, total // 2, total - 1} <= set(shown)
    assert strip["total"] == total


def test_grey_pictures_keep_every_pixel(tmp_path):
    noise = np.random.default_rng([0]).integers(0, 256, (64, 64), np.uint8)
    path = tmp_path / "x.png"
    path.write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    uri = embedding.embedded(folders.Picture(path))["uri"]
    content = base64.b64decode(uri.partition("base64,")[2])
    back = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(back, noise)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n..."])
def test_a_broken_picture_is_named(write_evaluation, content):
    folder = write_evaluation()
    (folder / "pictures" / "m1.png").write_bytes(content)
    with pytest.raises(UmsrepError, match="pictures again") as caught:
        pictures.sections([("joint", folders.read_folder(folder))])
    assert "m1.png" in str(caught.value)


def test_no_folder():
    with pytest.raises(UmsrepError, match="at least one run folder"):
        report.write_report([], "report.html")


def test_an_error_leaves_the_old_report(write_evaluation, tmp_path):
    out = tmp_path / "report.html"
    out.write_text("old")
    with pytest.raises(UmsrepError, match="check the path"):
        report.write_report([write_evaluation(), tmp_path / "nowhere"], out)
    assert out.read_text() == "old"


def test_the_budget_of_each_training_stands_beside_its_cost(write_run):
    counted = {"lung": 1320, "finding": 1200}
    seen = {"lung": 21000, "finding": 18900}
    told = write_run(steps_by_task=counted, labels_by_task=seen)
    text = Page(report.render([told])).text
    assert "lung 1,320, finding 1,200 lung 21,000, finding 18,900" in text
    # A run of an earlier version tells neither.
    assert "3 – – 12.5" in Page(report.render([write_run("old")])).text


def test_copies_and_seen_test_images_are_said(write_evaluation, write_run):
    from small_folders import run_info

    counts = {"pictures": 10, "images": 20, "patients": 19, "left_out": 3}
    seen = {"role": "representation", "run": "pre", "labels": False}
    seen |= {"images": 12, "of_patients": 14, "of": 24}
    folder = write_evaluation(
        run=run_info(copies=counts, seen_in_stage_one=[]),
        seen_in_stage_one=[seen],
    )
    text = Page(report.render([folder])).text
    assert "10 pictures are in the data more than once (20 images" in text
    assert "3 images that are copies of test images were left out" in text
    assert "Learnt from test images." in text
    assert "on 12 of the 24 test images; 14 are of patients" in text
    plain = Page(report.render([write_evaluation("plain")])).text
    assert "more than once" not in plain
    assert "Learnt from test images" not in plain
