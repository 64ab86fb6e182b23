import cv2
import linear_classifier
import numpy as np
import pytest
from tensors import array

from umsrep import evaluation
from umsrep.derived import CAM
from umsrep.errors import UmsrepError
from umsrep.evaluation.faithfulness import perturbation_curves

SQUARE = (slice(None), *linear_classifier.SQUARE)


@pytest.fixture
def model():
    return linear_classifier.model(gain=40.0)


@pytest.fixture
def x():
    return linear_classifier.images()


def curves(model, x, maps, **options):
    return perturbation_curves(
        model, "finding", x, maps, np.ones(len(x), int), **options
    )


def true_map(x):
    made = np.zeros(x.shape[:3])
    made[SQUARE] = 1
    return made


@pytest.mark.parametrize("baseline", [0, "blur"])
def test_the_true_map_beats_random_and_its_inverse(model, x, baseline):
    made = true_map(x)
    if baseline == "blur":
        # What each pixel is worth: how far blurring dims it.
        blurred = [cv2.GaussianBlur(one, (0, 0), 32 * 5 / 224) for one in x]
        made *= x[..., 0] - np.stack(blurred)
    areas = {
        name: curves(model, x, one, baseline=baseline, steps=64).areas()
        for name, one in (
            ("true", made),
            ("random", 0 * made),
            ("inverse", -made),
        )
    }
    for image in range(len(x)):
        deletion, insertion = (
            [areas[name][way][image] for name in ("true", "random", "inverse")]
            for way in ("deletion", "insertion")
        )
        assert deletion == sorted(deletion)
        assert insertion == sorted(insertion, reverse=True)
        assert deletion[0] < deletion[2] - 1e-3
        assert insertion[0] > insertion[2] + 1e-3


def test_a_constant_map_is_the_random_order(model, x):
    one = curves(model, x, np.full(x.shape[:3], 0.7))
    two = curves(model, x, np.zeros(x.shape[:3]))
    np.testing.assert_array_equal(one.deletion, two.deletion)
    np.testing.assert_array_equal(one.insertion, two.insertion)
    other = curves(model, x, np.zeros(x.shape[:3]), seed=1)
    assert (one.deletion != other.deletion).any()
    # A map without ties leaves nothing to the seed.
    maps = np.random.default_rng(0).random(x.shape[:3])
    np.testing.assert_array_equal(
        curves(model, x, maps).deletion,
        curves(model, x, maps, seed=1).deletion,
    )


@pytest.mark.parametrize("baseline", [0, 200, "blur"])
def test_both_ends_are_the_image_and_the_baseline(model, x, baseline):
    found = curves(model, x, true_map(x), baseline=baseline, steps=7)
    image = array(model(x)["finding"])[:, 1]
    for at, curve in ((0, found.deletion), (-1, found.insertion)):
        np.testing.assert_allclose(curve[:, at], image, atol=1e-6)
    np.testing.assert_allclose(
        found.deletion[:, -1], found.insertion[:, 0], atol=1e-6
    )
    if baseline != "blur":
        empty = array(model(np.full_like(x, baseline))["finding"])[:, 1]
        np.testing.assert_allclose(found.deletion[:, -1], empty, atol=1e-6)
    assert found.shares[0] == 0
    assert found.shares[-1] == 1
    assert found.deletion.shape == (4, 8)


def test_pixels_outside_the_square_change_nothing(model, x):
    # The square is 64 of 1024 pixels: after one of 16 steps all is said.
    found = curves(model, x, true_map(x), baseline=0, steps=16)
    np.testing.assert_allclose(
        found.deletion[:, 1:], found.deletion[:, [-1]].repeat(16, 1), atol=1e-6
    )
    np.testing.assert_allclose(
        found.insertion[:, 1:], found.insertion[:, [-1]].repeat(16, 1), 1e-5
    )
    want = (found.deletion[:, 0] - found.deletion[:, 1]) / 32
    np.testing.assert_allclose(
        found.areas()["deletion"], found.deletion[:, -1] + want, rtol=1e-4
    )


