"""What each objective of the construction must learn, and what it says."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from tensors import array
from textures import texture
from typer.testing import CliRunner

from umsrep import data, heads, representations, runs
from umsrep.cli.main import app
from umsrep.data import storage
from umsrep.data.images import write_png
from umsrep.data.prepared import SourceDescription
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError
from umsrep.model import MultiTaskModel
from umsrep.report.page import render
from umsrep.stages import first_stage, objectives, watching
from umsrep.stages.finetuning import finetune
from umsrep.stages.first_stage import learn
from umsrep.stages.objectives.mean_teacher import Teacher, paired
from umsrep.stages.objectives.reconstruction import reconstructing
from umsrep.stages.settings import STAGES, FinetuneSettings, has_tasks

ROOT = Path(__file__).parents[2]
COMMON = {
    "architecture": "unet",
    "arguments": {"width": 4, "depth": 3},
    "epochs": 2,
    "batch_size": 8,
    "fractions": (0.5, 0.25, 0.25),
    "precision": "float32",
}
TRAINED = [name for name in STAGES if name not in ("finetune", "none")]


def settings_of(name, **changes):
    tasks = {"task": ("blob", "level")} if has_tasks(name) else {}
    return STAGES[name](**{**COMMON, **tasks, **changes})


def construct(name, folders, out, representation=None, **changes):
    objective = objectives.registry.get(name)(settings_of(name, **changes))
    return learn(
        objective, folders, out, progress=False, representation=representation
    )


def call(*arguments):
    result = CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "160"}
    )
    if isinstance(result.exception, UmsrepError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def runs_of(prepared_folder, tmp_path_factory):
    """`runs_of(name)`: the run folder of an objective, made once."""
    made = {}
    work = tmp_path_factory.mktemp("objectives")

    def run_folder(name):
        if name not in made:
            construct(name, [prepared_folder], work / name)
            made[name] = work / name
        return made[name]

    return run_folder


class TestEveryObjective:
    def test_has_settings(self):
        assert {*objectives.registry.names()} == {*TRAINED, "none"}

    @pytest.mark.parametrize("name", TRAINED)
    def test_run_folder(self, runs_of, name):
        run = runs.Run(runs_of(name))
        assert (run.kind, run.objective) == ("pretrain", name)
        assert run.info["config"]["objective"] == name
        assert run.has_labels == has_tasks(name)
        history = run.history
        for task in run.tasks:
            assert np.isfinite(history[f"val_{task}_loss"]).all()
        assert (history["feature_rank"] >= 1).all()
        assert history["feature_spread"].between(0, 1).all()
        assert set(run.metrics) == set(run.tasks)
        for counted in ("steps_by_task", "labels_by_task"):
            assert set(run.info[counted]) == set(run.tasks)
        assert run.remarks == []

    @pytest.mark.parametrize("name", ["masked", "vicreg"])
    def test_is_fine_tuned(self, runs_of, name, prepared_folder, tmp_path):
        settings = FinetuneSettings(
            epochs=1,
            convolutions=(),
            precision="float32",
            fractions=(0.5, 0.25, 0.25),
        )
        finetune(
            prepared_folder,
            ["level"],
            tmp_path / "run",
            runs_of(name),
            settings,
            progress=False,
        )
        tuned = runs.Run(tmp_path / "run").model().representation
        learnt = runs.Run(runs_of(name)).model().representation
        # The encoder is frozen, so it is the one that was constructed.
        for one, two in zip(
            tuned.part("encoder"), learnt.part("encoder"), strict=True
        ):
            for a, b in zip(one.weights, two.weights, strict=True):
                np.testing.assert_array_equal(array(a), array(b))

    def test_report_shows_what_they_saw_and_gave(self, runs_of):
        page = render([runs_of(name) for name in TRAINED])
        assert "<h2>Reconstruction</h2>" in page
        for words in ("restoration", "masked", "super-resolution", "vicreg"):
            assert f": {words}</h3>" in page
        assert "Averaged down 4 times" in page
        assert "<figcaption>input</figcaption>" in page
        assert "Effective rank" in page
        assert "Dice" in page

    def test_report_of_denoising_is_as_it_was(self, runs_of):
        page = render([runs_of("denoising")])
        assert "<h2>Denoising</h2>" in page
        assert "<figcaption>denoised</figcaption>" in page

    @pytest.mark.parametrize(
        ("architecture", "arguments"),
        [
            ("conv_autoencoder", {"filters": [4, 8]}),
            ("dilated_cnn", {"filters": [2, 2, 3, 3, 4, 4]}),
            (
                "keras_application",
                {"architecture": "vgg16", "width": 0.0625, "channels": 3},
            ),
        ],
    )
    @pytest.mark.parametrize(
        "name", ["restoration", "masked", "vicreg", "mean_teacher"]
    )
    def test_any_network(self, dataset, name, architecture, arguments):
        settings = settings_of(
            name, architecture=architecture, arguments=arguments
        )
        model = objectives.registry.get(name)(settings).new_model(dataset)
        channels = arguments.get("channels", 1)
        images = np.zeros((2, 32, 32, channels), "float32")
        for task, output in model(images).items():
            assert output.shape[0] == 2
            assert np.isfinite(array(output)).all(), task


class TestWhatTheEncoderMustCarry:
    """Ronneberger's skips solve denoising; the bottleneck stays empty."""

    def reliance(self, closed):
        """What zeroing the bottleneck changes, in standard deviations."""
        rng = np.random.default_rng(0)
        noise = data.GaussianNoise((5, 50))
        clean = np.stack([texture(seed, 32) for seed in range(64)])
        noisy = np.stack([noise(image, rng) for image in clean])[..., None]
        keras.utils.set_random_seed(0)
        model = reconstructing(
            representations.UNet((32, 32, 1), width=8, depth=3), "d", closed
        )
        model.compile(keras.optimizers.RMSprop(2e-3))
        target = {"d": clean[..., None].astype("float32") / 255}
        model.fit(noisy, target, batch_size=8, epochs=12, verbose=0)
        representation, (head,) = model.representation, model.heads
        features = model.features(noisy[:16], representation.features)

        def output(bottleneck):
            decoded = bottleneck
            if not closed:
                decoded = representation.decode(
                    {**features, "bottleneck": bottleneck}
                )
            return array(head([decoded, features["intensity"]]))

        whole = output(features["bottleneck"])
        empty = output(keras.ops.zeros_like(features["bottleneck"]))
        return np.abs(whole - empty).mean() / whole.std()

    def test_closed_skips_need_the_bottleneck_and_open_ones_do_not(self):
        # Measured: 0.19 and 1.09.
        reliance = self.reliance(closed=False)
        assert reliance < 0.35
        assert self.reliance(closed=True) > 2.5 * reliance

    def test_closed_skips_read_nothing_else(self, dataset):
        settings = settings_of("denoising", closed_skips=True)
        model = objectives.Denoising(settings).new_model(dataset)
        assert model.head("denoised").feature_names == (
            "bottleneck",
            "intensity",
        )
        names = {layer.name.split("_")[0] for layer in model.layers}
        assert "decoder" not in names


