"""Drawing in body coordinates, at any picture size.

In body coordinates, the origin is on the midline at the middle of the thorax,
x grows to the right of the picture, y downwards, and 1 is the height of a
typical picture. An affine map takes them to pixels, so that one description of
a body gives the same picture at every size.
"""

import cv2
import numpy as np

SUBPIXEL_BITS = 4


class Canvas:
    """A picture frame and the map from body coordinates to its pixels.

    Args:
        shape: (height, width) in pixels.
        matrix: 2 x 3 affine map, body coordinates to pixels (x, y).
    """

    def __init__(self, shape, matrix):
        self.shape = tuple(shape)
        self.matrix = np.asarray(matrix, np.float64)
        # Pixels per body unit; the square root of the area ratio.
        self.unit = float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def pixels(self, points):
        """Body points (n, 2) -> pixel positions (n, 2)."""
        return np.asarray(points) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def coarse(self):
        """The same frame at about half the resolution, for smooth shapes."""
        if self.unit < 200:
            return self
        height, width = (int(np.ceil(n / 2)) for n in self.shape)
        scale = np.array([width / self.shape[1], height / self.shape[0]])
        matrix = self.matrix * scale[:, None]
        # Pixel centres lie at whole numbers in both pictures.
        matrix[:, 2] += 0.5 * scale - 0.5
        return Canvas((height, width), matrix)

    def enlarge(self, picture):
        """A picture drawn on `coarse()` at this canvas's size."""
        if picture.shape == self.shape:
            return picture
        size = self.shape[::-1]
        return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)

    def coordinates(self):
        """Body coordinates (x, y) of every pixel, two float32 arrays."""
        inverse = np.linalg.inv(self.matrix[:, :2]).astype(np.float32)
        height, width = self.shape
        columns = np.arange(width) - self.matrix[0, 2]
        rows = np.arange(height) - self.matrix[1, 2]
        columns = columns.astype(np.float32)[None, :]
        rows = rows.astype(np.float32)[:, None]
        return tuple(row[0] * columns + row[1] * rows for row in inverse)

    def fill(self, *contours):
        """Closed contours as one anti-aliased picture, float32 in [0, 1]."""
        picture = np.zeros(self.shape, np.uint8)
        for contour in contours:
            cv2.fillPoly(
                picture,
                [self._fixed_point(contour)],
                255,
                cv2.LINE_AA,
                SUBPIXEL_BITS,
            )
        return picture.astype(np.float32) * np.float32(1 / 255)

    def lines(self, groups, widths, values):
        """Open lines drawn group after group, float32 in [0, 1].

        Args:
            groups: Arrays (k, n, 2): k lines of n body points each.
            widths: A width per group, body units.
            values: A grey value in [0, 1] per group; later groups cover
                earlier ones. Lines thinner than a pixel are drawn fainter.
        """
        picture = np.zeros(self.shape, np.uint8)
        for group, width, value in zip(groups, widths, values, strict=True):
            width = width * self.unit
            whole = max(1, int(round(width)))
            cv2.polylines(
                picture,
                list(self._fixed_point(group)),
                False,
                int(round(255 * min(1.0, value * width / whole))),
                whole,
                cv2.LINE_AA,
                SUBPIXEL_BITS,
            )
        return picture.astype(np.float32) * np.float32(1 / 255)

    def soften(self, picture, sigma):
        """Gaussian blur with `sigma` in body units.

        A wide blur is computed on a smaller picture, which is much faster and
        differs from the full one by less than one grey level.
        """
        sigma = sigma * self.unit
        if sigma < 0.3:
            return picture
        factor = 2 ** max(0, int(np.log2(sigma / 2)) if sigma > 2 else 0)
        if factor == 1:
            return cv2.GaussianBlur(picture, (0, 0), sigma)
        height, width = self.shape
        small = cv2.resize(
            picture,
            (max(1, width // factor), max(1, height // factor)),
            interpolation=cv2.INTER_AREA,
        )
        small = cv2.GaussianBlur(small, (0, 0), sigma / factor)
        return cv2.resize(
            small, (width, height), interpolation=cv2.INTER_LINEAR
        )

    def depth(self, picture, radius):
        """0 at the edge of a shape to 1 at `radius` inside, float32.

        The profile is a circle's: the thickness of a rounded body that the
        beam passes through.
        """
        factor = max(1, int(self.unit // 128))
        height, width = self.shape
        small = cv2.resize(
            picture,
            (max(1, width // factor), max(1, height // factor)),
            interpolation=cv2.INTER_AREA,
        )
        distance = cv2.distanceTransform(
            (small > 0.5).astype(np.uint8), cv2.DIST_L2, 3
        )
        distance *= factor / (radius * self.unit)
        profile = np.sqrt(1 - (1 - np.minimum(distance, 1)) ** 2)
        # The steps of the small shape's edge would show on the skin.
        profile = cv2.GaussianBlur(profile, (0, 0), 1.5)
        return cv2.resize(
            profile, (width, height), interpolation=cv2.INTER_LINEAR
        )

    def texture(self, rng, cell):
        """Smooth noise of mean 0 and deviation near 1; `cell` in body units.

        The random grid covers a fixed part of the body, so the same generator
        gives the same texture at every picture size.
        """
        cells = int(np.ceil(1.6 / cell))
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        # Grid position -0.5 + cells * (x + 0.8) / 1.6 for body position x.
        step = cells / 1.6
        to_grid = np.array([[step, 0, 0.8 * step], [0, step, 0.8 * step]])
        full = np.vstack([self.matrix, [0, 0, 1]])
        from_pixels = to_grid @ np.linalg.inv(full)
        height, width = self.shape
        return cv2.warpAffine(
            grid,
            from_pixels,
            (width, height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )

    def _fixed_point(self, points):
        points = np.asarray(points)
        scaled = self.pixels(points.reshape(-1, 2)) * (1 << SUBPIXEL_BITS)
        return np.round(scaled).astype(np.int32).reshape(points.shape)


def rounded(points, rounds=3):
    """Chaikin's corner cutting of a closed contour: smooth, no overshoot."""
    points = np.asarray(points, np.float64)
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        points = np.stack(
            [
                0.75 * points + 0.25 * following,
                0.25 * points + 0.75 * following,
            ],
            axis=1,
        ).reshape(-1, 2)
    return points


def smooth_line(points, samples=24):
    """A smooth open curve through a few points, equally spaced parameters."""
    points = np.asarray(points, np.float64)
    # A Catmull-Rom spline; the ends are repeated.
    padded = np.vstack([points[:1], points, points[-1:]])
    position = np.linspace(0, len(points) - 1, samples)
    start = np.minimum(position.astype(int), len(points) - 2)
    t = (position - start)[:, None]
    before, first, second, after = (padded[start + i] for i in range(4))
    return 0.5 * (
        2 * first
        + (second - before) * t
        + (2 * before - 5 * first + 4 * second - after) * t**2
        + (3 * first - before - 3 * second + after) * t**3
    )
