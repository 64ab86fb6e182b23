"""Construction by two views of each image (VICReg)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from umsrep import heads, losses
from umsrep.data import Augmentation, Dataset, Pairs
from umsrep.data.batches import ahead
from umsrep.errors import UmsrepError
from umsrep.losses import views
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import Objective, registry
from umsrep.training import Group, Lane, optimizers


@registry.register("vicreg")
class VICReg(Objective):
    """Embeddings that two views of an image share (Bardes et al. 2022).

    Each image is augmented twice; averaged bottleneck and projector give an
    embedding of each view, which `losses.VICReg` brings together while the
    embeddings of a batch keep their variance. There are no negatives and no
    decoder: what the encoder learns is at the bottleneck.

    Args:
        settings: `ViewsSettings`.

    Attributes:
        used: The `data.Augmentation` of the training; None before it.
    """

    tasks = ("views",)
    used: Augmentation | None = None

    def check(self, data: Dataset) -> None:
        if self.settings.distribution != "none":
            raise UmsrepError(
                f"distribution='{self.settings.distribution}' with the "
                "objective 'vicreg': its loss compares all images of a batch, "
                "which several devices would share. Leave --distribution out."
            )

    def spec(self, data: Dataset, task: str) -> dict[str, Any]:
        return {"kind": "embedding"}

    def new_model(self, data: Dataset) -> MultiTaskModel:
        head = heads.EmbeddingHead(
            self.task, units=self.settings.projector, loss=losses.VICReg()
        )
        return MultiTaskModel(self.representation(data), [head], name="views")

    def augmentation(self, training: Dataset) -> Augmentation:
        """What makes the views differ.

        Args:
            training: Images whose histograms it may match, see
                `data.Augmentation.with_references`.
        """
        settings = self.settings
        augmentation = Augmentation.of(
            settings.augmentation_kind, settings.augmentation
        )
        return augmentation.with_references(training, settings.seed)

    def batches(
        self, data: Dataset, augmentation: Augmentation, channels: int
    ) -> Pairs:
        """Pairs of views of a data set."""
        settings = self.settings
        return Pairs(
            data,
            self.task,
            augmentation,
            settings.batch_size,
            settings.seed,
            channels,
        )

    def train(
        self,
        model: MultiTaskModel,
        training: Dataset,
        validation: Dataset,
        **loop: Any,
    ) -> tuple[pd.DataFrame, Group]:
        settings = self.settings
        model.compile(
            optimizer=optimizers.get(settings.optimizer),
            jit_compile=model.jit(settings.xla),
        )
        channels = model.representation.image_shape[-1]
        augmentation = self.augmentation(training)
        self.used = augmentation
        lane = Lane(
            self.task,
            model,
            self.batches(training, augmentation, channels),
            self.batches(validation, augmentation, channels),
        )
        return self.run(lane, loop)

    def measure(
        self, model: MultiTaskModel, test: Dataset, folder: Path
    ) -> dict[str, dict[str, Any]]:
        """As of `Objective`, and what the embeddings' variance lacks.

        `missing_variance` is the variance term of the loss (Equation 1) on
        test images: 1 is a collapse, 0 a standard deviation of 1 in every
        dimension.
        """
        metrics = super().measure(model, test, folder)
        channels = model.representation.image_shape[-1]
        embedded = [
            np.asarray(model.predict_on_batch(images)[self.task])
            for images, _, _ in ahead(
                test.batches(32, tasks=(), channels=channels)
            )
        ]
        missing = views.missing(np.concatenate(embedded).astype(np.float32))
        metrics[self.task]["missing_variance"] = float(missing)
        return metrics

    def entries(self, model: MultiTaskModel) -> dict[str, Any]:
        return {"augmentation": self.used and self.used.get_config()}
