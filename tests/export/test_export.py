"""Exported files predict what the run predicts, in their own runtimes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import exportable
import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from umsrep import MultiTaskModel, runs
from umsrep.balancing import PCGrad
from umsrep.cli.main import app
from umsrep.data.frame import Frame
from umsrep.errors import UmsrepError
from umsrep.export import (
    card,
    export_run,
    formats,
    licences,
    open_file,
    packages,
)
from umsrep.export.exported import fingerprint
from umsrep.export.serving import Source, _network, serving_model
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder

FORMATS = {
    "keras": "model.keras",
    "savedmodel": "model",
    "onnx": "model.onnx",
    "litert": "model.tflite",
}


@pytest.fixture(scope="session")
def files(export_work, joint_run):
    """{format: the joint run's file}; ONNX by the command line."""
    folder = export_work / "files"
    for kind, name in FORMATS.items():
        if kind == "onnx":
            result = CliRunner().invoke(
                app,
                ["export", str(joint_run), "--format", kind]
                + ["--out", str(folder / name)],
            )
            assert result.exit_code == 0, result.output
            assert "probabilities" in result.output
            continue
        export_run(joint_run, folder / name, kind, progress=False)
    return {kind: folder / name for kind, name in FORMATS.items()}


@pytest.fixture(scope="session")
def small_files(export_work, separate_run, joint_run):
    """{choice: a quantised file}."""
    folder = export_work / "small"
    for choice, run in (("int8", separate_run), ("float16", joint_run)):
        export_run(
            run,
            folder / f"{choice}.tflite",
            "litert",
            quantize=choice,
            progress=False,
        )
    return {c: folder / f"{c}.tflite" for c in ("int8", "float16")}


def tensor_types(path):
    """Names of the types of all tensors in a .tflite file."""
    from ai_edge_litert import schema_py_generated as schema

    names = {
        value: name
        for name, value in vars(schema.TensorType).items()
        if isinstance(value, int)
    }
    model = schema.Model.GetRootAs(Path(path).read_bytes(), 0)
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    return {
        names[graph.Tensors(i).Type()]
        for graph in graphs
        for i in range(graph.TensorsLength())
    }


def raw_images(folder, count=3):
    """Source files, which have sizes of their own; the first two are alike."""
    found = sorted((folder / "padded-raw").glob("*-image.png"))[:count]
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in found]
    return [images[0][::-1].copy(), *images]


@pytest.fixture(scope="session")
def expected(export_work, joint_run):
    """What the run's model says about these images, one by one."""
    run = runs.Run(joint_run)
    model, size = run.model(), (32, 40)
    temperature = run.calibrations["level"].temperature
    found = {"blob": [], "level": [], "look": []}
    for image in raw_images(export_work):
        frame = Frame(image.shape, size, "pad")
        grey = frame.image(image).astype(np.float32)[None, ..., None]
        outputs = model.predict_on_batch(grey)
        logits = np.log(outputs["level"][0]) / temperature
        found["level"].append(np.exp(logits) / np.exp(logits).sum())
        found["blob"].append(frame.restore(outputs["blob"][0, ..., 0]))
        look = frame.restore(outputs["look"][0, ..., 0])
        found["look"].append(look / look.sum())
    # A constant would agree with anything.
    assert np.ptp(found["blob"][0]) > 0.1
    assert np.ptp(np.stack(found["level"]), axis=0).max() > 0.1
    assert found["look"][0].max() * found["look"][0].size > 2
    return found


