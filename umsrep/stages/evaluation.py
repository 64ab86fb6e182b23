"""`umsrep evaluate`: a run on a data set -> predictions, metrics, pictures."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from umsrep import runs, tasks
from umsrep.data import Dataset, load, participants, storage
from umsrep.data.images import write_png
from umsrep.data.test_time_augmentation import TestTimeAugmentation
from umsrep.evaluation import components as components_filter
from umsrep.evaluation import fold_spread, predict, subgroups, table_metrics
from umsrep.evaluation.fold_spread import HELD_OUT
from umsrep.evaluation.folder import FORMAT, FORMAT_VERSION
from umsrep.evaluation.subject import Subject
from umsrep.figures import example_pictures
from umsrep.runs import stage_one
from umsrep.runs.calibration import CrossFitted


def evaluate_run(
    run_folder: str | Path,
    data: str | Path | Dataset,
    out: str | Path,
    split: str | None = None,
    save_masks: bool = False,
    blank_outside: str | None = None,
    shift: str | None = None,
    components: Mapping[str, int] | None = None,
    bootstrap: int = 1000,
    by: Sequence[str] = (),
    pictures: bool = True,
    tta: int = 1,
) -> dict[str, dict[str, Any]]:
    """Evaluates a fine-tuned run and writes an evaluation folder.

    Args:
        run_folder: A run of `finetune`.
        data: A prepared folder, or the `data.Dataset` loaded from one. If the
            run was trained on it, its own split is used, see `Subject`.
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
        by: Columns (see `evaluation.subgroups.groups_of`): metrics of each of
            their values, and tests of the differences, are written to
            subgroups.csv and subgroups.json.
        pictures: Draw the worst, middling and best images of each task, which
            may take longer than all the rest.
        tta: Test-time augmentation: predictions are the mean over so many
            versions of each image (`data.TestTimeAugmentation`); 1 is none.
            Temperatures and thresholds stay those of single images.

    Returns:
        {task: {metric: value, <metric>_ci95: [low, high]}}.
    """
    augmentation = TestTimeAugmentation(tta)
    whole = load(data)
    described = runs.describe_data([whole])[0]
    subject = _subject(run_folder, whole, split, shift, blank_outside)
    for column in by:
        # A mistake is said before minutes of work.
        subgroups.groups_of(subject.dataset, column)
    with storage.new_folder(out) as folder:
        metrics, whole_seen, *results = _write_results(
            folder, subject, components, bootstrap, save_masks, by, augmentation
        )
        if pictures:
            _write_pictures(folder, subject, *results)
        storage.write_json(
            folder / "evaluation.json",
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "run": {**subject.run.info, "folder": str(subject.run.path)},
                "data": described,
                "split": subject.split,
                "components": components,
                "blank_outside": blank_outside,
                "shift": shift,
                "seen_whole": whole_seen,
                "test_time_augmentation": augmentation.recorded(),
                "images": len(subject.dataset),
                "seen_in_stage_one": _seen(subject),
                "tasks": {s.name: s.to_json() for s in subject.specs},
                "history": "history.csv",
                "bootstrap": bootstrap,
                **_reported(subject, whole),
                "versions": runs.versions(),
            },
        )
    return metrics


def _subject(run_folder, whole, split, shift, blank_outside):
    subject = Subject(run_folder, whole, split)
    if shift is not None:
        subject = subject.shifted(shift)
    if blank_outside is not None:
        subject = subject.blanked(blank_outside)
    return subject


def _reported(subject, whole):
    """What reporting guidelines ask of the images and the decisions."""
    sides = {subject.split or "all": subject.dataset}
    header = runs.prepared_folder(whole).header
    return {
        "cohort": participants.cohort(sides).to_dict("records"),
        "exclusions": participants.exclusions(header),
        "calibration": {
            task: _calibration(fitted) | _chosen_on(subject)
            for task, fitted in subject.calibrations.items()
        },
    }


def _chosen_on(subject):
    """What a threshold was chosen on, unless on validation images."""
    if subject.run.folds and subject.split != HELD_OUT:
        return {"chosen_on": "the patients that the folds held out"}
    return {}


def _calibration(fitted):
    if isinstance(fitted, CrossFitted):
        return {"folds": [_calibration(found) for found in fitted.fitted]}
    return asdict(fitted) | {"temperature_at_bound": fitted.at_bound}


def _seen(subject):
    """What of the images the run's first stage has learnt from, or None."""
    rows = stage_one.read(subject.run)
    return None if rows is None else stage_one.seen(rows, subject.dataset)