class TestMasked:
    def test_nothing_under_the_mask_reaches_the_prediction(
        self, runs_of, dataset
    ):
        model = runs.Run(runs_of("masked")).model()
        assert "decoded" in model.head("unmasked").feature_names
        mask = objectives.Masked(settings_of("masked")).corruption(model)
        image = dataset.image(0).astype("float32")
        drawn = mask.draw(np.random.default_rng(1))
        hidden = mask.learnt(image.shape, drawn)
        other = np.where(hidden, 255 - image, image).astype("float32")
        seen = np.stack([mask.apply(i, drawn) for i in (image, other)])
        features = model.features(seen[..., None], model.read_features)
        for name, values in features.items():
            np.testing.assert_array_equal(*array(values), err_msg=name)
        one, two = model.predict_on_batch(seen[..., None])["unmasked"]
        np.testing.assert_array_equal(array(one), array(two))

    def test_patch_is_a_cell_of_the_bottleneck_or_a_quarter(self, dataset):
        objective = objectives.Masked(settings_of("masked"))
        model = objective.new_model(dataset)
        assert objective.corruption(model).patch == 4
        deep = settings_of("masked", arguments={"width": 2, "depth": 5})
        objective = objectives.Masked(deep)
        assert objective.corruption(objective.new_model(dataset)).patch == 8
        given = objectives.Masked(settings_of("masked", mask_patch=5))
        assert given.corruption(model).patch == 5

    def test_measures_are_of_the_hidden_patches(self, runs_of):
        (entry,) = runs.Run(runs_of("masked")).metrics["unmasked"].values()
        assert {"psnr", "noisy_psnr", "ssim", "ms_ssim"} <= set(entry)


