"""`umsrep export`: from a run folder to one checked file."""

import contextlib
import glob
import os
import shutil
import tempfile
from pathlib import Path

from umsrep import runs
from umsrep import tasks as task_kinds
from umsrep.data import load, storage
from umsrep.errors import UmsrepError
from umsrep.evaluation.subject import EmptySplit, Subject
from umsrep.export import (
    accuracy,
    card,
    exported,
    formats,
    licences,
    packages,
    parity,
    quantization,
    serving,
)
from umsrep.progress import Progress
from umsrep.runs import gaze_reference

# Training images whose activations set the scales of int8.
REPRESENTATIVE = 64


def export_run(
    run_folder,
    out,
    kind,
    tasks=None,
    quantize=None,
    data_folder=None,
    progress=True,
):
    """Writes a run as one file, compares it with the run, and describes it.

    Beside `out` come <out>.json (tasks, classes, parity figures) and <out>.md
    (the model card). Nothing is left behind when the file does not predict
    what the run predicts.

    Args:
        run_folder: A run of `finetune`.
        out: The file, or for "savedmodel" the folder, to write.
        kind: "keras", "savedmodel", "onnx" or "litert".
        tasks: Names of its tasks; only what they need goes into the file.
            None is all.
        quantize: None, or for "litert" "float16" or "int8".
        data_folder: The prepared data set that the run was trained on, where
            it has moved, or the `data.Dataset` loaded from it; None is where
            run.json says. Its test images are compared.
        progress: Show a progress bar.

    Returns:
        The content of <out>.json.
    """
    out = Path(out)
    _check(out, kind, quantize)
    source = serving.Source(run_folder, tasks)
    dataset = _trained_on(source.run, data_folder)
    test = _images(run_folder, dataset, ("test", "validation", None))
    steps = 5 if quantize else 3
    with (
        _work_folder(out) as work,
        Progress("export", steps, enabled=progress) as bar,
    ):
        file = work / out.name
        metadata = describe(source, kind, quantize)
        header = runs.prepared_folder(dataset).header
        metadata["restrictions"] = licences.of(metadata, header)
        formats.write_model(kind, serving.serving_model(source), file, metadata)
        bar.advance(note="written")
        batches = parity.batches_of(test.dataset)
        figures = _compare(kind, file, source, batches, None)
        bar.advance(note="compared")
        if quantize:
            figures = _quantize(
                file, quantize, source, run_folder, dataset, batches
            )
            bar.advance(note="quantised")
        metadata = storage.plain(
            {
                **metadata,
                "sha256": exported.fingerprint(file),
                "parity": {**figures, "data": test.dataset.name},
            }
        )
        if quantize:
            storage.write_json(exported.beside(file, ".json"), metadata)
            metadata["accuracy"] = _accuracy(file, source, run_folder, dataset)
            bar.advance(note="measured")
        _describe(file, metadata, source, dataset)
        bar.advance(note="described")
        _move(file, out)
    return metadata


def describe(source, kind, quantize):
    """What a reader of the file must know, JSON-able."""
    info = source.run.info
    thresholds = {
        task: fitted.threshold for task, fitted in source.calibrations.items()
    }
    return storage.plain(
        {
            "format": exported.FORMAT,
            "format_version": exported.FORMAT_VERSION,
            "file_format": kind,
            "quantize": quantize,
            "tasks": {
                task: {
                    **spec.to_json(),
                    "threshold": thresholds.get(
                        task, task_kinds.get(spec.kind).threshold
                    ),
                }
                for task, spec in source.specs.items()
            },
            "image_size": source.image_size,
            "fit": source.fit,
            "denoiser": source.denoiser is not None,
            "focus": _focus(info.get("focus")),
            "intensities": info.get("intensities"),
            "run": {
                "strategy": info["strategy"],
                "seed": info["seed"],
                "precision": info.get("precision"),
                "images": info.get("images", {}),
                "copies": info.get("copies"),
                "seen_in_stage_one": info.get("seen_in_stage_one"),
                "pretrained": info.get("pretrained"),
                "data": [entry["name"] for entry in info["data"]],
            },
            "versions": {
                **runs.versions(),
                **packages.versions(kind),
            },
        }
    )


def _focus(entry):
    """What of run.json's entry says how the outside is taken away."""
    names = ("task", "fill", "margin", "minimum")
    return entry and {name: entry[name] for name in names}


