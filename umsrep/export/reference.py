"""What the toolkit itself predicts, step by step."""

import numpy as np

from umsrep import tasks
from umsrep.data.frame import Frame
from umsrep.runs.calibration import Calibration


def frames_of(source, images):
    """A `Frame` for each image."""
    return [
        Frame(image.shape, source.image_size, source.fit) for image in images
    ]


def prepared(source, images):
    """(n, height, width, 1) uint8: the images as files are prepared."""
    frames = frames_of(source, images)
    return np.stack(
        [
            frame.image(image)
            for frame, image in zip(frames, images, strict=True)
        ]
    )[..., None]


def unrounded(source, images):
    """The same before the rounding, float32."""
    frames = frames_of(source, images)
    pairs = zip(frames, images, strict=True)
    values = [frame.unrounded(image) for frame, image in pairs]
    return np.stack(values)[..., None]


def denoised(denoiser, grey):
    """A denoiser's grey levels before their rounding, float32."""
    clean = np.asarray(_predict(denoiser, grey)["denoised"])[..., :1]
    return np.clip(clean * 255, 0, 255)


def results(source, networks, grey, images):
    """{task: results} from what the networks get.

    Args:
        source: A `serving.Source`.
        networks: Its networks, or the run's own.
        grey: (n, height, width, 1), whole grey levels.
        images: The images, for their sizes.

    Returns:
        {task: results per image, as `TaskKind.finish`}, float32.
    """
    frames = frames_of(source, images)
    found = {}
    for network in networks:
        for task, output in _predict(network, grey).items():
            if task in source.specs:
                found[task] = _finish(source, task, output, frames)
    return found


def _finish(source, task, output, frames):
    fitted = source.calibrations.get(task, Calibration())
    kind = tasks.of(source.specs[task])
    return kind.finish(np.asarray(output), frames, fitted)


def _predict(model, grey):
    channels = model.representation.image_shape[-1]
    images = np.repeat(np.asarray(grey, np.float32), channels, axis=-1)
    return model.predict_on_batch(images)