class TestViews:
    @pytest.fixture(scope="class")
    def textures(self, tmp_path_factory):
        """Unlabelled pictures that are all different."""
        work = tmp_path_factory.mktemp("textures")
        about = SourceDescription("textures", "", "", "none", "texture")
        with PreparedWriter(
            work / "set", name="textures", tasks=[], description=about, size=32
        ) as writer:
            for number in range(60):
                file = work / f"{number:02d}.png"
                write_png(file, texture(number, 32))
                writer.add(file.stem, file, f"p{number}", "")
        return data.load(work / "set")

    def test_views_of_one_image_come_together(self, textures):
        settings = settings_of(
            "vicreg",
            epochs=20,
            fractions=(0.8, 0.1, 0.1),
            batch_size=16,
            learning_rate=3e-3,
            projector=(32, 32),
            augmentation=0.5,
        )
        objective = objectives.VICReg(settings)
        keras.utils.set_random_seed(0)
        training, validation, _ = objective.split(textures)
        model = objective.new_model(textures)

        def contrast():
            """Distance of two views, in those of two images."""
            augmentation = objective.augmentation(training)
            pairs = objective.batches(training, augmentation, 1)
            pairs.set_epoch(100)
            found = array(model.predict_on_batch(pairs[0][0])["views"])
            one, two = found[0::2], found[1::2]
            distances = np.linalg.norm(one[:, None] - two[None], axis=-1)
            own = np.eye(len(one), dtype=bool)
            return distances[own].mean() / distances[~own].mean()

        before = contrast()
        objective.train(
            model,
            training,
            validation,
            checkpoint=None,
            progress=False,
            watch=(),
        )
        # Measured: 0.86 and 0.37.
        assert contrast() < 0.7 * before

    def test_what_the_variance_lacks_is_measured(self, runs_of, dataset):
        values = runs.Run(runs_of("vicreg")).metrics["views"]
        assert 0 <= values["missing_variance"] <= 1
        # All embeddings equal: a collapse.
        objective = objectives.VICReg(settings_of("vicreg", projector=(4,)))
        model = objective.new_model(dataset)
        for weight in model.trainable_weights:
            weight.assign(0 * weight)
        found = objective.measure(model, dataset, None)["views"]
        assert found["missing_variance"] == pytest.approx(0.99, abs=1e-4)
        assert found["feature_spread"] == pytest.approx(0, abs=1e-6)

    def test_devices_that_share_a_batch_are_refused(self, dataset):
        settings = settings_of("vicreg", distribution="mirrored")
        with pytest.raises(UmsrepError, match="Leave --distribution out"):
            objectives.VICReg(settings).check(dataset)


def little():
    return MultiTaskModel(
        representations.UNet((32, 32, 1), width=2, depth=2),
        [
            heads.SegmentationHead("blob"),
            heads.ClassificationHead(2, "level", dropout=0.0),
        ],
    )