def _write_results(folder, subject, components, bootstrap, save_masks, by, tta):
    """Predictions and metrics of a `Subject`.

    Returns:
        (the metrics; how many images were seen whole for want of a mask to
        focus by, None without a focus; images, table and outputs).
    """
    dataset, seen, specs = subject.dataset, subject.seen, subject.specs
    outputs = subject.outputs(progress=True, tta=tta)
    whole = _seen_whole(subject, outputs)
    outputs = components_filter.clean(outputs, components)
    table = predict.table(
        outputs, dataset, specs, subject.calibrations, subject.references
    )
    metrics = table_metrics.all_metrics(table, specs, bootstrap=bootstrap)
    table.to_csv(folder / "predictions.csv", index=False)
    storage.write_json(folder / "metrics.json", metrics)
    _write_folds(folder, subject, table, tta)
    if by:
        found = subgroups.audit_columns(table, specs, dataset, by, bootstrap)
        storage.write_json(folder / "subgroups.json", found)
        storage.write_csv(folder / "subgroups.csv", subgroups.to_frame(found))
    history = subject.run.path / "history.csv"
    if history.exists():
        shutil.copy(history, folder / "history.csv")
    if save_masks:
        _write_masks(folder, dataset, outputs, specs)
    return metrics, whole, seen, table, outputs


def _write_folds(folder, subject, table, tta):
    """folds.json: what each fold reaches by itself; of a cross-validation."""
    if not subject.run.folds:
        return
    if subject.split == HELD_OUT:
        found = fold_spread.spread(table, subject.part, subject.specs)
    else:
        # The ensemble is what is evaluated; beside it, each fold alone.
        members = subject.run.members
        found = fold_spread.across(
            [_metrics_of(subject, member, tta) for member in members]
        )
    storage.write_json(folder / "folds.json", found)


def _metrics_of(subject, member, tta):
    """Metrics of one fold on the images of a `Subject`."""
    alone = subject.by_member(member)
    table = predict.table(
        alone.outputs(tta=tta),
        alone.dataset,
        alone.specs,
        alone.calibrations,
        alone.references,
    )
    return table_metrics.all_metrics(table, alone.specs, bootstrap=0)


def _write_pictures(folder, subject, seen, table, outputs):
    """Pictures of the images; `seen` are they as the network gets them."""
    listed = example_pictures.write_examples(
        folder,
        subject.dataset,
        seen,
        subject.explain,
        table,
        outputs,
        subject.specs,
    )
    storage.write_json(folder / "pictures" / "pictures.json", listed)


def _seen_whole(subject, outputs):
    """How many images had no mask to focus by, and says so; or None."""
    found = subject.without_mask(outputs)
    if found is None:
        return None
    if found.any():
        print(
            f"Warning: of {found.sum()} of {len(found)} images the predicted "
            f"{subject.run.info['focus']['task']} covers next to nothing; "
            "there labels and numbers are of the whole image. Look at these "
            "images.",
            file=sys.stderr,
        )
    return int(found.sum())


def _write_masks(folder, dataset, outputs, specs):
    for spec in specs:
        kind = tasks.of(spec)
        if kind.threshold is None:
            continue
        for index, image in enumerate(dataset.table["image"]):
            mask = kind.encode(outputs[spec.name][index] > kind.threshold)
            name = f"{Path(image).stem}.png"
            write_png(folder / kind.folder / spec.name / name, mask)
