import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import distance
from sklearn import metrics as sk

from umsrep.errors import UmsrepError
from umsrep.metrics import segmentation as seg

EMPTY = np.zeros((30, 40), bool)


def blob(seed, shape=(30, 40)):
    noise = np.random.default_rng([seed]).normal(size=shape)
    return ndimage.gaussian_filter(noise, 3) > 0


def square(top, left, side=10):
    mask = EMPTY.copy()
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.mark.parametrize("seed", range(4))
def test_equal_scikit_learn_on_pixels(seed):
    true, predicted = blob(seed), blob(seed + 10)
    flat = true.ravel(), predicted.ravel()
    assert seg.dice(true, predicted) == pytest.approx(sk.f1_score(*flat))
    assert seg.iou(true, predicted) == pytest.approx(sk.jaccard_score(*flat))
    assert seg.dice_mean(true, predicted) == pytest.approx(
        sk.f1_score(*flat, average="macro")
    )
    assert seg.iou_mean(true, predicted) == pytest.approx(
        sk.jaccard_score(*flat, average="macro")
    )
    assert seg.pixel_accuracy(true, predicted) == pytest.approx(
        sk.accuracy_score(*flat)
    )


@pytest.mark.parametrize("seed", range(4))
def test_dice_and_iou_agree(seed):
    true, predicted = blob(seed), blob(seed + 10)
    iou = seg.iou(true, predicted)
    assert seg.dice(true, predicted) == pytest.approx(2 * iou / (1 + iou))
    assert 0 < iou < seg.dice(true, predicted) < 1


@pytest.mark.parametrize("seed", range(3))
def test_surface_distances_by_brute_force(seed):
    true, predicted = blob(seed), blob(seed + 10)

    def edge(mask):
        padded = np.pad(mask, 1)
        inner = (
            padded[:-2, 1:-1]
            & padded[2:, 1:-1]
            & padded[1:-1, :-2]
            & padded[1:-1, 2:]
        )
        return np.argwhere(mask & ~inner)

    far = distance.cdist(edge(true), edge(predicted))
    there, back = far.min(1), far.min(0)
    assert seg.hausdorff95(true, predicted) == pytest.approx(
        max(np.percentile(there, 95), np.percentile(back, 95))
    )
    assert seg.assd(true, predicted) == pytest.approx(
        np.concatenate([there, back]).mean()
    )


def test_distances_are_in_pixels_and_symmetric():
    a, b = square(5, 5), square(5, 8)
    assert seg.hausdorff95(a, b) == 3
    assert seg.hausdorff95(a, a) == seg.assd(a, a) == 0
    assert seg.assd(a, b) == seg.assd(b, a) > 0


def test_one_stray_pixel_does_not_decide():
    mask = square(5, 5, 20)
    stray = mask.copy()
    stray[29, 39] = True
    assert seg.hausdorff95(mask, stray) == 0


def test_both_empty_is_perfect():
    assert seg.mask_metrics(EMPTY, EMPTY) == {
        "dice": 1,
        "iou": 1,
        "dice_mean": 1,
        "iou_mean": 1,
        "accuracy": 1,
        "hausdorff95": 0,
    }
    assert seg.dice_mean(~EMPTY, ~EMPTY) == 1


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_is_the_worst_there_is(swap):
    pair = (EMPTY, square(5, 5))[:: -1 if swap else 1]
    values = seg.mask_metrics(*pair)
    assert values["dice"] == values["iou"] == 0
    assert values["hausdorff95"] == seg.assd(*pair) == 50  # 3-4-5 times 10
    # The background is still scored for what it is.
    assert values["accuracy"] == 11 / 12
    assert values["dice_mean"] == pytest.approx(2200 / 2300 / 2)


def test_the_usual_encodings_are_one():
    true, predicted = blob(0), blob(1)
    expected = seg.mask_metrics(true, predicted)
    assert (
        seg.mask_metrics(true[..., None] * np.uint8(255), predicted * 1.0)
        == expected
    )


@pytest.mark.parametrize(
    ("predicted", "advice"),
    [
        (EMPTY[:, :20], "nearest neighbour"),
        (np.full(EMPTY.shape, 0.4), "Threshold probabilities"),
        (np.full(EMPTY.shape, 128, np.uint8), "0 and 255"),
        (np.full(EMPTY.shape, np.nan), "Threshold probabilities"),
        (np.zeros((2, 30, 40), bool), "one image at a time"),
    ],
)
def test_bad_input(predicted, advice):
    with pytest.raises(UmsrepError, match=advice):
        seg.dice(EMPTY, predicted)


def test_distances_of_a_resized_mask_are_those_of_the_image():
    rng = np.random.default_rng([9])
    a, b = (rng.random((12, 12)) < 0.4 for _ in range(2))
    # Twice the rows, thrice the columns.
    larger = [np.kron(m, np.ones((2, 3))) > 0 for m in (a, b)]
    own = seg.hausdorff95(*larger, (0.5, 0.5))
    resized = seg.hausdorff95(a, b, (1.0, 1.5))
    assert resized == pytest.approx(own, abs=1.5)
    assert resized == pytest.approx(by_all_pairs(a, b, (1.0, 1.5)))


def by_all_pairs(true, predicted, spacing):
    """The same from distances of all pairs of border pixels."""
    points = [
        np.argwhere(m & ~ndimage.binary_erosion(m)) * spacing
        for m in (true, predicted)
    ]
    between = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1)
    return max(np.percentile(between.min(axis), 95) for axis in (0, 1))
