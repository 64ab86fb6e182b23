"""The cases of an evaluation, worst first, or of a prepared data set."""

from pathlib import Path

import pandas as pd

from umsrep import data, runs, tasks
from umsrep.data import storage
from umsrep.data.source_image import SourceImage
from umsrep.errors import UmsrepError
from umsrep.evaluation import table_metrics
from umsrep.evaluation.folder import read_evaluation

CHANGED = ("blank_outside", "shift", "components")


class Cases:
    """Images with references, in one or more orders.

    Args:
        dataset: A `data.Dataset`.
        title: What they are, in words.
        rankings: [{"title", "task", "cases": [{"id", "image", "score"}]}]; id
            is the row of the data set, the first case is the worst.
    """

    def __init__(self, dataset, title, rankings):
        self.dataset = dataset
        self.title = title
        self.rankings = rankings

    def describe(self):
        """Title and orders, for the page's list."""
        return {"title": self.title, "rankings": self.rankings}

    def load(self, number, specs):
        """(SourceImage, {task: `Dataset.target`}) of a case.

        Raises:
            UmsrepError: there is no such case.
        """
        if not 0 <= number < len(self.dataset):
            raise UmsrepError(
                f"There is no case {number}; there are {len(self.dataset)}. "
                "Choose one from the list."
            )
        references = {}
        for name in specs:
            if name in self.dataset.tasks:
                references[name] = self.dataset.target(name, number)
        return SourceImage(self.dataset.image(number)), references


def none():
    """No cases: only images that are dropped."""
    return Cases([], "", [])


def of_data(folder, predictor):
    """All images of a prepared data set, in its order."""
    dataset = data.load(folder)
    _check_size(folder, dataset, predictor)
    cases = [
        {"id": number, "image": image, "score": None}
        for number, image in enumerate(dataset.table["image"])
    ]
    ranking = {"title": "In the order of the data", "task": "", "cases": cases}
    return Cases(dataset, dataset.name, [ranking])


def of_evaluation(folder, predictor, model, data_folder=None):
    """The images of an evaluation, worst first.

    A label task ranks by the probability of the true class, a mask by its
    Dice, a map by its correlation, a number by its error; images without
    the reference are left out.

    Args:
        folder: Folder of `umsrep evaluate`.
        predictor: The `Predictor`.
        model: The run folder it is of.
        data_folder: The prepared data set, where it lies elsewhere than the
            evaluation says.

    Raises:
        UmsrepError: an evaluation of another run, of other data or of changed
            images, or data that is not found.
    """
    evaluation = read_evaluation(folder)
    _check_run(evaluation, model)
    changed = [name for name in CHANGED if evaluation.info.get(name)]
    if changed:
        raise UmsrepError(
            f"{folder} was made with {', '.join(changed)}, but the page shows "
            "images and predictions as they are. Evaluate without it."
        )
    place = Path(data_folder or evaluation.info["data"].get("path", ""))
    if not (place / "dataset.json").exists():
        raise UmsrepError(
            f"{folder} was made on {place}, which is not a prepared data set "
            "(any more). Pass its folder with --data."
        )
    manifest = storage.sha256(place / "manifest.csv")
    if manifest != evaluation.info["data"].get("manifest_sha256"):
        raise UmsrepError(
            f"{place} is not the data set that {folder} was made on. Pass that "
            "one with --data, or evaluate again."
        )
    dataset = data.load(place)
    _check_size(place, dataset, predictor)
    rankings = [
        ranking
        for spec in evaluation.tasks
        if spec.name in predictor.specs
        and (ranking := _ranking(evaluation.predictions, spec, dataset))
    ]
    if not rankings:
        raise UmsrepError(
            f"No image of {folder} has a reference for one of "
            f"{', '.join(predictor.specs)}. Pass --data instead of "
            "--evaluation."
        )
    return Cases(dataset, evaluation.data, rankings)


def _ranking(table, spec, dataset):
    rows = table_metrics.labelled(table, spec)
    if not len(rows):
        return None
    scores, name, lower_is_better = tasks.of(spec).ranking(rows)
    ids = {image: n for n, image in enumerate(dataset.table["image"])}
    scores = pd.Series(scores, rows["image"]).sort_values(
        kind="stable", ascending=not lower_is_better
    )
    first = "largest" if lower_is_better else "lowest"
    return {
        "title": f"{spec.name}: {first} {name} first",
        "task": spec.name,
        "cases": [
            {"id": ids[image], "image": image, "score": round(score, 3)}
            for image, score in scores.items()
        ],
    }


def _check_run(evaluation, model):
    if not (Path(model) / runs.HEADER).exists():
        raise UmsrepError(
            f"--evaluation: {model} is an exported model, which does not say "
            "which run it is of. Pass the run folder, or --data."
        )
    there = {k: v for k, v in evaluation.run.items() if k != "folder"}
    here = storage.read_json(Path(model) / runs.HEADER, "run header")
    if there != here:
        raise UmsrepError(
            f"{evaluation.path} is an evaluation of another run than {model}. "
            "Pass one that `umsrep evaluate` made of this run."
        )


def _check_size(folder, dataset, predictor):
    if tuple(dataset.image_size) != tuple(predictor.image_size):
        height, width = predictor.image_size
        raise UmsrepError(
            f"{folder} has images of {dataset.image_size[0]}x"
            f"{dataset.image_size[1]}, but the model takes {height}x{width}. "
            f"Prepare the data with --size {height}x{width}."
        )
