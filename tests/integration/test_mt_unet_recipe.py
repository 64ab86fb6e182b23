"""The recipe of MT-UNet from raw layouts to tables and figures."""

import json

import cv2
import numpy as np
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
        *("recipe", "mt-unet", "--data", data, "--out", out),
        *("--epochs", 1, "--width", 2, "--precision", "float32"),
        *extra,
    )


def table_of(page, title):
    """A table of tables.md, cells as they are written."""
    lines = page.split(f"## {title}\n\n")[1].split("\n\n")[0].splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines
    ]
    return pd.DataFrame(
        {row[0]: row[1:] for row in cells[2:]}, index=cells[0][1:]
    ).T


def check_table_3(table, frame):
    """Both tasks of both schemes, as in repeats.csv, the best in bold."""
    names = {"kld": "KLD ↓", "cc": "PCC ↑", "accuracy": "ACC ↑", "auc": "AUC ↑"}
    for metric, heading in names.items():
        rows = frame[frame["metric"] == metric].set_index("network")
        rivals = [f"{rows['value'][name]:.3f}" for name in table]
        choose = min if heading.endswith("↓") else max
        best = choose(rivals, key=float)
        assert list(table.loc[heading]) == [
            (f"**{one}**" if one == best else one).replace("-", "−")
            for one in rivals
        ]


@pytest.fixture(scope="module")
def egd(tmp_path_factory):
    """Synthetic EGD-CXR files, prepared."""
    folder = tmp_path_factory.mktemp("egd")
    call(
        *("phantom", "chest", folder / "raw", "--layout", "egd-cxr"),
        *("--images", 45, "--size", 96),
    )
    call(
        *("prepare", "egd-cxr", folder / "raw", folder / "egd"),
        *("--size", "48x32", "--fit", "pad", "--on-error", "skip"),
    )
    assert "errors: 0" in call("verify", folder / "egd")
    return folder / "egd"


def test_chest_gaze_from_raw_layout_to_tables(egd, tmp_path):
    out = tmp_path / "out"
    options = ("--scheme", "mtls1", "--scheme", "mtls3", "--repeats", 1)
    networks = ("--network", "MT-UNet", "--network", "UNetC")
    shown = recipe(egd, out, *options, *networks)
    tables = (out / "tables.md").read_text()
    for heading in ("ACC ↑", "AUC-pneumonia ↑", "KLD ↓", "NSS ↑", "IG ↑"):
        assert heading in tables
        assert heading in shown
    titles = ("Table 1: classification", "Table 2: saliency")
    ablation = "Table 3: ablation; MT-UNet above is MTLS3"
    columns = {
        title: list(table_of(tables, title)) for title in (*titles, ablation)
    }
    assert columns == {
        titles[0]: ["MT-UNet", "UNetC"],
        titles[1]: ["MT-UNet", "centre bias", "uniform"],
        ablation: ["MTLS1", "MTLS3"],
    }
    frame = pd.read_csv(out / "repeats.csv", keep_default_na=False)
    assert set(frame["network"]) == {
        "MTLS1",
        "MTLS3",
        "UNetC",
        "centre bias",
        "uniform",
    }
    assert np.isfinite(frame["value"]).all()
    check_table_3(table_of(tables, ablation), frame)
    # One reader: nobody to be compared with.
    assert "other observers" not in tables
    about = json.loads((out / "results.json").read_text())
    assert about["seed"] == 0
    assert about["settings"]["epochs"] == 1
    assert about["gaze"]["gaze"]["points"] > 0
    assert about["machine"]["cores"] >= 1
    for file in ("curves-mtls1.svg", "curves-mtls3.svg", "curves-unetc.svg"):
        assert "</svg>" in (out / file).read_text()
    history = pd.read_csv(out / "runs" / "mtls1-0" / "history.csv")
    assert {"sigma_gaze", "sigma_finding"} <= set(history)
    assert "sigma_gaze" not in pd.read_csv(
        out / "runs" / "mtls3-0" / "history.csv"
    )
    # A row per picture, a column for people and for each network with gaze.
    overlays = cv2.imread(str(out / "overlays.png"))
    assert overlays.std() > 10
    pictures = json.loads(
        (out / "evaluations/mtls3-0/pictures/pictures.json").read_text()
    )
    assert {entry["kind"] for entry in pictures} == {"map", "gradcam"}
    # What is there is not done again.
    before = (out / "runs" / "unetc-0" / "model.keras").stat().st_mtime_ns
    again = recipe(egd, out, *options, *networks)
    assert "repeat 1" not in again
    after = (out / "runs" / "unetc-0" / "model.keras").stat().st_mtime_ns
    assert after == before
    report = tmp_path / "report.html"
    call(
        *("report", out / "evaluations/mtls1-0", out / "evaluations/mtls3-0"),
        *("--out", report),
    )
    assert "Maps: gaze" in report.read_text()


