"""One Keras model from images as stored on disk to all results.

    image -> [frame -> denoiser -> network -> calibration, own size] -> results

Everything is float32, whatever the run was trained in.
"""

import functools
import json

import keras

from umsrep import precision, runs
from umsrep import tasks as task_kinds
from umsrep.errors import UmsrepError
from umsrep.export.layers import (
    FrameImage,
    FrameRestore,
    GreyLevels,
)
from umsrep.layers import TemperatureScaling

# What the networks get, for the comparison with the toolkit.
PREPARED = "prepared"
DENOISED = "denoised"


class Source:
    """A run's networks, cut down to the wanted tasks, also in float32.

    Args:
        path: A run folder of `finetune`.
        tasks: Names of its tasks; None is all.

    Attributes:
        run: The `runs.Run`.
        specs: {task: TaskSpec}.
        calibrations: {label task: `Calibration`}.
        networks, denoiser: `MultiTaskModel`s, each with some of the tasks, and
            the one that images pass first, or None. In float32.
        own_networks, own_denoiser: The same as the run has them.
        image_size: (height, width) the networks see.
        fit: "stretch" or "pad".
    """

    def __init__(self, path, tasks=None):
        self.run = run = runs.Run(path, own_precision=False)
        self.specs = _chosen(run, tasks)
        self.calibrations = {
            task: calibration
            for task, calibration in run.calibrations.items()
            if task in self.specs
        }
        with precision.using("float32"):
            if run.info["strategy"] == "separate":
                chosen = [(run.model(task), [task]) for task in self.specs]
            else:
                chosen = [(run.model(), list(self.specs))]
            self.own_networks = [model.view(names) for model, names in chosen]
            self.own_denoiser = run.denoiser()
        self.networks = [as_float32(network) for network in self.own_networks]
        self.denoiser = None
        if self.own_denoiser is not None:
            self.denoiser = as_float32(self.own_denoiser)
        representation = self.networks[0].representation
        self.image_size = tuple(representation.image_shape[:2])
        self.fit = run.info["data"][0].get("fit", "stretch")


def _chosen(run, tasks):
    if run.info["kind"] != "finetune":
        raise UmsrepError(
            f"{run.path} is a run of `umsrep {run.info['kind']}`, which has "
            "no target tasks. Export a run of `umsrep finetune`."
        )
    specs = {
        spec.name: spec
        for spec in run.specs
        if task_kinds.get(spec.kind).exported
    }
    if tasks is None:
        return specs
    for task in tasks:
        if task not in specs:
            raise UmsrepError(
                f"{run.path} has no task '{task}'. Its tasks: "
                f"{', '.join(specs)}."
            )
    return {name: spec for name, spec in specs.items() if name in tasks}


def as_float32(model):
    """The `MultiTaskModel` with all layers in float32; itself if it is.

    Weights are float32 in every setting; what changes is the format that
    layers compute in.
    """
    config = keras.saving.serialize_keras_object(model)
    wanted = _replace_policies(config)
    if wanted == config:
        return model
    with precision.using("float32"):
        copy = keras.saving.deserialize_keras_object(wanted, safe_mode=True)
    copy.set_weights(model.get_weights())
    return copy


def _replace_policies(config):
    """A serialised object with every number format float32."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: _replace_policies(item) for key, item in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_replace_policies(item) for item in config)
    return config


def serving_model(source):
    """The serving model of a `Source`.

    Returns:
        A `keras.Model` from `image`, (batch, any height, any width) uint8, to
        {task: result}: calibrated probabilities (batch, classes) of a label,
        numbers (batch,), probabilities (batch, height, width) of a mask and
        distributions of a map at the image's own size.
    """
    # Also of the graphs around the layers: they cast what they are given.
    with precision.using("float32"):
        model = _graph(source)
    _check_precision(model)
    return model


def _graph(source):
    size, fit = source.image_size, source.fit
    images = keras.Input((None, None), dtype="uint8", name="image")
    grey = FrameImage(size, fit, name=PREPARED)(images)
    if source.denoiser is not None:
        clean = _network(source.denoiser, "denoiser")(
            _channels(grey, source.denoiser)
        )
        grey = GreyLevels(name=DENOISED)(clean["denoised"])
    results = {}
    for network in source.networks:
        outputs = _network(network, f"network_{'_'.join(network.tasks)}")(
            _channels(grey, network)
        )
        for task, output in outputs.items():
            results[task] = _finish(source, task, output, images)
    return keras.Model(
        images, {task: results[task] for task in source.specs}, name="serving"
    )


def _network(model, name):
    """The graph alone: no losses, no balancer, no decoder that nobody reads."""
    # A view has equal weights, and so none of a balancer's layers.
    model = model.view(model.tasks)
    return keras.Model(model.input, dict(model.output), name=name)


def _channels(grey, model):
    count = model.representation.image_shape[-1]
    if count == 1:
        return grey
    return keras.layers.Concatenate()([grey] * count)


def _finish(source, task, output, images):
    form = task_kinds.get(source.specs[task].kind).form
    return _FINISHED[form](source, task, output, images)


def _scaled(source, task, output, images):
    temperature = source.calibrations[task].temperature
    if temperature == 1:
        return output
    return TemperatureScaling(temperature, name=f"{task}_calibrated")(output)


def _own_size(source, task, output, images, distribution=False):
    return FrameRestore(
        source.image_size,
        source.fit,
        distribution=distribution,
        name=f"{task}_own_size",
    )(output, images)


def _flat(source, task, output, images):
    return keras.layers.Reshape((), name=f"{task}_value")(output)


# From the network's output to a result, by `TaskKind.form`.
_FINISHED = {
    "classes": _scaled,
    "mask": _own_size,
    "map": functools.partial(_own_size, distribution=True),
    "number": _flat,
}


def _check_precision(model):
    text = json.dumps(model.get_config(), default=str)
    for name in ("bfloat16", "float16"):
        if name in text:
            raise UmsrepError(
                f"A layer of the run computes in {name} and does not say so "
                "by a Keras dtype policy. Give your own layers Keras's dtype "
                "argument, or train with --precision float32."
            )


def probe(model):
    """A model from images to what the networks of `model` get.

    Returns:
        A `keras.Model` to {"prepared": (batch, height, width, 1), and
        "denoised" where there is a denoiser}, whole grey levels in float32.
    """
    names = {layer.name for layer in model.layers}
    return keras.Model(
        model.input,
        {
            name: model.get_layer(name).output
            for name in (PREPARED, DENOISED)
            if name in names
        },
        name="probe",
    )
