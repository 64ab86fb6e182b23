"""How a picture of a chest is taken: position, exposure, lead marker."""

import dataclasses

import cv2
import numpy as np

ATTENUATION = 1.6  # per unit of thickness


@dataclasses.dataclass(frozen=True)
class ChestStyle:
    """How a hospital's pictures look, apart from the patient.

    Attributes:
        child: Paediatric proportions.
        latitude: Range of the film's latitude; small saturates early.
        gamma: Range of the exponent after saturation; large darkens lungs.
        brightness: Range of the grey value of the densest parts, 0 to 1.
        black: Range of the grey value of air, 0 to 1.
        dose: Range of photons per pixel of a 512 x 512 picture, in air.
        sharpening: Range of the added local contrast, 0 for none.
        zoom: Range of the body's size in the frame.
        tilt: Largest rotation of the body, degrees.
        markers: Texts burnt in beside the marker letter (empty: none).
        label: Put the text in a white box at the top right instead.
        border: Probability of black edges.
        band: Probability of a black band at the bottom.
        stretch: The body takes the frame's aspect ratio, as in children's
            wide pictures; otherwise it keeps its own.
    """

    child: bool = False
    latitude: tuple[float, float] = (0.55, 0.80)
    gamma: tuple[float, float] = (0.9, 1.3)
    brightness: tuple[float, float] = (0.92, 1.0)
    black: tuple[float, float] = (0.0, 0.05)
    dose: tuple[float, float] = (600.0, 6000.0)
    sharpening: tuple[float, float] = (0.2, 0.9)
    zoom: tuple[float, float] = (0.97, 1.14)
    tilt: float = 2.5
    markers: tuple[str, ...] = ("", "pa")
    label: bool = False
    border: float = 0.3
    band: float = 0.05
    stretch: bool = False


SHENZHEN = ChestStyle()
MONTGOMERY = ChestStyle(
    latitude=(0.36, 0.44),
    gamma=(4.0, 6.5),
    brightness=(0.98, 1.0),
    black=(0.0, 0.01),
    dose=(1500.0, 9000.0),
    sharpening=(0.0, 0.4),
    zoom=(0.97, 1.16),
    markers=("PA ERECT", "PA", "LT ERECT"),
    label=True,
    border=0.1,
    band=0.65,
)
KERMANY = ChestStyle(
    child=True,
    latitude=(0.75, 1.25),
    gamma=(1.0, 1.6),
    brightness=(0.88, 1.0),
    dose=(250.0, 2500.0),
    sharpening=(0.1, 0.8),
    zoom=(1.0, 1.30),
    tilt=5.0,
    markers=("", "", "A-P"),
    border=0.1,
    band=0.0,
    stretch=True,
)


@dataclasses.dataclass(frozen=True)
class View:
    """Position, exposure and furniture of one picture.

    Positions and sizes are fractions of the picture; see `ChestStyle` for
    the exposure.
    """

    zoom: float
    tilt: float
    shift: tuple[float, float]
    stretch: bool
    latitude: float
    gamma: float
    brightness: float
    black: float
    slope: tuple[float, float]
    dose: float
    blur: float
    sharpening: float
    marker: str
    marker_text: str
    marker_label: bool
    marker_at: tuple[float, float]
    marker_size: float
    border: bool
    edges: tuple[float, ...]
    band: bool
    band_gap: float
    band_tilt: float

    @classmethod
    def draw(cls, rng, style):
        """One picture in a hospital's style, whatever the finding."""
        between = rng.uniform
        band = bool(rng.random() < style.band)
        # The film ends below the lungs: the body sits higher and smaller.
        return cls(
            zoom=between(*style.zoom) * (0.86 if band else 1),
            tilt=between(-style.tilt, style.tilt),
            shift=(
                between(-0.03, 0.03),
                between(-0.04, 0.015) - (0.07 if band else 0),
            ),
            stretch=style.stretch,
            latitude=between(*style.latitude),
            gamma=between(*style.gamma),
            brightness=between(*style.brightness),
            black=between(*style.black),
            slope=(between(-0.1, 0.1), between(-0.1, 0.1)),
            dose=float(np.exp(between(*np.log(style.dose)))),
            blur=between(0.0008, 0.0020),
            sharpening=between(*style.sharpening),
            marker=("L", "R")[rng.integers(2)],
            marker_text=style.markers[rng.integers(len(style.markers))],
            marker_label=style.label,
            marker_at=(between(0.12, 0.26), between(0.04, 0.13)),
            marker_size=between(0.032, 0.05),
            border=bool(rng.random() < style.border),
            edges=tuple(between(0.002, 0.025, 4).tolist()),
            band=band,
            band_gap=between(0.03, 0.16),
            band_tilt=between(-0.02, 0.02),
        )

    def body_to_pixels(self, shape):
        """2 x 3 affine map from body coordinates to pixels (x, y)."""
        height, width = shape
        short = min(height, width)
        scale = np.array([width, height] if self.stretch else [short, short])
        angle = np.deg2rad(self.tilt)
        cos, sin = np.cos(angle), np.sin(angle)
        turn = self.zoom * scale[:, None] * np.array([[cos, -sin], [sin, cos]])
        middle = (np.array(self.shift) + 0.5) * (width, height)
        return np.column_stack([turn, middle])


