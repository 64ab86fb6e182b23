"""Construction by super-resolution."""

from collections.abc import Mapping

from umsrep import data as data_package
from umsrep.data.corruption import Corruption
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import registry
from umsrep.stages.objectives.reconstruction import Reconstruction


@registry.register("super_resolution")
class SuperResolution(Reconstruction):
    """Sharp images from ones that were averaged down and enlarged again.

    The task that UMS-Rep (Section 2.1) names beside denoising; the input is
    enlarged first, as of SRCNN (Dong et al. 2016).

    Args:
        settings: `SuperResolutionSettings`.
    """

    tasks = ("sharpened",)

    def corruption(self, model: MultiTaskModel) -> Corruption:
        return data_package.Downscale(self.settings.factors)

    def levels(self, model: MultiTaskModel) -> Mapping[str, Corruption]:
        return {
            f"downscale_{factor}": data_package.Downscale(factor)
            for factor in sorted(set(self.settings.factors))
        }
