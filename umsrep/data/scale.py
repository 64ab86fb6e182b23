"""What an image's rows and columns measure: cm/s, s, mm.

A region's calibration as in DICOM ultrasound (PS3.3, C.8.5.5): a unit and the
units per pixel of each axis, where the axis is 0, and the part of the image in
which this holds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from umsrep.errors import UmsrepError

AXES = ("y", "x")
NUMBERS = ("per_pixel", "zero", "start", "stop")
COLUMNS = tuple(f"{axis}_{name}" for axis in AXES for name in NUMBERS)
# Columns of a loaded table; on disk the units are in the header.
UNIT_COLUMNS = tuple(f"{axis}_unit" for axis in AXES)


@dataclass(frozen=True)
class AxisScale:
    """One axis of an image: rows (y) or columns (x).

    Pixel centres lie at whole numbers, so the first pixel reaches from -0.5
    to 0.5. Which way values grow is not part of a scale: a velocity grows
    upwards, a depth downwards.

    Attributes:
        unit: Unit of the values, such as "cm/s", "s" or "mm".
        per_pixel: Units per pixel, above 0.
        zero: Where the value is 0, in pixels, also between two pixels or
            outside the image; None is unknown.
        start, stop: First pixel of the region in which the scale holds, and
            the one after its last; None is the image's border. In a resized
            image they may lie within a pixel, which belongs to the region if
            its centre does.
    """

    unit: str
    per_pixel: float
    zero: float | None = None
    start: float | None = None
    stop: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.unit, str) or not self.unit.strip():
            raise UmsrepError(
                f"A scale has the unit {self.unit!r}. Expected text; give "
                "one such as 'cm/s', 's' or 'mm'."
            )
        for name in NUMBERS:
            value = getattr(self, name)
            if value is None and name != "per_pixel":
                continue
            if (
                not isinstance(value, Real)
                or isinstance(value, bool)
                or not math.isfinite(value)
            ):
                raise UmsrepError(
                    f"A scale in {self.unit} has {name}={value!r}. Expected "
                    "a finite number; correct it"
                    + (", or leave it out." if name != "per_pixel" else ".")
                )
            object.__setattr__(self, name, float(value))
        if self.per_pixel <= 0:
            raise UmsrepError(
                f"A scale has per_pixel={self.per_pixel:g}. Expected a number "
                f"above 0; give the {self.unit} of one pixel, without sign."
            )
        start, stop = self.start or 0, self.stop
        if start < 0 or (stop is not None and stop <= start):
            raise UmsrepError(
                f"A scale in {self.unit} holds from pixel {self.start} to "
                f"{self.stop}. Expected 0 <= start < stop (the pixel after "
                "the last one); correct them, or leave both out for the "
                "whole image."
            )

    def check_within(self, length: int, axis: str) -> None:
        """Raises if the region goes beyond an image of `length` pixels."""
        if (self.start or 0) >= length or (self.stop or 0) > length:
            raise UmsrepError(
                f"Its {axis} scale holds from pixel "
                f"{0 if self.start is None else self.start:g} to "
                f"{length if self.stop is None else self.stop:g}, but the "
                f"image has {length} {'rows' if axis == 'y' else 'columns'}. "
                "Expected pixels of this image; correct start and stop, or "
                "use the image in its original size."
            )

    def resized(self, old: int, new: int, offset: int) -> "AxisScale":
        """The scale of a resized image.

        Args:
            old, new: Lengths before and after, in pixels.
            offset: Pixels before the content in the new image.
        """

        def moved(value: float | None, half: float) -> float | None:
            if value is None:
                return None
            return (value + half) * new / old - half + offset

        return AxisScale(
            self.unit,
            self.per_pixel * old / new,
            moved(self.zero, 0.5),
            moved(self.start, 0.0),
            moved(self.stop, 0.0),
        )


@dataclass(frozen=True)
class Scale:
    """The scales of an image; an axis without a scale is None.

    Attributes:
        y: Along the rows, downwards.
        x: Along the columns, to the right.
    """

    y: AxisScale | None = None
    x: AxisScale | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not isinstance(value, AxisScale):
                raise UmsrepError(
                    f"Scale({field.name}={value!r}): expected an AxisScale or "
                    "None. Pass AxisScale(unit, per_pixel, ...)."
                )
        if self.y is None and self.x is None:
            raise UmsrepError(
                "A scale has neither y nor x. Expected an AxisScale for one "
                "of them; pass None instead of an empty scale."
            )

    @property
    def units(self) -> dict[str, str]:
        """{axis: unit} of the axes with a scale."""
        return {axis: value.unit for axis, value in self.axes.items()}

    @property
    def axes(self) -> dict[str, AxisScale]:
        """{axis: AxisScale} of the axes with a scale."""
        both = {axis: getattr(self, axis) for axis in AXES}
        return {axis: value for axis, value in both.items() if value}


def to_cells(scale: Scale | None) -> dict[str, str]:
    """{column of `COLUMNS`: text}, "" where unknown; units are left out."""
    axes: dict[str, AxisScale] = scale.axes if scale else {}
    return {
        f"{axis}_{name}": cell(getattr(axes.get(axis), name, None))
        for axis in AXES
        for name in NUMBERS
    }


def from_cells(
    cells: Mapping[str, str], units: Mapping[str, str]
) -> Scale | None:
    """The scale of a row of the manifest, or None where it has none.

    Args:
        cells: {column: text}, with all of `COLUMNS`.
        units: {axis: unit} of the header.

    Raises:
        UmsrepError: a cell that is no number, numbers without `per_pixel`, an
            axis without a unit, or what `AxisScale` refuses.
    """
    axes = {}
    for axis in AXES:
        texts = {name: cells[f"{axis}_{name}"] for name in NUMBERS}
        if not any(texts.values()):
            continue
        if axis not in units:
            raise UmsrepError(
                f"A {axis} scale has no unit. Expected one in the entry "
                "'scales' of dataset.json; prepare the data set again."
            )
        axes[axis] = AxisScale(
            units[axis],
            **{name: number(text) for name, text in texts.items()},
        )
    return Scale(**axes) if axes else None


def cell(value: float | None) -> str:
    """A number as text that reads back the same; "" for None."""
    if value is None:
        return ""
    return repr(int(value) if value == int(value) else value)


def number(text: str) -> Any:
    """A cell's number: None if it is empty, the text itself if it is none."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text