class TestMeanTeacher:
    def lane(self, dataset, consistency, rate=0.1):
        """(student, teacher, companion, a batch as the student gets it)."""
        student, teacher = paired(little())
        student.compile(keras.optimizers.SGD(rate))
        companion = Teacher(teacher, student, 0.9, consistency, rampup=0.0)
        batches = dataset.batches(
            8,
            tasks=("blob", "level"),
            reconstruction="clean_view",
            corruption=data.GaussianNoise(20),
        )
        return student, teacher, companion, batches[0]

    def step(self, student, companion, batch, number):
        images, targets, weights = companion.before(*batch, training=True)
        student.train_on_batch(images, targets, sample_weight=weights)
        companion.after(number, 10)

    def test_teacher_is_the_average_of_the_student(self, dataset):
        student, teacher, companion, batch = self.lane(dataset, 1.0)
        followed = student.view(teacher.tasks)
        expected = [array(w).copy() for w in teacher.weights]
        for number in range(1, 5):
            self.step(student, companion, batch, number)
            # The first steps are averaged evenly, as in the authors' code.
            kept = min(1 - 1 / (number + 1), 0.9)
            expected = [
                kept * old + (1 - kept) * array(new)
                for old, new in zip(expected, followed.weights, strict=True)
            ]
        moved = False
        for own, value, new in zip(
            teacher.weights, expected, followed.weights, strict=True
        ):
            np.testing.assert_allclose(array(own), value, rtol=1e-4, atol=1e-6)
            moved |= not np.allclose(array(own), array(new), atol=1e-5)
        assert moved

    @pytest.mark.parametrize(
        ("consistency", "moves"), [(0.0, False), (5, True)]
    )
    def test_unlabelled_images_teach_through_consistency_alone(
        self, dataset, consistency, moves
    ):
        student, _, companion, batch = self.lane(dataset, consistency)
        images, targets, weights = batch
        for task in ("blob", "level"):
            weights[task] = np.zeros_like(weights[task])
        companion.after(1, 10)
        before = [array(w).copy() for w in student.trainable_weights]
        for number in (2, 3):
            self.step(student, companion, (images, targets, weights), number)
        changed = [
            not np.array_equal(old, array(new))
            for old, new in zip(before, student.trainable_weights, strict=True)
        ]
        assert any(changed) == moves

    def test_devices_that_share_a_batch_are_refused(self, dataset):
        settings = settings_of("mean_teacher", distribution="mirrored")
        with pytest.raises(UmsrepError, match="Leave --distribution out"):
            objectives.MeanTeacher(settings).check(dataset)

    def test_validation_is_of_the_labels(self, dataset):
        _, _, companion, batch = self.lane(dataset, 1.0)
        _, targets, weights = companion.before(*batch, training=False)
        assert set(targets) == {
            *("blob", "level", "blob_consistency", "level_consistency")
        }
        assert not weights["blob_consistency"].any()
        assert weights["blob"].any()

    def test_weight_rises_to_what_was_asked_for(self, dataset):
        student, teacher, *_ = self.lane(dataset, 1.0)
        companion = Teacher(teacher, student, 0.9, 3.0, rampup=0.5)
        factors = [companion.factor(step, 100) for step in (0, 10, 25, 50, 90)]
        assert factors == sorted(factors)
        assert factors[0] == pytest.approx(3 * np.exp(-5))
        assert factors[-2:] == [3.0, 3.0]

    def test_run_keeps_the_teacher_without_its_consistencies(self, runs_of):
        model = runs.Run(runs_of("mean_teacher")).model()
        assert model.tasks == ("blob", "level")

    def test_goes_on_as_it_would_have(self, runs_of, prepared_folder, tmp_path):
        objective = objectives.MeanTeacher
        whole, parts = runs_of("mean_teacher"), tmp_path / "parts"

        def interrupt(self, *arguments):
            raise KeyboardInterrupt("stop here")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(objective, "keep", interrupt)
            with pytest.raises(KeyboardInterrupt, match="stop here"):
                construct("mean_teacher", [prepared_folder], parts)
        learn(
            objective(settings_of("mean_teacher")),
            [prepared_folder],
            parts,
            resume=True,
            progress=False,
        )
        for a, b in zip(
            *(runs.Run(run).model().get_weights() for run in (whole, parts)),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["vicreg", "mean_teacher"])
