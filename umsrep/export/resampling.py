"""The geometry of `data.frame.Frame` as matrices of weights.

Both interpolations are separable: an image of any size becomes `rows @ image
@ columns^T`. The matrices are made of the image's height and width by whole
numbers and comparisons, which every runtime has, and give what OpenCV gives
but for rounding.

Sizes may be Python integers or scalar int32 tensors.
"""

from keras import ops

# OpenCV leaves out a source pixel of which an averaged one covers no more
# than this part. It decides in floating point: where exactly 1/1000 is
# covered (networks whose side is a multiple of 500), it may decide otherwise.
_NEGLIGIBLE = 1000
# The coefficient of OpenCV's bicubic interpolation.
_CUBIC = -0.75


def inner_size(shape, size, fit):
    """(height, width) of the content, as `Frame.inner`.

    Args:
        shape: (height, width) of the source image.
        size: (height, width) of the network's image, Python integers.
        fit: "stretch" or "pad".
    """
    if fit == "stretch":
        return size
    height, width = shape
    # The side that fills its part of the frame decides the scale.
    by_height = ops.cast(size[0] * width <= size[1] * height, "int32")
    filled = by_height * size[0] + (1 - by_height) * size[1]
    whole = by_height * height + (1 - by_height) * width
    return tuple(
        ops.maximum(1, ops.minimum(n, _round_ratio(m * filled, whole)))
        for n, m in zip(size, shape, strict=True)
    )


def _round_ratio(numerator, denominator):
    """Whole numbers' ratio, rounded half to even as Python does."""
    twice = 2 * numerator + denominator
    rounded = ops.floor_divide(twice, 2 * denominator)
    tie = ops.cast(ops.equal(rounded * 2 * denominator, twice), "int32")
    odd = rounded - 2 * ops.floor_divide(rounded, 2)
    return rounded - tie * odd


def offset_of(size, inner):
    """(rows, columns) before the content, as `Frame.offset`."""
    return tuple(
        ops.floor_divide(n - m, 2) for n, m in zip(size, inner, strict=True)
    )


def entering(source, target, inner, offset):
    """Weights on the way in: area average to twice the size, then bicubic.

    Args:
        source: Pixels of the image along this axis.
        target: Pixels of the network's image, a Python integer.
        inner: Pixels of the content in it.
        offset: Black pixels before the content.

    Returns:
        (target, source) float32, as `Frame.image` before its rounding.
    """
    middle = ops.minimum(source, 2 * inner)
    rows = ops.arange(target, dtype="int32") - offset
    content = ops.cast((rows >= 0) & (rows < inner), "float32")
    first, part = _positions(rows, middle, inner)
    weights = _pick(
        [first - 1, first, first + 1, first + 2],
        _cubic_weights(part),
        middle,
        0,
        middle,
    )
    return ops.matmul(weights * content[:, None], _averages(source, middle))


def leaving(source, target, inner, offset):
    """Weights on the way back: bilinear, with the border repeated.

    Args:
        As `entering`.

    Returns:
        (source, target) float32, as `Frame.restore`.
    """
    rows = ops.arange(source, dtype="int32")
    first, part = _positions(rows, inner, source)
    return _pick([first, first + 1], [1.0 - part, part], inner, offset, target)


def _positions(rows, source, target):
    """Where centres of target pixels lie: whole part and fraction."""
    numerator = (2 * rows + 1) * source - target
    position = ops.cast(numerator, "float32") / ops.cast(2 * target, "float32")
    first = ops.floor(position)
    return ops.cast(first, "int32"), position - first


def _pick(indices, weights, count, offset, columns):
    """A matrix with weights at indices, kept within `count` columns."""
    columns = ops.arange(columns, dtype="int32") - offset
    total = 0.0
    for index, weight in zip(indices, weights, strict=True):
        index = ops.maximum(0, ops.minimum(index, count - 1))
        there = ops.equal(index[:, None], columns[None, :])
        total = total + ops.cast(there, "float32") * weight[:, None]
    return total


def _averages(source, middle):
    """(middle, source): the average over the source pixels covered."""
    rows = ops.arange(middle, dtype="int32")[:, None]
    columns = ops.arange(source, dtype="int32")[None, :]
    # In units of 1/middle of a source pixel everything is a whole number.
    start = ops.maximum(columns * middle, rows * source)
    stop = ops.minimum((columns + 1) * middle, (rows + 1) * source)
    covered = ops.maximum(stop - start, 0)
    counts = ops.cast(covered * _NEGLIGIBLE > middle, "float32")
    return counts * ops.cast(covered, "float32") / ops.cast(source, "float32")


def _cubic_weights(x):
    a, y = _CUBIC, 1.0 - x
    before = ((a * (x + 1.0) - 5.0 * a) * (x + 1.0) + 8.0 * a) * (x + 1.0)
    before = before - 4.0 * a
    at = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    after = ((a + 2.0) * y - (a + 3.0)) * y * y + 1.0
    return [before, at, after, 1.0 - before - at - after]
