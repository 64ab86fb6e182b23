"""Synthetic scan paths over a chest phantom: where a reader looks, and when.

The paths are plausible, not measured. A reader takes in the whole picture,
sweeps both lungs zone by zone, looks at heart and mediastinum, and returns to
what is abnormal, more often if it is more visible; with reader noise, a reader
overlooks it at times and dwells where nothing is (`readers`). Numbers are
chosen to give about 20 to 50 fixations of mostly 150 to 600 ms. The only
formula is the usual approximation of a saccade's duration, 2.2 ms per degree +
21 ms (R. H. S. Carpenter, Movements of the Eyes, 2nd ed., Pion, 1988).
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from umsrep.errors import UmsrepError
from umsrep.phantoms.chest.difficulty import USUAL
from umsrep.phantoms.chest.readers import Reader, suspected
from umsrep.phantoms.chest.regions import heart_border, mediastinum, third

SAMPLES_PER_SECOND = 60
FEWEST_FIXATIONS, MOST_FIXATIONS = 20, 50
MOST_RETURNS, MOST_OUTSIDE = 13, 2
DURATION_MS = (270.0, 0.35)  # median, deviation of the logarithm
SHORTEST_MS, LONGEST_MS = 100.0, 1500.0
PICTURE_DEGREES = 25.0  # the longer side, as seen by the reader
# The image model uses the streams 0 to 7, the layouts 10 and 11.
_STREAM = 20


@dataclass(frozen=True)
class ScanPath:
    """One reader's gaze on one picture.

    Positions are continuous, in pixels of the picture from its top left
    corner: the pixel is (floor(x), floor(y)). Outside the picture they are
    negative or beyond its size.

    Attributes:
        fixations: One row per fixation in order of time: x, y, start_ms,
            duration_ms, target (what was looked at: "left_lung",
            "right_lung", "heart", "heart_border", "mediastinum", "finding",
            "suspected" (taken for a finding) or "outside"; lungs by side of
            the picture).
        samples: One row per sample of the tracker, 60 a second: time_ms, x,
            y, fixation (row of `fixations`, -1 in a saccade or a blink),
            valid (False in a blink, where x and y are not-a-number).
    """

    fixations: pd.DataFrame
    samples: pd.DataFrame


def draw_scanpath(
    phantom,
    seed: int,
    index: int,
    attraction: float = 1.0,
    noise: float = 1.0,
    reader: int = 0,
    reader_noise: float = USUAL.reader_noise,
) -> ScanPath:
    """Draws a scan path, always the same for the same arguments.

    Args:
        phantom: `ChestPhantom`.
        seed: Seed of the data set, a non-negative integer.
        index: Index of the reading within the set, a non-negative integer.
        attraction: How strongly the finding draws the eye: it multiplies the
            number of returns to it. 0 is a reader unaware of it.
        noise: Multiplies the tracker's error (a shift per recording of about
            0.6 % of the picture and jitter of about as much per sample).
        reader: Who reads, a non-negative integer: each reader has habits.
        reader_noise: How much readers differ, 0 (all by the same rule) to 1;
            see `Difficulty`.

    Returns:
        `ScanPath`.

    Raises:
        UmsrepError: a negative or infinite number, or a reader noise above 1.
    """
    numbers = (seed, index, attraction, noise, reader, reader_noise)
    if not (np.isfinite(numbers).all() and min(numbers) >= 0):
        raise UmsrepError(
            "Got seed, index, attraction, noise, reader and reader noise "
            f"{numbers}. Give finite numbers of at least 0."
        )
    habits = Reader.draw(
        seed, reader, replace(USUAL, reader_noise=reader_noise).reader_noise
    )
    # The first reader's readings are those of a set with one reader.
    who = (reader,) if reader else ()
    rng = np.random.default_rng([seed, index, _STREAM, *who])
    targets = _plan(phantom, attraction, habits, rng)
    side = max(phantom.image.shape)
    points = _points(phantom, targets, rng)
    error = 0.006 * side * noise
    points += rng.normal(0, error, 2)
    durations = rng.lognormal(
        np.log(DURATION_MS[0]), DURATION_MS[1], len(points)
    )
    dwelt = 1 + 0.5 * min(attraction, 1.0)
    drawn_to = [name in ("finding", "suspected") for name, _ in targets]
    durations[drawn_to] *= dwelt
    durations *= habits.pace
    durations = durations.clip(SHORTEST_MS, LONGEST_MS)
    moves = np.hypot(*np.diff(points, axis=0).T) / side * PICTURE_DEGREES
    moves = 21 + 2.2 * moves
    blinks = np.where(
        rng.random(len(moves)) < 0.06, rng.uniform(100, 250, len(moves)), 0
    )
    gaps = np.append(0.0, moves + blinks)
    starts = np.cumsum(gaps) + np.append(0.0, np.cumsum(durations)[:-1])
    fixations = pd.DataFrame(
        {
            "x": points[:, 0],
            "y": points[:, 1],
            "start_ms": starts,
            "duration_ms": durations,
            "target": [name for name, _ in targets],
        }
    )
    return ScanPath(fixations, _samples(fixations, blinks, error, rng))


def visibility(phantom):
    """How visible the finding is, from 0 (none) to 1."""
    numbers = phantom.parameters
    if phantom.finding == "enlarged_heart":
        beyond = (numbers["cardiothoracic_ratio"] - 0.48) / 0.18
        return float(np.clip(beyond, 0, 1))
    return min(1.0, numbers.get("finding_strength", 0.0) / 0.7)


def _plan(phantom, attraction, habits, rng):
    """What is looked at, in order: [(name, zone or None)]."""
    lungs = []
    sides = ["left_lung", "right_lung"]
    for name in rng.permutation(sides):
        for zone in range(3):
            liking = habits.lungs[3 * sides.index(name) + zone]
            lungs += [(str(name), zone)] * (1 + rng.poisson(1.1 * liking))
    middle = []
    for name, mean in (
        ("mediastinum", 1.5),
        ("heart", 1.5),
        ("heart_border", 1),
    ):
        middle += [(name, None)] * (1 + rng.poisson(mean * habits.middle))
    blocks = [lungs, middle]
    if rng.random() < 0.3:
        blocks.reverse()
    overview = [("mediastinum", None)] * (1 + rng.poisson(0.7))
    # Comparing the sides is what a reader does with or without a finding.
    compared = []
    for _ in range(2 + rng.poisson(2)):
        name = sides[rng.integers(2)]
        compared.append((name, int(rng.integers(3))))
    plan = overview + blocks[0] + blocks[1] + compared
    for _ in range(FEWEST_FIXATIONS - len(plan)):
        plan.append(("left_lung", int(rng.integers(3))))
    del plan[MOST_FIXATIONS - MOST_RETURNS - MOST_OUTSIDE :]
    returns = 0
    if phantom.finding_mask.any():
        seen = visibility(phantom)
        keen = attraction * habits.attends(seen, rng)
        returns = min(rng.poisson(keen * (4 + 9 * seen)), MOST_RETURNS)
        _insert(plan, "finding", returns, rng, together=3)
    doubts = min(habits.false_returns(rng), MOST_RETURNS - returns)
    _insert(plan, "suspected", doubts, rng, together=3)
    outside = min(rng.poisson(1.2), MOST_OUTSIDE)
    _insert(plan, "outside", outside, rng, together=1)
    return plan


def _insert(plan, name, count, rng, together):
    """Puts `count` looks at `name` into the plan, a few at a time."""
    while count > 0:
        visit = min(count, int(rng.integers(1, together + 1)))
        at = int(rng.integers(1, len(plan) + 1))
        plan[at:at] = [(name, None)] * visit
        count -= visit


def _points(phantom, targets, rng):
    """Where the eye rests for each target, (n, 2) as x, y in pixels."""
    height, width = phantom.image.shape
    masks = {
        "left_lung": phantom.left_lung,
        "right_lung": phantom.right_lung,
        "heart": phantom.heart,
        "heart_border": heart_border(phantom),
        "mediastinum": mediastinum(phantom),
        "finding": phantom.finding_mask,
    }
    if phantom.finding == "enlarged_heart":
        # A large heart is judged by its borders.
        masks["finding"] = masks["heart_border"]
    if ("suspected", None) in targets:
        masks["suspected"] = suspected(phantom, rng)
    pixels = {}
    points = np.empty((len(targets), 2))
    for number, (name, zone) in enumerate(targets):
        if name == "outside":
            points[number] = _outside(rng) * (width, height)
            continue
        if (name, zone) not in pixels:
            mask = masks[name]
            mask = mask if zone is None else third(mask, zone)
            pixels[name, zone] = np.nonzero(mask)
        points[number] = _pixel(*pixels[name, zone], rng) + rng.random(2)
        points[number] += rng.normal(0, 0.008 * max(height, width), 2)
    return points


def _pixel(rows, columns, rng):
    """A pixel of a mask, as x, y; all are equally likely.

    Row and column are chosen as shares of the mask, so that the same draws
    give nearly the same place at every picture size.
    """
    row = rows[int(rng.random() * len(rows))]
    start, end = np.searchsorted(rows, [row, row + 1])
    return np.array([columns[start + int(rng.random() * (end - start))], row])


def _outside(rng):
    """A place beyond one edge of the unit square."""
    place = rng.uniform(0.1, 0.9, 2)
    beyond = rng.uniform(0.03, 0.2)
    place[rng.integers(2)] = -beyond if rng.random() < 0.5 else 1 + beyond
    return place


def _samples(fixations, blinks, error, rng):
    """What a tracker records of the fixations and of what lies between."""
    start = fixations["start_ms"].to_numpy()
    end = start + fixations["duration_ms"].to_numpy()
    points = fixations[["x", "y"]].to_numpy()
    time = np.arange(0, end[-1], 1000 / SAMPLES_PER_SECOND)
    last = np.searchsorted(start, time, side="right") - 1
    fixating = time < end[last]
    following = np.minimum(last + 1, len(start) - 1)
    blink = np.append(blinks, 0.0)[last]
    # The eye moves first, then the lid closes.
    moving = np.maximum(start[following] - end[last] - blink, 1e-9)
    share = np.clip((time - end[last]) / moving, 0, 1)
    # A minimum-jerk profile: slow, fast, slow.
    share = share**3 * (10 - 15 * share + 6 * share**2)
    position = points[last] + share[:, None] * (
        points[following] - points[last]
    )
    position += rng.normal(0, error, position.shape)
    valid = fixating | (blink == 0) | (time < end[last] + moving)
    position[~valid] = np.nan
    return pd.DataFrame(
        {
            "time_ms": time,
            "x": position[:, 0],
            "y": position[:, 1],
            "fixation": np.where(fixating, last, -1),
            "valid": valid,
        }
    )
