"""Side markers and other words on radiographs, drawn at random.

A lead letter or a burnt-in word tells the hospital, the ward or the position
of the patient, and so, often, the label. Where any image may bear any word, a
network learns to pass over them.
"""

import math

import cv2
import numpy as np

from umsrep.data.parameters import Parameters
from umsrep.data.pixels import Floats

WORDS = (
    *("L", "R") * 4,
    *("AP", "PA", "ERECT", "SUPINE", "PORTABLE", "SITTING"),
    *("PA ERECT", "AP SUPINE", "MOBILE AP", "L W", "R 21"),
)
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)


def draw_mark(rng: np.random.Generator) -> Parameters:
    """A word, and how it is drawn; always the same number of draws.

    Returns:
        {"word"; "font", index in `FONTS`; "height" of a capital, as a share
        of the image's; "weight" of its strokes; "place" of its centre along
        the border, in [0, 4), clockwise from the top left corner; "inset"
        from it, as a share; "angle" in degrees; "grey" level; "opacity";
        "plate": whether it stands on a black label}.
    """
    word = WORDS[int(rng.integers(len(WORDS)))]
    font = int(rng.integers(len(FONTS)))
    # Lead letters are larger than burnt-in words.
    limits = (0.03, 0.075) if len(word) == 1 else (0.018, 0.04)
    height = float(rng.uniform(*limits))
    weight = float(rng.uniform(0.1, 0.22))
    place = float(rng.uniform(0, 4))
    inset = float(rng.uniform(0.02, 0.1))
    angle = float(rng.normal(0, 6))
    grey = float(rng.uniform(170, 255))
    opacity = float(rng.uniform(0.7, 1.0))
    plate = bool(rng.random() < 0.15)
    return {
        **{"word": word, "font": font, "height": height, "weight": weight},
        **{"place": place, "inset": inset, "angle": angle, "grey": grey},
        **{"opacity": opacity, "plate": plate},
    }


def paint_mark(image: Floats, mark: Parameters) -> None:
    """Paints a mark of `draw_mark` over an image, in place.

    Args:
        image: (height, width[, channels]) float32 in [0, 255].
        mark: What `draw_mark` returned.
    """
    stamp, plate = _stamp(mark, image.shape[0])
    height, width = stamp.shape
    if height >= image.shape[0] or width >= image.shape[1]:
        return
    top, left = _corner(mark, image.shape, stamp.shape)
    here = image[top : top + height, left : left + width]
    if image.ndim == 3:
        stamp, plate = stamp[..., None], plate[..., None]
    here *= 1 - plate
    here += stamp * mark["opacity"] * (mark["grey"] - here)


def _stamp(mark: Parameters, side: int) -> tuple[Floats, Floats]:
    """(letters, label behind them), in [0, 1], turned."""
    font = FONTS[mark["font"]]
    # Drawn large and made smaller, so that small letters have soft edges.
    capital, factor = 48, 48 / max(mark["height"] * side, 3.0)
    weight = max(2, round(mark["weight"] * capital))
    scale = cv2.getFontScaleFromHeight(font, capital, weight)
    (length, above), below = cv2.getTextSize(mark["word"], font, scale, weight)
    angle = math.radians(mark["angle"])
    border = 14 + math.ceil(abs(math.sin(angle)) * max(length, above) / 2)
    shape = (above + below + 2 * border, length + 2 * border)
    letters = np.zeros(shape, np.uint8)
    start = (border, border + above)
    cv2.putText(
        letters, mark["word"], start, font, scale, 255, weight, cv2.LINE_AA
    )
    label = np.zeros(shape, np.uint8)
    if mark["plate"]:
        edge = border - 12
        label[edge : -edge or None, edge : -edge or None] = 255
    centre = (shape[1] / 2, shape[0] / 2)
    turn = cv2.getRotationMatrix2D(centre, mark["angle"], 1.0)
    size = (
        max(1, round(shape[1] / factor)),
        max(1, round(shape[0] / factor)),
    )
    found = []
    for picture in (letters, label):
        turned = cv2.warpAffine(picture, turn, (shape[1], shape[0]))
        small = cv2.resize(turned, size, interpolation=cv2.INTER_AREA)
        found.append(small.astype(np.float32) / 255)
    return found[0], found[1]


def _corner(
    mark: Parameters, shape: tuple[int, ...], stamp: tuple[int, ...]
) -> tuple[int, int]:
    """(top, left) of a stamp near the border, whole inside the image."""
    side, along = divmod(mark["place"], 1)
    free = shape[0] - stamp[0], shape[1] - stamp[1]
    across = int(side) % 2
    # Along the top and the bottom, or along the right and the left.
    inset = round(mark["inset"] * shape[across])
    far = side in (1, 2)
    position = [0, 0]
    position[across] = free[across] - inset if far else inset
    position[1 - across] = round(along * free[1 - across])
    return (
        min(max(position[0], 0), free[0]),
        min(max(position[1], 0), free[1]),
    )
