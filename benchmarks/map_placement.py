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
        values = rng.uniform(0.5, 1.5, variable.shape[-2:])
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


def seen(representation, features, peaks=("decoded",)):
    """Points, and where among their cells features see them.

    Args:
        representation: A `Representation` that does not normalise intensities
            (a point would change all pixels).
        features: Names of features.
        peaks: Features that are looked at where the change is at least half
            of the largest, so where a map has its peak: several ways that are
            centred differently may lead to them.

    Returns:
        (points, 2) rows and columns of the points, in pixels; {feature: the
        same of the centres of the change, in cells}.
    """
    model = keras.Model(
        representation.inputs, {f: representation.output[f] for f in features}
    )
    coarsest = max(features, key=representation.stride)
    pixels = np.stack(points(representation.cells(coarsest)), axis=1)
    found = {feature: [] for feature in features}
    for start in range(0, len(pixels), BATCH):
        part = pixels[start : start + BATCH]
        # The last image stays flat. One size of batch is compiled once.
        images = np.full(
            (BATCH + 1, *representation.image_shape), FLAT, "float32"
        )
        images[np.arange(len(part)), part[:, 0], part[:, 1]] = POINT
        for feature, values in model.predict_on_batch(images).items():
            change = np.abs(values[: len(part)] - values[-1:])
            change = change.sum(axis=-1, dtype="float64")
            if feature in peaks:
                top = change.max(axis=(1, 2), keepdims=True)
                change[change < 0.5 * top] = 0
            found[feature].append(centres_of(change))
    return pixels, {f: np.concatenate(parts) for f, parts in found.items()}


def centres_of(maps):
    """(n, 2) centres of mass, (row, column), of (n, rows, columns) maps."""
    shares = maps / maps.sum(axis=(1, 2), keepdims=True)
    rows, columns = (np.arange(n) for n in maps.shape[1:])
    return np.stack([shares.sum(2) @ rows, shares.sum(1) @ columns], axis=1)


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
        pixels, centres = seen(representation, [feature])
        tiled = Cells.tiling(cells.grid, cells.image_size)
        found = [errors(c, pixels, centres[feature]) for c in (tiled, cells)]
        yield title, cells, *(error[0] for error in found)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.map_placement")
    parser.add_argument("--side", type=int, default=256, help="Of the images.")
    side = parser.parse_args(arguments).side
    print("| network | stride | offset | tiled | computed |")
    print("|---|---|---|---|---|")
    for title, cells, *found in measure(side):
        shown = " | ".join(
            f"{round(error, 1) + 0:.1f} pixels ({abs(error) / side:.1%})"
            for error in found
        )
        print(
            f"| {title} | {cells.stride[0]:g} | {cells.offset[0]:g} | "
            f"{shown} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
