"""What UMS-Rep's chest X-ray part shows beside its results."""

from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import data as data_package
from umsrep import figures, runs
from umsrep.evaluation import table_metrics
from umsrep.evaluation.subject import Subject
from umsrep.experiments import fold_runs
from umsrep.experiments.data_used import rows_of
from umsrep.experiments.pictures import write_maps
from umsrep.experiments.repeats import slug
from umsrep.experiments.tables import evenly
from umsrep.figures.architecture import architecture

# Examples of each class, and images of each class with a heat map.
EXAMPLES, EXPLAINED = 3, 3


def data_used(sets):
    """Table 1: images, patients and labels of every set.

    Args:
        sets: The recipe's `Sets`.

    Returns:
        Data frame of text, a row per set and task.
    """
    rows = []
    for place in sets.construction:
        rows += rows_of("construction", data_package.load(place), tasks=())
    for use, place in sets.targets.items():
        rows += rows_of(use, data_package.load(place))
    return pd.DataFrame(rows)


def write(out, sets, source):
    """Writes Figures 2, 6 and 7 into the experiment's folder.

    Args:
        out: The folder.
        sets: The recipe's `Sets`.
        source: Run folder of the construction.
    """
    out = Path(out)
    _examples(out / "figure-2.svg", data_package.load(sets.homogeneous))
    independent = out / "runs" / slug("heterogeneous independent")
    if independent.exists():
        model = runs.Run(runs.fold_folder(independent, 1)).model()
        figures.save(architecture(model), out / "figure-6.svg")
        _explained(out, independent, sets.external)
    else:
        model = runs.Run(source).model()
        figures.save(architecture(model), out / "figure-6.svg")


def _examples(path, dataset):
    """Images of each class of the label tasks."""
    columns = {}
    for name, spec in dataset.tasks.items():
        for label in spec.classes:
            if label not in columns:
                of_class = np.flatnonzero(
                    (dataset.table[name] == label).to_numpy()
                )
                chosen = evenly(of_class, EXAMPLES)
                columns[label] = list(dataset.subset(chosen).images)
    fewest = min(map(len, columns.values()))
    columns = {label: found[:fewest] for label, found in columns.items()}
    figures.save(figures.panels(columns), path)


def _explained(out, run, external):
    """Figure 7: where the folds together see the class they predict."""
    subject = Subject(run, external)
    place = out / "evaluations" / run.name / fold_runs.ENSEMBLE
    table = table_metrics.read_predictions(place / "predictions.csv").set_index(
        "image"
    )
    table = table.loc[subject.dataset.table["image"]].reset_index()
    for spec in subject.specs:
        if not spec.classes:
            continue
        rows, captions, classes = [], [], []
        for label in spec.classes:
            known = np.flatnonzero(table[f"{spec.name}_true"] == label)
            for row in evenly(known, EXPLAINED):
                predicted = table[f"{spec.name}_pred"][row]
                rows.append(row)
                captions.append(f"{label}, taken for {predicted}")
                classes.append(spec.classes.index(predicted))
        if not rows:
            continue
        shown = subject.dataset.subset(np.array(rows))
        heats = subject.explain(spec.name, np.array(rows), classes)
        captions = [
            words if heat.any() else f"{words}; no evidence"
            for words, heat in zip(captions, heats, strict=True)
        ]
        write_maps(
            out / f"figure-7-{spec.name}.svg",
            shown,
            {
                "image": [None] * len(rows),
                "evidence for the class predicted": heats,
            },
            captions,
        )
