"""One synthetic Doppler strip and the truth about it.

A spectrogram as an echocardiography scanner shows it, with time to the right
and velocity upwards: of mitral valve inflow (MV, pulsed wave), movement of the
mitral annulus (MA, tissue Doppler) or tricuspid regurgitation (TR, continuous
wave). These are teaching and test pictures: plausible, but no substitute for
patients.
"""

import dataclasses

import cv2
import numpy as np

from umsrep.data.scale import AxisScale, Scale
from umsrep.errors import UmsrepError
from umsrep.phantoms.echo.furniture import furnish
from umsrep.phantoms.echo.recording import QUALITIES, Quality
from umsrep.phantoms.echo.scene import Scene
from umsrep.phantoms.echo.spectrum import draw_spectrum
from umsrep.phantoms.echo.waves import FLOWS, WAVES, envelope

SMALLEST = 64


@dataclasses.dataclass(frozen=True)
class EchoStrip:
    """One synthetic Doppler strip.

    Attributes:
        image: uint8 (height, width).
        mask: bool (height, width): between the baseline and the true edge of
            the measured waves, even where the signal is lost; cut off at the
            strip's edge if the scale is too small.
        flow: One of `FLOWS`.
        quality: One of `QUALITIES`.
        truth: What is known, plain Python values:
            "velocity": "cm_s_per_pixel" and "baseline_row" (pixel centres lie
                at whole numbers, rows count downwards), so that a row shows
                (baseline_row - row) * cm_s_per_pixel; "highest", "lowest" at
                the strip's edges, cm/s.
            "time": "s_per_pixel" and "first_column" of the strip.
            "aliased": A wave goes beyond the strip and wraps around.
            "heart_rate": Per minute, mean of the strip.
            "waves": Each measured wave whose peak the strip shows: "name",
                "column" of the peak, "velocity" signed in cm/s, "whole" (its
                onset and its end are shown as well).
            "measurements": Means over the whole waves: "E_cm_s", "A_cm_s",
                "E_A_ratio", "deceleration_time_ms"; "s_cm_s", "e_cm_s",
                "a_cm_s" of the annulus, unsigned; "TR_Vmax_cm_s", unsigned.
        parameters: The numbers drawn: "physiology", "recording", "quality".
    """

    image: np.ndarray
    mask: np.ndarray
    flow: str
    quality: str
    truth: dict
    parameters: dict

    @property
    def scale(self):
        """`Scale`: y in cm/s and x in s, within the strip's edges."""
        velocity, time = self.truth["velocity"], self.truth["time"]
        per_row, left = velocity["cm_s_per_pixel"], time["first_column"]
        top = velocity["baseline_row"] + 0.5 - velocity["highest"] / per_row
        height = (velocity["highest"] - velocity["lowest"]) / per_row
        width = self.parameters["recording"]["duration"] / time["s_per_pixel"]
        # Edges are whole pixels, except for rounding errors.
        return Scale(
            y=AxisScale(
                "cm/s",
                per_row,
                velocity["baseline_row"],
                round(top),
                round(top + height),
            ),
            x=AxisScale(
                "s",
                time["s_per_pixel"],
                left - 0.5,
                left,
                left + round(width),
            ),
        )


