"""Construction by restoration (Models Genesis)."""

from collections.abc import Mapping

from umsrep import data as data_package
from umsrep.data.corruption import Corruption
from umsrep.data.restoration import models_genesis
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import registry
from umsrep.stages.objectives import denoising
from umsrep.stages.objectives.reconstruction import Reconstruction


@registry.register("restoration")
class Restoration(Reconstruction):
    """Images from ones whose greys, texture and parts were changed.

    Models Genesis (Zhou et al. 2019; 2021, Section 3): grey levels by a
    monotone curve teach appearance, shuffled windows texture and borders,
    painted boxes context. The squared error counts on the whole image.

    Args:
        settings: `RestorationSettings`.
    """

    tasks = ("restored",)

    def corruption(self, model: MultiTaskModel) -> Corruption:
        return models_genesis(
            denoising.corruption() if self.settings.noise else None
        )

    def levels(self, model: MultiTaskModel) -> Mapping[str, Corruption]:
        return {
            "non_linear_intensity": data_package.NonLinearIntensity(),
            "local_shuffling": data_package.LocalShuffling(),
            "in_painting": data_package.InPainting(),
            "out_painting": data_package.OutPainting(),
        }