def test_fixations_of_several_people(tmp_path):
    raw = tmp_path / "raw"
    (raw / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(20):
        picture = rng.integers(0, 90, (24, 32, 3)).astype(np.uint8)
        x, y = rng.integers(6, 26), rng.integers(6, 18)
        cv2.circle(picture, (int(x), int(y)), 3, (250, 250, 250), -1)
        cv2.imwrite(str(raw / "images" / f"{1001 + number}.jpg"), picture)
        for subject in range(1, 5):
            for _ in range(4):
                dx, dy = rng.normal(0, 1, 2)
                rows.append(
                    (f"{1001 + number}.jpg", subject, x + dx, y + dy, 250)
                )
    table = pd.DataFrame(
        rows, columns=["image", "subject", "x", "y", "duration_ms"]
    )
    table.to_csv(raw / "fixations.csv", index=False)
    call(
        *("prepare", "osie", raw, tmp_path / "osie", "--size", "24x32"),
        *("--gaze-sigma", 2),
    )
    out = tmp_path / "out"
    networks = ("--network", "UNetS", "--network", "VGGSSM")
    recipe(tmp_path / "osie", out, "--repeats", 2, *networks)
    tables = (out / "tables.md").read_text()
    tested = tables.partition("## Over patients and trainings")[2]
    for metric in ("kld", "cc", "sim", "nss"):
        assert f"| {metric} " in tested
    assert "other observers" in tables
    frame = pd.read_csv(out / "repeats.csv", keep_default_na=False)
    half = frame[frame["task"] == "gaze: against half of the observers"]
    half = half[half["repeat"] == 0]
    values = half.set_index(["network", "metric"])["value"]
    # People agree on the spot; one epoch of two filters does not find it.
    assert values["other observers", "cc"] > 0.8
    assert values["other observers", "cc"] > values["UNetS", "cc"]
    floors = frame[frame["network"] == "centre bias"].set_index("metric")
    assert floors["value"]["information_gain"] == pytest.approx(0, abs=1e-6)


def test_data_without_gaze_or_labels_say_so(prepared_folder, tmp_path):
    with pytest.raises(UmsrepError, match="Expected one map task"):
        recipe(prepared_folder, tmp_path / "out")


def test_pictures_fitted_otherwise_are_refused(egd, tmp_path):
    out = tmp_path / "out"
    recipe(egd, out, "--network", "UNetC", "--repeats", 1)
    stretched = tmp_path / "stretched"
    call(
        *("prepare", "egd-cxr", egd.parent / "raw", stretched),
        *("--size", "48x32", "--on-error", "skip"),
    )
    with pytest.raises(UmsrepError, match="Prepare the data with --fit pad"):
        call(
            *("evaluate", out / "runs" / "unetc-0", "--data", stretched),
            *("--out", tmp_path / "evaluation"),
        )


def test_gaze_options_for_sets_without_gaze(tmp_path):
    for option in ("--gaze-sigma", "--gaze-degrees"):
        with pytest.raises(UmsrepError, match="has no gaze"):
            call(*("prepare", "kermany", tmp_path, tmp_path / "o", option, 3))
