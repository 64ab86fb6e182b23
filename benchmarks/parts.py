"""The measurements, (a) to (g): each returns its figures, JSON-able."""

import contextlib
import itertools
import shutil
import statistics

from benchmarks import material
from benchmarks.contest import Contestant, median_ratio, rounds, spread
from benchmarks.keras_training import BATCH, NETWORKS

# What a trial takes of the strategies: one of each kind.
TRIED = (
    "separate",
    "alternating",
    "separate, augmented",
    "independent, 4 draws",
)
# What is compared with predicting one task, not both.
PAIRED = ("predict one", "explain")
KERAS = "benchmarks.keras_training:"
TORCH = "benchmarks.torch_training:Torch"
TOOLKIT = "benchmarks.toolkit:"


def _contest(contestants, repeats, batches, steps=1):
    """{name: {"images_per_second": [min, median, max], "umsrep_is_..."}}.

    Args:
        contestants: {name: (factory, options)}; "umsrep" among them.
        repeats: Rounds.
        batches: Batches per call.
        steps: Steps per batch.
    """
    with contextlib.ExitStack() as stack:
        open_ones = {
            name: stack.enter_context(Contestant(factory, options))
            for name, (factory, options) in contestants.items()
        }
        seconds = rounds(open_ones, repeats)
    return {
        name: {
            "images_per_second": spread(
                [BATCH * batches * steps / value for value in values]
            ),
            "umsrep_is_faster_by": median_ratio(values, seconds["umsrep"]),
        }
        for name, values in seconds.items()
    }


def training(say, work, quick):
    """(a) Training steps against plain Keras and PyTorch, same networks."""
    batches, repeats, side = (2, 2, 64) if quick else (6, 5, None)
    figures = {}
    for network in NETWORKS[:1] if quick else NETWORKS:
        say(f"training: {network}")
        options = {"network": network, "batches": batches, "side": side}
        ours, plain = KERAS + "Toolkit", KERAS + "Plain"
        contestants = {
            "umsrep": (ours, options),
            "umsrep, float32": (ours, {**options, "precision": "float32"}),
            "umsrep, Keras's batch norm": (
                ours,
                {**options, "plain_norm": True},
            ),
            "umsrep, XLA": (ours, {**options, "xla": True}),
            "plain Keras": (plain, options),
        }
        if _has("torch"):
            contestants |= {
                "PyTorch, bfloat16": (TORCH, options),
                "PyTorch, float32": (TORCH, {**options, "bfloat16": False}),
            }
        # torch.compile writes C++.
        if _has("torch") and (shutil.which("c++") or shutil.which("g++")):
            contestants["PyTorch, bfloat16, compiled"] = (
                TORCH,
                {**options, "compile": True},
            )
        figures[network] = {"rows": _contest(contestants, repeats, batches)}
        for name in ("umsrep", "umsrep, float32"):
            with Contestant(*contestants[name]) as one:
                found = one.call("limits")[0]
            rate = figures[network]["rows"][name]["images_per_second"][1]
            found["share_of_matmul"] = (
                rate
                * found["operations_per_image"]
                / found["matmul_per_second"]
            )
            figures[network].setdefault("limits", {})[name] = found
    return figures


def overhead(say, work, quick):
    """(b1) Our loop against a hand-written one, per strategy."""
    repeats = 2 if quick else 5
    factory = "benchmarks.keras_strategies:Loop"
    figures = {}
    steps_of = {"joint": 1, "alternating": 2}
    sizes = {64: 2} if quick else {128: 30, 256: 10}
    for (size, batches), (strategy, steps) in itertools.product(
        sizes.items(), steps_of.items()
    ):
        say(f"overhead: {strategy}, {size}x{size}")
        options = {"strategy": strategy, "size": size, "batches": batches}
        found = _contest(
            {
                "umsrep": (factory, {**options, "hand_written": False}),
                "hand-written": (factory, {**options, "hand_written": True}),
            },
            repeats,
            batches,
            steps,
        )
        ratio = found["hand-written"]["umsrep_is_faster_by"]
        name = f"{strategy}, {size}x{size}"
        figures[name] = {**found, "cost": 1 / ratio - 1}
    return figures


def strategies(say, work, quick):
    """(b2) Three classification heads by each strategy, against separate."""
    repeats = 1 if quick else 2
    figures = {}
    size = 64 if quick else 256
    for preset, images, epochs in (
        ("small", 60 if quick else 200, 2 if quick else 12),
        ("paper", 60, 2 if quick else 5),
    ):
        data = str(material.prepared(work, "kermany", images, size))
        kinds = {
            "separate": {},
            "independent": {},
            "independent, not cached": {"options": {"cache_features": False}},
            "alternating": {},
            "joint": {},
        }
        if preset == "small":
            kinds |= {
                "separate, augmented": {"augmentation": 1.0},
                "independent, augmented": {"augmentation": 1.0},
                "independent, 4 draws": {
                    "augmentation": 1.0,
                    "fitting": {"draws": 4},
                },
            }
        if quick:
            kinds = {name: kinds[name] for name in TRIED if name in kinds}
        found = {name: [] for name in kinds}
        for _ in range(repeats):
            for name, more in kinds.items():
                say(f"strategies: {preset}, {name}")
                options = {
                    "strategy": name.split(",")[0],
                    "data": data,
                    "epochs": epochs,
                    "preset": preset,
                    **more,
                }
                with Contestant(TOOLKIT + "Strategy", options) as one:
                    found[name].append(one.call("run")[0])
        figures[preset] = {
            "images": found["separate"][0]["images"],
            "epochs": epochs,
            "size": size,
        }
        for name, runs in found.items():
            augmented = "separate, augmented"
            base = found[
                augmented
                if augmented in found and kinds[name].get("augmentation")
                else "separate"
            ]
            entry = {"parameters": runs[0]["parameters"]}
            for key in ("seconds", "epoch"):
                values = [run[key] for run in runs]
                entry[key] = spread(values)
                entry[f"saved_{key}"] = 1 - median_ratio(
                    values, [run[key] for run in base]
                )
            figures[preset][name] = entry
    return figures


