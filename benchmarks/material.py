"""Prepared data sets of synthetic chest X-rays for the measurements."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

import data_prep
from umsrep.data import storage
from umsrep.data.prepared import HEADER, MANIFEST, read_header
from umsrep.phantoms.chest import layouts


def prepared(folder, layout, images, size, seed=0):
    """The path of a prepared set in `folder`, made at first use."""
    name = f"{layout}-{images}-{size}-{seed}"
    raw, out = Path(folder) / "raw" / name, Path(folder) / "prepared" / name
    if not out.exists():
        if not raw.exists():
            layouts.write_chest(
                raw, layout, images, seed, size=size, difficulty="easy"
            )
        data_prep.get(layout)(raw, out, size=size)
    return out


def many(folder, count, size=256, drawn=200):
    """A prepared set of `count` images, made of shifted phantoms.

    Drawing so many chests would take longer than the measurement, so `drawn`
    of them are shifted and brightened, each time differently.
    """
    base = prepared(folder, "shenzhen", drawn, size)
    out = Path(folder) / "prepared" / f"many-{count}"
    if out.exists():
        return out
    table = pd.read_csv(base / MANIFEST, dtype=str, keep_default_na=False)
    header = read_header(base)
    pictures = [
        cv2.imread(str(base / name), cv2.IMREAD_GRAYSCALE)
        for name in table["image"]
    ]
    table = table.iloc[np.arange(count) % len(table)].reset_index(drop=True)
    table["lung"] = ""
    table["image"] = [f"images/many{i:06d}.png" for i in range(count)]
    table["patient"] = [f"patient{i // 2}" for i in range(count)]
    with storage.new_folder(out) as new:
        (new / "images").mkdir()

        def write(index):
            rng = np.random.default_rng(index)
            picture = pictures[index % len(pictures)]
            picture = np.roll(picture, tuple(rng.integers(-9, 10, 2)), (0, 1))
            picture = cv2.convertScaleAbs(picture, alpha=rng.uniform(0.8, 1.1))
            path = new / table["image"][index]
            cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            return storage.sha256(path)

        with ThreadPoolExecutor(2) as pool:
            sums = list(pool.map(write, range(count)))
        storage.write_csv(new / MANIFEST, table)
        header["name"] = "many"
        header["tasks"].pop("lung")
        header["counts"]["images"] = count
        header["checksums"] = dict(zip(table["image"], sums, strict=True))
        storage.write_json(new / HEADER, header)
    return out
