"""A classifier that is known to look at one square, and nowhere else."""

import keras
import numpy as np

from umsrep import MultiTaskModel
from umsrep.heads import ClassificationHead
from umsrep.representations import Representation

SIDE = 32
SQUARE = np.s_[8:16, 20:28]


class Square(Representation):
    """Grey levels in [0, 1] inside the square, 0 outside, cell = pixel."""

    def __init__(self, name="square"):
        region = np.zeros((SIDE, SIDE, 1), "float32")
        region[SQUARE] = 1 / 255
        images = keras.Input((SIDE, SIDE, 1), name="image")
        super().__init__(
            inputs=images, outputs={"bottleneck": images * region}, name=name
        )


def model(gain=400.0, name="finding"):
    """Two classes; class 1 wins where the square is brighter than half."""
    head = ClassificationHead(2, name, hidden_units=0, dropout=0)
    made = MultiTaskModel(Square(), head)
    share = 64 / SIDE**2
    head.classes.set_weights(
        [
            np.array([[-gain, gain]], "float32"),
            np.array([gain * share / 2, -gain * share / 2], "float32"),
        ]
    )
    return made


def images(n=4):
    """Noise, bright in the square, so that class 1 wins."""
    rng = np.random.default_rng(3)
    made = rng.uniform(0, 120, (n, SIDE, SIDE, 1)).astype("float32")
    made[:, SQUARE[0], SQUARE[1]] = rng.uniform(190, 230, (n, 8, 8, 1))
    return made