def test_scanner_augmentation_matches_training_images(
    name, dataset, monkeypatch
):
    """What trains is offered the histograms, and run.json has the same."""
    settings = settings_of(name, augmentation_kind="scanner", seed=3)
    objective = objectives.registry.get(name)(settings)
    training, validation, _ = objective.split(dataset)
    model = objective.new_model(training)
    lanes = []

    def stop(groups, *arguments, **options):
        lanes.extend(lane for group in groups for lane in group.lanes)
        raise KeyboardInterrupt("stop here")

    monkeypatch.setattr(first_stage, "train", stop)
    with pytest.raises(KeyboardInterrupt, match="stop here"):
        objective.train(model, training, validation)
    (lane,) = lanes
    drawn = getattr(lane.training, "views", [lane.training])
    used = drawn[0].augmentation
    expected = data.Augmentation.of("scanner", settings.augmentation)
    expected = expected.with_references(training, 3)
    assert len(used.scanner.references) > 1
    assert all(each.augmentation == expected for each in drawn)
    assert objective.entries(model)["augmentation"] == used.get_config()


class TestSupervised:
    def test_tasks_are_learnt_jointly_with_labels_missing(
        self, runs_of, prepared_folder
    ):
        run = runs.Run(runs_of("supervised"))
        assert run.tasks == ("blob", "level")
        counts = run.info["labels_by_task"]
        table = run.split()
        training = table["image"][table["split"] == "train"]
        source = data.load(prepared_folder).table.set_index("image")
        labelled = (source["level"][training] != "").sum()
        assert counts["level"] == 2 * labelled
        assert counts["blob"] != counts["level"]
        assert {"dice", "images"} <= set(run.metrics["blob"])
        assert {"accuracy", "images"} <= set(run.metrics["level"])

    def test_tasks_that_will_not_do(self, dataset):
        twice = settings_of("supervised", task=("blob", "blob"))
        with pytest.raises(UmsrepError, match="name each task once"):
            objectives.Supervised(twice).check(dataset)
        with pytest.raises(UmsrepError, match="Its tasks: blob, level"):
            objectives.Supervised(settings_of("supervised", task="x")).check(
                dataset
            )


