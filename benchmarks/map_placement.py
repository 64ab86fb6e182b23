"""Where features see a point, against where their cells are said to lie.

python -m benchmarks.map_placement           some backbones at 256 pixels, a
                                             minute

A small bright point on a flat image changes a feature around one cell. The
centre of the change, through the cells' stride and offset, should be the
point. "tiled" enlarges a map as if its cells tiled the image, as many tools
do; "computed" uses `Representation.cells`.
"""

import argparse

import keras
import numpy as np

from umsrep.cells import Cells
from umsrep.representations import ConvAutoencoder, OwnModel, UNet

FLAT, POINT = 100.0, 255.0
BATCH = 16


def flatten_kernels(model, seed=0):
    """Gives every kernel random positive weights, equal over its window.

    The network then averages: every receptive field is symmetric, and nothing
    but strides and padding moves its centre. Gates that see the whole image
    are held constant.
    """
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        path = variable.path
        if not path.endswith("kernel"):
            continue
        values = rng.uniform(0.5, 1.5, (1, 1, *variable.shape[-2:]))
        values = np.broadcast_to(values, variable.shape).copy()
        values /= values.sum(axis=tuple(range(values.ndim - 1)))
        if "_se_" in path or "average" in path:
            values *= 0
        variable.assign(values.astype("float32"))


def points(cells):
    """(rows, columns) of points that cover one cell at the image's centre."""
    (height, width), side = cells.image_size, round(max(cells.stride))
    count = side * -(-8 // side)
    steps = np.arange(count)
    # Both coordinates run through all values, but not together.
    factor = next(
        n for n in range(round(0.618 * count), count) if np.gcd(n, count) == 1
    )
    rows = (height - side) // 2 + steps % side
    columns = (width - side) // 2 + steps * factor % count % side
    return rows, columns


def seen(representation, feature, above=0.0):
    """Points, and where among its cells a feature sees them.

    Args:
        representation: A `Representation` that does not normalise intensities
            (a point would change all pixels).
        feature: Its name.
        above: Counts only cells whose change is at least this share of the
            largest: 0.5 is where the map has its peak.

    Returns:
        Two (points, 2) arrays of rows and columns: the points in pixels, and
        the centres of the change in cells.
    """
    model = keras.Model(
        representation.inputs, representation.output[feature]
    )
    pixels = np.stack(points(representation.cells(feature)), axis=1)
    flat = np.full((1, *representation.image_shape), FLAT, "float32")
    before = model.predict_on_batch(flat)
    centres = []
    for start in range(0, len(pixels), BATCH):
        part = pixels[start : start + BATCH]
        images = np.repeat(flat, len(part), axis=0)
        images[np.arange(len(part)), part[:, 0], part[:, 1]] = POINT
        change = np.abs(model.predict_on_batch(images) - before)
        change = change.sum(axis=-1, dtype="float64")
        change[change < above * change.max(axis=(1, 2), keepdims=True)] = 0
        change /= change.sum(axis=(1, 2), keepdims=True)
        rows, columns = (np.arange(n) for n in change.shape[1:])
        centres.append(
            np.stack(
                [change.sum(2) @ rows, change.sum(1) @ columns], axis=1
            )
        )
    return pixels, np.concatenate(centres)


def errors(cells, pixels, centres):
    """Mean of (rows, columns) by which maps on `cells` miss, in pixels."""
    return (cells.offset + centres * cells.stride - pixels).mean(axis=0)


def subjects(side):
    """{title: (representation, feature)}."""
    shape, plain = (side, side, 1), {"normalization": "none"}
    own = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=shape
    )
    return {
        "conv_autoencoder, small": (
            ConvAutoencoder(shape, preset="small", **plain),
            "bottleneck",
        ),
        "conv_autoencoder, paper": (
            ConvAutoencoder(shape, preset="paper", **plain),
            "bottleneck",
        ),
        "unet": (UNet(shape, **plain), "bottleneck"),
        "unet, decoded": (UNet(shape, **plain), "decoded"),
        "keras.applications.ResNet50": (OwnModel(own), "bottleneck"),
    }


def measure(side):
    """A row per backbone: title, cells, error tiled, error computed."""
    for title, (representation, feature) in subjects(side).items():
        flatten_kernels(representation)
        cells = representation.cells(feature)
        peak = 0.5 if feature == "decoded" else 0.0
        pixels, centres = seen(representation, feature, peak)
        tiled = Cells.tiling(cells.grid, cells.image_size)
        found = [errors(c, pixels, centres) for c in (tiled, cells)]
        yield title, cells, *(error[0] for error in found)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.map_placement")
    parser.add_argument("--side", type=int, default=256, help="Of the images.")
    side = parser.parse_args(arguments).side
    print("| network | stride | offset | tiled | computed |")
    print("|---|---|---|---|---|")
    for title, cells, *found in measure(side):
        shown = " | ".join(
            f"{error + 0:+.1f} pixels ({abs(error) / side:.1%})"
            for error in found
        )
        print(
            f"| {title} | {cells.stride[0]:g} | {cells.offset[0]:g} | {shown} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
