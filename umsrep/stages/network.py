"""From settings to a network, a balancer and a strategy."""

import inspect

from umsrep import (
    balancing,
    finetuning,
    heads,
    losses,
    model,
    representations,
    runs,
    tasks,
)
from umsrep.balancing.uncertainty import SCHEMES
from umsrep.errors import UmsrepError
from umsrep.training import Schedule


def new_representation(image_size, architecture, arguments=None):
    """A representation with newly drawn weights.

    Args:
        image_size: (height, width) in pixels.
        architecture: Registered name.
        arguments: {argument: value} of the class, beyond `image_shape`;
            "channels" is 1 unless given (3 for the autoencoder's preset
            "paper").

    Raises:
        UmsrepError: an unknown name or argument.
    """
    check_arguments(architecture, arguments)
    arguments = dict(arguments or {})
    cls = representations.registry.get(architecture)
    paper = arguments.get("preset") == "paper"
    channels = arguments.pop("channels", 3 if paper else 1)
    return cls(image_shape=(*image_size, channels), **arguments)


def check_arguments(architecture, arguments=None):
    """Raises at an unknown architecture, or an argument that it lacks."""
    cls = representations.registry.get(architecture)
    known = set(inspect.signature(cls.__init__).parameters)
    known = known - {"self", "image_shape", "kwargs"} | {"channels"}
    unknown = sorted(set(arguments or ()) - known)
    if unknown:
        raise UmsrepError(
            f"Architecture '{architecture}' has no argument '{unknown[0]}'. "
            f"Its arguments: {', '.join(sorted(known))}."
        )


def new_network(dataset, names, settings, source=None):
    """A network: heads for the tasks on a representation.

    Args:
        dataset: A `data.Dataset`.
        names: Names of tasks.
        settings: `FinetuneSettings`.
        source: A `runs.Run` of `pretrain`, or None for new weights.
    """

    def representation():
        if source is not None:
            # Each call reads the file anew, so that copies share nothing.
            return runs.Run(source.path).model().representation
        return new_representation(
            dataset.image_size, settings.architecture, settings.arguments
        )

    specs = [dataset.task(name) for name in names]
    if settings.strategy == "separate":
        separate = []
        for spec in specs:
            own = representation()
            separate.append(
                model.MultiTaskModel(own, [head(spec, settings, own)])
            )
        return finetuning.SeparateModels(separate)
    shared = representation()
    chosen = [head(spec, settings, shared) for spec in specs]
    if settings.attention:
        label = attended(specs)
        chosen.append(
            heads.AttentionHead(
                attention_name(label),
                f"{label}_cam",
                fidelity=settings.fidelity,
            )
        )
    return model.MultiTaskModel(shared, chosen, balancer(specs, settings))


def attended(specs):
    """Name of the label task whose maps attention supervises."""
    labels = [spec.name for spec in specs if spec.classes]
    if len(labels) != 1:
        raise UmsrepError(
            f"Attention supervises the maps of one label task, but the tasks "
            f"hold {labels or 'none'}. Choose one with --task."
        )
    return labels[0]


def attention_name(label):
    """Name of the attention task of a label task."""
    return f"{label}_attention"


def head(spec, settings, representation):
    """The head of one task: that of its kind, unless the settings name one.

    Args:
        spec: A `data.TaskSpec`.
        settings: `FinetuneSettings`.
        representation: What it is to be attached to.

    Raises:
        UmsrepError: a head that does not exist, or learns another kind.
    """
    usual = tasks.get(spec.kind).head
    if usual == "classification" and settings.classifier == "cam":
        usual = "cam"
    name = (settings.heads or {}).get(spec.name, usual)
    cls = heads.registry.get(name)
    if name != usual and cls.kind != spec.kind:
        fitting = [n for n, c in heads.registry.items() if c.kind == spec.kind]
        raise UmsrepError(
            f"Head '{name}' learns a {cls.kind}, but task '{spec.name}' is "
            f"{tasks.of(spec).words()}. Choose one of "
            f"{', '.join(fitting) or 'none, and register a head of this kind'}."
        )
    arguments = {}
    if name in _ARGUMENTS:
        arguments = _ARGUMENTS[name](spec, settings, representation)
    elif "num_classes" in inspect.signature(cls).parameters:
        arguments = {"num_classes": len(spec.classes)}
    return cls(name=spec.name, **arguments)


