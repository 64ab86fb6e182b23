"""What every synthetic data set shares: arguments, folder and truth file."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from umsrep.data.storage import new_folder, write_json
from umsrep.errors import UmsrepError
from umsrep.phantoms.chest.difficulty import name_of

SMALLEST = 64
# The random generator that plans a set is [seed, first index, PLAN_STREAM].
# The image model uses the streams 0 to 7, gaze 20, readers 21.
PLAN_STREAM = 10
LABEL_STREAM = 11


@dataclass(frozen=True)
class SyntheticSet:
    """A data set that can be drawn.

    Attributes:
        name: Its name in `phantom.json`; for a layout of chest X-rays, also
            the converter's name.
        fewest: Fewest images with which every part has every class.
        draw: `draw(folder, images, seed, size)`, or with a difficulty as the
            fifth argument, writes the files below an existing folder and
            yields the truth about each image, a dict.
    """

    name: str
    fewest: int
    draw: Callable

    def write(
        self, out, images, seed, size=256, on_image=None, difficulty=None
    ):
        """Writes the files and `phantom.json`; see `layouts.write_chest`.

        Args:
            difficulty: `Difficulty`, or None for a set that has none.
        """
        self._check(images, seed, size)
        truth, how, arguments = [], {}, ()
        if difficulty is not None:
            how = {"level": name_of(difficulty), **asdict(difficulty)}
            how, arguments = {"difficulty": how}, (difficulty,)
        with new_folder(out) as folder:
            for entry in self.draw(folder, images, seed, size, *arguments):
                truth.append(entry)
                if on_image is not None:
                    on_image()
            write_json(
                folder / "phantom.json",
                {
                    "format": "umsrep-phantom",
                    "format_version": 1,
                    "layout": self.name,
                    "seed": seed,
                    "size": size,
                    **how,
                    "images": truth,
                },
            )

    def _check(self, images, seed, size):
        if images < self.fewest:
            raise UmsrepError(
                f"Got {images} images; the {self.name} set needs at least "
                f"{self.fewest} to hold every class. Ask for more, for "
                "example 60."
            )
        if size < SMALLEST:
            raise UmsrepError(
                f"Got size {size}; a picture needs at least {SMALLEST} pixels. "
                "Choose a larger size, for example 256."
            )
        if seed < 0:
            raise UmsrepError(
                f"Got seed {seed}; seeds count from 0. Give a non-negative "
                "integer."
            )
