"""Where the cells of features lie, computed from a network's layers.

A layer that slides a window over its input (a convolution, a pooling) moves
the centre of the first cell by `(kernel - 1) * dilation / 2 - padding` cells
of its input and multiplies the distance between cells by its stride (Araujo,
Norris and Sim 2019, "Computing receptive fields of convolutional neural
networks", Distill). "same" padding is TensorFlow's on every backend: as much as
the size needs, the odd one at the end, so that with an even size and a stride
of 2 a 3x3 window pads nothing at the start.

Branches that meet (a residual sum, a concatenation of skips) may be centred
differently. The result then has the place of the branch whose path stayed
finest, since only it still says where in the image something is; of equally
fine ones, their mean. What has no place itself, such as a pooled vector that
gates a feature, is not counted.
"""

import math
from dataclasses import dataclass

import keras

from umsrep.cells import Cells
from umsrep.errors import UmsrepError

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_WITHOUT_PLACE = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Permute,
)


@dataclass(frozen=True)
class _Axis:
    """The cells of a tensor along rows or columns.

    Attributes:
        stride, offset: As of `Cells`.
        coarsest: The largest stride on the way from the image.
    """

    stride: float = 1.0
    offset: float = 0.0
    coarsest: float = 1.0

    def moved(self, by: float, steps: float = 1.0) -> "_Axis":
        """The first cell `by` cells further, then every `steps`-th cell."""
        stride = self.stride * steps
        return _Axis(
            stride,
            self.offset + self.stride * by,
            max(self.coarsest, stride),
        )

    def resized(self, before: int, after: int) -> "_Axis":
        """`after` cells that tile the place of `before` ones."""
        steps = before / after
        return self.moved((steps - 1) / 2, steps)


# (rows, columns), or None of what has no place in the image.
_Place = tuple[_Axis, _Axis] | None


def cells_of(model: keras.Model, output: str) -> Cells:
    """Where the cells of an output of a functional model lie in the image.

    A layer that is not known here keeps the place of its input, if it keeps
    the number of cells, and otherwise counts as one that resizes: its cells
    tile those of its input. A layer of several says by an attribute
    `spatial_layer` which of them moves cells. An output without a place, such
    as tokens that were reshaped into rows and columns, tiles the image.

    Args:
        model: From images (batch, height, width, channels) to {name: tensor}.
        output: Name of an output, (batch, rows, columns, channels).

    Raises:
        UmsrepError: there is no such output, or it has no rows and columns.
    """
    tensor = model.output.get(output)
    if tensor is None or len(tensor.shape) != 4:
        with_cells = [n for n, t in model.output.items() if len(t.shape) == 4]
        raise UmsrepError(
            f"Model '{model.name}' has no feature '{output}' of rows and "
            f"columns. Choose one of {', '.join(with_cells) or 'another model'}"
            "."
        )
    image_size, grid = model.inputs[0].shape[1:3], tensor.shape[1:3]
    place = _outputs(model, [(_Axis(), _Axis())])[id(tensor)]
    if place is None:
        return Cells.tiling(grid, image_size)
    rows, columns = place
    return Cells(
        grid,
        image_size,
        (rows.stride, columns.stride),
        (rows.offset, columns.offset),
    )


def _outputs(model: keras.Model, inputs: list[_Place]) -> dict[int, _Place]:
    """{id of a tensor of the model: its place}."""
    if isinstance(model, keras.Sequential):
        model = model._functional
    places = {
        id(tensor): place
        for tensor, place in zip(model.inputs, inputs, strict=True)
    }
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            before = [places.get(id(tensor)) for tensor in node.input_tensors]
            after = _applied(node, before)
            for tensor, place in zip(node.output_tensors, after, strict=True):
                places[id(tensor)] = place
    return places