class TestStartingFromWeights:
    @pytest.fixture
    def weighted(self):
        """An architecture that is given weights."""

        @representations.registry.register("weighted")
        class Weighted(representations.UNet):
            def __init__(self, image_shape, weights=None, **kwargs):
                super().__init__(image_shape, width=2, depth=2, **kwargs)
                self.weights_from = weights

            def get_config(self):
                config = super().get_config()
                return {k: config[k] for k in ("image_shape", "name")}

        yield "weighted"
        del representations.registry._classes["weighted"]

    def test_none_without_weights(self, prepared_folder, tmp_path):
        with pytest.raises(UmsrepError, match="Pass --weights, or an"):
            call(
                *("pretrain", "--data", prepared_folder, "--out", tmp_path),
                *("--objective", "none"),
            )

    def test_weights_alone_are_used_as_they_are(
        self, weighted, prepared_folder, tmp_path
    ):
        out = tmp_path / "run"
        call(
            *("pretrain", "--data", prepared_folder, "--out", out),
            *("--architecture", weighted, "--weights", "mine"),
            *("--precision", "float32"),
        )
        run = runs.Run(out)
        assert run.objective == "none"
        assert run.info["config"]["arguments"] == {"weights": "mine"}
        assert run.info["epochs_run"] == 0
        assert not run.has_labels
        # What it gives is the averaged bottleneck.
        model = run.model()
        images = np.zeros((2, 32, 32, 1), "float32")
        bottleneck = array(model.features(images, ["bottleneck"])["bottleneck"])
        np.testing.assert_allclose(
            array(model(images)["embedded"]),
            bottleneck.mean(axis=(1, 2)),
            rtol=1e-5,
        )
        assert "Effective rank" in render([out])

    def test_weights_with_an_objective_are_adapted(
        self, weighted, prepared_folder, tmp_path
    ):
        out = tmp_path / "run"
        call(
            *("pretrain", "--data", prepared_folder, "--out", out),
            *("--architecture", weighted, "--weights", "mine"),
            *("--objective", "masked", "--epochs", 1, "--precision", "float32"),
        )
        assert runs.Run(out).objective == "masked"
        assert runs.Run(out).info["epochs_run"] == 1

    def test_another_construction(self, runs_of, prepared_folder, tmp_path):
        source = runs_of("supervised")
        out = tmp_path / "run"
        call(
            *("pretrain", "--data", prepared_folder, "--out", out),
            *("--objective", "restoration", "--representation", source),
            *("--epochs", 1, "--precision", "float32"),
            *("--learning-rate", 1e-12, "--fractions", 0.2, 0.4, 0.4),
        )
        run = runs.Run(out)
        pairs = zip(
            run.model().representation.part("encoder"),
            runs.Run(source).model().representation.part("encoder"),
            strict=True,
        )
        for one, two in pairs:
            for a, b in zip(
                one.trainable_weights, two.trainable_weights, strict=True
            ):
                np.testing.assert_allclose(array(a), array(b), atol=1e-6)
        # Its settings are those of the network that it has.
        config = run.info["config"]
        assert config["architecture"] == COMMON["architecture"]
        assert config["arguments"] == COMMON["arguments"]
        # It still knows the labels that its source has learnt from.
        assert run.has_labels
        knows = run.split()
        knows = set(knows["image"][knows["split"].isin(runs.LEARNT_FROM)])
        learnt = runs.Run(source).split()
        assert knows >= set(
            learnt["image"][learnt["split"].isin(("train", "validation"))]
        )

    def test_another_construction_of_another_network(
        self, runs_of, prepared_folder, tmp_path
    ):
        with pytest.raises(UmsrepError, match="Leave the options out"):
            call(
                *("pretrain", "--data", prepared_folder, "--out", tmp_path),
                *("--representation", runs_of("masked")),
                *("--architecture", "unet"),
            )


class TestRemarks:
    def test_a_collapse_is_said_and_recorded(
        self, prepared_folder, tmp_path, capsys, monkeypatch
    ):
        class Collapsed(objectives.Denoising):
            def representation(self, data):
                found = super().representation(data)
                for weight in found.trainable_weights:
                    weight.assign(0 * weight)
                return found

        settings = settings_of("denoising", learning_rate=1e-12)
        learn(
            Collapsed(settings),
            [prepared_folder],
            tmp_path / "run",
            progress=False,
        )
        said = capsys.readouterr().err
        assert said.count("features have collapsed") == 1
        assert "choose another objective" in said
        info = storage.read_json(tmp_path / "run" / "run.json")
        assert any("have collapsed" in words for words in info["remarks"])
        assert "features have collapsed" in render([tmp_path / "run"])

    @pytest.mark.parametrize(
        ("column", "values", "words"),
        [
            ("a_loss", [2.0, 2.0, 2.0], "2 in every epoch"),
            ("a_loss", [2.0, float("nan"), 2.0], "Lower the learning rate"),
            ("feature_spread", [0.2, 0.1, 1e-5], "same bottleneck"),
            ("feature_rank", [5.0, 2.0, 1.01], "to one direction"),
        ],
    )
    def test_what_is_said_of_a_history(self, column, values, words):
        history = {
            "epoch": [1, 2, 3],
            "a_loss": [3.0, 2.0, 1.5],
            "feature_spread": [0.1, 0.1, 0.1],
            "feature_rank": [3.0, 3.0, 3.0],
        }
        frame = pd.DataFrame({**history, column: values})
        (found,) = watching.remarks(frame, ["a"])
        assert words in found
        fine = pd.DataFrame(history)
        assert watching.remarks(fine, ["a"]) == []