def expose(canvas, thickness, view, rng):
    """Thickness -> grey values, float32 in [0, 1].

    The number of photons behind a thickness t is Poisson with mean
    m = dose * exp(-ATTENUATION * t), so the logarithmic signal has the
    standard deviation 1 / (ATTENUATION * sqrt(m)). It is drawn from the normal
    distribution, which takes a tenth of the time. The detector blurs both
    signal and noise.
    """
    photons = view.dose * (512 / canvas.unit) ** 2
    mean = np.float32(photons) * np.exp(-np.float32(ATTENUATION) * thickness)
    deviation = 1 / (np.float32(ATTENUATION) * np.sqrt(mean))
    noise = rng.standard_normal(thickness.shape, dtype=np.float32)
    signal = canvas.soften(thickness + noise * deviation, view.blur)
    # Digital systems raise the local contrast.
    smooth = canvas.soften(signal, 0.025)
    signal += np.float32(view.sharpening) * (signal - smooth)
    # The beam is a little stronger on one side (heel effect).
    height, width = canvas.shape
    across, down = np.float32(view.slope)
    ramp = across * np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    signal *= 1 + ramp
    signal *= 1 + down * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    signal = np.maximum(signal, 0)
    grey = 1 - np.exp(signal * np.float32(-1 / view.latitude))
    grey = grey ** np.float32(view.gamma)
    black = np.float32(view.black)
    return black + (np.float32(view.brightness) - black) * grey


def furnish(grey, view, lungs):
    """Burns in marker, black edges and band; [0, 1] -> uint8."""
    height, width = grey.shape
    picture = np.round(255 * np.clip(grey, 0, 1)).astype(np.uint8)
    short = min(height, width)
    scale = view.marker_size * short / 22
    across, down = view.marker_at
    column = (1 - across if view.marker == "L" else across) * width
    if view.marker:
        _write_text(picture, view.marker, (column, down * height), scale)
    text = view.marker_text
    if text and view.marker_label:
        place = (0.84 * width, 0.035 * height)
        _write_text(picture, text, place, 0.5 * scale, boxed=True)
    elif text and view.marker:
        place = (column, down * height + 0.05 * short)
        _write_text(picture, text, place, 0.45 * scale)
    if view.border:
        edges = [int(round(edge * short)) for edge in view.edges]
        picture[: edges[0]] = 0
        picture[height - edges[1] :] = 0
        picture[:, : edges[2]] = 0
        picture[:, width - edges[3] :] = 0
    if view.band:
        rows = np.flatnonzero(lungs.any(axis=1))
        start = rows[-1] + view.band_gap * height
        drop = view.band_tilt * height
        corners = [(0, start), (width, start + drop)]
        corners += [(width, 2 * height), (0, 2 * height)]
        cv2.fillPoly(picture, [np.int32(np.round(corners))], 0)
    return picture


def _write_text(picture, text, centre, scale, boxed=False):
    """Burns a text into the picture, like a lead marker or a label."""
    font, weight = cv2.FONT_HERSHEY_SIMPLEX, max(1, int(round(2 * scale)))
    (wide, tall), _ = cv2.getTextSize(text, font, scale, weight)
    left = min(max(2, centre[0] - wide / 2), picture.shape[1] - wide - 2)
    start = (int(left), int(centre[1] + tall / 2))
    if boxed:
        end = (start[0] + wide, start[1] - tall)
        cv2.rectangle(picture, start, end, 255, 2 * weight + 2)
        cv2.rectangle(picture, start, end, 255, cv2.FILLED)
    ink = 0 if boxed else 250
    cv2.putText(picture, text, start, font, scale, ink, weight, cv2.LINE_AA)
