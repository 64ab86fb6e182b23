"""Gaze on other images, floors, and the inter-observer limit."""

import numpy as np
import pandas as pd
import pytest

from umsrep.data import gaze
from umsrep.data.dataset import Dataset
from umsrep.data.frame import Frame
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.evaluation import comparison, gaze_floors
from umsrep.evaluation import table_metrics as metrics
from umsrep.metrics import saliency
from umsrep.runs import gaze_reference
from umsrep.tasks import map as map_kind
from umsrep.tasks.map import Scorer

SIZE = (24, 32)
SPEC = TaskSpec("gaze", "map")


class Store:
    """Images on which four people look at one place each image."""

    def __init__(self, tables, size=SIZE):
        self.tables = tables
        self.size = size

    def picture(self, task, row):
        return gaze.density(self.tables[row], self.size, 2)

    def fixations(self, task, row):
        return self.tables[row]


def people(points):
    """Points as fixations of four people."""
    table = pd.DataFrame(points, columns=["x", "y"])
    table["duration_ms"] = 200.0
    table["observer"] = [str(n % 4) for n in range(len(table))]
    return table


def one_place(count, noise):
    for row in range(count):
        rng = np.random.default_rng(row)
        place = rng.uniform((4, 4), (28, 20))
        points = place + rng.normal(0, noise, (24, 2))
        yield people(np.clip(points, 0, (31.9, 23.9)))


def of(tables, size=SIZE):
    count = len(tables)
    table = pd.DataFrame(
        {
            "image": [f"images/{n}.png" for n in range(count)],
            "patient": [f"p{n}" for n in range(count)],
            "split": "test",
            "gaze": "there",
        }
    )
    return Dataset("toy", {"gaze": SPEC}, table, Store(tables, size))


def dataset(count=12, noise=1.0):
    return of(list(one_place(count, noise)))


def central(count, seed, spread=0.2, size=SIZE):
    """People look at the middle of every picture, and a bit of everywhere.

    As on OSIE, numbers of fixations differ, and each picture has a place of
    its own.
    """
    rng = np.random.default_rng(seed)
    sides = np.array(size[::-1])
    tables = []
    for _ in range(count):
        own = rng.normal(0.5, spread, 2)
        points = np.concatenate(
            [
                rng.normal(own, 0.06, (rng.integers(5, 60), 2)),
                rng.normal(0.5, spread, (rng.integers(5, 60), 2)),
                rng.uniform(0, 1, (4, 2)),
            ]
        )
        inside = ((points > 0) & (points < 1)).all(1)
        tables.append(people(points[inside] * sides))
    return of(tables, size)


def padded(one, bar):
    """The same pictures with a bar on either side."""
    height, width = one.image_size
    tables = [t.assign(x=t["x"] + bar) for t in one.store.tables]
    size = (height, width + 2 * bar)
    bars = of(tables, size)

    def picture(task, row):
        values = np.zeros(size, np.float32)
        values[:, bar:-bar] = one.store.picture(task, row)
        return values

    bars.store.picture = picture
    frame = Frame((10 * height, 10 * width), size, "pad")
    assert frame.offset == (0, bar)
    bars.table["source_frame"] = pd.Series([frame] * len(bars), dtype=object)
    return bars


@pytest.fixture(scope="module")
def reference():
    return gaze_reference.measure(dataset(), "gaze")


