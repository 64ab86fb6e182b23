"""Gaze on other images, floors, and the inter-observer limit."""

import numpy as np
import pandas as pd
import pytest

from umsrep.data import gaze
from umsrep.data.dataset import Dataset
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import comparison, gaze_floors
from umsrep.evaluation import table_metrics as metrics
from umsrep.runs import gaze_reference

SIZE = (24, 32)
SPEC = TaskSpec("gaze", "map")


class Store:
    """Images on which four people look at one place each image."""

    size = SIZE

    def __init__(self, count, noise):
        self.tables = []
        for row in range(count):
            rng = np.random.default_rng(row)
            place = rng.uniform((4, 4), (28, 20))
            points = place + rng.normal(0, noise, (24, 2))
            points = np.clip(points, 0, (31.9, 23.9))
            table = pd.DataFrame(points, columns=["x", "y"])
            table["duration_ms"] = 200.0
            table["observer"] = [str(n % 4) for n in range(24)]
            self.tables.append(table)

    def picture(self, task, row):
        return gaze.density(self.tables[row], SIZE, 2)

    def fixations(self, task, row):
        return self.tables[row]


def dataset(count=12, noise=1.0):
    table = pd.DataFrame(
        {
            "image": [f"images/{n}.png" for n in range(count)],
            "patient": [f"p{n}" for n in range(count)],
            "split": "test",
            "gaze": "there",
        }
    )
    return Dataset("toy", {"gaze": SPEC}, table, Store(count, noise))


@pytest.fixture(scope="module")
def reference():
    return gaze_reference.measure(dataset(), "gaze")


class TestReference:
    def test_centre_bias_is_the_mean_map(self, reference):
        one = dataset()
        mean = np.mean([one.map("gaze", i) for i in range(12)], axis=0)
        np.testing.assert_allclose(reference.centre_bias, mean, atol=1e-6)
        assert reference.fixations.shape == (12 * 24, 2)

    def test_round_trip(self, reference, tmp_path):
        gaze_reference.save(tmp_path, dataset(), [SPEC])
        back = gaze_reference.load(tmp_path, [SPEC])["gaze"]
        np.testing.assert_array_equal(back.centre_bias, reference.centre_bias)
        np.testing.assert_array_equal(back.fixations, reference.fixations)

    def test_missing_file(self, tmp_path):
        with pytest.raises(UmsrepError, match="train again"):
            gaze_reference.load(tmp_path, [SPEC])

    def test_many_fixations_are_thinned(self, monkeypatch):
        monkeypatch.setattr(gaze_reference, "MOST_FIXATIONS", 50)
        assert len(gaze_reference.measure(dataset(), "gaze").fixations) == 50


class TestFloors:
    def test_centre_bias_gains_nothing_over_itself(self, reference):
        floors = gaze_floors.floor_tables(dataset(), "gaze", reference)
        gain = floors["centre bias"]["information_gain"]
        np.testing.assert_allclose(gain, 0, atol=1e-6)
        uniform = floors["uniform"]
        assert (uniform["nss"] == 0).all()
        assert (uniform["auc_judd"] == 0.5).all()
        assert uniform["information_gain"].mean() < 0

    def test_people_who_agree_beat_every_floor(self, reference):
        one = dataset()
        halves = gaze_floors.Halves(one, "gaze", reference, 2)
        share = halves.best_share()
        people = halves.of_observers(share).mean()
        floors = gaze_floors.floor_tables(one, "gaze", reference)
        centre = floors["centre bias"].mean()
        for metric in ("cc", "nss", "information_gain", "auc_judd"):
            assert people[metric] > centre[metric]
        assert people["cc"] > 0.9

    def test_people_who_scatter_have_a_low_limit(self, reference):
        close = gaze_floors.Halves(dataset(), "gaze", reference, 2)
        far = gaze_floors.Halves(dataset(noise=8), "gaze", reference, 2)
        assert (
            far.of_observers(0.9)["cc"].mean()
            < close.of_observers(0.9)["cc"].mean() - 0.2
        )
        assert far.best_share() < close.best_share()

    def test_a_model_that_knows_all_is_at_the_targets(self, reference):
        one = dataset()
        halves = gaze_floors.Halves(one, "gaze", reference, 2)
        outputs = np.stack([one.map("gaze", i) for i in range(12)])
        assert halves.of_model(outputs)["cc"].mean() > 0.9
        wrong = halves.of_model(outputs[::-1])
        assert wrong["cc"].mean() < 0.5

    def test_halves_share_nobody_and_lose_nobody(self):
        table = dataset().fixations("gaze", 0)
        first, second = gaze_floors.halves(table)
        assert set(first["observer"]) == {"0", "2"}
        assert set(second["observer"]) == {"1", "3"}
        assert len(first) + len(second) == len(table)

    def test_nobody_looks_at_the_padding(self, reference):
        one = dataset()
        whole = one.store.picture

        def padded(task, row):
            values = whole(task, row).copy()
            values[:, :6] = 0
            return values

        one.store.picture = padded
        halves = gaze_floors.Halves(one, "gaze", reference, 2)
        for _, _, maps in halves.items:
            for values in maps:
                assert values[:, :6].max() == 0
                assert values.sum() == pytest.approx(1, abs=1e-5)

    def test_one_observer_has_no_limit(self, reference):
        one = dataset()
        for table in one.store.tables:
            table["observer"] = "a"
        with pytest.raises(UmsrepError, match="Leave it out"):
            gaze_floors.Halves(one, "gaze", reference, 2)


def table(shift=0.0, missing=()):
    """Per-image values of a map task; some images without fixations."""
    rng = np.random.default_rng(0)
    cc = np.clip(rng.uniform(0.3, 0.7, 30) + shift, -1, 1)
    frame = pd.DataFrame(
        {
            "image": [f"images/{n}.png" for n in range(30)],
            "patient": [f"p{n}" for n in range(30)],
            "split": "test",
            "gaze_kld": 1 - cc,
            "gaze_cc": cc,
            "gaze_sim": cc / 2 + 0.3,
            "gaze_nss": 2 * cc,
        }
    )
    frame.loc[list(missing), "gaze_nss"] = np.nan
    return frame


class TestTables:
    def test_means_over_images_that_have_the_value(self):
        found = metrics.task_metrics(table(missing=range(10)), SPEC)
        whole = table()
        assert found["cc"] == pytest.approx(whole["gaze_cc"].mean())
        assert found["nss"] == pytest.approx(whole["gaze_nss"][10:].mean())
        assert "information_gain" not in found

    def test_intervals_contain_the_mean(self):
        entry = metrics.all_metrics(table(missing=[3]), [SPEC])["gaze"]
        for name in ("kld", "cc", "sim", "nss"):
            low, high = entry[f"{name}_ci95"]
            assert low < entry[name] < high

    def test_lower_kld_is_better(self):
        tests = comparison.compare(table(0.1), table(), [SPEC])
        by = {test.metric: test for test in tests}
        assert set(by) == {"mean KLD", "mean CC", "mean NSS"}
        assert by["mean KLD"].difference == pytest.approx(-0.1)
        for test in by.values():
            assert test.a_better == 30
            assert test.p < 1e-4
