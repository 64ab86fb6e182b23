"""Predicting with a run folder of `finetune`."""

import numpy as np

from umsrep import runs
from umsrep import tasks as task_kinds
from umsrep.data.frame import Frame
from umsrep.data.test_time_augmentation import TestTimeAugmentation
from umsrep.derived import Explainer, registry
from umsrep.errors import UmsrepError
from umsrep.predictor import Predictor, check_images, stacked
from umsrep.runs.calibration import Calibration

BATCH_SIZE = 32


class RunPredictor(Predictor):
    """A run folder as a `Predictor`.

    Args:
        path: A run of `finetune`.
        tasks: Names of the tasks wanted; only their parts are computed. None
            is all.
        tta: Number of versions of an image that a result is the mean over
            (`data.TestTimeAugmentation`); 1 is the image as it is. What
            `explain` shows is always that of the image as it is.

    Attributes:
        run: The `runs.Run`.
    """

    def __init__(self, path, tasks=None, tta=1):
        self._tta = TestTimeAugmentation(tta)
        self.run = runs.Run(path)
        if self.run.info["kind"] != "finetune":
            raise UmsrepError(
                f"{path} is a run of `umsrep {self.run.info['kind']}`, which "
                "has no target tasks to predict. Pass a run folder of "
                "`umsrep finetune`."
            )
        self.specs = _chosen(self.run, tasks)
        self._calibrations = self.run.calibrations
        self.thresholds = {
            name: task_kinds.get(spec.kind).threshold
            for name, spec in self.specs.items()
        } | {
            name: fitted.threshold
            for name, fitted in self._calibrations.items()
            if name in self.specs
        }
        self._models = self._load()
        representation = self._models[0].representation
        self.image_size = tuple(representation.image_shape[:2])
        self.fit = self.run.info["data"][0].get("fit", "stretch")
        self.intensities = self.run.info.get("intensities")
        self._explainers = {}
        focus = self.run.info.get("focus")
        if focus and focus["task"] in self.specs:
            self.focus = focus
        elif focus:
            self.needed = focus["task"]

    def _load(self):
        """The models of the wanted tasks; shared ones without other parts."""
        if self.run.info.get("strategy") == "separate":
            return [self.run.model(task) for task in self.specs]
        model = self.run.model()
        if set(self.specs) == set(model.tasks):
            return [model]
        return [model.view(tuple(self.specs))]

    def __call__(self, images):
        check_images(images)
        parts = {task: [] for task in self.specs}
        for start in range(0, len(images), BATCH_SIZE):
            chosen = images[start : start + BATCH_SIZE]
            frames, batch = self._network_images(chosen)
            for model in self._models:
                outputs = self._outputs(model, _channels(model, batch))
                for task in set(outputs) & set(self.specs):
                    parts[task] += task_kinds.of(self.specs[task]).finish(
                        np.asarray(outputs[task]),
                        frames,
                        self._calibrations.get(task, Calibration()),
                    )
        return {
            task: stacked(self.specs[task], results)
            for task, results in parts.items()
        }

    def _outputs(self, model, batch):
        if self._tta.copies == 1:
            return model.predict_on_batch(batch)
        maps = [n for n, spec in self.specs.items() if spec.kind == "map"]
        return self._tta.mean(model.predict_on_batch, batch, maps)

    def explain(self, images, task, classes=None, method=None):
        check_images(images)
        model, explainer = self._explainer(task, method)
        heats = []
        for start in range(0, len(images), BATCH_SIZE):
            chosen = images[start : start + BATCH_SIZE]
            frames, batch = self._network_images(chosen)
            batch = _channels(model, batch)
            if classes is None:
                outputs = np.asarray(model.predict_on_batch(batch)[task])
                _, explained = self._calibrations[task].apply(outputs)
            else:
                explained = classes[start : start + BATCH_SIZE]
            maps = explainer(model, batch, explained)
            heats += [
                frame.restore(heat)
                for frame, heat in zip(frames, maps, strict=True)
            ]
        return heats

    def check_explainable(self, task, method=None):
        self._explainer(task, method)

    def _explainer(self, task, method):
        """(the model of `task` alone, its explainer), made once."""
        if (task, method) in self._explainers:
            return self._explainers[task, method]
        classes = self.run.classes
        if task not in classes:
            raise UmsrepError(
                f"{self.run.path} has no classification task '{task}'. Its "
                f"classification tasks: {', '.join(classes) or 'none'}."
            )
        model = self.run.model(task).view(task)
        cls = registry.get(method or model.head(task).explainer)
        if not issubclass(cls, Explainer):
            names = [n for n, c in registry.items() if issubclass(c, Explainer)]
            raise UmsrepError(
                f"'{method}' is a derived task, but it explains no class. "
                f"Choose one of {', '.join(names)}."
            )
        explainer = cls(task)
        explainer.head(model)
        self._explainers[task, method] = model, explainer
        return model, explainer

    def _network_images(self, images):
        """Frames, and (n, height, width, 1) float32 as the network gets."""
        frames = [
            Frame(image.shape, self.image_size, self.fit) for image in images
        ]
        batch = np.stack(
            [
                frame.image(image)
                for frame, image in zip(frames, images, strict=True)
            ]
        )[..., None]
        if self.run.denoiser() is not None:
            batch = runs.denoise_images(self.run.denoiser(), batch)
        return frames, batch.astype(np.float32)


def _chosen(run, tasks):
    """{task: TaskSpec} of the wanted tasks, in the run's order."""
    specs = {spec.name: spec for spec in run.specs}
    for task in tasks or ():
        if task not in specs:
            raise UmsrepError(
                f"{run.path} has no task '{task}'. Its tasks: "
                f"{', '.join(specs)}."
            )
    return {n: s for n, s in specs.items() if not tasks or n in tasks}


def _channels(model, batch):
    channels = model.representation.image_shape[-1]
    return np.repeat(batch, channels, axis=-1)
