"""From settings to a network, a balancer and a strategy."""

from umsrep import (
    balancing,
    finetuning,
    heads,
    losses,
    model,
    representations,
    runs,
)
from umsrep.errors import UmsrepError
from umsrep.registry import arguments_of
from umsrep.training import Schedule
from umsrep.training.schedule import NAMED


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
    known = arguments_of(cls) - {"image_shape"} | {"channels"}
    unknown = sorted(set(arguments or ()) - known)
    if unknown:
        raise UmsrepError(
            f"Architecture '{architecture}' has no argument '{unknown[0]}'. "
            f"Its arguments: {', '.join(sorted(known))}."
        )


def new_network(dataset, tasks, settings, source=None):
    """A network: heads for the tasks on a representation.

    Args:
        dataset: A `data.Dataset`.
        tasks: Names of tasks.
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

    specs = [dataset.task(task) for task in tasks]
    if not finetuning.registry.get(settings.strategy).shares_model:
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
    labels = [spec.name for spec in specs if spec.kind == "label"]
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
    """The head of one task.

    Args:
        spec: A `data.TaskSpec`.
        settings: `FinetuneSettings`.
        representation: What it is to be attached to.
    """
    if spec.kind == "mask":
        features = settings.segmentation_features
        if features is None:
            decoded = "decoded" in representation.features
            features = "decoded" if decoded else "bottleneck"
        if features == "stages":
            features = representation.stages
        return heads.SegmentationHead(spec.name, features=features)
    if spec.kind == "map":
        return heads.SaliencyHead(
            spec.name, features=settings.saliency_features
        )
    features = settings.classification_features
    if features is None:
        features = (
            "stage4" if "stage4" in representation.features else "bottleneck"
        )
    cls = heads.registry.get(settings.classifier)
    options = {
        "convolutions": settings.convolutions,
        "hidden_units": settings.hidden_units,
        "hidden_activation": settings.hidden_activation,
        "dropout": settings.dropout,
        "fidelity": settings.fidelity if settings.attention else "paper",
    }
    # A classifier takes those of the settings that it has arguments for.
    taken = arguments_of(cls)
    return cls(
        len(spec.classes),
        spec.name,
        features=features,
        loss=losses.CategoricalCrossentropy(settings.label_smoothing),
        **{name: value for name, value in options.items() if name in taken},
    )


def balancer(specs, settings):
    """The balancer of joint training; None where nothing is to be balanced."""
    if settings.attention:
        name = attention_name(attended(specs))
        # Equation 11 of GG-CAM.
        return balancing.UncertaintyWeighting(
            halved=name, initial={name: settings.attention_sigma}
        )
    joint = finetuning.registry.get(settings.strategy).adds_losses
    if not joint or len(specs) < 2:
        return None
    if isinstance(settings.weighting, dict):
        return balancing.FixedWeighting(settings.weighting)
    kinds = {spec.name: spec.kind for spec in specs}
    return balancing.weighting(settings.weighting, kinds, settings.fidelity)


def strategy(settings):
    """The strategy object that the settings describe."""
    cls = finetuning.registry.get(settings.strategy)
    options = {
        "optimizer": settings.optimizer,
        "cache_features": settings.cache_features,
        "xla": settings.xla,
        "schedule": schedule(settings),
    }
    if settings.freeze is not None:
        options["freeze"] = settings.freeze
    if "ratio" in arguments_of(cls):
        options["ratio"] = settings.ratio
    return cls(**options)


def schedule(settings):
    """The `Schedule` that the settings describe."""
    if settings.decay in NAMED:
        return NAMED[settings.decay](settings.learning_rate, settings.patience)
    return Schedule(
        settings.learning_rate,
        decay=settings.decay,
        patience=settings.patience,
        stop_patience=settings.stop_patience,
        warmup_steps=20,
    )
