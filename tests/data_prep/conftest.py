"""Tiny pictures in the folders and under the names of the public sets."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

SHAPE = (48, 40)


class Layout:
    """Writes small files below one folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.rng = np.random.default_rng([9])

    def write(self, name, pixels, mode=None):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(pixels)
        (picture.convert(mode) if mode else picture).save(path)
        return path

    def image(self, name, mode=None):
        pixels = self.rng.integers(0, 256, SHAPE, dtype=np.uint8)
        return self.write(name, pixels, mode)

    def mask(self, name, columns=slice(5, 35), bits=8):
        pixels = np.zeros(SHAPE, np.uint8)
        pixels[10:40, columns] = 255
        return self.write(name, pixels > 0 if bits == 1 else pixels)

    def text(self, name, content="text"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "public")


@pytest.fixture
def read_stored():
    """Reads a stored picture: `read_stored(out, "images/x.png")`."""

    def read(out, name):
        return cv2.imread(str(Path(out) / name), cv2.IMREAD_UNCHANGED)

    return read
