"""`umsrep predict`: image files in; a table, masks and pictures out."""

from dataclasses import dataclass
from pathlib import Path

from umsrep import tasks as task_kinds
from umsrep.data import intensities, source_image, storage
from umsrep.data.batches import ahead
from umsrep.data.deep_pixels import check_sixteen_bit
from umsrep.data.frame import Frame
from umsrep.data.test_time_augmentation import TestTimeAugmentation
from umsrep.errors import UmsrepError
from umsrep.inference import listing
from umsrep.inference.derived_output import (
    DerivedOutput,
    Scales,
    derived_tasks,
    description,
)
from umsrep.inference.opening import open as open_predictor
from umsrep.inference.outputs import Item, MaskOutput, outputs_of
from umsrep.inference.record import PredictionRecord
from umsrep.predictor import check_finite
from umsrep.progress import Progress

# A batch ends at one of these: results at the images' own size fill memory.
BATCH_IMAGES = 16
BATCH_PIXELS = 24_000_000
AT_DETECTOR = (
    "mm2 at the detector, larger than the patient's by the magnification"
)


@dataclass(frozen=True)
class Summary:
    """What came of it.

    Attributes:
        images: Number of images predicted.
        failures: Files that could not be read (failures.csv).
        warnings: Images with a warning.
        passed_over: Other files in the folders.
        checked: Whether it is known what the training images look like, so
            that unlike images were warned of.
    """

    images: int
    failures: int
    warnings: int
    passed_over: int
    checked: bool


def predict_files(
    model,
    paths,
    out,
    tasks=None,
    explain=None,
    derive=None,
    scales=None,
    pictures=True,
    sixteen_bit="refuse",
    resume=False,
    progress=True,
    tta=1,
):
    """Predicts image files and writes a folder (`inference.record`).

    Args:
        model: A run folder of `finetune`, or an exported file.
        paths: Image files, and folders that are searched for them.
        out: The folder to write.
        tasks: Names of tasks; None is all.
        explain: Name of an explainer for the label tasks (of runs), or None.
        derive: {name: `derived.DerivedTask`, or its arguments}: derived tasks
            whose cells are wanted, or None. Arguments make the registered one
            of that name, for the model's tasks.
        scales: Table of what the images' pixels measure, as scales.csv
            (`data.scale_table`), for derived tasks; or None.
        pictures: Write overlays of masks and maps.
        sixteen_bit: How to read PNG and TIFF files with more than 8 bits,
            as in `images.read_grey`.
        resume: Go on in an existing folder.
        progress: Show a progress bar.
        tta: As of `inference.open`.

    Returns:
        A `Summary`.

    Raises:
        UmsrepError: bad arguments, or no image among the paths. A file that
            cannot be read is no error; it is listed in failures.csv.
    """
    check_sixteen_bit(sixteen_bit)
    listing.find(paths)  # What is wrong with them is said before the work.
    predictor = _opened(model, tasks, tta)
    tasks = [name for name in predictor.specs if not tasks or name in tasks]
    specs = {task: predictor.specs[task] for task in tasks}
    derive = derived_tasks(derive or {}, specs, predictor.thresholds)
    scales, checksum = _scales(scales, derive)
    outputs = [
        *outputs_of(predictor, tasks, explain, pictures),
        *(DerivedOutput(name, task, scales) for name, task in derive.items()),
    ]
    work = _Work(predictor, tasks, explain, outputs)
    config = {
        "model": _fingerprints(model),
        "paths": [str(path) for path in paths],
        "tasks": tasks,
        "explain": explain,
        "derive": {name: description(task) for name, task in derive.items()},
        "scales": checksum,
        "pictures": pictures,
        "sixteen_bit": sixteen_bit,
        "test_time_augmentation": TestTimeAugmentation(tta).recorded(),
    }
    with PredictionRecord(out, config, resume) as record:
        sources, passed_over = listing.find(paths, record.names)
        if scales is not None:
            scales.find([source.path for source in sources])
        if record.complete:
            _check_all_are_done(record, sources)
        else:
            left = [s for s in sources if str(s.path) not in record.done]
            done = len(sources) - len(left)
            with Progress("predict", len(sources), done, progress) as bar:
                for batch in _batches(ahead(_Files(left, sixteen_bit))):
                    work.predict(batch, record)
                    bar.advance(len(batch))
            record.finish(work.columns, work.entries(model, passed_over))
        counts = record.counts
        return Summary(**counts, passed_over=passed_over, checked=work.checked)


def _opened(model, tasks, tta):
    """The predictor of these tasks, and of what its remarks need."""
    predictor = open_predictor(model, tasks, tta)
    if tasks and predictor.needed:
        # Predicted as well, to warn of images without it.
        predictor = open_predictor(model, [*tasks, predictor.needed], tta)
    return predictor


