"""Contestants that measure parts of the toolkit, each in its own process."""

import time
from pathlib import Path

import numpy as np
import psutil

LEARNING_RATE = 2e-3


def network(dataset, tasks, preset="small", convolutions=(128, 128)):
    """A model of `ConvAutoencoder` with a head per task.

    Args:
        dataset: A `umsrep.data.Dataset`.
        tasks: Names of its mask and label tasks.
        preset: Of `ConvAutoencoder`; "paper" has three channels.
        convolutions: Of the classification heads, which read the stage of
            stride 16.
    """
    import umsrep

    channels = 3 if preset == "paper" else 1
    representation = umsrep.representations.ConvAutoencoder(
        (*dataset.image_size, channels), preset=preset
    )
    heads = []
    for task in tasks:
        classes = dataset.task(task).classes
        if classes:
            head = umsrep.heads.ClassificationHead(
                len(classes),
                task,
                features="stage4",
                convolutions=convolutions,
            )
        else:
            head = umsrep.heads.SegmentationHead(task)
        heads.append(head)
    return umsrep.MultiTaskModel(representation, heads)


def separate_networks(dataset, tasks, **options):
    """The baseline: a `network` of its own for each task."""
    from umsrep.finetuning import SeparateModels

    return SeparateModels(
        [network(dataset, (task,), **options) for task in tasks]
    )


class Strategy:
    """Fine-tuning of three classification heads by one strategy.

    Args:
        strategy: Name of a strategy.
        data: Prepared data set with label tasks.
        epochs: The budget, at batches of 16.
        preset: Of `ConvAutoencoder`.
        options: Of the strategy.
        fitting: Of its `fit`.
        augmentation: Strength of `Augmentation.chest`.
        convolutions: Of the heads; the paper's have none.
        tasks: How many of the data's tasks; None is all.
    """

    def __init__(
        self,
        strategy,
        data,
        epochs,
        preset="small",
        options=None,
        fitting=None,
        augmentation=0.0,
        convolutions=(),
        tasks=None,
    ):
        from umsrep.precision import use

        use("auto")
        self.strategy, self.data, self.epochs = strategy, data, epochs
        self.network = {"preset": preset, "convolutions": convolutions}
        self.options, self.fitting = options or {}, fitting or {}
        self.augmentation, self.tasks = augmentation, tasks

    def run(self):
        """{"seconds": in all, "epoch": of one after the first, ...}."""
        import keras

        from umsrep import data, finetuning
        from umsrep.training import Schedule

        keras.utils.set_random_seed(0)
        whole = data.load(self.data)
        training, validation, _ = whole.split(fractions=(0.8, 0.2, 0.0))
        tasks = tuple(whole.tasks)[: self.tasks]
        separate = self.strategy == "separate"
        build = separate_networks if separate else network
        model = build(whole, tasks, **self.network)
        strategy = finetuning.registry.get(self.strategy)(
            schedule=Schedule(LEARNING_RATE), **self.options
        )
        augmentation = None
        if self.augmentation:
            augmentation = data.Augmentation.chest(self.augmentation)
        history = strategy.fit(
            model,
            training,
            validation,
            epochs=self.epochs,
            augmentation=augmentation,
            progress=False,
            **self.fitting,
        )
        return {
            "seconds": history.seconds,
            # Not the median: an epoch that computes features counts, too.
            "epoch": float(history.table["seconds"][1:].mean()),
            "parameters": history.trainable_parameters["total"],
            "images": len(training),
            "labelled": int(
                sum(training.labelled(task).astype(int) for task in tasks)
                .astype(bool)
                .sum()
            ),
        }


class Pipeline:
    """Batches alone: reading, corruption or augmentation, no network.

    Args:
        data: Prepared data set.
        cached: Read every picture once before the measurement.
    """

    def __init__(self, data, cached=True):
        from umsrep import data as package
        from umsrep.stages.pretraining import corruption

        self.dataset = package.load(data)
        self.kinds = {
            "plain": {},
            "corruption": {
                "corruption": corruption(),
                "reconstruction": "denoised",
                "tasks": (),
            },
            "augmentation": {"augmentation": package.Augmentation.chest()},
        }
        if cached:
            self.run("plain")

    def run(self, kind):
        """Images per second of one pass."""
        from umsrep.data.batches import ahead

        batches = self.dataset.batches(16, shuffle=True, **self.kinds[kind])
        begin = time.perf_counter()
        count = sum(len(images) for images, _, _ in ahead(batches))
        return count / (time.perf_counter() - begin)