class TestReference:
    def test_it_is_a_distribution_without_zeros(self, reference):
        # Even where nobody of the few training pictures looked.
        for one in (reference, gaze_reference.measure(central(2, 0), "gaze")):
            assert one.centre_bias.sum() == pytest.approx(1, abs=1e-5)
            assert one.centre_bias.min() > 0

    def test_bandwidth_and_share_predict_new_pictures(self):
        # Few pictures: the mean of their maps is close to 0 where others look.
        train, test = central(6, 1), central(200, 2)
        found = gaze_reference.measure(train, "gaze")
        tables = train.store.tables
        mean = np.mean([gaze.density(t, SIZE, 1) for t in tables], axis=0)
        score = Scorer(test, "gaze", found)
        for other in (mean, np.ones(SIZE)):
            gain = [score(i, other)["information_gain"] for i in range(200)]
            assert np.mean(gain) < -0.1

    def test_the_more_pictures_the_sharper(self):
        few, many = (
            gaze_reference.measure(central(count, 3), "gaze").bandwidth
            for count in (3, 300)
        )
        assert many < few

    def test_gaze_without_a_centre_gives_none(self):
        rng = np.random.default_rng(0)
        scattered = of(
            [people(rng.uniform(0, (32, 24), (30, 2))) for _ in range(30)]
        )
        found = gaze_reference.measure(scattered, "gaze")
        np.testing.assert_allclose(
            found.centre_bias * found.centre_bias.size, 1, atol=0.35
        )
        alone = gaze_reference.measure(dataset(1), "gaze")
        np.testing.assert_allclose(
            alone.centre_bias, 1 / alone.centre_bias.size
        )

    def test_a_patient_is_left_out_whole(self):
        # Each patient looks at a place of their own, in many pictures: what
        # predicts the same patient's pictures must not be chosen.
        tables = list(one_place(4, 0.5))
        repeated = of([tables[n % 4] for n in range(40)])
        apart = gaze_reference.measure(repeated, "gaze")
        repeated.table["patient"] = [f"p{n % 4}" for n in range(40)]
        together = gaze_reference.measure(repeated, "gaze")
        assert together.bandwidth > apart.bandwidth

    def test_maps_serve_where_fixations_are_unknown(self):
        one = dataset()
        one.store.fixations = lambda task, row: None
        found = gaze_reference.measure(one, "gaze")
        assert found.centre_bias.sum() == pytest.approx(1, abs=1e-5)

    def test_round_trip(self, reference, tmp_path):
        gaze_reference.save(tmp_path, dataset(), [SPEC])
        back = gaze_reference.load(tmp_path, [SPEC])["gaze"]
        np.testing.assert_array_equal(back.centre_bias, reference.centre_bias)
        assert back.bandwidth == reference.bandwidth
        assert back.uniform == reference.uniform

    def test_a_file_of_an_earlier_version_is_of_whole_images(self, tmp_path):
        whole = gaze.density(people([[3.0, 4.0]] * 4), SIZE, 3)
        np.savez(tmp_path / "gaze-gaze.npz", centre_bias=whole, fixations=[])
        old = gaze_reference.load(tmp_path, [SPEC])["gaze"]
        frame = Frame((240, 160), SIZE, "pad")
        inside = old.inside(frame)
        assert inside.shape == frame.inner == (24, 16)
        part = whole[:, 8:24]
        np.testing.assert_allclose(inside, part / part.sum(), rtol=1e-5)

    def test_missing_file(self, tmp_path):
        with pytest.raises(UmsrepError, match="train again"):
            gaze_reference.load(tmp_path, [SPEC])


class TestPadding:
    """Bars beside pictures change nothing that is said of them."""

    @pytest.fixture
    def sets(self):
        one = central(20, 5)
        return one, padded(one, 8)

    def test_the_reference_is_the_same(self, sets):
        plain, bars = (gaze_reference.measure(one, "gaze") for one in sets)
        frame = sets[1].frame(0)
        bias = bars.on(frame)
        assert bias[:, :8].max() == bias[:, -8:].max() == 0
        assert bias.sum() == pytest.approx(1, abs=1e-5)
        inside = bars.inside(frame)
        assert saliency.cc(plain.centre_bias, inside) > 0.99

    def test_pictures_of_two_shapes_have_one_centre(self):
        # People look everywhere alike, in upright and in broad pictures: the
        # middle, which both reach, is no brighter than the rest.
        rng = np.random.default_rng(0)
        frames = [
            Frame((32, 16), (32, 32), "pad"),
            Frame((16, 32), (32, 32), "pad"),
        ]
        tables = []
        for number in range(60):
            frame = frames[number % 2]
            places = rng.uniform(0, 1, (60, 2)) * frame.inner[::-1]
            tables.append(people(places + frame.offset[::-1]))
        both = of(tables, (32, 32))
        both.table["source_frame"] = pd.Series(frames * 30, dtype=object)
        found = gaze_reference.measure(both, "gaze")
        for frame in frames:
            relative = found.inside(frame) * np.prod(frame.inner)
            np.testing.assert_allclose(relative, 1, atol=0.25)

    def test_floors_are_the_same(self, sets):
        plain, bars = (
            gaze_floors.floor_tables(
                one, "gaze", gaze_reference.measure(one, "gaze")
            )
            for one in sets
        )
        for metric in ("kld", "cc", "sim", "nss", "auc_judd"):
            np.testing.assert_allclose(
                bars["uniform"][metric], plain["uniform"][metric], atol=1e-5
            )
            np.testing.assert_allclose(
                bars["centre bias"][metric].mean(),
                plain["centre bias"][metric].mean(),
                rtol=0.05,
            )
        assert (bars["uniform"]["auc_judd"] == 0.5).all()

    def test_what_is_predicted_into_the_bars_is_cut_off(self, sets):
        one, bars = sets
        rng = np.random.default_rng(0)
        outputs = rng.random((20, *SIZE))
        wide = rng.random((20, *bars.image_size))
        wide[:, :, 8:40] = outputs
        plain = Scorer(one, "gaze", None)
        cut = Scorer(bars, "gaze", None)
        for n in range(20):
            expected, found = plain(n, outputs[n]), cut(n, wide[n])
            assert {"kld", "nss", "auc_judd", "shuffled_auc"} <= set(found)
            for metric, value in expected.items():
                assert found[metric] == pytest.approx(value, abs=1e-5)

    def test_halves_of_observers_do_not_reach_into_them(self, sets):
        one, bars = sets
        reference = gaze_reference.measure(bars, "gaze")
        halves = gaze_floors.Halves(bars, "gaze", reference, 2)
        for item in halves.items:
            for values in item.maps:
                assert values[:, :8].max() == values[:, -8:].max() == 0
                assert values.sum() == pytest.approx(1, abs=1e-5)
        plain = gaze_floors.Halves(one, "gaze", reference, 2)
        np.testing.assert_allclose(
            halves.items[0].maps[0][:, 8:40], plain.items[0].maps[0], atol=1e-6
        )