def test_padding_never_changes(model, x):
    # The picture is the square: every step changes it, in whatever order.
    outside = np.full(x.shape[:3], -np.inf)
    made = np.where(true_map(x) > 0, np.random.default_rng(0).random(), outside)
    part = curves(model, x, made, baseline=0, steps=8)
    assert (np.diff(part.deletion) < 0).all()
    assert (np.diff(part.insertion) > 0).all()
    whole = curves(model, x, true_map(x), baseline=0, steps=8)
    # In the end the network sees the same.
    for name in ("deletion", "insertion"):
        ends = [getattr(one, name)[:, -1] for one in (part, whole)]
        np.testing.assert_allclose(*ends, atol=1e-5)


def test_one_image_at_a_time_gives_the_same(model, x):
    maps = CAM("finding")(model, x)
    whole = curves(model, x, maps)
    for i in range(len(x)):
        one = curves(model, x[[i]], maps[[i]], numbers=[i])
        np.testing.assert_allclose(one.deletion[0], whole.deletion[i], 1e-5)


def test_default_class_is_the_winning_one(model, x):
    maps = true_map(x)
    default = perturbation_curves(model, "finding", x, maps)
    np.testing.assert_array_equal(
        default.deletion, curves(model, x, maps).deletion
    )


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"baseline": "zero"}, "or a grey level"),
        ({"baseline": 256}, "or a grey level"),
        ({"steps": 0}, "from 1 to the number of"),
        ({"steps": 1025}, "from 1 to the number of"),
    ],
)
def test_bad_options(model, x, options, advice):
    with pytest.raises(UmsrepError, match=advice):
        curves(model, x, true_map(x), **options)


def test_bad_maps(model, x):
    with pytest.raises(UmsrepError, match="Explainer.enlarge"):
        curves(model, x, np.zeros((4, 8, 8)))
    with pytest.raises(UmsrepError, match="have no order"):
        curves(model, x, np.full(x.shape[:3], np.nan))


class TestTable:
    @pytest.fixture
    def table(self, dataset):
        model = linear_classifier.model(gain=40.0, name="level")
        return evaluation.faithfulness_table(
            model, dataset, CAM("level"), steps=16, baseline=0
        )

    def test_has_a_row_per_image_with_its_areas(self, table, dataset):
        assert table["image"].tolist() == dataset.table["image"].tolist()
        assert table["class"].tolist() == dataset.table["level"].tolist()
        model = linear_classifier.model(gain=40.0, name="level")
        x = dataset.images.astype("float32")
        maps = CAM("level")(model, x)
        areas = perturbation_curves(
            model, "level", x, maps, steps=16, baseline=0
        ).areas()
        for name, values in areas.items():
            np.testing.assert_allclose(table[name], values, rtol=1e-4)
        control = perturbation_curves(
            *(model, "level", x, 0 * maps), steps=16, baseline=0
        ).areas()
        np.testing.assert_allclose(
            table["deletion_random"], control["deletion"], rtol=1e-4
        )

    def test_summary(self, table):
        summary = evaluation.faithfulness_summary(table, resamples=200)
        rows = summary.set_index(["class", "metric"])
        assert rows.loc[("all", "deletion"), "value"] == pytest.approx(
            table["deletion"].mean()
        )
        gain = (table["deletion_random"] - table["deletion"]).mean()
        assert rows.loc[("all", "deletion_gain"), "value"] == pytest.approx(
            gain
        )
        low = table[table["class"] == "low"]["insertion"]
        assert rows.loc[("low", "insertion"), "images"] == len(low)

    def test_true_class_needs_labels(self, dataset):
        model = linear_classifier.model(name="level")
        table = evaluation.faithfulness_table(
            model, dataset, CAM("level"), explain="true", steps=2
        )
        assert len(table) == dataset.labelled("level").sum()
        assert (table["class"] == table["explained"]).all()
        unlabelled = dataset.subset(~dataset.labelled("level"))
        with pytest.raises(UmsrepError, match="Pass explain='predicted'"):
            evaluation.faithfulness_table(
                model, unlabelled, CAM("level"), explain="true"
            )
        with pytest.raises(UmsrepError, match="choose 'predicted' or 'true'"):
            evaluation.faithfulness_table(
                model, dataset, CAM("level"), explain="both"
            )