class Inference:
    """Predicting, and explaining, images of a data set.

    Args:
        data: Prepared data set with a lung mask and a finding.
        images: How many are used, in turns where the set is smaller.
    """

    def __init__(self, data, images=1000):
        import keras

        from umsrep import data as package
        from umsrep.derived import GradCAM
        from umsrep.precision import use

        use("auto")
        keras.utils.set_random_seed(0)
        whole = package.load(data)
        self.dataset = whole.subset(np.arange(images) % len(whole))
        self.images = self.dataset.images.astype(np.float32)
        tasks = ("lung", "abnormality")
        self.model = network(whole, tasks)
        self.separate = separate_networks(whole, tasks)
        self.explainer = GradCAM("abnormality")
        self.one = self.model.view("abnormality")
        for kind in ("predict", "separate", "predict one", "explain"):
            self.run(kind)

    def run(self, kind):
        """One pass over the images."""
        from umsrep.evaluation import predict

        if kind == "explain":
            self.explainer(self.model, self.images)
        elif kind == "predict one":
            # What Grad-CAM is to be compared with: the same task and input.
            for start in range(0, len(self.images), 32):
                self.one.predict_on_batch(self.images[start : start + 32])
        else:
            model = self.model if kind == "predict" else self.separate
            predict.probabilities(model, self.dataset)


class Memory:
    """Denoising pre-training of a large set, and its resident memory.

    Args:
        data: Prepared data set.
    """

    def __init__(self, data):
        self.data = data

    def run(self):
        """{"peak_gib", "images", "images_per_second"} of one epoch."""
        import keras

        import umsrep
        from umsrep import data as package
        from umsrep.data.batches import ahead
        from umsrep.precision import use
        from umsrep.stages.pretraining import corruption

        use("auto")
        keras.utils.set_random_seed(0)
        dataset = package.load(self.data)
        model = umsrep.MultiTaskModel(
            umsrep.representations.ConvAutoencoder((*dataset.image_size, 1)),
            [umsrep.heads.ReconstructionHead("denoised")],
        )
        model.compile("rmsprop")
        batches = dataset.batches(
            16,
            shuffle=True,
            corruption=corruption(),
            reconstruction="denoised",
            tasks=(),
        )
        done, begin = 0, None
        for images, targets, weights in ahead(batches):
            model.train_on_batch(images, targets, sample_weight=weights)
            done += len(images)
            if begin is None:
                begin, first = time.perf_counter(), done
        seconds = time.perf_counter() - begin
        return {
            "peak_gib": _peak() / 2**30,
            "images": len(dataset),
            "images_per_second": (done - first) / seconds,
        }


def _peak():
    """The most bytes of memory that this process ever held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return psutil.Process().memory_info().rss


class Accuracy:
    """The same small recipe in one precision and seed.

    Args:
        data: Prepared data set with a lung mask and a finding.
    """

    def __init__(self, data, epochs):
        self.data, self.epochs = data, epochs

    def run(self, precision, seed):
        """{"dice", "auc"} on the validation images."""
        import keras

        from umsrep import data, evaluation, finetuning
        from umsrep.precision import use
        from umsrep.training import Schedule

        use(precision)
        keras.utils.set_random_seed(seed)
        whole = data.load(self.data)
        training, validation, _ = whole.split(fractions=(0.7, 0.3, 0.0))
        model = network(whole, ("lung", "abnormality"))
        finetuning.Joint(schedule=Schedule(LEARNING_RATE)).fit(
            model,
            training,
            validation,
            epochs=self.epochs,
            seed=seed,
            progress=False,
        )
        table = evaluation.evaluate(model, validation, bootstrap=0)
        values = table.set_index(["task", "metric"])["value"]
        return {
            "dice": float(values["lung", "dice"]),
            "auc": float(values["abnormality", "auc"]),
        }
