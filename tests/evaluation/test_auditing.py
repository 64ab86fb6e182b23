import json

import cv2
import numpy as np
import pytest
import textures
from typer.testing import CliRunner

import umsrep
from umsrep import data
from umsrep.cli.main import app
from umsrep.errors import UmsrepError
from umsrep.evaluation import auditing, probing
from umsrep.evaluation.auditing import audit
from umsrep.report import render
from umsrep.stages.auditing import audit_data

IMAGES = 60


def marked(picture, label):
    """A bright letter at the upper left of "yes", at the right of "no"."""
    picture = np.minimum(picture, 180)
    place = (4, 16) if label == "yes" else (112, 16)
    return cv2.putText(
        picture.copy(), "R", place, cv2.FONT_HERSHEY_PLAIN, 1, 255, 2
    )


def write(folder, change=None, images=IMAGES, each=2):
    """Textures whose labels say nothing about them but for `change`."""
    rng = np.random.default_rng([3])
    patients = rng.permutation(np.arange(images) // each % 2)

    def rows():
        for n in range(images):
            label = textures.CLASSES[patients[n // each]]
            picture = textures.texture(n + 500)
            if change:
                picture = change(picture, label)
            yield f"i{n:02}", picture, f"p{n // each}", "", label

    return textures.write_set(folder, rows())


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clean") / "set")


@pytest.fixture(scope="module")
def shortcut(tmp_path_factory):
    return write(tmp_path_factory.mktemp("shortcut") / "set", marked)


def test_nothing_is_found_where_there_is_nothing(clean):
    found = audit(clean)
    assert found.shortcuts == []
    assert found.differences == []
    sources = {tried.source for tried in found.tried}
    assert {"file size", "border", "corners", "markers"} <= sources
    for tried in found.tried:
        assert tried.probe.low <= tried.probe.auc <= tried.probe.high


def test_a_marker_is_found_where_it_is(shortcut):
    found = audit(shortcut)
    by_source = {tried.source: tried for tried in found.shortcuts}
    assert {"markers", "corners"} <= set(by_source)
    assert by_source["markers"].probe.auc > 0.9
    assert "file size" not in by_source
    # Bright at the upper left of "yes", at the upper right of "no".
    labels = found.labels["finding"]
    of_yes, of_no = (
        found.sources.markers[labels == label].mean(axis=0) for label in (1, 0)
    )
    assert (of_yes - of_no)[0, 0] > 30
    assert (of_yes - of_no)[0, -1] < -30


def test_the_file_size_is_found_without_a_look_at_pictures(tmp_path):
    def blurred(picture, label):
        return (
            cv2.GaussianBlur(picture, (0, 0), 3) if label == "yes" else picture
        )

    found = audit(write(tmp_path / "set", blurred), cheap=True)
    assert [tried.source for tried in found.shortcuts] == ["file size"]


@pytest.mark.parametrize("columns", [2, 60])
def test_false_alarms_are_as_rare_as_promised(columns):
    """Labels that say nothing, patients with 1 to 4 images each."""
    alarms, small, trials = 0, 0, 20
    for seed in range(trials):
        rng = np.random.default_rng([seed, columns])
        groups = np.repeat(np.arange(40), rng.integers(1, 5, 40))
        # Images of a patient are alike, and have one label.
        own = rng.normal(size=(40, columns))[groups]
        features = own + 0.3 * rng.normal(size=own.shape)
        labels = rng.permutation(np.arange(40) % 2)[groups]
        found = probing.probe(features, labels, groups, seed)
        small += found.p < 0.05
        alarms += found.p < 0.05 and found.low > 0.5
    # Of 20, 1 is expected; 5 and more have a probability below 0.3 %.
    assert alarms <= small <= 4


def test_what_is_readable_is_found_with_few_patients():
    rng = np.random.default_rng([1])
    groups = np.repeat(np.arange(30), 2)
    labels = groups % 2
    features = labels[:, None] + 0.8 * rng.normal(size=(60, 1))
    found = probing.probe(features, labels, groups)
    assert found.p < 0.001
    assert 0.5 < found.low < found.auc < found.high <= 1


def test_several_classes_are_one_against_the_rest():
    rng = np.random.default_rng([2])
    labels = np.arange(90) % 3
    features = np.eye(3)[labels] + 0.3 * rng.normal(size=(90, 3))
    found = probing.probe(features, labels, np.arange(90))
    assert found.classes == 3
    assert found.auc > 0.9
    noise = probing.probe(rng.normal(size=(90, 3)), labels, np.arange(90))
    assert noise.auc < 0.65


def test_rare_classes_are_left_out():
    labels = np.r_[np.arange(40) % 2, [2, 2], [-1]]
    features = np.random.default_rng([0]).normal(size=(43, 1))
    assert probing.probe(features, labels, np.arange(43)).images == 40
    assert probing.probe(features, labels * 0, np.arange(43)) is None
    # One patient, or one per class, says nothing about others.
    assert probing.probe(features, labels, np.zeros(43)) is None


def test_bad_input(tmp_path, prepared_writer):
    with pytest.raises(UmsrepError, match="holds no dataset.json.*again"):
        audit(tmp_path)
    whole = data.load(prepared_writer(tmp_path / "toy"))
    with pytest.raises(UmsrepError, match="has no image. Pass a data set"):
        audit(whole.subset(np.zeros(len(whole), bool)))
    one_class = whole.subset(whole.table["level"] == "low")
    found = audit(one_class)
    assert found.tried == []
    assert "fewer than two classes" in found.not_tried["level"]
    alone = whole.subset(np.arange(len(whole)))
    alone.table["patient"] = "p"
    assert "fewer than two classes" in audit(alone).not_tried["level"]
    del whole.tasks["level"]
    found = audit(whole, cheap=True)
    assert found.not_tried == {
        "labels": "the data set has no label or number task"
    }
    assert found.to_frame().empty
    assert any("no label or number task" in line for line in found.sentences())


def test_an_older_set_says_what_could_not_be_looked_at(tmp_path):
    folder = write(tmp_path / "set", images=40)
    header = json.loads((folder / "dataset.json").read_text())
    for name in ("sources.csv", "signatures.npy", "copies.csv"):
        (folder / name).unlink()
        del header["checksums"][name]
    (folder / "dataset.json").write_text(json.dumps(header))
    found = audit(folder)
    assert "prepare it again" in found.missing["file size"]
    assert any("Not looked at: file size" in s for s in found.sentences())
    assert "border" in set(found.to_frame()["from"])


def test_a_folder_per_class_is_told_and_no_alarm(tmp_path, clean):
    """Sources sorted by class: their folder is the label."""
    whole = data.load(clean)
    labels = whole.labels("finding")
    found = auditing._judged(
        "finding",
        audit_source("folder"),
        "label",
        probing.probe(labels[:, None], labels, whole.table["patient"]),
        0.0001,
    )
    assert not found.flagged
    assert "nothing, if they were sorted by class" in found.note


def audit_source(name):
    return auditing.Source(name, np.zeros((1, 1)))


def test_the_command_writes_a_folder_that_the_report_shows(shortcut, tmp_path):
    out = tmp_path / "audit"
    done = CliRunner().invoke(app, ["audit", str(shortcut), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "Shortcut: finding from" in done.output
    told = json.loads((out / "audit.json").read_text())
    entry = next(e for e in told["shortcuts"] if e["from"] == "markers")
    assert entry["task"] == "finding"
    assert 0.5 < entry["low"] <= entry["auc"] <= entry["high"]
    assert told["copies"] == []
    assert told["repeat_patients"]["patients"] == IMAGES // 2
    assert {p["file"] for p in told["pictures"]} == {
        "pictures/sources.png",
        "pictures/finding.png",
    }
    assert len((out / "audit.csv").read_text().splitlines()) == 1 + len(
        told["tried"]
    )
    page = render([out])
    assert "Readable without the disease:" in page
    assert "finding from markers" in page
    assert str(tmp_path) not in page
    (out / "audit.json").write_text("{}")
    with pytest.raises(UmsrepError, match="is no audit of a data set.*again"):
        render([out])


def test_the_same_seed_finds_the_same(clean):
    first, second = (
        umsrep.audit(clean, seed=4, cheap=True).to_json() for _ in range(2)
    )
    assert first == second


def test_copies_are_listed(tmp_path):
    def rows():
        for n in range(6):
            yield f"a{n}", textures.texture(n), f"P{n}", "", "no"
        yield "b0", textures.jpeg(textures.texture(0)), "Q0", "", "no"

    found = audit_data(textures.write_set(tmp_path / "set", rows()))
    (copy,) = found.copies
    assert copy["images"] == ["images/a0.png", "images/b0.png"]
    assert copy["patients"] == ["P0", "Q0"]
    assert copy["similarity"] > 0.85
    assert not copy["mirrored"]


def test_known_shortcuts_of_the_paediatric_set(real_data, tmp_path):
    import data_prep

    folder = tmp_path / "small" / "chest_xray" / "train"
    for kind, below in (("NORMAL", "NORMAL"), ("PNEUMONIA", "PNEUMONIA")):
        (folder / below).mkdir(parents=True)
        source = real_data / "chest_xray" / "train" / kind
        for file in sorted(source.glob("*.jpeg"))[::30]:
            (folder / below / file.name).write_bytes(file.read_bytes())
    data_prep.get("kermany")(tmp_path / "small", tmp_path / "set", size=64)
    found = audit(tmp_path / "set", cheap=True)
    by_task = {tried.task: tried for tried in found.shortcuts}
    assert by_task["bacterial_normal"].source == "file size"
    assert 0.8 < by_task["bacterial_normal"].probe.auc < 0.98
    assert "bacterial_viral" not in by_task
