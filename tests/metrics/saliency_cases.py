"""Small maps and fixations for the saliency metrics.

`record_pysaliency.py` and `test_saliency_parity.py` make `cases()` from the
same seeds, with NumPy only.
"""

import numpy as np

HEIGHT, WIDTH = 21, 32
# What `saliency_metrics` gives, in its order.
METRICS = (
    "kld",
    "cc",
    "sim",
    "nss",
    "auc_judd",
    "shuffled_auc",
    "information_gain",
)


def blobs(rng, count=4):
    """A smooth map with values > 0 that sums to 1."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    values = np.full((HEIGHT, WIDTH), 0.01)
    for _ in range(count):
        row, column = rng.random(2) * (HEIGHT, WIDTH)
        width = 2 + 3 * rng.random()
        squared = (y - row) ** 2 + (x - column) ** 2
        values += rng.random() * np.exp(-squared / (2 * width**2))
    return values / values.sum()


def points(rng, count):
    """Continuous x, y in the map, also on its first and its last pixel."""
    found = rng.random((count, 2)) * (WIDTH, HEIGHT)
    found[:2] = (0, 0), np.nextafter((WIDTH, HEIGHT), 0)
    return found


def pixel_centres():
    """One fixation on every pixel."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return np.stack([x.ravel(), y.ravel()], axis=1)


def cases():
    """`{name: arguments}` of `saliency_metrics`.

    - smooth: no two pixels alike, no fixation repeated
    - ties: a map of few levels, two fifths of it zeros (not where fixated,
      for pysaliency's information gain is infinite there); every fixation
      three times
    - single: one fixation
    - other_scale: `predicted` not normalised, many other fixations
    """
    made = {}
    for seed, (name, count) in enumerate(
        {"smooth": 12, "ties": 12, "single": 1, "other_scale": 30}.items()
    ):
        rng = np.random.default_rng([2022, seed])
        made[name] = {
            "true": blobs(rng),
            "predicted": blobs(rng),
            "baseline": blobs(rng, count=1),
            "fixations": points(rng, max(count, 3))[-count:],
            "other_fixations": points(rng, 5 * count),
        }
    ties = made["ties"]
    ties["fixations"] = np.repeat(ties["fixations"], 3, axis=0)
    levels = np.round(ties["predicted"] / ties["predicted"].max() * 8)
    x, y = ties["fixations"].astype(int).T
    levels[y, x] += 1
    ties["predicted"] = levels / levels.sum()
    made["other_scale"]["predicted"] *= 255
    return made


def two_maps(seed=0):
    """Two smooth maps."""
    rng = np.random.default_rng([seed])
    return blobs(rng), blobs(rng)


def at(values, fixations):
    """The map at each fixation, one by one."""
    return [values[int(y), int(x)] for x, y in fixations]