def _applied(node, before: list[_Place]) -> list[_Place]:
    """Places of the outputs of one call of a layer."""
    layer = node.operation
    tensors = node.output_tensors
    inner = layer._functional if isinstance(layer, keras.Sequential) else layer
    if hasattr(inner, "_nodes_by_depth"):
        # A model within the model.
        places = _outputs(inner, before)
        return [places[id(tensor)] for tensor in inner.outputs]
    shapes = [tuple(tensor.shape) for tensor in node.input_tensors]
    if len(before) > 1:
        place, shape = _joined(before, shapes)
    else:
        place, shape = (before or [None])[0], (shapes or [()])[0]
    return [_moved(layer, place, shape, tuple(t.shape)) for t in tensors]


def _joined(places: list[_Place], shapes: list[tuple]) -> tuple[_Place, tuple]:
    """The place of branches that meet, and the shape of one that has it."""
    # What is spread over all cells, such as a gate, tells no place.
    most = max(math.prod(shape[1:3]) for shape in shapes)
    there = [
        (place, shape)
        for place, shape in zip(places, shapes, strict=True)
        if place is not None and math.prod(shape[1:3]) == most
    ]
    if not there:
        return None, shapes[0]
    axes = []
    for number in (0, 1):
        branches = [place[number] for place, _ in there]
        finest = min(axis.coarsest for axis in branches)
        kept = [axis for axis in branches if axis.coarsest == finest]
        offset = sum(axis.offset for axis in kept) / len(kept)
        coarsest = max(axis.coarsest for axis in kept)
        axes.append(_Axis(kept[0].stride, offset, coarsest))
    return (axes[0], axes[1]), there[0][1]


def _moved(layer, place: _Place, before: tuple, after: tuple) -> _Place:
    """The place of a layer's output of the shape `after`."""
    layer = getattr(layer, "spatial_layer", layer)
    if place is None or len(before) != 4 or len(after) != 4:
        return None
    if isinstance(layer, _WITHOUT_PLACE):
        return None
    same_size = before[1:3] == after[1:3]
    if isinstance(layer, keras.layers.Reshape) and not same_size:
        return None
    rows, columns = (
        _moved_axis(layer, axis, place[axis], before[1 + axis], after[1 + axis])
        for axis in (0, 1)
    )
    return rows, columns


def _moved_axis(layer, axis: int, cells: _Axis, before: int, after: int):
    """The cells along one axis after a layer.

    Args:
        layer: The layer.
        axis: 0 for rows, 1 for columns.
        cells: Those of its input.
        before, after: How many the input and the output have.
    """
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return _transposed(layer, axis, cells, before, after)
    if isinstance(layer, _CONVOLUTIONS):
        dilation = _of_axis(layer.dilation_rate, axis)
        window = (_of_axis(layer.kernel_size, axis) - 1) * dilation + 1
        return _slid(layer, axis, cells, before, window)
    if isinstance(layer, _POOLINGS):
        window = _of_axis(layer.pool_size, axis)
        return _slid(layer, axis, cells, before, window)
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return cells.moved(-layer.padding[axis][0])
    if isinstance(layer, keras.layers.Cropping2D):
        return cells.moved(layer.cropping[axis][0])
    if isinstance(layer, keras.layers.CenterCrop) and after <= before:
        return cells.moved((before - after) // 2)
    return cells if before == after else cells.resized(before, after)


def _slid(layer, axis: int, cells: _Axis, size: int, window: int) -> _Axis:
    """The cells of a window of `window` cells that slides over `size`."""
    steps = _of_axis(layer.strides, axis)
    padding = 0
    if layer.padding == "same":
        count = -(-size // steps)
        padding = max((count - 1) * steps + window - size, 0) // 2
    return cells.moved((window - 1) / 2 - padding, steps)


def _transposed(layer, axis: int, cells: _Axis, before: int, after: int):
    """The cells of a transposed convolution: a sliding window's, backwards."""
    steps = _of_axis(layer.strides, axis)
    dilation = _of_axis(layer.dilation_rate, axis)
    window = (_of_axis(layer.kernel_size, axis) - 1) * dilation + 1
    padding = 0
    if layer.padding == "same":
        padding = max((before - 1) * steps + window - after, 0) // 2
    return cells.moved(-((window - 1) / 2 - padding) / steps, 1 / steps)


def _of_axis(value, axis: int) -> int:
    return value if isinstance(value, int) else value[axis]
