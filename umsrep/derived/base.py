"""The contract of a derived task."""

from umsrep.errors import UmsrepError
from umsrep.registry import Registry

registry = Registry("derived task", serializable=False)


class DerivedTask:
    """Something computed from a trained model's outputs (abstract).

    UMS-Rep, Section 3.2.1: it needs no training and no labels of its own. A
    subclass implements `__call__(model, images)` for a `MultiTaskModel` and
    (batch, height, width, channels) images with grey levels in [0, 255].

    A subclass that also sets `reads` and `columns` and implements `cells` adds
    columns to predictions.csv (`umsrep predict --derive NAME`), for a run and
    for an exported file.

    Attributes:
        reads: Names of the tasks whose outputs `cells` takes.
        kinds: {task: "label", "mask" or "map"} of those that must be such.
        columns: Names of the columns that `cells` fills.
    """

    reads = ()
    kinds = {}
    columns = ()

    @classmethod
    def for_tasks(cls, specs, thresholds=None, **arguments):
        """An instance for a model's tasks.

        Args:
            specs: {task: TaskSpec} (kind, classes) of the model.
            thresholds: {task: probability or None}: the probability from which
                the model decides for the positive class, or for a pixel of a
                mask.
            **arguments: Arguments of the class.
        """
        return cls(**arguments)

    def __call__(self, model, images):
        raise NotImplementedError

    def cells(self, outputs, scale=None):
        """The cells of one image in a table.

        Args:
            outputs: {task: output} of the tasks in `reads`: calibrated
                probabilities (classes,), or probabilities or a distribution
                (height, width) at the image's own size.
            scale: `umsrep.data.Scale` of the image, or None.

        Returns:
            {column: value} of all `columns`; text, a number, or None.

        Raises:
            UmsrepError: there is no answer for this image; its cells stay
                empty and the message is among its warnings.
        """
        raise UmsrepError(
            f"{type(self).__name__} says nothing about single images in a "
            "table. Implement reads, columns and cells, or leave it out of "
            "--derive."
        )
