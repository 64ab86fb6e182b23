"""The recipe of GG-CAM from prepared data to tables and figures."""

import cv2
import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep.cli.main import app
from umsrep.errors import UmsrepError


def call(*arguments):
    """Runs a command; its exception, if any, comes back."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def recipe(data, out, *extra):
    return call(
        *("recipe", "gg-cam", "--data", data, "--out", out),
        *("--epochs", 1, "--precision", "float32", "--repeats", 1),
        *("--backbone", "conv_autoencoder"),
        *extra,
    )


def test_from_prepared_data_to_tables(prepared_folder, other_folder, tmp_path):
    out = tmp_path / "out"
    options = ("--attention", "blob", "--organ", "blob")
    options += ("--external", other_folder, "--fractions", 0.5, 0.25, 0.25)
    shown = recipe(prepared_folder, out, *options)
    tables = (out / "tables.md").read_text()
    for heading in (
        "Table 1: hyper-parameters",
        "Classification, level",
        "Classification, level: blob alone",
        "Classification, level (external)",
        "Maps, level: maps, all",
        "Maps, level (external): maps, high",
        "Deletion and insertion, level",
    ):
        assert f"## {heading}\n" in tables
    assert "conv_autoencoder GG-CAM" in shown
    frame = pd.read_csv(out / "repeats.csv", keep_default_na=False)
    parameters = frame[frame["metric"] == "trainable_parameters"]
    plain, supervised = parameters.sort_values("network")["value"]
    assert supervised - plain == 3
    values = frame.set_index(["network", "task", "metric"])["value"]
    # The share that the organ covers does not depend on the network.
    shares = [
        values[name, "level: maps, all", "mask_share"]
        for name in ("conv_autoencoder", "conv_autoencoder GG-CAM")
    ]
    assert shares[0] == shares[1]
    for file in ("maps.png", "maps-external.png"):
        assert cv2.imread(str(out / file)).std() > 10
    for file in (
        "figure-2.svg",
        "figure-3.svg",
        "figure-3-external.svg",
        "curves-conv_autoencoder.svg",
        "curves-conv_autoencoder-gg-cam.svg",
    ):
        assert "</svg>" in (out / file).read_text()
    # Whatever is there is not done again, but other questions are answered.
    assert "repeat 1" not in recipe(prepared_folder, out, *options)
    less = recipe(prepared_folder, out, *options[:2], *options[-4:])
    assert "alone" not in less
    assert "repeat 1" not in less


def test_networks_differ_over_patients_and_trainings(prepared_folder, tmp_path):
    out = tmp_path / "out"
    options = ("--attention", "blob", "--organ", "blob", "--repeats", 2)
    recipe(prepared_folder, out, *options, "--fractions", 0.4, 0.2, 0.4)
    tables = (out / "tables.md").read_text()
    tested = tables.partition("## Over patients and trainings")[2]
    frame = pd.read_csv(out / "repeats.csv", keep_default_na=False)
    for task, metric in (
        ("level", "auc"),
        ("level: blob alone", "auc"),
        ("level: maps, all", "energy_in_mask"),
        ("level: maps, low", "peak_in_mask"),
    ):
        (row,) = (
            [cell.strip() for cell in line.split("|")]
            for line in tested.splitlines()
            if f"| {task} " in line and f"| {metric} " in line
        )
        rows = frame[(frame["task"] == task) & (frame["metric"] == metric)]
        means = rows.groupby("network")["value"].mean()
        difference = (
            means["conv_autoencoder GG-CAM"] - means["conv_autoencoder"]
        )
        assert float(row[7]) == pytest.approx(difference, abs=2e-4)
        assert float(row[8]) <= difference + 1e-4
        assert float(row[9]) >= difference - 1e-4
    # Every chance has the mean map's score beside it.
    for heading in ("by chance", "by chance (pixel)", "(within a cell)"):
        assert heading in tables
    assert tables.count("mean map of other images") == 4 * 3


def test_bad_names_come_before_any_training(prepared_folder, tmp_path):
    for extra, advice in (
        (("--attention", "liver"), "Its tasks: blob, level"),
        (("--attention", "high=blob", "--attention", "x=blob"), "their names"),
        (("--attention", "high="), "such as pneumonia=lung"),
        (("--attention", "blob", "--task", "blob"), "label task"),
        (("--attention", "blob", "--organ", "heart"), "Its tasks"),
        (("--attention", "blob", "--organ", "tall=blob"), "their names"),
    ):
        with pytest.raises(UmsrepError, match=advice):
            recipe(prepared_folder, tmp_path / "out", *extra)
    assert not (tmp_path / "out").exists()
