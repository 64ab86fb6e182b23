"""`umsrep predict`: files in, a table and pictures out."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom import uid
from typer.testing import CliRunner

from umsrep import inference
from umsrep.cli.main import app
from umsrep.errors import UmsrepError
from umsrep.inference import predict_files as module
from umsrep.inference.predict_files import predict_files
from umsrep.phantoms.chest.dicom_file import new_dicom, save

SPACING = (0.5, 0.25)


def grey(scenes, number):
    return cv2.imread(str(scenes[0] / f"{number:02d}.png"), 0)


def write_dicom(path, image, **elements):
    made = new_dicom(
        path.name, uid.DigitalXRayImageStorageForPresentation, image
    )
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    for name, value in elements.items():
        setattr(made, name, value)
    made.PixelData = image.tobytes()
    save(made, path)


@pytest.fixture(scope="module")
def folder(scenes, tmp_path_factory):
    """Images of every format, equal names, and files that are bad."""
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "b").mkdir()
    image = grey(scenes, 4)
    cv2.imwrite(str(folder / "x.png"), image)
    cv2.imwrite(str(folder / "b" / "x.png"), grey(scenes, 5))
    Image.fromarray(image).save(folder / "x.tif")
    Image.fromarray(image).save(folder / "y.jpg", quality=95)
    large = cv2.resize(image, (61, 97), interpolation=cv2.INTER_CUBIC)
    write_dicom(folder / "b" / "1.2.3", large, PixelSpacing=list(SPACING))
    inverted = {"PhotometricInterpretation": "MONOCHROME1"}
    write_dicom(
        folder / "inverted.dcm",
        255 - large,
        **inverted,
        ImagerPixelSpacing=list(SPACING),
    )
    write_dicom(folder / "frames.dcm", large, NumberOfFrames=2)
    write_dicom(folder / "colour.dcm", large, PhotometricInterpretation="RGB")
    (folder / "cut.png").write_bytes((folder / "x.png").read_bytes()[:-40])
    (folder / "readme.txt").write_text("not an image")
    return folder


@pytest.fixture(scope="module")
def predicted(joint_run, folder, tmp_path_factory):
    """(the command's result, the folder it wrote)."""
    out = tmp_path_factory.mktemp("out") / "p"
    arguments = ["predict", joint_run, folder, "--out", out]
    arguments += ["--explain", "grad_cam"]
    return CliRunner().invoke(app, list(map(str, arguments))), out


@pytest.fixture(scope="module")
def table(predicted):
    return pd.read_csv(predicted[1] / "predictions.csv").set_index("name")


GOOD = {"x", "x.tif", "b/x", "y", "b/1.2.3", "inverted"}


def test_good_files_are_predicted_and_bad_ones_listed(predicted, table):
    result, out = predicted
    assert result.exit_code == 2
    assert set(table.index) == GOOD
    failures = pd.read_csv(out / "failures.csv")
    reasons = {
        path.split("/")[-1]: reason for path, reason in failures.to_numpy()
    }
    assert reasons.keys() == {"frames.dcm", "colour.dcm", "cut.png"}
    assert "2 frames" in reasons["frames.dcm"]
    assert "export it as grey" in reasons["colour.dcm"]
    assert "copy it again" in reasons["cut.png"]
    for reason in reasons.values():
        assert reason in result.output
    assert not (out / "journal.jsonl").exists()
    info = json.loads((out / "prediction.json").read_text())
    assert info["status"] == "complete"
    assert info["counts"]["images"] == 6
    assert info["passed_over"] == 1


def test_the_table_is_what_the_predictor_says(table, joint_run, scenes):
    predictor = inference.open(joint_run)
    image = grey(scenes, 4)
    results = predictor([image])
    row = table.loc["x"]
    np.testing.assert_allclose(
        [row["level_p_low"], row["level_p_high"]],
        results["level"][0],
        atol=2e-6,
    )
    (decided,) = predictor.decide("level", results["level"])
    assert row["level_pred"] == ("low", "high")[decided]
    assert row["blob_area_px"] == (results["blob"][0] > 0.5).sum() > 0
    peak = np.unravel_index(results["gaze"][0].argmax(), image.shape)
    assert (row["gaze_peak_y"], row["gaze_peak_x"]) == peak
    assert np.isnan(row["blob_area_mm2"])


def test_the_same_picture_in_any_format_has_the_same_result(table):
    columns = [c for c in table if c.startswith(("blob", "level", "gaze"))]
    assert table.loc["x", columns].equals(table.loc["x.tif", columns])
    same = [c for c in columns if "mm2" not in c]
    assert table.loc["b/1.2.3", same].equals(table.loc["inverted", same])
    assert abs(table["level_p_high"]["y"] - table["level_p_high"]["x"]) < 0.05


def test_areas_in_millimetres_follow_the_spacing(table):
    row = table.loc["b/1.2.3"]
    assert (row["height"], row["width"]) == (97, 61)
    area = row["blob_area_px"] * SPACING[0] * SPACING[1]
    assert row["blob_area_mm2"] == pytest.approx(area, abs=1e-3)
    assert row["spacing_at"] == "object"
    assert "detector" not in str(row["warnings"])
    assert "magnification" in table["warnings"]["inverted"]


@pytest.mark.parametrize(
    ("name", "size"),
    [("x", (60, 40)), ("b/x", (60, 40)), ("b/1.2.3", (97, 61))],
)
def test_pictures_mirror_the_folders(predicted, table, name, size):
    out = predicted[1]
    mask = cv2.imread(str(out / "masks/blob" / f"{name}.png"), -1)
    assert mask.shape == size
    assert set(np.unique(mask)) <= {0, 255}
    assert (mask == 255).sum() == table["blob_area_px"][name]
    heat = cv2.imread(str(out / "maps/gaze" / f"{name}.png"), -1)
    assert (heat.shape, heat.dtype, heat.max()) == (size, np.uint16, 65535)
    for kind in ("overlays/blob", "overlays/gaze", "grad_cam/level"):
        overlay = cv2.imread(str(out / kind / f"{name}.png"))
        assert max(overlay.shape[:2]) == 512
        assert len(np.unique(overlay.reshape(-1, 3), axis=0)) > 256


def test_a_mask_says_its_spacing(predicted):
    mask = Image.open(predicted[1] / "masks/blob/b/1.2.3.png")
    columns, rows = mask.info["dpi"]
    assert (25.4 / rows, 25.4 / columns) == pytest.approx(SPACING, rel=1e-3)
    assert "dpi" not in Image.open(predicted[1] / "masks/blob/x.png").info


def test_unlike_images_are_warned_of(joint_run, folder, scenes, tmp_path):
    image = grey(scenes, 4)
    unlike = {
        "bright": np.clip(image * 2.5, 0, 255).astype(np.uint8),
        "turned": np.ascontiguousarray(image.T),
        "small": cv2.resize(image, (14, 21)),
        "usual": image,
    }
    for name, picture in unlike.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    summary = predict_files(
        *(joint_run, [tmp_path], tmp_path / "out"),
        tasks=["level"],
        progress=False,
    )
    assert summary.checked
    warnings = pd.read_csv(
        tmp_path / "out" / "predictions.csv", keep_default_na=False
    ).set_index("name")["warnings"]
    assert "mean" in warnings["bright"]
    assert "width / height 1.50" in warnings["turned"]
    assert "14 x 21 pixels" in warnings["small"]
    assert warnings["usual"] == ""
    assert not (tmp_path / "out" / "masks").exists()


class TestResume:
    def test_goes_on_where_it_was_interrupted(
        self, joint_run, scenes, tmp_path, monkeypatch
    ):
        arguments = (joint_run, [scenes[0]])
        options = {"tasks": ["level"], "progress": False}
        predict_files(*arguments, tmp_path / "whole", **options)
        monkeypatch.setattr(module, "BATCH_IMAGES", 5)
        write = module.outputs_of

        def interrupted(*given):
            """An output that is interrupted at the eighth image."""
            outputs = write(*given)
            cells = outputs[0].write
            written = []

            def stop(folder, item):
                written.append(item)
                if len(written) == 8:
                    raise KeyboardInterrupt("at the eighth")
                return cells(folder, item)

            outputs[0].write = stop
            return outputs

        out = tmp_path / "out"
        with monkeypatch.context() as patch:
            patch.setattr(module, "outputs_of", interrupted)
            with pytest.raises(KeyboardInterrupt, match="eighth"):
                predict_files(*arguments, out, **options)
        assert not (out / "predictions.csv").exists()
        with open(out / "journal.jsonl", "a") as journal:
            journal.write('{"image": "torn')
        with pytest.raises(UmsrepError, match="Pass --resume"):
            predict_files(*arguments, out, **options)
        with pytest.raises(UmsrepError, match="another explain"):
            predict_files(
                *arguments, out, **options, explain="cam", resume=True
            )
        summary = predict_files(*arguments, out, **options, resume=True)
        assert summary.images == len(list(scenes[0].iterdir()))
        first, second = (
            (tmp_path / name / "predictions.csv").read_text()
            for name in ("whole", "out")
        )
        assert first == second
        again = predict_files(*arguments, out, **options, resume=True)
        assert again == summary

    def test_new_images_are_not_taken_for_done(
        self, joint_run, scenes, tmp_path
    ):
        (tmp_path / "in").mkdir()
        for name in ("00.png", "01.png"):
            shutil.copy(scenes[0] / name, tmp_path / "in")
        arguments = (joint_run, [tmp_path / "in"], tmp_path / "out")
        options = {"tasks": ["level"], "progress": False}
        assert predict_files(*arguments, **options).images == 2
        shutil.copy(scenes[0] / "02.png", tmp_path / "in")
        with pytest.raises(UmsrepError, match="without 1 of .*02.png.*new --o"):
            predict_files(*arguments, **options, resume=True)

    def test_a_mistake_leaves_no_folder(self, joint_run, folder, tmp_path):
        for options, advice in (
            ({"tasks": ["blob"], "explain": "grad_cam"}, "name one"),
            ({"explain": "recommendation"}, "Choose one of"),
            ({"explain": "gradcam"}, "grad_cam"),
            ({"sixteen_bit": "window"}, "refuse, rescale"),
            ({"tasks": ["lung"]}, "Its tasks: blob"),
        ):
            with pytest.raises(UmsrepError, match=advice):
                predict_files(joint_run, [folder], tmp_path / "out", **options)
            assert not (tmp_path / "out").exists()

    def test_other_files_are_not_overwritten(self, joint_run, folder, tmp_path):
        (tmp_path / "mine.txt").write_text("x")
        with pytest.raises(UmsrepError, match="new --out"):
            predict_files(joint_run, [folder], tmp_path)
        with pytest.raises(UmsrepError, match="new --out"):
            predict_files(joint_run, [folder], tmp_path / "mine.txt")
        assert (tmp_path / "mine.txt").read_text() == "x"


def test_exit_codes(joint_run, folder, tmp_path):
    def code(out, *images):
        arguments = ["predict", joint_run, *images, "--out", tmp_path / out]
        arguments += ["--task", "level", "--no-overlays"]
        return CliRunner().invoke(app, list(map(str, arguments))).exit_code

    assert code("good", folder / "x.png") == 0
    assert code("some", folder / "x.png", folder / "cut.png") == 2
    assert code("none", folder / "cut.png") == 1
    assert (tmp_path / "none" / "failures.csv").exists()
    assert not (tmp_path / "good" / "failures.csv").exists()


def test_batches_are_bounded_in_pixels(monkeypatch):
    monkeypatch.setattr(module, "BATCH_PIXELS", 100)
    error = UmsrepError("cannot be read; fix it")
    images = [
        module.source_image.SourceImage(np.zeros((side, side), np.uint8))
        for side in (9, 5, 20, 2)
    ]
    read = enumerate([*images[:2], error, *images[2:]])
    sizes = [len(batch) for batch in module._batches(read)]
    assert sizes == [2, 2, 1]


def test_results_that_cannot_be_written_are_a_failure(
    joint_run, scenes, tmp_path, monkeypatch
):
    write = module.outputs_of

    def picky(*given):
        """Like a PNG whose resolution does not fit into its field."""
        outputs = write(*given)
        cells = outputs[0].write

        def once(folder, item):
            if item.source.name == "01":
                raise OverflowError("too big")
            return cells(folder, item)

        outputs[0].write = once
        return outputs

    monkeypatch.setattr(module, "outputs_of", picky)
    files = [scenes[0] / f"{number:02d}.png" for number in range(3)]
    summary = predict_files(
        joint_run, files, tmp_path / "out", tasks=["level"], progress=False
    )
    assert (summary.images, summary.failures) == (2, 1)
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert failures["image"].tolist() == [str(files[1])]
    assert "OverflowError: too big" in failures["reason"][0]


def test_an_image_that_upsets_the_network_takes_no_other_along(
    joint_run, scenes, tmp_path, monkeypatch
):
    """Stands for one whose results are not finite."""
    real = inference.RunPredictor.__call__

    def upset(self, images):
        results = real(self, images)
        for number, image in enumerate(images):
            if (image == grey(scenes, 3)).all():
                results["level"][number] = np.nan
        return results

    monkeypatch.setattr(inference.RunPredictor, "__call__", upset)
    for number in (2, 3, 4):
        shutil.copy(scenes[0] / f"{number:02d}.png", tmp_path)
    summary = predict_files(
        joint_run, [tmp_path], tmp_path / "out", tasks=["level"], progress=False
    )
    assert (summary.images, summary.failures) == (2, 1)
    (failure,) = pd.read_csv(tmp_path / "out" / "failures.csv").to_numpy()
    assert failure[0].endswith("03.png")
    assert "not finite" in failure[1]