def pipeline(say, work, quick):
    """(c) Batches alone, images per second."""
    say("pipeline")
    images, size = (20, 64) if quick else (400, 256)
    data = str(material.prepared(work, "shenzhen", images, size))
    repeats = 2 if quick else 3
    figures = {}
    for cached in (True, False):
        with Contestant(
            TOOLKIT + "Pipeline", {"data": data, "cached": cached}
        ) as one:
            for kind in ("plain", "corruption", "augmentation"):
                if not cached and kind != "plain":
                    continue
                # Not cached: the first pass reads the files.
                count = repeats if cached else 1
                figures[kind if cached else "first pass, from files"] = spread(
                    [one.call("run", kind=kind)[0] for _ in range(count)]
                )
    return figures


def inference(say, work, quick):
    """(d) Predicting two tasks at once, separately, and explaining."""
    say("inference")
    images, drawn, size = (32, 20, 64) if quick else (1000, 400, 256)
    data = str(material.prepared(work, "shenzhen", drawn, size))
    options = {"data": data, "images": images}
    seconds = {
        kind: [] for kind in ("predict", "separate", "predict one", "explain")
    }
    with Contestant(TOOLKIT + "Inference", options) as one:
        for _ in range(2 if quick else 3):
            for kind, values in seconds.items():
                values.append(one.call("run", kind=kind)[1])
    return {
        "images": images,
        **{
            kind: {
                "images_per_second": spread([images / v for v in values]),
                "times": median_ratio(
                    values,
                    seconds["predict one" if kind in PAIRED else "predict"],
                ),
            }
            for kind, values in seconds.items()
        },
    }


def memory(say, work, quick):
    """(e) Resident memory while a set of RSNA's size is trained on."""
    count, size, drawn = (48, 64, 20) if quick else (26_684, 256, 200)
    say(f"memory: {count} images")
    data = str(material.many(work, count, size, drawn))
    with Contestant(TOOLKIT + "Memory", {"data": data}) as one:
        return one.call("run")[0]


def scaling(say, work, quick):
    """(f) Seconds per epoch against images, image size and tasks (joint).

    The first task has labels of two thirds of the images; so with two and
    three tasks, all images are trained on, with one only these.
    """
    if quick:
        epochs, base = 2, {"images": 60, "size": 64, "tasks": 3}
        series = {"images": (60, 80), "size": (64, 128), "tasks": (2, 3)}
    else:
        epochs, base = 5, {"images": 240, "size": 128, "tasks": 3}
        series = {
            "images": (120, 240, 480),
            "size": (64, 128, 256),
            "tasks": (1, 2, 3),
        }
    figures, known = {}, {}
    for name, values in series.items():
        figures[name] = {}
        for value in values:
            point = {**base, name: value}
            key = tuple(point.values())
            if key not in known:
                say(f"scaling: {point}")
                known[key] = _epoch(work, epochs, **point)
            figures[name][value] = known[key]
    return figures


def _epoch(work, epochs, images, size, tasks):
    data = str(material.prepared(work, "kermany", images, size))
    options = {"strategy": "joint", "data": data, "epochs": epochs}
    options["tasks"] = tasks
    with Contestant(TOOLKIT + "Strategy", options) as one:
        found = one.call("run")[0]
    return {"seconds": found["epoch"], "images": found["labelled"]}


def accuracy(say, work, quick):
    """(g) The same recipe in float32 and in auto, three seeds each."""
    images, epochs = (40, 1) if quick else (160, 12)
    data = str(material.prepared(work, "shenzhen", images, 64))
    figures = {}
    with Contestant(
        TOOLKIT + "Accuracy", {"data": data, "epochs": epochs}
    ) as one:
        for seed in range(1 if quick else 3):
            for precision in ("float32", "auto"):
                say(f"accuracy: {precision}, seed {seed}")
                found = one.call("run", precision=precision, seed=seed)[0]
                for name, value in found.items():
                    entry = figures.setdefault(precision, {})
                    entry.setdefault(name, []).append(value)
    for values in figures.values():
        values["medians"] = {
            name: statistics.median(found)
            for name, found in values.items()
            if name != "medians"
        }
    return figures


def _has(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


PARTS = {
    part.__name__: part
    for part in (
        training,
        overhead,
        strategies,
        pipeline,
        inference,
        memory,
        scaling,
        accuracy,
    )
}