def _segmentation(spec, settings, representation):
    features = settings.segmentation_features
    if features is None:
        decoded = "decoded" in representation.features
        features = "decoded" if decoded else "bottleneck"
    if features == "stages":
        features = representation.stages
    return {"features": features}


def _saliency(spec, settings, representation):
    return {"features": settings.saliency_features}


def _pooled(settings, representation):
    features = settings.classification_features
    if features is None:
        fine = "stage4" in representation.features
        features = "stage4" if fine else "bottleneck"
    return {"features": features}


def _cam(spec, settings, representation):
    return {
        **_pooled(settings, representation),
        "num_classes": len(spec.classes),
        "loss": losses.CategoricalCrossentropy(settings.label_smoothing),
        "fidelity": settings.fidelity if settings.attention else "paper",
    }


def _regression(spec, settings, representation):
    return {
        **_pooled(settings, representation),
        "hidden_units": settings.hidden_units,
        "hidden_activation": settings.hidden_activation,
        "dropout": settings.dropout,
    }


def _classification(spec, settings, representation):
    return {
        **_regression(spec, settings, representation),
        "num_classes": len(spec.classes),
        "convolutions": settings.convolutions,
        "loss": losses.CategoricalCrossentropy(settings.label_smoothing),
    }


# What the settings say about a head, by its registered name.
_ARGUMENTS = {
    "cam": _cam,
    "classification": _classification,
    "regression": _regression,
    "saliency": _saliency,
    "segmentation": _segmentation,
}


def balancer(specs, settings):
    """The balancer of joint training; None where nothing is to be balanced."""
    weighting = settings.weighting
    if settings.attention:
        name = attention_name(attended(specs))
        # Equation 11 of GG-CAM.
        return balancing.UncertaintyWeighting(
            halved=name, initial={name: settings.attention_sigma}
        )
    if settings.strategy != "joint" or len(specs) < 2:
        return None
    if isinstance(weighting, dict):
        return balancing.FixedWeighting(weighting)
    if weighting == "uncertainty":
        return balancing.UncertaintyWeighting()
    if weighting == "kendall":
        return balancing.UncertaintyWeighting(regularizer="log")
    if weighting in SCHEMES:
        names = {
            kind: tuple(spec.name for spec in specs if spec.kind == kind)
            for kind in ("map", "label")
        }
        if not all(names.values()):
            raise UmsrepError(
                f"weighting='{weighting}' balances saliency and "
                f"classification, but the tasks are "
                f"{', '.join(f'{s.name} ({s.kind})' for s in specs)}. Use "
                "'uncertainty', or tasks of both kinds."
            )
        return balancing.UncertaintyWeighting.scheme(
            weighting, names["map"], names["label"], settings.fidelity
        )
    return None


def strategy(settings):
    """The strategy object that the settings describe."""
    options = {
        "optimizer": settings.optimizer,
        "cache_features": settings.cache_features,
        "xla": settings.xla,
        "schedule": schedule(settings),
    }
    if settings.freeze is not None:
        options["freeze"] = tuple(settings.freeze)
    if settings.strategy == "alternating":
        options["ratio"] = settings.ratio
    return finetuning.registry.get(settings.strategy)(**options)


def schedule(settings):
    """The `Schedule` that the settings describe."""
    if settings.decay == "return_to_best":
        return Schedule.of_mt_unet(settings.learning_rate, settings.patience)
    return Schedule(
        settings.learning_rate,
        decay=settings.decay,
        patience=settings.patience,
        stop_patience=settings.stop_patience,
        warmup_steps=20,
    )
