"""From what a converter gives for a task to a target in the prepared format.

One class per `PictureKind.source`. `given(value)` is the value as the others
take it, or None where there is none; `draw(image, frame, task, given)` the
prepared target (height, width); `files(given)` the files it was made of; and
`keep(...)` notes what is to be recorded of an image that was written.
"""

from pathlib import Path

from umsrep.data import masks
from umsrep.data.gaze import Gaze
from umsrep.data.gaze_record import GazeRecord


class Regions:
    """Masks: files or arrays, united."""

    def given(self, value):
        return masks.as_list(value) or None

    def draw(self, image, frame, task, given):
        return frame.mask(masks.unite(given, frame.shape, task, image))

    def files(self, given):
        return [mask for mask in given if isinstance(mask, Path)]

    def keep(self, name, frame, task, given):
        pass


class Gazes:
    """Maps: a `gaze.Gaze`, or a grey heat map file.

    Args:
        gaze_map: A `gaze.GazeMap`.
    """

    def __init__(self, gaze_map):
        self.record = GazeRecord(gaze_map)

    def given(self, value):
        return value

    def draw(self, image, frame, task, given):
        return self.record.draw(image, frame, task, given)

    def files(self, given):
        return [] if isinstance(given, Gaze) else [Path(given)]

    def keep(self, name, frame, task, given):
        if isinstance(given, Gaze):
            self.record.keep(name, frame, task, given)


def sources(gaze_map):
    """{name of a source: object}; `PictureKind.source` names one."""
    return {"regions": Regions(), "gaze": Gazes(gaze_map)}
