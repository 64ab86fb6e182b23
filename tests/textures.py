"""Pictures that are all different, and a prepared set of them."""

import cv2
import numpy as np

from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter

SIDE = 128
CLASSES = ("no", "yes")


def texture(seed, side=SIDE):
    """Smooth noise of several scales, (side, side) uint8."""
    rng = np.random.default_rng([seed])
    layers = [
        cv2.resize(rng.normal(size=(n, n)), (side, side)) * side / n
        for n in (5, 11, 23, 47)
    ]
    grey = np.sum(layers, axis=0)
    grey = 30 + 200 * (grey - grey.min()) / np.ptp(grey)
    return grey.astype(np.uint8)


def jpeg(image):
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def scaled(image):
    side = image.shape[0]
    small = cv2.resize(
        image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


def cropped(image):
    cut = image.shape[0] // 40
    return cv2.resize(image[cut:-cut, cut:-cut], image.shape[::-1])


CHANGES = {
    "same": lambda image: image,
    "jpeg": jpeg,
    "scaled": scaled,
    "cropped": cropped,
    "brighter": lambda image: cv2.add(image, 10),
    "contrast": lambda image: (image * 0.6 + 30).astype(np.uint8),
    "gamma": lambda image: (255 * (image / 255) ** 0.7).astype(np.uint8),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}


def write_set(folder, entries, name="textures"):
    """A prepared data set with the label task `finding`.

    Args:
        folder: The folder to make; sources lie beside it.
        entries: (id, picture, patient, split, label) of each image.
    """
    raw = folder.parent / f"{folder.name}-raw"
    raw.mkdir(parents=True)
    tasks = [TaskSpec("finding", "label", CLASSES)]
    about = SourceDescription(name, "", "", "none", "texture")
    with PreparedWriter(folder, name, tasks, about, size=SIDE) as writer:
        for image_id, picture, patient, split, label in entries:
            file = raw / f"{image_id}.png"
            cv2.imwrite(str(file), picture)
            writer.add(image_id, file, patient, split, {"finding": label})
    return folder
