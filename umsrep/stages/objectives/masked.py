"""Construction by masked images."""

from collections.abc import Mapping

import keras

from umsrep import losses
from umsrep.data import PatchMask
from umsrep.data.corruption import Corruption
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import registry
from umsrep.stages.objectives.reconstruction import Reconstruction


@registry.register("masked")
class Masked(Reconstruction):
    """Hidden patches of an image from the visible ones.

    A masked autoencoder (He et al. 2022) with ordinary convolutions, as
    SparK (Tian et al. 2023) and ConvNeXt V2 (Woo et al. 2023) are with sparse
    ones. That nothing under the mask reaches the prediction is guaranteed
    before the network: hidden pixels are overwritten by the mean of the
    visible ones in the batch, and the network normalises intensities by what
    it is given. So no skip connection can see through the mask either. What
    skips hand on are visible pixels, and these have no part in the loss.

    Patches are as large as a cell of the bottleneck, so that a hidden patch
    is hidden from the finest stage to the coarsest.

    Args:
        settings: `MaskedSettings`.
    """

    tasks = ("unmasked",)

    def corruption(self, model: MultiTaskModel) -> Corruption:
        patch = self.settings.mask_patch
        if patch is None:
            representation = model.representation
            quarter = min(representation.image_shape[:2]) // 4
            patch = min(representation.stride("bottleneck"), max(quarter, 1))
        return PatchMask(patch, self.settings.mask_ratio)

    def levels(self, model: MultiTaskModel) -> Mapping[str, Corruption]:
        return {"patches": self.corruption(model)}

    def loss(self) -> keras.losses.Loss | None:
        return losses.MaskedSquaredError()
