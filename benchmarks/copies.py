"""How well copies and pictures of different patients are told apart.

    python -m benchmarks.copies prepared/shenzhen prepared/kermany

Of each prepared data set, 50 images (seed 0) are changed in several ways, and
each is compared with its original as `umsrep.data.copies` does; beside it, the
largest similarities between different patients. docs/audit.md has the table.
"""

import argparse
import time

import cv2
import numpy as np

from umsrep.data import copies, load

COUNT = 50


def jpeg(image, quality):
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = cv2.imencode(".jpg", image, options)[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def scaled(image, factor):
    small = cv2.resize(
        image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_CUBIC)


def cropped(image, share):
    rows, columns = (round(share * side) for side in image.shape)
    inner = image[rows : image.shape[0] - rows, columns : -columns or None]
    return cv2.resize(inner, image.shape[::-1], interpolation=cv2.INTER_CUBIC)


def turned(image, degrees):
    height, width = image.shape
    centre = (width - 1) / 2, (height - 1) / 2
    matrix = cv2.getRotationMatrix2D(centre, degrees, 1)
    return cv2.warpAffine(image, matrix, (width, height))


def noisy(image, deviation):
    noise = np.random.default_rng([0]).normal(0, deviation, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


CHANGES = {
    "JPEG, quality 30": lambda image: jpeg(image, 30),
    "scaled to 75 %": lambda image: scaled(image, 0.75),
    "scaled to 25 %": lambda image: scaled(image, 0.25),
    "1.2 % cropped off each side": lambda image: cropped(image, 0.012),
    "5 % cropped off each side": lambda image: cropped(image, 0.05),
    "10 % cropped off each side": lambda image: cropped(image, 0.1),
    "40 grey levels brighter": lambda image: cv2.add(image, 40),
    "contrast 60 %": lambda image: (image * 0.6).astype(np.uint8),
    "gamma 0.6": lambda image: (255 * (image / 255) ** 0.6).astype(np.uint8),
    "turned by 2 degrees": lambda image: turned(image, 2),
    "noise of 10 grey levels": lambda image: noisy(image, 10),
    "histogram equalised": cv2.equalizeHist,
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}


def measure(folder):
    """(rows of changed copies, similarities of others, seconds)."""
    whole = load(folder)
    images = [whole.image(index) for index in range(len(whole))]
    signatures = np.array([copies.signature(image) for image in images])
    start = time.perf_counter()
    candidates = copies._candidates(signatures)
    patients = whole.table["patient"].to_numpy()
    others = [
        copies.similarity(
            images[a], images[b][:, ::-1] if mirrored else images[b]
        )
        for a, b, mirrored in candidates
        if patients[a] != patients[b]
    ]
    seconds = time.perf_counter() - start
    rng = np.random.default_rng([0])
    chosen = rng.permutation(len(images))[:COUNT]
    rows = [
        (name, *_changed([images[i] for i in chosen], change, name))
        for name, change in CHANGES.items()
    ]
    return rows, np.sort(others)[::-1], seconds


def _changed(images, change, name):
    """(share found, 5 % quantile of the similarity) of changed copies."""
    changed = [change(image) for image in images]
    every = images + changed
    signatures = np.array([copies.signature(image) for image in every])
    pairs = copies.find_copies(signatures, lambda index: every[index])
    found = {(pair.first, pair.second) for pair in pairs}
    flip = name == "mirrored"
    values = [
        copies.similarity(a, b[:, ::-1] if flip else b)
        for a, b in zip(images, changed, strict=True)
    ]
    count = len(images)
    shares = [(i, i + count) in found for i in range(count)]
    return np.mean(shares), np.quantile(values, 0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    for folder in parser.parse_args().folders:
        rows, others, seconds = measure(folder)
        print(f"{folder}: {len(others)} candidates, {seconds:.1f} s")
        top = ", ".join(f"{value:.3f}" for value in others[:3])
        print(f"  different patients, the most similar: {top or 'none'}")
        for name, share, least in rows:
            print(f"  {name}: {share:.0%} found, 5 % quantile {least:.3f}")


if __name__ == "__main__":
    main()
