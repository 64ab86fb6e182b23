"""The image itself, free of noise; pre-training only."""

from umsrep.tasks.base import TaskKind, register


@register("image")
class Image(TaskKind):
    """Grey levels in [0, 1], what denoising learns from unlabelled images."""

    title = "Images"
