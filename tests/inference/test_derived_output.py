"""Derived tasks among the cells of predictions.csv."""

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep.cli.main import app
from umsrep.data import AxisScale, Scale
from umsrep.derived import DerivedTask, PeakVelocity, velocity_scale
from umsrep.errors import UmsrepError
from umsrep.inference.derived_output import Scales
from umsrep.inference.predict_files import predict_files

CM_S = 2.5
BASELINE = 40.0


@pytest.fixture(scope="module")
def files(scenes):
    return [scenes[0] / f"{number:02d}.png" for number in range(20, 24)]


@pytest.fixture(scope="module")
def table(files, tmp_path_factory):
    """Scales of all files but the last, named in three ways."""
    path = tmp_path_factory.mktemp("scales") / "scales.csv"
    names = [files[0].stem, files[1].name.upper(), f"raw/{files[2].name}"]
    lines = ["image,axis,unit,per_pixel,zero"]
    lines += [f"{name},y,cm/s,{CM_S},{BASELINE}" for name in names]
    path.write_text("\n".join(lines))
    return path


def read(folder):
    table = pd.read_csv(
        folder / "predictions.csv", keep_default_na=False, dtype={"name": str}
    )
    return table.set_index("name")


def command(run, files, out, *options):
    arguments = ["predict", run, *files, "--out", out, *options]
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_velocities_of_the_masks_that_are_written(
    joint_run, files, table, tmp_path
):
    done = command(
        *(joint_run, files, tmp_path / "p", "--scales", table),
        *("--derive", "peak_velocity"),
        *("--derive-argument", "peak_velocity.envelope=blob"),
    )
    assert done.exit_code == 0, done.output
    rows = read(tmp_path / "p")
    scale = Scale(y=AxisScale("cm/s", CM_S, BASELINE))
    measured = 0
    for file in files[:3]:
        mask = cv2.imread(str(tmp_path / f"p/masks/blob/{file.stem}.png"), 0)
        found = PeakVelocity.measure(
            mask > 0, *velocity_scale(scale, mask.shape)
        )
        for name, value in found.row().items():
            cell = rows.loc[file.stem, f"peak_velocity_{name}_cm_s"]
            if np.isnan(value):
                assert cell == ""
            else:
                assert float(cell) == pytest.approx(value, abs=1e-3)
                measured += 1
    assert measured
    # The last file has no scale: nothing is guessed, and it is said.
    last = rows.loc[files[3].stem]
    assert last["peak_velocity_peak_above_cm_s"] == ""
    assert "No scale of the rows is known" in last["warnings"]
    assert "scale" not in rows.loc[files[0].stem, "warnings"]


@pytest.mark.parametrize("good", ["low", "high"])
def test_recommendation_agrees_with_the_class_of_the_table(
    joint_run, scenes, tmp_path, good
):
    files = [scenes[0] / f"{number:02d}.png" for number in range(12)]
    arguments = ("flow=level", "quality=level", f"good={good}")
    arguments += ("flow_threshold=0",)
    done = command(
        *(joint_run, files, tmp_path / "p", "--derive", "recommendation"),
        *(
            part
            for one in arguments
            for part in ("--derive-argument", f"recommendation.{one}")
        ),
    )
    assert done.exit_code == 0, done.output
    rows = read(tmp_path / "p")
    assert set(rows["level_pred"]) == {"low", "high"}
    expected = np.where(rows["level_pred"] == good, "yes", "no")
    assert list(rows["recommendation_keep"]) == list(expected)
    low = rows["recommendation_reasons"] == "low quality"
    assert list(low) == list(expected == "no")


class Height(DerivedTask):
    """Rows that a mask fills, in units of the scale."""

    reads = ("blob",)
    columns = ("height",)

    def __init__(self, least=0.5):
        self.least = least

    def cells(self, outputs, scale=None):
        if scale is None:
            raise UmsrepError("height is unknown")
        rows = (outputs["blob"] > self.least).any(axis=1).sum()
        return {"height": rows * scale.y.per_pixel}


