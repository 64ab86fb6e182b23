"""What a scanner draws around the spectrum: scale, baseline, ECG, texts."""

import cv2
import numpy as np

SUBPIXEL_BITS = 4
# Electrocardiogram: (time, width in s, height) of P, Q, R, S and T from the
# onset of the QRS complex; P follows from the PR interval, T moves with the
# heart rate.
_QRS = ((0.015, 0.006, -0.12), (0.035, 0.009, 1.0), (0.055, 0.008, -0.25))
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200)


def furnish(picture, scene, rng):
    """Draws the scanner's furniture into a picture, in place.

    Args:
        picture: uint8 (height, width), with the spectrum.
        scene: A `Scene`.
        rng: NumPy's generator.
    """
    recording = scene.recording
    box = recording.box(picture.shape)
    grey = round(255 * recording.brightness)
    baseline = recording.baseline_row(picture.shape)
    _line(picture, (box[2], baseline), (box[3] - 1, baseline), grey * 0.8)
    _scale(picture, recording, box, baseline, grey)
    _seconds(picture, recording, box, grey)
    _ecg(picture, scene, box, grey, rng)
    size = 0.032 * picture.shape[0]
    texts = [f"{recording.sweep}mm/s", f"HR {scene.heart_rate:.0f}"]
    row = picture.shape[0] - 0.25 * recording.margins[1] * picture.shape[0]
    _write_text(picture, texts[0], (box[2] + size, row), size, grey)
    _write_text(picture, texts[1], (box[3] - 4.5 * size, row), size, grey)


def tick_step(span):
    """Distance of the scale's ticks, cm/s, for a range of `span` cm/s."""
    return next((s for s in _STEPS if span / s <= 9), _STEPS[-1])


def _scale(picture, recording, box, baseline, grey):
    top, bottom, left, right = box
    step = tick_step(recording.highest - recording.lowest)
    per_pixel = recording.per_pixel(picture.shape)[0]
    size = 0.032 * picture.shape[0]
    outward = -1 if recording.scale_left else 1
    edge = left if recording.scale_left else right - 1
    length = 0.014 * picture.shape[0]
    first = int(np.ceil(recording.lowest / step))
    for number in range(first, int(recording.highest // step) + 1):
        row = baseline - number * step / per_pixel
        _line(picture, (edge, row), (edge + outward * length, row), grey)
        text = str(number * step)
        if number == 0:
            continue
        # Aligned to the tick, inside the margin.
        wide = _width(text, size)
        column = edge + outward * 1.9 * length - (outward < 0) * wide
        if top + size / 2 < row < bottom - size / 2:
            _write_text(picture, text, (column, row + size / 2), size, grey)
    column = edge + outward * length
    column -= (outward < 0) * _width("cm/s", size)
    _write_text(picture, "cm/s", (column, top - 0.3 * size), size, grey)


def _seconds(picture, recording, box, grey):
    """Marks along the lower edge, every 0.2 s; longer ones at full seconds."""
    _, bottom, left, right = box
    per_second = (right - left) / recording.duration
    for number in range(int(recording.duration / 0.2) + 1):
        column = left - 0.5 + 0.2 * number * per_second
        length = (0.02 if number % 5 == 0 else 0.01) * picture.shape[0]
        _line(picture, (column, bottom), (column, bottom + length), grey)


def _ecg(picture, scene, box, grey, rng):
    recording = scene.recording
    top, bottom, left, right = box
    height = picture.shape[0]
    columns = np.linspace(left, right - 1, 2 * (right - left))
    times = (columns - left + 0.5) * recording.duration / (right - left)
    curve = ecg(times, scene.beats, scene.physiology.conduction)
    curve = curve * rng.uniform(0.05, 0.075)
    curve += 0.006 * np.sin(times * rng.uniform(1, 2) + rng.uniform(0, 6))
    curve += rng.normal(0, 0.0008, len(times))
    zero = top + 0.095 * height if recording.ecg_top else bottom - 0.03 * height
    points = np.stack([columns, zero - curve * height], axis=1)
    _polyline(picture, points, grey)


def ecg(times, beats, conduction):
    """A schematic electrocardiogram; the R wave has height 1.

    Args:
        times: s, (n,).
        beats: Onsets of the QRS complexes, s, in order.
        conduction: PR interval, s.

    Returns:
        (n,).
    """
    curve = np.zeros(len(times))
    intervals = np.diff(beats)
    for start, interval in zip(beats, [*intervals, intervals[-1]], strict=True):
        waves = list(_QRS)
        waves.append((0.045 - conduction, 0.022, 0.14))
        # The QT interval grows with the square root of the interval.
        waves.append((0.31 * np.sqrt(interval), 0.045, 0.28))
        for place, width, level in waves:
            after = (times - start - place) / width
            curve += level * np.exp(-0.5 * after**2)
    return curve


def _line(picture, start, end, grey):
    _polyline(picture, np.array([start, end], float), grey)


def _polyline(picture, points, grey):
    thick = max(1, round(picture.shape[0] / 400))
    fixed = np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(
        picture,
        [fixed],
        False,
        float(grey),
        thick,
        cv2.LINE_AA,
        SUBPIXEL_BITS,
    )


def _width(text, size):
    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / 22, 1)[0][0]


def _write_text(picture, text, corner, size, grey):
    """Text with its lower left corner at (column, row), `size` pixels tall."""
    start = tuple(int(round(value)) for value in corner)
    cv2.putText(
        picture,
        text,
        start,
        cv2.FONT_HERSHEY_SIMPLEX,
        size / 22,
        float(grey),
        max(1, round(size / 12)),
        cv2.LINE_AA,
    )