@pytest.mark.parametrize("kind", FORMATS)
class TestEveryFormat:
    def test_predicts_what_the_run_predicts(
        self, files, expected, export_work, kind
    ):
        images = raw_images(export_work)
        results = open_file(files[kind])(images)
        assert set(results) == set(expected)
        assert results["level"].shape == (len(images), 3)
        for number, image in enumerate(images):
            for task in ("blob", "look"):
                assert results[task][number].shape == image.shape
                assert results[task][number].dtype == np.float32
            for task, tolerance in (("level", 1e-4), ("blob", 1e-4)):
                np.testing.assert_allclose(
                    results[task][number],
                    expected[task][number],
                    atol=tolerance,
                )
            look = expected["look"][number]
            np.testing.assert_allclose(
                results["look"][number], look, atol=1e-4 * look.max()
            )

    def test_parity_figures_are_beside_it(self, files, kind):
        stored = json.loads(Path(f"{files[kind]}.json").read_text())["parity"]
        assert set(stored["tasks"]) == {"blob", "level", "look"}
        for entry in stored["tasks"].values():
            assert 0 <= entry["max_difference"] < 1e-4
        assert stored["tasks"]["look"]["relative_to"] == "maximum"
        assert stored["prepared"]["beyond_rounding"] == 0
        assert stored["prepared"]["pixels"] >= 12 * 32 * 40
        # As prepared, smaller, and larger than twice the size.
        heights = {size[0] for size in stored["sizes"]}
        assert min(heights) < 32 < 64 < max(heights)

    def test_description(self, files, joint_run, kind):
        predictor = open_file(files[kind])
        assert predictor.specs["level"].classes == ("low", "middle", "high")
        assert predictor.thresholds == {
            "blob": 0.5,
            "level": None,
            "look": None,
        }
        assert predictor.image_size == (32, 40)
        assert predictor.fit == "pad"
        assert predictor.intensities == runs.read_run(joint_run).get(
            "intensities"
        )

    def test_model_card(self, files, kind):
        card = Path(f"{files[kind]}.md").read_text()
        for words in (
            "For research only",
            "Licence of the data: CC BY 4.0",
            "Name the author.",
            "A. Author 2020",
            "low, middle, high",
            "18 train, 6 validation, 6 test",
            "metrics.json of the run",
            "## Limits",
            "tensorflow",
        ):
            assert words in card, words
        assert re.search(r"\| blob \| \d\.\d\de-\d\d \|", card)
        # CC BY asks for the names alone, which the card says anyway.
        assert "Before you pass this file on" not in card


def test_the_card_says_what_a_licence_forbids(files, joint_run):
    metadata = json.loads(Path(f"{files['onnx']}.json").read_text())
    assert metadata["restrictions"] == []
    header = {"name": "a", "modality": "b", "counts": {}, "licence": "CC BY-NC"}
    metadata["restrictions"] = licences.of(metadata, header)
    metrics = json.loads((joint_run / "metrics.json").read_text())
    text = card.markdown("model.onnx", metadata, header, metrics)
    assert "Before you pass this file on" in text
    assert "the data (CC BY-NC): no commercial use" in text


