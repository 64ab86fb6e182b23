"""The patients behind a set of images, and how much their images tell."""

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from umsrep.errors import UmsrepError
from umsrep.evaluation import bootstrap
from umsrep.metrics.weighted import Floats

Patients = Sequence[Hashable] | NDArray

# Up to these numbers an interval says that it rests on few patients.
FEW_PATIENTS = 20
FEW_OF_A_CLASS = 10
# Assumed correlation of a patient's images, and the number of patients at
# which half of it is believed.
ALIKE = 0.3
BELIEF = 10


class People:
    """The patients of images, and how unequal their numbers of images are.

    How much less several images of a patient tell than as many patients is the
    design effect: the variance over patients by that of as many independent
    images. A few patients show it badly, so its estimate is drawn towards what
    is expected of images that correlate by `ALIKE`, the more the fewer
    patients there are.

    Args:
        patients: Patient of each image.
        images: Number of images.
        level: Coverage of the intervals, between 0 and 1.

    Raises:
        UmsrepError: not one patient per image, or a level outside (0, 1).
    """

    def __init__(self, patients: Patients, images: int, level: float) -> None:
        given = codes(patients)
        if len(given) != images:
            raise UmsrepError(
                f"Got {len(given)} patients for {images} images. Pass one "
                "patient per image."
            )
        if not 0 < level < 1:
            raise UmsrepError(
                f"Got level {level}. Use a level between 0 and 1 (0.95)."
            )
        self.images = images
        self.index, names = pd.factorize(given)
        self.count = len(names)
        self.sizes = np.bincount(self.index, minlength=self.count).astype(float)
        self.level = level
        self.normal = float(stats.norm.ppf((1 + level) / 2))

    @property
    def clustered(self) -> bool:
        """Whether a patient has several images."""
        return self.count < self.images

    @property
    def alike(self) -> float:
        """Design effect of images that are equal within a patient."""
        return float((self.sizes**2).sum() / self.images)

    @property
    def effective(self) -> float:
        """Number of equal patients that tell as much as these."""
        return self.images / self.alike if self.images else 0.0

    def of(self, side: NDArray[np.bool_]) -> "People":
        """The patients of some of the images."""
        return People(self.index[side], int(side.sum()), self.level)

    def sums(self, values: ArrayLike) -> Floats:
        """Sum of the values of each patient."""
        found = np.bincount(self.index, np.asarray(values, float), self.count)
        return found.astype(float)

    def design_effect(self, residuals: ArrayLike, share: float) -> float:
        """Of a share: between 1 and that of equal images."""
        expected = 1 + ALIKE * (self.alike - 1)
        if not self.clustered or self.count < 2 or not 0 < share < 1:
            return expected
        found = ratio_error(self.sums(residuals), self.sizes) ** 2
        found /= share * (1 - share) / self.images
        # As few as have the rarer outcome say how alike images are.
        known = 2 * min(share, 1 - share) * self.effective
        belief = known / (known + BELIEF)
        mixed = max(found, 0.5) ** belief * expected ** (1 - belief)
        return float(np.clip(mixed, 1, self.alike))

    def jackknife(self, function: Callable[[Floats], Floats]) -> Floats:
        """(patients,) values of a statistic without each patient."""
        return bootstrap.jackknife(function, self.index)

    def note(self, classes: NDArray | None = None) -> str:
        """What makes an interval doubtful.

        Args:
            classes: Class of each image, where the classes count.
        """
        if classes is not None:
            sides = [self.of(classes == k) for k in np.unique(classes)]
            fewest = min(side.count for side in sides)
            if fewest <= FEW_OF_A_CLASS:
                word = "patient" if fewest == 1 else "patients"
                return f"{fewest} {word} of a class"
        if self.count <= FEW_PATIENTS:
            return f"{self.count} patient{'s' * (self.count != 1)}"
        return ""


def codes(patients: Patients) -> NDArray[np.int_]:
    """A number for each patient, `(images,)`.

    Raises:
        UmsrepError: an image without a patient.
    """
    index, _ = pd.factorize(np.asarray(list(patients), object))
    if (index < 0).any():
        raise UmsrepError(
            f"{int((index < 0).sum())} images have no patient (None or nan). "
            "Give each a name; an image of an unknown patient may be its own."
        )
    return index


def ratio_error(sums: Floats, sizes: Floats) -> float:
    """Standard error of a mean over images, from patients' residual sums."""
    count = len(sums)
    return math.sqrt(count / (count - 1) * (sums**2).sum()) / sizes.sum()