def _scales(file, derive):
    """(`Scales`, checksum) of the table, or None twice."""
    if file is None:
        return None, None
    if not derive:
        raise UmsrepError(
            f"--scales {file} without --derive: only derived tasks read "
            "scales. Add --derive NAME, or leave it out."
        )
    return Scales(file), storage.sha256(file)


def _check_all_are_done(record, sources):
    done = record.listed()
    new = [source.path for source in sources if str(source.path) not in done]
    if new:
        raise UmsrepError(
            f"{record.path} holds complete predictions, without {len(new)} of "
            f"these images, such as {new[0]}. Predict them into a new --out "
            "folder."
        )


class _Work:
    """What is done with each batch of images."""

    def __init__(self, predictor, tasks, explain, outputs):
        self.predictor = predictor
        self.tasks = tasks
        self.explain = explain
        specs = predictor.specs
        self.labels = [t for t in tasks if task_kinds.of(specs[t]).explained]
        if explain is not None:
            if not self.labels:
                raise UmsrepError(
                    f"--explain {explain}: no classification task among "
                    f"{', '.join(tasks)}. Leave --explain out, or name one "
                    "with --task."
                )
            for task in self.labels:
                predictor.check_explainable(task, explain)
        self.outputs = outputs
        self.checked = predictor.intensities is not None
        self.columns = [
            *(name for output in self.outputs for name in output.columns),
            "warnings",
        ]
        self.description = {
            task: {
                **specs[task].to_json(),
                "threshold": predictor.thresholds.get(task),
            }
            for task in tasks
        }

    def entries(self, model, passed_over):
        """What the finished folder says about itself."""
        return {
            "model": str(model),
            "tasks": self.description,
            "passed_over": passed_over,
            "compared_with_training_images": self.checked,
        }

    def predict(self, batch, record):
        """Predicts, writes and notes a batch of `Item`s and failures."""
        items = []
        for source, image in batch:
            if isinstance(image, UmsrepError):
                record.fail(source.path, image)
            else:
                items.append(Item(source, image))
        try:
            self._fill(items)
        except UmsrepError:
            # One image must not take the others with it.
            good = []
            for item in items:
                try:
                    self._fill([item])
                except UmsrepError as error:
                    record.fail(item.source.path, error)
                else:
                    good.append(item)
            items = good
        for item in items:
            row = {}
            try:
                for output in self.outputs:
                    row |= output.write(record.path, item)
            except UmsrepError:  # Such as a full disk.
                raise
            except (ValueError, TypeError, ArithmeticError) as error:
                reason = UmsrepError(
                    f"{item.source.path}: its results cannot be written "
                    f"({type(error).__name__}: {error}). Look at the image."
                )
                record.fail(item.source.path, reason)
                continue
            record.add({**row, "warnings": "; ".join(item.warnings)})

    def _fill(self, items):
        """Sets the results and warnings of `items`."""
        if not items:
            return
        greys = [item.image.grey for item in items]
        results = self.predictor(greys)
        heats = {}
        for task in self.labels if self.explain else ():
            decided = self.predictor.decide(task, results[task])
            heats[task] = self.predictor.explain(
                greys, task, decided, self.explain
            )
        remarks = self.predictor.remarks(results)
        for number, item in enumerate(items):
            item.results = {t: results[t][number] for t in self.tasks}
            item.heats = {t: heats[t][number] for t in heats}
            check_finite(item.source.path, item.results)
            item.warnings = self._warnings(item) + remarks[number]

    def _warnings(self, item):
        grey = item.image.grey
        frame = Frame(grey.shape, self.predictor.image_size, self.predictor.fit)
        found = intensities.differences(
            frame.image(grey), grey.shape, self.predictor.intensities
        )
        areas = any(isinstance(output, MaskOutput) for output in self.outputs)
        if areas and item.image.spacing_at == "detector":
            found.append(AT_DETECTOR)
        return found


class _Files:
    """Number -> (source, image as read, or the error); for `ahead`."""

    def __init__(self, sources, sixteen_bit):
        self.sources = sources
        self.sixteen_bit = sixteen_bit

    def __len__(self):
        return len(self.sources)

    def __getitem__(self, number):
        source = self.sources[number]
        try:
            return source, source_image.read(source.path, self.sixteen_bit)
        except UmsrepError as error:
            return source, error


def _batches(read):
    """Lists of what is read, bounded in number and in pixels."""
    batch, pixels = [], 0
    for source, image in read:
        batch.append((source, image))
        if not isinstance(image, UmsrepError):
            pixels += image.grey.size
        if len(batch) == BATCH_IMAGES or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _fingerprints(model):
    """{file: SHA-256} of what the results depend on."""
    model = Path(model)
    if not model.is_dir():
        return {model.name: storage.sha256(model)}
    files = [*model.glob("*.keras"), *model.glob("calibration.json")]
    if not files:
        files = [file for file in model.rglob("*") if file.is_file()]
    return {
        file.relative_to(model).as_posix(): storage.sha256(file)
        for file in sorted(files)
    }