class TestShuffled:
    def test_whatever_is_the_same_for_all_pictures_is_chance(self):
        # Tatler et al. (2005): that is what the negatives are for. Exactly so
        # where all pictures have as many fixations, since A against B and B
        # against A add up to 1.
        rng = np.random.default_rng(0)
        equal = of(
            [
                people(rng.normal((20, 8), 3, (9, 2)) % (32, 24))
                for _ in "abcdef"
            ]
        )
        score = Scorer(equal, "gaze", None)
        fixed = rng.random(SIZE)
        found = [score(n, fixed)["shuffled_auc"] for n in range(6)]
        assert np.mean(found) == pytest.approx(0.5, abs=1e-12)

    @pytest.mark.parametrize("seed", range(3))
    def test_the_centre_bias_of_training_pictures_is_chance(self, seed):
        train, test = central(60, [seed, 0]), central(120, [seed, 1])
        reference = gaze_reference.measure(train, "gaze")
        table = gaze_floors.floor_tables(test, "gaze", reference)
        centre = table["centre bias"]
        assert centre["shuffled_auc"].mean() == pytest.approx(0.5, abs=0.02)
        assert centre["auc_judd"].mean() > 0.7

    def test_negatives_are_of_other_pictures(self):
        # Pictures 0 and 1 are copies: only 2 is another picture.
        tables = [people([[x, 4.0]] * 4) for x in (2.0, 2.0, 20.0)]
        one = of(tables)
        values = np.zeros(SIZE)
        values[4, 2] = 1
        both = Scorer(one, "gaze", None)(0, values)["shuffled_auc"]
        assert both == 0.75
        one.table["copies"] = ["same", "same", ""]
        alone = Scorer(one, "gaze", None)(0, values)["shuffled_auc"]
        assert alone == 1

    def test_a_single_picture_has_no_negatives(self):
        found = Scorer(dataset(1), "gaze", None)(0, np.ones(SIZE))
        assert "shuffled_auc" not in found
        assert found["auc_judd"] == 0.5

    def test_many_are_thinned(self, monkeypatch):
        monkeypatch.setattr(map_kind, "MOST_FIXATIONS", 50)
        score = Scorer(dataset(), "gaze", None)
        assert len(score._places) == 50

    def test_pictures_of_another_shape_share_relative_places(self):
        # A fixation at the right border lies there in a narrow picture, too.
        one = of([people([[31.0, 12.0]] * 4), people([[19.0, 12.0]] * 4)])
        narrow = Frame((24, 8), SIZE, "pad")
        one.table["source_frame"] = pd.Series(["", narrow], dtype=object)
        values = np.zeros(SIZE)
        values[12, 19] = 1
        assert Scorer(one, "gaze", None)(1, values)["shuffled_auc"] == 0.5


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
        people = halves.of_observers(halves.best()).mean()
        floors = gaze_floors.floor_tables(one, "gaze", reference)
        centre = floors["centre bias"].mean()
        for metric in ("cc", "nss", "information_gain", "auc_judd"):
            assert people[metric] > centre[metric]
        assert people["cc"] > 0.9

    def test_people_who_scatter_have_a_low_limit(self, reference):
        close = gaze_floors.Halves(dataset(), "gaze", reference, 2)
        far = gaze_floors.Halves(dataset(noise=8), "gaze", reference, 2)
        how = gaze_floors.Prediction(1.0, 0.9)
        assert (
            far.of_observers(how)["cc"].mean()
            < close.of_observers(how)["cc"].mean() - 0.2
        )
        # What predicts best is wider where people agree less.
        assert far.best().width > close.best().width

    def test_the_prediction_chosen_gains_most(self, reference):
        halves = gaze_floors.Halves(dataset(), "gaze", reference, 2)
        best = halves.best()

        def gain(width, share):
            how = gaze_floors.Prediction(width, share)
            return halves.of_observers(how)["information_gain"].mean()

        others = [
            gain(width, share)
            for width in (1.0, 2.0, 2.8)
            for share in (0.3, 0.7, 0.95)
        ]
        assert gain(*best) >= max(others)

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
