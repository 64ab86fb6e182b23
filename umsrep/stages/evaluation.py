"""`umsrep evaluate`: a run on a data set -> predictions, metrics, pictures."""

import shutil
from pathlib import Path

from umsrep import runs, tasks
from umsrep.data import storage
from umsrep.data.images import write_png
from umsrep.evaluation import components as components_filter
from umsrep.evaluation import predict, table_metrics
from umsrep.evaluation.folder import FORMAT, FORMAT_VERSION
from umsrep.evaluation.subject import Subject
from umsrep.figures import example_pictures


def evaluate_run(
    run_folder,
    data_folder,
    out,
    split=None,
    save_masks=False,
    blank_outside=None,
    shift=None,
    components=None,
    bootstrap=1000,
):
    """Evaluates a fine-tuned run and writes an evaluation folder.

    Args:
        run_folder: A run of `finetune`.
        data_folder: A prepared data set. If the run was trained on it, the
            run's own split is used.
        out: The folder to write.
        split: "train", "validation" or "test"; default: "test" where the data
            has one, else all images.
        save_masks: Write each predicted mask as PNG (0/255).
        blank_outside: A mask task: everything outside its reference mask is
            made black first, to see what a classifier owes to the rest of
            the image. Images without the mask are left out.
        shift: Name of a simulated shift (`data.simulated_shifts`), for
            choosing settings on validation images.
        components: {mask task: how many of its largest components count}, or
            None for all of them.
        bootstrap: Patient-clustered resamples for the intervals.

    Returns:
        {task: {metric: value, <metric>_ci95: [low, high]}}.
    """
    subject = Subject(run_folder, data_folder, split)
    if shift is not None:
        subject = subject.shifted(shift)
    if blank_outside is not None:
        subject = subject.blanked(blank_outside)
    dataset, seen, specs = subject.dataset, subject.seen, subject.specs
    run, network = subject.run, subject.network
    with storage.new_folder(out) as folder:
        outputs = components_filter.clean(
            predict.probabilities(network, seen, progress=True), components
        )
        table = predict.table(
            *(outputs, dataset, specs, subject.calibrations),
            subject.references,
        )
        metrics = table_metrics.all_metrics(table, specs, bootstrap=bootstrap)
        table.to_csv(folder / "predictions.csv", index=False)
        storage.write_json(folder / "metrics.json", metrics)
        if (run.path / "history.csv").exists():
            shutil.copy(run.path / "history.csv", folder / "history.csv")
        pictures = example_pictures.write(
            folder, dataset, seen, network, table, outputs, specs
        )
        storage.write_json(folder / "pictures" / "pictures.json", pictures)
        if save_masks:
            _write_masks(folder, dataset, outputs, specs)
        storage.write_json(
            folder / "evaluation.json",
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "run": {**run.info, "folder": str(run.path)},
                "data": runs.describe_data([data_folder])[0],
                "split": subject.split,
                "components": components,
                "blank_outside": blank_outside,
                "shift": shift,
                "images": len(dataset),
                "tasks": {spec.name: spec.to_json() for spec in specs},
                "history": "history.csv",
                "bootstrap": bootstrap,
                "versions": runs.versions(),
            },
        )
    return metrics


def _write_masks(folder, dataset, outputs, specs):
    for spec in specs:
        kind = tasks.of(spec)
        if kind.threshold is None:
            continue
        for index, image in enumerate(dataset.table["image"]):
            mask = kind.encode(outputs[spec.name][index] > kind.threshold)
            name = f"{Path(image).stem}.png"
            write_png(folder / kind.folder / spec.name / name, mask)
