"""What scanners and hospitals differ in, drawn at random."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from umsrep.data import Augmentation, ScannerAugmentation, simulated_shifts
from umsrep.data.marks import WORDS, draw_mark, paint_mark
from umsrep.data.scanner_augmentation import KNOTS, PARTS, SHARES, describe
from umsrep.errors import UmsrepError

SIZE = 128
NOTHING = {"marks": [], **dict.fromkeys(PARTS)}
OFTEN = {"marks": 1.0, "probability": 1.0}


def generator(*seed):
    return np.random.default_rng([11, *seed])


def picture(low=30, high=210, seed=0):
    """Smooth structures with a fine grain, uint8."""
    coarse = generator(seed).normal(size=(12, 12)).astype(np.float32)
    image = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    image += generator(seed, 1).normal(0, 0.05, image.shape)
    image = (image - image.min()) / np.ptp(image)
    return (low + image * (high - low)).round().astype(np.uint8)


def changed(image, **parameters):
    return ScannerAugmentation().apply(image, {**NOTHING, **parameters})


@pytest.fixture
def references():
    return [describe(picture(low, low + 90)) for low in (0, 60, 120)]


def test_replays_exactly_after_json(references):
    augmentation = ScannerAugmentation(references=references, **OFTEN)
    seen = set()
    for index in range(20):
        drawn = augmentation.draw(generator(index))
        assert not [name for name in PARTS if drawn[name] is None]
        stored = json.loads(json.dumps(drawn))
        assert stored == drawn
        image = picture()
        one, two = (augmentation.apply(image, d) for d in (drawn, stored))
        np.testing.assert_array_equal(one, two)
        assert one.dtype == np.float32
        assert one.shape == image.shape
        assert 0 <= one.min() <= one.max() <= 255
        seen.add(one.tobytes())
        np.testing.assert_array_equal(image, picture())
    assert len(seen) == 20


def test_round_trip_of_config(references):
    augmentation = replace(
        Augmentation.of("scanner", 0.7),
        scanner=ScannerAugmentation(references=references),
    )
    config = json.loads(json.dumps(augmentation.get_config()))
    again = Augmentation.from_config(config)
    assert again == augmentation
    assert again.draw(generator(2)) == augmentation.draw(generator(2))


def test_the_other_kinds_draw_what_they_drew():
    scanner = Augmentation.of("scanner")
    for index in range(20):
        usual = Augmentation.chest().draw(generator(index))
        drawn = scanner.draw(generator(index))
        assert drawn["geometry"] == usual["geometry"]
        assert usual["scanner"] is None
    assert Augmentation.chest().scanner is None
    assert Augmentation.of("doppler").scanner is None
    # Parameters recorded before there were scanners still replay.
    del usual["scanner"]
    Augmentation.chest().apply(picture(), None, usual)


def test_masks_move_with_the_geometry_alone():
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[30:90, 20:100] = 1
    scanner = replace(Augmentation.of("scanner"), geometry=None)
    whole = Augmentation.of("scanner", 1.5)
    different = 0
    for index in range(15):
        image, same = scanner(picture(), mask, generator(index))
        np.testing.assert_array_equal(same, mask)
        different += not np.array_equal(image, picture())
        usual = Augmentation.chest(1.5)(picture(), mask, generator(index))[1]
        moved = whole(picture(), mask, generator(index))[1]
        np.testing.assert_array_equal(moved, usual)
    assert different > 8


def test_strength_zero_is_identity():
    for index in range(10):
        image, _ = Augmentation.of("scanner", 0)(
            picture(), None, generator(index)
        )
        np.testing.assert_array_equal(image, picture())


def test_a_tone_curve_keeps_the_order():
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)
    for index in range(30):
        drawn = ScannerAugmentation(tone=1.0, **OFTEN).draw(generator(index))
        toned = changed(ramp, tone=drawn["tone"])
        assert (np.diff(toned[0]) >= 0).all()
        assert np.ptp(toned) == pytest.approx(255, abs=0.1)
    even = [1 / (KNOTS + 1)] * (KNOTS + 1)
    np.testing.assert_allclose(changed(ramp, tone=even), ramp, atol=0.01)


def test_matching_brings_the_histogram_of_the_other_image():
    image, other = picture(30, 210), picture(100, 180, seed=5)
    augmentation = ScannerAugmentation(references=[describe(other)])

    def matched(share):
        drawn = {"reference": 0, "share": share}
        return augmentation.apply(image, {**NOTHING, "matching": drawn})

    np.testing.assert_allclose(
        describe(matched(1.0))[1:-1], describe(other)[1:-1], atol=2.5
    )
    np.testing.assert_allclose(matched(0.0), image, atol=1e-3)
    between = (describe(image) + describe(other)) / 2
    np.testing.assert_allclose(
        describe(matched(0.5))[1:-1], between[1:-1], atol=2.5
    )
    # The order of grey levels stays.
    levels = [matched(1.0)[image == n].mean() for n in np.unique(image)]
    assert (np.diff(levels) >= 0).all()


def test_references_are_those_of_the_images(dataset):
    augmentation = ScannerAugmentation().with_references(dataset, count=6)
    assert np.shape(augmentation.references) == (6, len(SHARES))
    known = {
        tuple(np.round(describe(image[..., 0]), 1)) for image in dataset.images
    }
    found = {tuple(np.float32(r)) for r in augmentation.references}
    assert found <= known
    again = ScannerAugmentation().with_references(dataset, count=6)
    assert again == augmentation
    assert ScannerAugmentation().draw(generator())["matching"] is None


def test_every_site_lends_as_many_histograms(dataset):
    dataset.table["site"] = ["big"] * 34 + ["small"] * 6
    augmentation = ScannerAugmentation().with_references(dataset, count=10)
    small = [
        tuple(np.round(describe(dataset.image(i)), 1)) for i in range(34, 40)
    ]
    found = [tuple(np.float32(r)) for r in augmentation.references]
    assert sum(levels in small for levels in found) == 5


def test_sharpness_resolution_and_compression():
    image = picture()

    def detail(values):
        return cv2.Laplacian(np.float32(values), cv2.CV_32F).std()

    sharp = changed(image, sharpness={"amount": 1.0, "sigma": 0.01})
    coarse = changed(image, resolution=2.0)
    assert detail(sharp) > 1.3 * detail(image)
    assert detail(coarse) < 0.5 * detail(image)
    np.testing.assert_array_equal(changed(image, resolution=1.0), image)
    losses = [
        np.abs(changed(image, quality=quality) - image).mean()
        for quality in (95, 60, 20)
    ]
    assert 0 < losses[0] < losses[1] < losses[2] < 10


def test_a_frame_is_narrow():
    sides = [0.04, 0.0, 0.02, 0.01]
    framed = changed(picture(), frame={"sides": sides, "grey": 255.0})
    white = framed == 255
    assert white[:, :5].all()
    assert white[:3].all()
    assert white[-1:].all()
    np.testing.assert_array_equal(framed[3:-1, 5:], picture()[3:-1, 5:])


@pytest.mark.parametrize("shape", [(SIZE, SIZE), (96, 160), (96, 160, 3)])
def test_marks_lie_near_the_border(shape):
    rng = generator(3)
    words = set()
    for _ in range(200):
        image = np.zeros(shape, np.float32)
        mark = draw_mark(rng)
        paint_mark(image, mark)
        words.add(mark["word"])
        there = np.argwhere(image.reshape(*shape[:2], -1).max(-1) > 20)
        assert len(there)
        assert image.max() <= 255
        # Some part of each lies in the outer fifth.
        far = np.minimum(there, np.array(shape[:2]) - 1 - there)
        assert (far / shape[:2]).min() < 0.2
        assert (image > 20).mean() < 0.06
    assert words == set(WORDS)


def test_a_plate_darkens_what_is_behind_the_word():
    mark = {**draw_mark(generator()), "plate": True, "place": 0.5}
    mark |= {"grey": 250.0, "opacity": 1.0, "angle": 0.0}
    image = np.full((256, 256), 120, np.float32)
    paint_mark(image, mark)
    assert image.min() < 5
    assert image.max() > 200


def test_every_part_is_drawn_as_often_as_said():
    augmentation = ScannerAugmentation(references=[range(len(SHARES))])
    drawn = [augmentation.draw(generator(index)) for index in range(600)]
    for name in PARTS:
        count = sum(one[name] is not None for one in drawn)
        assert abs(count - 180) < 56  # Five standard errors.
    assert abs(sum(len(one["marks"]) for one in drawn) - 360) < 80


def test_what_is_wrong():
    with pytest.raises(UmsrepError, match="from 0 to 0.1. Change frame"):
        ScannerAugmentation(frame=0.5)
    with pytest.raises(UmsrepError, match="from 1 to 16. Change resolution"):
        ScannerAugmentation(resolution=(0.5, 2))
    with pytest.raises(UmsrepError, match="17 grey levels that do not fall"):
        ScannerAugmentation(references=[[3, 2, 1]])
    with pytest.raises(UmsrepError, match="expected a ScannerAugmentation"):
        Augmentation(scanner=3)


@pytest.mark.parametrize("name", ["resolution", "compression", "sharp"])
def test_shifts_of_the_scanner_change_detail_and_not_tone(name):
    image = picture()
    shifted, _ = simulated_shifts()[name].apply(image, None, generator())
    assert np.abs(shifted - image).mean() > 1
    assert shifted.mean() == pytest.approx(image.mean(), abs=2)


def test_compression_is_about_that_of_jpeg():
    image = picture()
    shifted, _ = simulated_shifts()["compression"].apply(
        image, None, generator()
    )
    loss = np.square(shifted - image).mean()
    flags = [cv2.IMWRITE_JPEG_QUALITY]
    better, worse = (
        np.square(
            np.float32(
                cv2.imdecode(cv2.imencode(".jpg", image, [*flags, q])[1], 0)
            )
            - image
        ).mean()
        for q in (30, 7)
    )
    assert better < loss < worse


def test_shifted_marks_leave_the_middle_alone():
    image = picture()
    shifted, _ = simulated_shifts()["marks"].apply(image, None, generator())
    middle = np.s_[SIZE // 7 : SIZE * 9 // 10]
    np.testing.assert_array_equal(shifted[middle], image[middle])
    assert (shifted == 245).sum() > 20
