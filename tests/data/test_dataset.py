import numpy as np
import pandas as pd
import pytest

from umsrep import data
from umsrep.data.batches import ahead
from umsrep.data.splitting import split_patients
from umsrep.errors import UmsrepError

TASKS = {"level": data.TaskSpec("level", "label", ("low", "high"))}


def table(patients=60, images=2, split=""):
    rng = np.random.default_rng(0)
    rows = []
    for patient in range(patients):
        label = rng.choice(["low", "low", "low", "high", ""])
        for image in range(images):
            rows.append((f"{patient}-{image}", f"p{patient}", split, label))
    return pd.DataFrame(rows, columns=["image", "patient", "split", "level"])


class TestSplit:
    def test_no_patient_on_two_sides(self):
        frame = table()
        names = split_patients(frame, TASKS, (0.7, 0.1, 0.2), 0)
        sides = frame.assign(side=names).groupby("patient")["side"].nunique()
        assert (sides == 1).all()

    @pytest.mark.parametrize("seed", range(5))
    def test_shares_and_strata(self, seed):
        frame = table(400, 1)
        names = split_patients(frame, TASKS, (0.7, 0.1, 0.2), seed)
        for label in ("low", "high"):
            of_label = names[(frame["level"] == label).to_numpy()]
            share = pd.Series(of_label).value_counts(normalize=True)
            assert share["train"] == pytest.approx(0.7, abs=0.02)
            assert share["test"] == pytest.approx(0.2, abs=0.02)

    def test_same_seed_same_split_in_any_row_order(self):
        frame = table()
        mixed = frame.sample(frac=1, random_state=3)
        one = split_patients(frame, TASKS, (0.7, 0.1, 0.2), 5)
        two = split_patients(mixed, TASKS, (0.7, 0.1, 0.2), 5)
        assert dict(zip(frame["image"], one, strict=True)) == dict(
            zip(mixed["image"], two, strict=True)
        )
        other = split_patients(frame, TASKS, (0.7, 0.1, 0.2), 6)
        assert (one != other).any()

    def test_a_share_of_zero_gets_nobody(self):
        names = split_patients(table(), TASKS, (0.9, 0.1, 0.0), 1)
        assert set(names) == {"train", "validation"}
        names = split_patients(table(), TASKS, (0.9, 0.0, 0.1), 1)
        assert set(names) == {"train", "test"}

    def test_the_official_test_set_may_be_extended(self):
        frame = pd.concat(
            [
                table(50),
                table(20, split="test").assign(
                    patient=lambda t: "other" + t["patient"],
                    image=lambda t: "other" + t["image"],
                ),
            ],
            ignore_index=True,
        )
        names = split_patients(
            frame, TASKS, (0.6, 0.1, 0.3), 0, extend_test=True
        )
        official = (frame["split"] == "test").to_numpy()
        assert (names[official] == "test").all()
        share = (names[~official] == "test").mean()
        assert share == pytest.approx(0.3, abs=0.03)
        sides = frame.assign(side=names).groupby("patient")["side"]
        assert (sides.nunique() == 1).all()

    def test_the_official_test_set_stays(self):
        frame = pd.concat(
            [
                table(50, split="train"),
                table(20, split="test").assign(
                    patient=lambda t: "t" + t["patient"]
                ),
            ]
        ).reset_index(drop=True)
        names = split_patients(frame, TASKS, (0.7, 0.1, 0.2), 0)
        official = (frame["split"] == "test").to_numpy()
        assert (names[official] == "test").all()
        share = (names[~official] == "train").mean()
        assert share == pytest.approx(0.9, abs=0.05)
        assert "test" not in names[~official]

    @pytest.mark.parametrize("others", ["", "validation"])
    def test_nobody_declared_train_is_tested_on(self, others):
        frame = table(60)
        declared = (frame["patient"].str[1:].astype(int) < 30).to_numpy()
        frame["split"] = np.where(declared, "train", others)
        for seed in range(3):
            names = split_patients(frame, TASKS, (0.6, 0.2, 0.2), seed)
            assert "test" not in names[declared]
            share = (names[declared] == "validation").mean()
            # Somebody must validate where nobody is declared to.
            expected = 0 if others else 0.2
            assert share == pytest.approx(expected, abs=0.08)
            assert ("test" in names[~declared]) == (others == "")

    def test_images_without_a_side_follow_their_patient(self):
        frame = table(60)
        frame.loc[0, "split"] = "test"
        frame.loc[2, "split"] = "train"
        for seed in range(3):
            names = split_patients(frame, TASKS, (0.4, 0.3, 0.3), seed)
            assert list(names[:2]) == ["test", "test"]
            assert names[2] == names[3] != "test"

    def test_patient_on_both_sides_of_the_manifest(self):
        frame = table(4)
        frame.loc[:1, "split"] = ["test", "train"]
        with pytest.raises(UmsrepError, match="umsrep verify"):
            split_patients(frame, TASKS, (0.7, 0.1, 0.2), 0)

    @pytest.mark.parametrize(
        "bad", [(0.5, 0.5), (0.9, 0.2, 0.1), (1.2, -0.2, 0)]
    )
    def test_bad_fractions(self, bad):
        with pytest.raises(UmsrepError, match="sum to 1"):
            split_patients(table(), TASKS, bad, 0)


