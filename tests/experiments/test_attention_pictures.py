"""What GG-CAM's figures show, without a training."""

import cv2
import numpy as np
import pytest
from repeated import A, B, frame

from umsrep import data, figures
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.experiments import attention_pictures as pictures
from umsrep.experiments.significance import anova, mann_whitney

SIDE = 16
CLASSES = ("normal", "pneumonia")


@pytest.fixture(scope="module")
def chests(tmp_path_factory):
    """Ten images, sorted by class; the last of each has no gaze."""
    folder = tmp_path_factory.mktemp("chests")
    with PreparedWriter(
        folder / "prepared",
        name="chests",
        tasks=[
            TaskSpec("finding", "label", CLASSES),
            TaskSpec("gaze", "map"),
            TaskSpec("lung", "mask"),
        ],
        size=(SIDE, SIDE),
        description=SourceDescription("chests", "", "", "", "toy"),
    ) as writer:
        for number in range(10):
            grey = np.full((SIDE, SIDE), 60 + 5 * number, np.uint8)
            grey[0] = 200
            heat = np.zeros((SIDE, SIDE), np.uint8)
            heat[number, number] = 255
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[4:12, 4:12] = 1
            files = {"image": grey, "gaze": heat}
            for kind, picture in files.items():
                files[kind] = folder / f"{number}-{kind}.png"
                cv2.imwrite(str(files[kind]), picture)
            targets = {"finding": CLASSES[number // 5], "lung": mask}
            if number % 5 < 4:
                targets["gaze"] = files["gaze"]
            writer.add(
                f"{number}",
                files["image"],
                patient=f"p{number}",
                targets=targets,
            )
    return data.load(folder / "prepared")


def test_cases_are_of_each_class_and_have_gaze(chests):
    chosen = pictures.cases(chests, "finding", "gaze")
    assert list(chosen) == [0, 3, 5, 8]
    # A class without a reference is not shown.
    some = pictures.cases(chests, "finding", {"pneumonia": "gaze"})
    assert list(some) == [5, 8]
    assert list(pictures.cases(chests, "finding", None)) == [0, 4, 5, 9]


def test_the_gaze_of_the_very_cases_stands_beside_the_maps(chests):
    shown = chests.subset(pictures.cases(chests, "finding", "gaze"))
    column = pictures.reference_column(shown, "finding", "gaze")
    (maps,) = column.values()
    assert list(column) == ["reader's gaze"]
    peaks = [np.unravel_index(one.argmax(), one.shape) for one in maps]
    assert peaks == [(0, 0), (3, 3), (5, 5), (8, 8)]


def test_an_organ_is_called_by_its_name(chests):
    shown = chests.subset([0, 5])
    sources = {"normal": "gaze", "pneumonia": "lung"}
    column = pictures.reference_column(shown, "finding", sources)
    assert list(column) == ["gaze / lung"]
    assert column["gaze / lung"][1].sum() == 64
    assert pictures.reference_column(shown, "finding", None) == {}


def test_box_plots_have_the_values_and_p_of_the_table(tmp_path, monkeypatch):
    drawn, draw = {}, figures.box_plots

    def box_plots(values, marks, footer):
        drawn.update(values=values, marks=marks, footer=footer)
        return draw(values, marks, footer)

    monkeypatch.setattr(figures, "box_plots", box_plots)
    repeated = frame(plain=B, supervised=A)
    compared = {("finding", "auc"): "AUC"}
    tests = mann_whitney(repeated, [("plain", "supervised")], list(compared))
    path = tmp_path / "figure-3.svg"
    pictures.write_box_plots(
        path, repeated, ["plain", "supervised"], compared, tests
    )
    assert "</svg>" in path.read_text()
    np.testing.assert_array_equal(drawn["values"]["AUC"]["plain"], B)
    np.testing.assert_array_equal(drawn["values"]["AUC"]["supervised"], A)
    text = pictures.p_text(anova(B, A), tests["p"][0])
    assert drawn["marks"]["AUC"] == [("plain", "supervised", text)]
    assert "n = 5" in drawn["footer"]


def test_p_as_it_is_written():
    assert pictures.p_text(0.0123, 0.0004) == "ANOVA p = 0.012\nrank p < 0.001"
    assert pictures.p_text(float("nan"), 0.1) == "ANOVA –\nrank p = 0.100"
