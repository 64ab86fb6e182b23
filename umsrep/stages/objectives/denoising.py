"""Construction by denoising (UMS-Rep, stage 1)."""

from collections.abc import Mapping

from umsrep import data as data_package
from umsrep.data.corruption import Corruption
from umsrep.model import MultiTaskModel
from umsrep.stages.first_stage import registry
from umsrep.stages.objectives.reconstruction import Reconstruction

TASK = "denoised"
PICTURED = ("gaussian_10", "gaussian_25", "gaussian_50", "poisson")


def corruption() -> data_package.RandomChoice:
    """The training noise: Gaussian or Poisson, drawn for each image."""
    return data_package.RandomChoice(
        [
            data_package.GaussianNoise((5.0, 50.0)),
            data_package.PoissonNoise((30.0, 300.0)),
        ],
        weights=[0.7, 0.3],
    )


@registry.register("denoising")
class Denoising(Reconstruction):
    """Clean images from noisy ones (UMS-Rep, Section 4.1.1).

    Args:
        settings: `PretrainSettings`.
    """

    tasks = (TASK,)

    def corruption(self, model: MultiTaskModel) -> Corruption:
        return corruption()

    def levels(self, model: MultiTaskModel) -> Mapping[str, Corruption]:
        return data_package.TABLE_2_LEVELS

    def pictured(self, model: MultiTaskModel) -> Mapping[str, Corruption]:
        return {name: data_package.TABLE_2_LEVELS[name] for name in PICTURED}