def test_a_batch_of_equal_sizes_is_its_images(files):
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (3, 45, 52)).astype(np.uint8))
    predictor = open_file(files["onnx"])
    together = predictor(images)["level"]
    alone = np.concatenate([predictor([one])["level"] for one in images])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_what_only_onnxruntime_reads(files, export_work, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    blocked = (
        "import sys\n"
        "for name in ('umsrep', 'keras', 'tensorflow', 'cv2', 'onnx'):\n"
        "    sys.modules[name] = None\n"
    )
    (tmp_path / "use.py").write_text(blocked + script)
    shutil.copy(files["onnx"], tmp_path / "model.onnx")
    image = raw_images(export_work)[1]
    cv2.imwrite(str(tmp_path / "image.png"), image)
    done = subprocess.run(
        [sys.executable, "use.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    level = open_file(files["onnx"])([image])["level"][0]
    assert f"level low: {level[0]:.3f}\n" in done.stdout
    assert f"blob {image.shape}" in done.stdout


class TestOnlyWhatIsNeeded:
    def test_a_task_leaves_out_the_others_parts(self, joint_run):
        whole, label = (
            serving_model(Source(joint_run)),
            serving_model(Source(joint_run, ["level"])),
        )
        assert list(label.output) == ["level"]
        # Neither decoder nor the other heads.
        names = [layer.name for layer in label.layers]
        assert not any("own_size" in name for name in names)
        assert label.count_params() < 0.7 * whole.count_params()

    def test_what_a_balancer_adds_for_training_stays_out(self, tmp_path):
        model = MultiTaskModel(
            ConvAutoencoder((32, 32, 1), filters=(4, 8)),
            [SegmentationHead("blob"), ClassificationHead(2, "level")],
            PCGrad(),
        )
        graph = _network(model, "network")
        names = {type(layer).__name__ for layer in graph.layers}
        assert "_Branches" in {type(x).__name__ for x in model.layers}
        assert "_Branches" not in names
        graph.save(tmp_path / "flat.keras")
        again = keras.saving.load_model(tmp_path / "flat.keras")
        images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1))
        for task, want in model.predict(images, verbose=0).items():
            np.testing.assert_allclose(
                again.predict(images, verbose=0)[task], want, atol=1e-6
            )

    def test_bfloat16_becomes_float32(self, separate_run):
        source = Source(separate_run)
        assert runs.read_run(separate_run)["precision"] == "bfloat16"
        assert '"mixed_bfloat16"' in json.dumps(
            [one.get_config() for one in source.own_networks], default=str
        )
        model = serving_model(source)
        assert "bfloat16" not in json.dumps(model.get_config(), default=str)
        # Next to the run's own outputs, which half of the digits are left of.
        image = np.random.default_rng(0).integers(0, 256, (1, 32, 40, 3))
        for own, copy in zip(source.own_networks, source.networks, strict=True):
            task = own.tasks[0]
            one, two = (m.predict_on_batch(image)[task] for m in (own, copy))
            assert 0 < np.abs(one - two).max() < 0.02


class TestQuantized:
    def test_accuracy_on_validation_images(self, small_files):
        for path in small_files.values():
            about = json.loads(Path(f"{path}.json").read_text())
            accuracy = about["accuracy"]
            assert accuracy["split"] == "validation"
            assert accuracy["images"] == 6
            before, after = accuracy["tasks"]["blob"]["dice"]
            assert 0 <= before <= 1
            assert abs(before - after) < 0.2
            assert "Metrics before and after" in Path(f"{path}.md").read_text()

    def test_before_is_what_evaluation_measured(self, small_files, joint_run):
        about = json.loads(Path(f"{small_files['float16']}.json").read_text())
        metrics = json.loads((joint_run / "metrics.json").read_text())
        for task, name in (("blob", "dice"), ("level", "auc"), ("look", "kld")):
            before, after = about["accuracy"]["tasks"][task][name]
            # Evaluation keeps masks in half precision.
            assert before == pytest.approx(metrics[task][name], abs=2e-3)
            assert after == pytest.approx(before, abs=2e-2)

    def test_networks_are_quantised_and_nothing_around_them(self, small_files):
        kinds = {}
        for choice, path in small_files.items():
            kinds[choice] = tensor_types(path)
            parity = json.loads(Path(f"{path}.json").read_text())["parity"]
            assert parity["prepared"]["beyond_rounding"] == 0
            differences = [
                entry["max_difference"] for entry in parity["tasks"].values()
            ]
            assert 0 < max(differences) < 0.2
        assert "INT8" in kinds["int8"]
        assert "FLOAT16" in kinds["float16"]
        assert "INT8" not in kinds["float16"]

    def test_undefined_metrics_are_said_to_be(self, small_files, capsys):
        """Such as the AUC of a class that no validation image has."""
        from umsrep.cli.tables import print_accuracy

        about = json.loads(Path(f"{small_files['int8']}.json").read_text())
        row = {"auc": [None, None], "f_score": [0.5, None], "mcc": [0.5, 0.25]}
        about["accuracy"]["tasks"] = {"level": row}
        header = {"name": "x", "modality": "", "counts": {}}
        text = card.markdown("a.tflite", about, header, {})
        assert "| level | auc | undefined | undefined |  |" in text
        assert "| level | f_score | 0.5000 | undefined |  |" in text
        assert "| level | mcc | 0.5000 | 0.2500 | -0.2500 |" in text
        print_accuracy(about["accuracy"], "int8")
        assert capsys.readouterr().out.count("undefined") == 3


class TestRefused:
    @pytest.mark.parametrize(
        ("kind", "out", "options", "match"),
        [
            ("pickle", "a.pickle", {}, "Choose one of keras, savedmodel"),
            ("onnx", "a.tflite", {}, "such as a.onnx"),
            ("savedmodel", "a.onnx", {}, "Expected a folder's name"),
            ("onnx", "a.onnx", {"quantize": "int8"}, "Choose --format litert"),
            ("litert", "a.tflite", {"quantize": "int4"}, "float16, int8"),
            ("onnx", "a.onnx", {"tasks": ["x"]}, "Its tasks: blob, level"),
        ],
    )
    def test_bad_arguments(
        self, joint_run, tmp_path, kind, out, options, match
    ):
        with pytest.raises(UmsrepError, match=match):
            export_run(joint_run, tmp_path / out, kind, **options)
        assert not list(tmp_path.iterdir())

    def test_existing_file(self, joint_run, tmp_path):
        (tmp_path / "a.onnx.json").write_text("mine")
        with pytest.raises(UmsrepError, match="Choose another --out"):
            export_run(joint_run, tmp_path / "a.onnx", "onnx")
        assert (tmp_path / "a.onnx.json").read_text() == "mine"

    def test_run_of_pretrain(self, separate_run, tmp_path):
        run = separate_run.parent / "separate-denoiser"
        with pytest.raises(UmsrepError, match="Export a run of `umsrep fine"):
            export_run(run, tmp_path / "a.onnx", "onnx")

    def test_data_that_have_moved(self, joint_run, tmp_path):
        run = tmp_path / "run"
        shutil.copytree(joint_run, run)
        info = json.loads((run / "run.json").read_text())
        info["data"][0]["path"] = str(tmp_path / "gone")
        (run / "run.json").write_text(json.dumps(info))
        with pytest.raises(UmsrepError, match="with --data"):
            export_run(run, tmp_path / "a.onnx", "onnx")

    def test_data_that_it_was_not_trained_on(self, joint_run, tmp_path):
        # The card would name another licence and split.
        exportable.write_data(tmp_path / "other", "pad", count=6)
        with pytest.raises(UmsrepError, match="is not the data set that"):
            export_run(
                *(joint_run, tmp_path / "a.onnx", "onnx"),
                data_folder=tmp_path / "other",
            )
        assert not (tmp_path / "a.onnx").exists()

    def test_a_folder_without_a_name(self, joint_run):
        with pytest.raises(UmsrepError, match="such as model"):
            export_run(joint_run, ".", "savedmodel")

    def test_missing_package(self, joint_run, tmp_path, monkeypatch):
        monkeypatch.setitem(packages.READS, "onnx", ("no_such_runtime",))
        with pytest.raises(
            UmsrepError, match=r"no-such-runtime.*umsrep\[export\]"
        ):
            export_run(joint_run, tmp_path / "a.onnx", "onnx")

    @pytest.mark.parametrize("kind", ["onnx", "litert"])
    def test_a_layer_that_the_format_lacks(self, kind, tmp_path):
        image = keras.Input((None, None), dtype="uint8", name="image")
        values = keras.ops.cast(image, "float32")
        # No such operation in either.
        values = keras.ops.erfinv(values / 256)
        values = keras.layers.Identity(name="prepared")(values)
        model = keras.Model(image, {"level": values})
        out = tmp_path / f"a{formats.SUFFIXES[kind]}"
        with pytest.raises(UmsrepError, match="choose another --format"):
            formats.write_model(kind, model, out, {})


class TestOpening:
    def test_missing_description(self, files, tmp_path):
        shutil.copy(files["keras"], tmp_path / "model.keras")
        with pytest.raises(UmsrepError, match="Keep the two together"):
            open_file(tmp_path / "model.keras")

    def test_description_of_another_file(self, files, tmp_path):
        shutil.copy(files["litert"], tmp_path / "model.tflite")
        shutil.copy(f"{files['keras']}.json", tmp_path / "model.tflite.json")
        with pytest.raises(UmsrepError, match="SHA-256 differs"):
            open_file(tmp_path / "model.tflite")

    def test_onnx_of_somebody_else(self, files, tmp_path):
        import onnx

        model = onnx.load(files["onnx"])
        del model.metadata_props[:]
        onnx.save(model, tmp_path / "a.onnx")
        with pytest.raises(UmsrepError, match="make one with|Make one with"):
            open_file(tmp_path / "a.onnx")

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"tasks": None}, "tasks"),
            ({"tasks": ["level"]}, "tasks"),
            ({"tasks": {}}, "tasks"),
            ({"tasks": {"level": {"classes": [], "threshold": 1}}}, "kind"),
            ({"image_size": 3}, "image_size"),
            ({"image_size": [32, -1]}, "image_size"),
            ({"fit": "fill"}, "fit"),
        ],
    )
    def test_a_damaged_description(self, files, tmp_path, change, place):
        import onnx

        model = onnx.load(files["onnx"])
        (entry,) = model.metadata_props
        entry.value = json.dumps({**json.loads(entry.value), **change})
        onnx.save(model, tmp_path / "a.onnx")
        advice = f"no right '.*{place}.*damaged. Export the run again"
        with pytest.raises(UmsrepError, match=advice):
            open_file(tmp_path / "a.onnx")

    def test_a_program_instead_of_a_model(self, files, tmp_path):
        """A SavedModel can write files; nothing of a file is executed."""
        import tensorflow as tf

        victim = tmp_path / "written"

        class Evil(tf.Module):
            @tf.function(
                input_signature=[
                    tf.TensorSpec((None, None, None), tf.uint8, name="image")
                ]
            )
            def serve(self, image):
                tf.io.write_file(str(victim), "by a model file")
                return {"level": tf.zeros((1, 3))}

        evil = Evil()
        path = tmp_path / "model"
        names = ("serving_default", "prepared")
        tf.saved_model.save(
            evil, str(path), signatures=dict.fromkeys(names, evil.serve)
        )
        described = json.loads(Path(f"{files['savedmodel']}.json").read_text())
        described["sha256"] = fingerprint(path)
        (tmp_path / "model.json").write_text(json.dumps(described))
        with pytest.raises(UmsrepError, match="WriteFile.*It was not opened"):
            open_file(path)
        assert not victim.exists()

    def test_a_savedmodel_with_other_weights(self, files, tmp_path):
        path = shutil.copytree(files["savedmodel"], tmp_path / "model")
        shutil.copy(f"{files['savedmodel']}.json", tmp_path / "model.json")
        open_file(path)
        (weights,) = path.glob("variables/variables.data*")
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
        with pytest.raises(UmsrepError, match="SHA-256 differs"):
            open_file(path)

    def test_damaged_file(self, files, tmp_path):
        whole = files["onnx"].read_bytes()
        (tmp_path / "a.onnx").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(UmsrepError, match="export the run again"):
            open_file(tmp_path / "a.onnx")

    @pytest.mark.parametrize("name", ["a.txt", "a", "missing.onnx"])
    def test_no_export_at_all(self, tmp_path, name):
        (tmp_path / "a.txt").write_text("")
        (tmp_path / "a").mkdir()
        with pytest.raises(UmsrepError, match="make one with|check the path"):
            open_file(tmp_path / name)

    def test_images_of_another_type(self, files):
        with pytest.raises(UmsrepError, match="read_grey"):
            open_file(files["onnx"])([np.zeros((8, 8), np.float32)])