def test_one_of_one_s_own(joint_run, files, table, tmp_path):
    predict_files(
        joint_run,
        files,
        tmp_path / "p",
        derive={"tall": Height()},
        scales=table,
        progress=False,
    )
    rows = read(tmp_path / "p")
    for file in files[:3]:
        mask = cv2.imread(str(tmp_path / f"p/masks/blob/{file.stem}.png"), 0)
        height = (mask > 0).any(axis=1).sum() * CM_S
        assert float(rows.loc[file.stem, "tall_height"]) == height > 0
    assert rows.loc[files[3].stem, "warnings"] == "tall: height is unknown"
    # Another setting is another result.
    with pytest.raises(UmsrepError, match="derive"):
        predict_files(
            joint_run,
            files,
            tmp_path / "p",
            derive={"tall": Height(0.6)},
            scales=table,
            resume=True,
            progress=False,
        )


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ("--derive nothing", "No derived task is named 'nothing'"),
        ("--derive grad_cam", "no columns of a table. Use --explain"),
        ("--derive recommendation", "reads the task 'flow'; there are"),
        (
            "--derive peak_velocity",
            "--derive-argument peak_velocity.ARGUMENT=TASK",
        ),
        (
            "--derive peak_velocity --derive-argument peak_velocity.x=1",
            "there is no argument 'x'. Choose of envelope, threshold",
        ),
        (
            "--derive peak_velocity "
            "--derive-argument peak_velocity.envelope=level",
            "reads 'level' as a mask task; it is a label task",
        ),
        (
            "--derive recommendation --derive-argument recommendation.flow=gaze"
            " --derive-argument recommendation.quality=level "
            "--derive-argument recommendation.good=high",
            "reads 'gaze' as a label task; it is a map task",
        ),
        (
            "--derive peak_velocity "
            "--derive-argument peak_velocity.threshold=7",
            "threshold=7: expected a probability between 0 and 1",
        ),
        (
            "--derive-argument peak_velocity.envelope=blob",
            "expected NAME.ARGUMENT=VALUE of a --derive NAME",
        ),
    ],
)
def test_bad_options(joint_run, files, tmp_path, options, advice):
    done = command(joint_run, files, tmp_path / "p", *options.split())
    assert isinstance(done.exception, UmsrepError)
    assert advice in str(done.exception)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("rows", "advice"),
    [
        (["99,y,cm/s,1,0"], "names none of the images"),
        (["20,y,cm/s,1,0", "20,y,cm/s,2,0"], "another y scale above"),
        (["20,z,cm/s,1,0"], "axis 'z'"),
        (["20,y,cm/s,1,0", "20.png,y,cm/s,2,0"], "two y scales for"),
    ],
)
def test_bad_scales(joint_run, files, tmp_path, rows, advice):
    path = tmp_path / "scales.csv"
    path.write_text("\n".join(["image,axis,unit,per_pixel,zero", *rows]))
    with pytest.raises(UmsrepError, match=advice):
        predict_files(
            joint_run,
            files,
            tmp_path / "p",
            derive={"tall": Height()},
            scales=path,
            progress=False,
        )


def test_rows_of_one_image_under_two_names(tmp_path):
    path = tmp_path / "scales.csv"
    path.write_text(
        "image,axis,unit,per_pixel\n20,y,cm/s,2\n20.png,x,s,0.1\n1.2,y,mm,1"
    )
    scales = Scales(path)
    # The last part of a DICOM file's UID is no suffix.
    scales.find([tmp_path / "20.png", tmp_path / "1.2.840"])
    assert scales.of(tmp_path / "20.png") == Scale(
        AxisScale("cm/s", 2.0), AxisScale("s", 0.1)
    )
    assert scales.of(tmp_path / "1.2.840") is None


def test_a_row_that_may_mean_two_files(joint_run, files, table, tmp_path):
    second = tmp_path / "ward" / files[0].name
    second.parent.mkdir()
    second.write_bytes(files[0].read_bytes())
    with pytest.raises(UmsrepError, match="Write the image with its folder"):
        predict_files(
            joint_run,
            [*files, second],
            tmp_path / "p",
            derive={"tall": Height()},
            scales=table,
            progress=False,
        )


def test_scales_that_nothing_reads(joint_run, files, table, tmp_path):
    with pytest.raises(UmsrepError, match="Add --derive NAME"):
        predict_files(
            joint_run, files, tmp_path / "p", scales=table, progress=False
        )
