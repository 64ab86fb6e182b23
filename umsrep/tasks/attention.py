"""Where class activation maps should be bright; supervises training only."""

from numpy.typing import NDArray

from umsrep.tasks.base import TaskKind, register


@register("attention")
class Attention(TaskKind):
    """A map in the channel of an image's true class (GG-CAM).

    Made of a label task and of masks or maps by `Dataset.with_attention`; no
    prepared folder holds one, and nothing is predicted.
    """

    title = "Attention"

    def usable(self, targets: NDArray) -> NDArray:
        """(batch,) bool: images whose target holds a map (-1 is none)."""
        return (targets >= 0).any(axis=(1, 2, 3))  # type: ignore[return-value]
