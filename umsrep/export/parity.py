"""Whether a written file predicts what the toolkit predicts.

A network amplifies a grey level, and rounding to whole grey levels has ties:
two correct programs may round 127.49999 and 127.50001 apart. So the file is
compared in steps, each on what the file itself computed before:

1. prepared image: within half a grey level (and a rounding error) of the
   toolkit's values before rounding, for every pixel;
2. denoised image, where there is a denoiser: the same;
3. results: the toolkit's networks on the file's own prepared image, below the
   tolerance.

The end-to-end difference, rounding included, is reported beside them.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from umsrep import tasks
from umsrep.errors import UmsrepError
from umsrep.export import reference, runtimes
from umsrep.export.serving import DENOISED, PREPARED

TOLERANCE = 1e-4
# Above half a grey level: rounding errors of sums of up to 255, and of a
# network whose results may differ by the tolerance.
GREY_TOLERANCE = 0.5 + 0.002
DENOISED_TOLERANCE = 0.5 + 255 * TOLERANCE
# Height and width by the prepared image's; real files are mostly larger.
FACTORS = ((1.0, 1.0), (0.6, 0.8), (1.7, 1.3), (5.3, 4.1))
COUNT = 8
# What differences are relative to, by `TaskKind.form`, and in words.
RELATIVE = {
    "classes": None,
    "mask": None,
    "map": "maximum",
    "number": "magnitude",
}
SCALES = {
    None: "probabilities",
    "maximum": "the map's maximum",
    "magnitude": "the number itself",
}
# A process of its own shows that the file needs nothing of this one.
FRESH = ("keras", "savedmodel")


def batches_of(dataset):
    """Real images in several sizes: a list of (n, height, width) uint8.

    Args:
        dataset: A `data.Dataset`. At most eight of its images are used, each
            as prepared and in one further size.
    """
    chosen = np.linspace(0, len(dataset) - 1, min(COUNT, len(dataset)))
    images = [dataset.image(int(index)) for index in chosen]
    # All of one size: where a file takes several at once.
    batches = [np.stack(images)]
    for number, image in enumerate(images):
        height, width = (
            max(1, round(n * factor))
            for n, factor in zip(
                image.shape, FACTORS[1:][number % 3], strict=True
            )
        )
        batches.append(cv2.resize(image, (width, height))[None])
    return batches


def run_file(kind, path, batches):
    """[({task: results}, {what the networks got})] of a file in its runtime."""
    if kind in FRESH:
        return _run_fresh(kind, path, batches)
    runtime = runtimes.RUNTIMES[kind](path)
    return [(runtime(batch), runtime.prepared(batch)) for batch in batches]


def _run_fresh(kind, path, batches):
    with tempfile.TemporaryDirectory() as folder:
        images, found = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(images, **{str(i): batch for i, batch in enumerate(batches)})
        # -P: modules of this folder must not hide others.
        done = subprocess.run(
            [sys.executable, "-P", runtimes.__file__, kind]
            + [str(p) for p in (path, images, found)],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UmsrepError(
                f"The written {kind} file does not open in a new process "
                f"({last[:300]}). It is not left behind; choose another "
                "--format, and report this with the versions in run.json."
            )
        with np.load(found) as arrays:
            results = []
            for number in range(len(batches)):
                named = {
                    key.partition("/")[2]: arrays[key]
                    for key in arrays.files
                    if key.partition("/")[0] == str(number)
                }
                seen = {
                    name: named.pop(name)
                    for name in (PREPARED, DENOISED)
                    if name in named
                }
                results.append((named, seen))
    return results


def _environment():
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
    }


def differences(source, batches, found):
    """The figures of a file.

    Args:
        source: The `serving.Source` that was written. End to end, the run's
            own networks are compared, whatever they compute in.
        batches: As returned by `batches_of`.
        found: As returned by `run_file` for these batches.

    Returns:
        {"tolerance", "images", "sizes": [[height, width]], "tasks": {task:
        {"max_difference", "end_to_end", "relative_to"}}, "prepared":
        {"pixels", "rounded_otherwise", "beyond_rounding"}, and "denoised"
        where there is a denoiser}. Differences of maps are relative to each
        map's maximum: its values sum to 1, so any two maps are close. Those
        of numbers are relative to the number.
    """
    parts = [PREPARED] + [DENOISED] * (source.denoiser is not None)
    figures = {
        "tolerance": TOLERANCE,
        "images": sum(len(batch) for batch in batches),
        "sizes": sorted({batch.shape[1:] for batch in batches}),
        "tasks": {
            task: {
                "max_difference": 0.0,
                "end_to_end": 0.0,
                "relative_to": RELATIVE[tasks.get(spec.kind).form],
            }
            for task, spec in source.specs.items()
        },
        **{
            part: {"pixels": 0, "rounded_otherwise": 0, "beyond_rounding": 0.0}
            for part in parts
        },
    }
    for batch, (results, seen) in zip(batches, found, strict=True):
        _check_names(source, batch, results, seen, parts)
        grey = seen[PREPARED]
        _count_grey(
            figures[PREPARED],
            grey,
            reference.unrounded(source, batch),
            GREY_TOLERANCE,
        )
        own_grey = reference.prepared(source, batch)
        if source.denoiser is not None:
            clean = reference.denoised(source.denoiser, grey)
            grey = seen[DENOISED]
            _count_grey(figures[DENOISED], grey, clean, DENOISED_TOLERANCE)
            own_grey = reference.denoised(source.own_denoiser, own_grey)
            own_grey = np.rint(own_grey)
        for networks, images, name in (
            (source.networks, grey, "max_difference"),
            (source.own_networks, own_grey, "end_to_end"),
        ):
            wanted = reference.results(source, networks, images, batch)
            for task, entry in figures["tasks"].items():
                entry[name] = max(
                    entry[name],
                    _difference(
                        results[task], wanted[task], entry["relative_to"]
                    ),
                )
    return figures


def check(kind, figures, quantized):
    """Raises unless the figures are those of a sound file.

    A quantised file is expected to differ in its results; what it must keep
    is the prepared image.
    """
    problem = None
    if figures[PREPARED]["beyond_rounding"] > 0:
        problem = (
            "its prepared image is off by up to "
            f"{figures[PREPARED]['beyond_rounding']:.3g} grey levels more "
            "than rounding explains"
        )
    elif not quantized:
        if figures.get(DENOISED, {}).get("beyond_rounding", 0) > 0:
            problem = (
                "its denoised image is off by up to "
                f"{figures[DENOISED]['beyond_rounding']:.3g} grey levels more "
                "than rounding explains"
            )
        for task, entry in figures["tasks"].items():
            # What was computed from a wrong image is wrong because of that.
            if problem is None and not (
                entry["max_difference"] < figures["tolerance"]
            ):
                problem = (
                    f"'{task}' differs by {entry['max_difference']:.3g}, "
                    f"which is not below {figures['tolerance']:g}"
                )
    if problem is not None:
        raise UmsrepError(
            f"The {kind} file does not predict what the run predicts: "
            f"{problem}. It is not left behind; choose another --format."
        )


def _check_names(source, batch, results, seen, parts):
    if set(results) != set(source.specs) or set(seen) != set(parts):
        raise UmsrepError(
            f"The written file has the outputs {sorted({*results, *seen})}; "
            f"expected {sorted({*source.specs, *parts})}. It is not left "
            "behind; choose another --format."
        )
    for task, spec in source.specs.items():
        shape = batch.shape
        if tasks.get(spec.kind).place == tasks.CELL:
            # A number per class, or one.
            shape = (len(batch), len(spec.classes))[: 1 + bool(spec.classes)]
        values = results[task]
        if values.shape != shape or not np.isfinite(values).all():
            raise UmsrepError(
                f"Output '{task}' of the written file has the shape "
                f"{values.shape} or values that are not finite; expected "
                f"{shape}. It is not left behind; choose another --format."
            )


def _count_grey(entry, grey, values, tolerance):
    """Adds how whole grey levels compare with values before rounding."""
    entry["pixels"] += grey.size
    entry["rounded_otherwise"] += int((grey != np.rint(values)).sum())
    beyond = float(np.abs(grey - values).max()) - tolerance
    entry["beyond_rounding"] = max(entry["beyond_rounding"], beyond, 0.0)


def _difference(results, wanted, relative_to):
    """The largest over all images; not a number counts as infinite."""
    largest = 0.0
    for result, expected in zip(results, wanted, strict=True):
        scale = 1.0
        if relative_to is not None:
            scale = float(np.max(np.abs(expected))) or 1.0
        difference = float(np.abs(result - expected).max()) / scale
        largest = max(largest, difference if difference >= 0 else np.inf)
    return largest
