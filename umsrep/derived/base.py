"""The contract of a derivable task."""

from umsrep.registry import Registry

registry = Registry("derived task", serializable=False)


class DerivedTask:
    """Something computed from a trained model's outputs (abstract).

    UMS-Rep, Section 3.2.1: it needs no training and no labels of its own. A
    subclass implements `__call__(model, images)` on a `MultiTaskModel` and
    (batch, height, width, channels) images with grey levels in [0, 255].
    """

    def __call__(self, model, images):
        raise NotImplementedError