def test_frozen_features_are_probed_every_fifth_epoch(
    prepared_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(watching, "PROBE_EVERY", 2)
    # Without labels learnt, and the training as it is without probes.
    construct("denoising", [prepared_folder], tmp_path / "run", epochs=3)
    history = runs.Run(tmp_path / "run").history
    dice = history["probe_blob_cell_dice"]
    assert list(dice.notna()) == [False, True, False]
    assert dice.dropna().between(0, 1).all()
    assert "blob cell dice" in render([tmp_path / "run"])
    monkeypatch.setattr(watching, "PROBE_EVERY", 100)
    construct("denoising", [prepared_folder], tmp_path / "unwatched", epochs=3)
    losses = runs.Run(tmp_path / "unwatched").history["val_denoised_loss"]
    np.testing.assert_array_equal(history["val_denoised_loss"], losses)


def test_the_documented_objective(prepared_folder, tmp_path):
    text = (ROOT / "docs" / "constructions.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    try:
        exec(example, {"__name__": "example"})  # noqa: S102
        call(
            *("pretrain", "--data", prepared_folder, "--epochs", 1),
            *("--out", tmp_path / "run", "--objective", "sharpening"),
            *("--precision", "float32", "--filters", "4,8"),
        )
    finally:
        STAGES.pop("sharpening", None)
        objectives.registry._classes.pop("sharpening", None)
    run = runs.Run(tmp_path / "run")
    assert (run.objective, run.tasks) == ("sharpening", ("sharp",))
    assert run.triplets


class TestCommandLine:
    def test_objective_by_name_and_by_its_former_one(
        self, prepared_folder, tmp_path
    ):
        common = (
            *("pretrain", "--data", prepared_folder, "--epochs", 1),
            *("--precision", "float32", "--architecture", "unet"),
            *("--argument", "width=2", "--argument", "depth=2"),
        )
        text = call(
            *(*common, "--out", tmp_path / "a", "--objective"),
            *("super_resolution", "--factors", "2,4"),
        )
        assert "downscale_4" in text
        assert "downscale_3" not in text
        call(*common, "--out", tmp_path / "b", "--objective", "pretrain")
        assert runs.Run(tmp_path / "b").objective == "denoising"

    def test_several_tasks(self, prepared_folder, tmp_path):
        text = call(
            *("pretrain", "--data", prepared_folder, "--epochs", 1),
            *("--precision", "float32", "--architecture", "unet"),
            *("--argument", "width=2", "--argument", "depth=2"),
            *("--out", tmp_path / "a", "--task", "blob", "--task", "level"),
            *("--fractions", 0.5, 0.25, 0.25),
        )
        assert "dice" in text
        config = json.loads((tmp_path / "a" / "run.json").read_text())["config"]
        assert config["task"] == ["blob", "level"]

    def test_settings_of_another_objective(self, prepared_folder, tmp_path):
        with pytest.raises(UmsrepError, match="of masked, not of denoising"):
            call(
                *("pretrain", "--data", prepared_folder, "--out", tmp_path),
                *("--mask-ratio", 0.5),
            )

    def test_denoising_with_a_run_that_removes_no_noise(
        self, runs_of, prepared_folder, tmp_path
    ):
        with pytest.raises(UmsrepError, match="without --task"):
            call(
                *("finetune", "--data", prepared_folder, "--out", tmp_path),
                *("--representation", "none"),
                *("--denoise-with", runs_of("masked")),
            )