class TestDataset:
    def test_reads_what_was_prepared(self, dataset):
        assert len(dataset) == 40
        assert dataset.images.shape == (40, 32, 32, 1)
        assert dataset.images.dtype == np.uint8
        labels = dataset.labels("level")
        assert (labels == -1).sum() == 4
        assert set(np.unique(dataset.mask("blob", 0))) == {0, 1}
        assert dataset.mask("blob", 39) is None

    def test_subset_keeps_pictures_with_their_rows(self, dataset):
        few = dataset.subset([7, 3])
        assert few.table["image"].tolist() == [
            dataset.table["image"][7],
            dataset.table["image"][3],
        ]
        np.testing.assert_array_equal(few.image(1), dataset.image(3))
        twice = few.subset([1])
        np.testing.assert_array_equal(twice.image(0), dataset.image(3))

    def test_concatenate_keeps_pictures_and_patients_apart(
        self, dataset, other_folder
    ):
        other = data.load(other_folder)
        both = data.concatenate([dataset.subset([5, 6]), other])
        np.testing.assert_array_equal(both.image(1), dataset.image(6))
        np.testing.assert_array_equal(both.image(2), other.image(0))
        assert both.table["patient"].str.contains("/").all()

    def test_splitting_by_image_is_refused(self, dataset):
        with pytest.raises(UmsrepError, match="by='patient'"):
            dataset.split(by="image")

    def test_unknown_label(self, dataset):
        broken = dataset.subset(np.arange(len(dataset)))
        broken.table.loc[0, "level"] = "medium"
        with pytest.raises(
            UmsrepError, match="label 'medium', expected one of low, high"
        ):
            broken.labels("level")

    def test_one_class_only(self, dataset):
        low = dataset.subset(dataset.labels("level") == 0)
        with pytest.raises(UmsrepError, match="at least two classes"):
            low.require(["level"], "training")

    def test_no_label_at_all(self, dataset):
        bare = dataset.subset(~dataset.labelled("blob"))
        with pytest.raises(UmsrepError, match="leave the task out"):
            bare.require(["blob"], "training")

    def test_half_prepared_folder(self, tmp_path, prepared_folder):
        import shutil

        broken = tmp_path / "broken"
        shutil.copytree(prepared_folder, broken)
        (broken / "dataset.json").unlink()
        with pytest.raises(UmsrepError, match="umsrep prepare"):
            data.load(broken)

    def test_picture_that_is_gone(self, tmp_path, prepared_folder):
        import shutil

        broken = tmp_path / "broken"
        shutil.copytree(prepared_folder, broken)
        (broken / "images" / "003.png").unlink()
        with pytest.raises(UmsrepError, match="umsrep verify"):
            data.load(broken).images  # noqa: B018


class TestBatches:
    def test_an_epoch_holds_every_image_once(self, dataset):
        batches = dataset.batches(8, shuffle=True)
        seen = np.concatenate([x for x, _, _ in ahead(batches)])
        assert len(np.unique(seen.reshape(40, -1), axis=0)) == 40

    def test_weights_mark_missing_labels(self, dataset):
        x, y, w = dataset.batches(40)[0]
        np.testing.assert_array_equal(w["blob"], dataset.labelled("blob"))
        np.testing.assert_array_equal(
            y["level"][w["level"] > 0],
            dataset.labels("level")[w["level"] > 0],
        )
        assert x.dtype == np.float32
        assert x.max() > 1

    def test_epochs_differ_and_repeat(self, dataset):
        def noisy(epoch):
            batches = dataset.batches(
                8,
                shuffle=True,
                seed=4,
                corruption=data.GaussianNoise(20.0),
                augmentation=data.Augmentation.chest(),
            )
            batches.set_epoch(epoch)
            return batches[1][0]

        np.testing.assert_array_equal(noisy(2), noisy(2))
        assert np.abs(noisy(2) - noisy(3)).max() > 1

    def test_corruption_spares_the_target(self, dataset):
        batches = dataset.batches(40, corruption=data.GaussianNoise(30.0))
        x, y, _ = batches[0]
        clean = dataset.images.astype(np.float32) / 255
        np.testing.assert_allclose(y["denoised"], clean, atol=1e-6)
        assert np.std(x / 255 - clean) > 0.05

    def test_masks_move_with_the_image_and_stay_binary(self, dataset):
        batches = dataset.subset(np.arange(20)).batches(
            20, augmentation=data.Augmentation.chest(), tasks=["blob"]
        )
        x, y, _ = batches[0]
        assert set(np.unique(y["blob"])) == {0.0, 1.0}
        inside = [
            image[mask > 0].mean() - image[mask == 0].mean()
            for image, mask in zip(x[..., 0], y["blob"][..., 0], strict=True)
        ]
        assert min(inside) > 10

    def test_three_channels_are_equal(self, dataset):
        x, _, _ = dataset.batches(4, channels=3)[0]
        np.testing.assert_array_equal(x[..., 0], x[..., 2])

    def test_ahead_keeps_order_and_raises(self):
        class Numbers:
            def __len__(self):
                return 9

            def __getitem__(self, i):
                if i == 7:
                    raise UmsrepError("seven; expected none; leave it out")
                return i

        stream = ahead(Numbers(), workers=3)
        assert [next(stream) for _ in range(7)] == list(range(7))
        with pytest.raises(UmsrepError, match="leave it out"):
            next(stream)