def draw_strip(
    seed: int,
    index: int,
    flow: str,
    size: int = 256,
    quality: str = "good",
    patient: int | None = None,
) -> EchoStrip:
    """Draws one strip.

    Args:
        seed: Seed of the data set, a non-negative integer.
        index: Index of the strip within the set, a non-negative integer.
        flow: One of `FLOWS`.
        size: Height in pixels, at least `SMALLEST`; the width is 1.15 to 1.6
            times that.
        quality: One of `QUALITIES`. The same seed and index give the same
            heart and frame with either.
        patient: Index of the patient, a non-negative integer; strips of one
            patient share the physiology. Default: `index`.

    Returns:
        `EchoStrip`.

    Raises:
        UmsrepError: an unknown flow or quality, a negative seed, index or
            patient, or a size under `SMALLEST`.
    """
    patient = index if patient is None else patient
    _check(seed, index, patient, flow, quality, size)
    scene = Scene.draw(seed, index, flow, patient)
    fault = Quality.draw(np.random.default_rng([seed, index, 2]), quality)
    spectrum = draw_spectrum(
        scene, fault, np.random.default_rng([seed, index, 3])
    )
    recording = scene.recording
    shape = (size, round(size * recording.aspect))
    top, bottom, left, right = recording.box(shape)
    picture = np.zeros(shape, np.uint8)
    picture[top:bottom, left:right] = np.round(
        255 * _resized(spectrum, (bottom - top, right - left))
    )
    furnish(picture, scene, np.random.default_rng([seed, index, 4]))
    return EchoStrip(
        image=picture,
        mask=_mask(scene, shape),
        flow=flow,
        quality=quality,
        truth=_truth(scene, shape),
        parameters={
            "physiology": dataclasses.asdict(scene.physiology),
            "recording": dataclasses.asdict(recording),
            "quality": dataclasses.asdict(fault),
        },
    )


def _check(seed, index, patient, flow, quality, size):
    for name, given, known in (
        ("flow", flow, FLOWS),
        ("quality", quality, QUALITIES),
    ):
        if given not in known:
            raise UmsrepError(
                f"No Doppler strip has the {name} '{given}'. Choose one of "
                f"{', '.join(known)}."
            )
    if min(seed, index, patient) < 0:
        raise UmsrepError(
            f"Got seed, index and patient {(seed, index, patient)}; all "
            "count from 0. Give non-negative integers."
        )
    if size < SMALLEST:
        raise UmsrepError(
            f"Got size {size}; a strip needs a height of at least {SMALLEST} "
            "pixels. Choose a larger size, for example 256."
        )


def _resized(spectrum, shape):
    smaller = shape[0] < spectrum.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(spectrum, shape[::-1], interpolation=how)


def _mask(scene, shape):
    recording = scene.recording
    top, bottom, left, right = recording.box(shape)
    per_row, per_column = recording.per_pixel(shape)
    times = (np.arange(right - left) + 0.5) * per_column
    rows = np.arange(top, bottom)
    speeds = (recording.baseline_row(shape) - rows)[:, None] * per_row
    mask = np.zeros(shape, bool)
    for side in set(WAVES[scene.flow].values()):
        edge = side * envelope(scene.waves, times, side)
        inside = (side * speeds > 0) & (side * speeds <= edge)
        mask[top:bottom, left:right] |= inside
    return mask


def _truth(scene, shape):
    recording = scene.recording
    per_row, per_column = recording.per_pixel(shape)
    left = recording.box(shape)[2]
    whole = scene.whole
    return {
        "velocity": {
            "cm_s_per_pixel": per_row,
            "baseline_row": recording.baseline_row(shape),
            "highest": recording.highest,
            "lowest": recording.lowest,
        },
        "time": {"s_per_pixel": per_column, "first_column": left},
        "aliased": scene.aliased,
        "heart_rate": scene.heart_rate,
        "waves": [
            {
                "name": wave.name,
                "column": float(left - 0.5 + wave.peak / per_column),
                "velocity": float(wave.velocity),
                "whole": wave in whole,
            }
            for wave in scene.shown
        ],
        "measurements": _measurements(scene),
    }


def _measurements(scene):
    speeds = {
        name: [abs(wave.velocity) for wave in scene.whole if wave.name == name]
        for name in WAVES[scene.flow]
    }
    means = {name: float(np.mean(each)) for name, each in speeds.items()}
    if scene.flow == "MV":
        return {
            "E_cm_s": means["E"],
            "A_cm_s": means["A"],
            "E_A_ratio": means["E"] / means["A"],
            "deceleration_time_ms": 1000 * scene.physiology.deceleration,
        }
    if scene.flow == "MA":
        return {f"{name[0]}_cm_s": value for name, value in means.items()}
    return {"TR_Vmax_cm_s": means["TR"]}