def _check(out, kind, quantize):
    if kind not in formats.WRITERS:
        raise UmsrepError(
            f"format='{kind}' is unknown. Choose one of "
            f"{', '.join(formats.WRITERS)}."
        )
    suffix = formats.SUFFIXES[kind]
    if not out.name:
        raise UmsrepError(
            f"--out {out} is an existing folder. Name the file or folder to "
            f"write in it, such as {out / ('model' + suffix)}."
        )
    if out.suffix != suffix:
        wanted = f"a name with {suffix}" if suffix else "a folder's name"
        raise UmsrepError(
            f"{out} is to become {kind}, but has the suffix '{out.suffix}'. "
            f"Expected {wanted}, such as {out.stem}{suffix}."
        )
    if quantize is not None and kind != "litert":
        raise UmsrepError(
            f"quantize='{quantize}' with format '{kind}': only litert files "
            "are quantised here. Choose --format litert, or leave it out."
        )
    if quantize not in (None, *quantization.CHOICES):
        raise UmsrepError(
            f"quantize='{quantize}' is unknown. Choose one of "
            f"{', '.join(quantization.CHOICES)}."
        )
    for path in (out, *(exported.beside(out, s) for s in (".json", ".md"))):
        if path.exists():
            raise UmsrepError(
                f"{path} already exists. Choose another --out, or delete it "
                "first."
            )
    packages.require(kind, writing=True, quantized=quantize is not None)


def _trained_on(run, given):
    """The data set that the run was trained on, from where it lies now."""
    (trained, *_) = run.info["data"]
    if given is not None:
        dataset = load(given)
        (found,) = runs.describe_data([dataset])
        if found["manifest_sha256"] != trained["manifest_sha256"]:
            raise UmsrepError(
                f"{found['path']} ('{found['name']}') is not the data set that "
                f"{run.path} was trained on ('{trained['name']}'; manifest.csv "
                "differs). The model card tells of that one's licence and "
                "split; pass it with --data. For other images use `umsrep "
                "evaluate`."
            )
        return dataset
    folder = Path(trained["path"])
    if not folder.is_dir():
        raise UmsrepError(
            f"{run.path} was trained on {folder}, which is not there. The file "
            "is compared with the run on real images: pass a prepared data "
            "set with --data."
        )
    return load(folder)


def _images(run_folder, dataset, splits):
    """The `Subject` of the first split that has images."""
    for split in splits[:-1]:
        with contextlib.suppress(EmptySplit):
            return Subject(run_folder, dataset, split)
    return Subject(run_folder, dataset, splits[-1])


def _compare(kind, file, source, batches, quantize):
    found = parity.run_file(kind, file, batches)
    figures = parity.differences(source, batches, found)
    parity.check(kind, figures, quantize)
    return figures


def _quantize(file, choice, source, run_folder, dataset, batches):
    """Replaces the float32 file by its quantised copy; figures of that."""
    training = _images(run_folder, dataset, ("train", None)).dataset
    step = max(1, len(training) // REPRESENTATIVE)
    images = [training.image(i) for i in range(0, len(training), step)]
    copy = file.with_name(f"quantised-{file.name}")
    try:
        quantization.quantize(file, copy, choice, images[:REPRESENTATIVE])
    except Exception as error:  # The quantiser raises nearly anything.
        reason = " ".join(str(error).split())[:300]
        raise UmsrepError(
            f"This run cannot be quantised to {choice} "
            f"({type(error).__name__}: {reason}). Nothing is left behind; "
            "leave out --quantize, or choose the other one."
        ) from error
    os.replace(copy, file)
    return _compare("litert", file, source, batches, choice)


def _accuracy(file, source, run_folder, dataset):
    subject = _images(run_folder, dataset, ("validation", None))
    references = gaze_reference.load(
        source.run.path, list(source.specs.values())
    )
    return storage.plain(
        accuracy.change(
            source, exported.open_file(file), subject.dataset, references
        )
    )


def _describe(file, metadata, source, dataset):
    storage.write_json(exported.beside(file, ".json"), metadata)
    text = card.markdown(
        file.name,
        metadata,
        runs.prepared_folder(dataset).header,
        storage.read_json(source.run.path / "metrics.json", "metrics"),
    )
    storage.write_text(exported.beside(file, ".md"), text)


@contextlib.contextmanager
def _work_folder(out):
    """A temporary neighbour of `out`, which no other command writes."""
    with storage.locked(out), storage.explain_os_errors(out):
        prefix = f".umsrep-partial-{out.name}-"
        # Under the lock, what an earlier, killed command left is nobody's.
        for stale in out.parent.glob(f"{glob.escape(prefix)}*"):
            shutil.rmtree(stale, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=prefix, dir=out.parent)
        try:
            yield Path(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _move(file, out):
    """The model last: where it is, what belongs to it is there too."""
    with storage.explain_os_errors(out):
        for suffix in (".json", ".md"):
            os.replace(
                exported.beside(file, suffix), exported.beside(out, suffix)
            )
        os.replace(file, out)
