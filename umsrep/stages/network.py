"""From settings to a network, a balancer and a strategy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
from umsrep.data import ClassBalance, Dataset, TaskSpec
from umsrep.errors import UmsrepError
from umsrep.registry import arguments_of
from umsrep.runs.former import renamed
from umsrep.stages.settings import FinetuneSettings
from umsrep.training import Schedule
from umsrep.training.schedule import NAMED

# Settings that a given representation decides.
OF_A_NEW_ONE = ("architecture", "arguments")
# Of the first block of a decoder on pretrained features, which tell more than
# half as many channels as they have can hold.
PRETRAINED_FILTERS = 256


def new_representation(
    image_size: tuple[int, int],
    architecture: str,
    arguments: Mapping[str, Any] | None = None,
) -> representations.Representation:
    """A representation with newly drawn weights.

    Args:
        image_size: (height, width) in pixels.
        architecture: Registered name, or that of an application.
        arguments: {argument: value} of the class, beyond `image_shape`;
            "channels" is 1 unless given (3 for the autoencoder's preset
            "paper").

    Raises:
        UmsrepError: an unknown name or argument.
    """
    check_arguments(architecture, arguments)
    cls, fixed = representations.find(architecture)
    arguments = {**fixed, **(arguments or {})}
    paper = arguments.get("preset") == "paper"
    channels = arguments.pop("channels", 3 if paper else 1)
    return cls(image_shape=(*image_size, channels), **arguments)


def of_run(run: runs.Run) -> dict[str, Any]:
    """{"architecture", "arguments"} of a run's representation, as it says.

    Args:
        run: A `runs.Run` of `pretrain`.
    """
    config = renamed(run.info["config"])
    return {key: config[key] for key in OF_A_NEW_ONE if key in config}


def with_absolute_weights(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for a worker that may be in another folder.

    Args:
        values: {field: value}; where `weights` among the arguments name a
            file or a folder, its path becomes absolute.
    """
    arguments = values.get("arguments") or {}
    weights = arguments.get("weights")
    if weights in (None, "imagenet"):
        return dict(values)
    path = Path(str(weights)).expanduser()
    if not path.exists():
        return dict(values)
    given = {**arguments, "weights": str(path.absolute())}
    return {**values, "arguments": given}


def check_arguments(
    architecture: str, arguments: Mapping[str, Any] | None = None
) -> None:
    """Raises at an unknown architecture, or an argument that it lacks."""
    cls, fixed = representations.find(architecture)
    known = arguments_of(cls) - {"image_shape", *fixed} | {"channels"}
    unknown = sorted(set(arguments or ()) - known)
    if unknown and unknown[0] == "weights":
        raise UmsrepError(
            f"There are no pretrained weights of architecture "
            f"'{architecture}'. Choose one of "
            f"{', '.join(representations.APPLICATIONS)}, keras_hub."
        )
    if unknown:
        raise UmsrepError(
            f"Architecture '{architecture}' has no argument '{unknown[0]}'. "
            f"Its arguments: {', '.join(sorted(known))}."
        )


def new_network(
    dataset: Dataset,
    names: Sequence[str],
    settings: FinetuneSettings,
    source: runs.Run | None = None,
) -> model.MultiTaskModel | finetuning.SeparateModels:
    """A network: heads for the tasks on a representation.

    Args:
        dataset: A `data.Dataset`.
        names: Names of tasks.
        settings: `FinetuneSettings`.
        source: A `runs.Run` of `pretrain`, or None for new weights.
    """

    def representation() -> representations.Representation:
        if source is not None:
            # Each call reads the file anew, so that copies share nothing.
            # In the number format that it is trained in now.
            run = runs.Run(source.path, own_precision=False)
            return run.model().representation
        return new_representation(
            dataset.image_size, settings.architecture, settings.arguments
        )

    specs = [dataset.task(name) for name in names]
    _check_dense(specs, settings)
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


def _check_dense(specs, settings):
    """Raises where layers are described that no head has."""
    usual = classifier(settings)
    chosen = {
        (settings.heads or {}).get(spec.name, usual)
        for spec in specs
        if tasks.of(spec).form == "classes"
    }
    if settings.of_dense and chosen == {"linear"}:
        name = settings.of_dense[0]
        raise UmsrepError(
            f"{name}={getattr(settings, name)!r}, but all label tasks have "
            "linear heads, which have no such layer and are solved, not "
            "trained. Choose the head 'dense', or leave it out."
        )


def attended(specs: Sequence[TaskSpec]) -> str:
    """Name of the label task whose maps attention supervises."""
    labels = [spec.name for spec in specs if spec.classes]
    if len(labels) != 1:
        raise UmsrepError(
            f"Attention supervises the maps of one label task, but the tasks "
            f"hold {labels or 'none'}. Choose one with --task."
        )
    return labels[0]


def attention_name(label: str) -> str:
    """Name of the attention task of a label task."""
    return f"{label}_attention"


def head(
    spec: TaskSpec,
    settings: FinetuneSettings,
    representation: representations.Representation,
) -> heads.Head:
    """The head of one task: that of its kind, unless the settings name one.

    It gets those of the settings that it has arguments for.

    Args:
        spec: A `data.TaskSpec`.
        settings: `FinetuneSettings`.
        representation: What it is to be attached to.

    Raises:
        UmsrepError: a head that does not exist, or learns another kind.
    """
    kind = tasks.of(spec)
    usual = classifier(settings) if kind.form == "classes" else kind.head
    name = (settings.heads or {}).get(spec.name, usual)
    cls = heads.registry.get(name)
    if name != usual and cls.kind != spec.kind:
        fitting = [n for n, c in heads.registry.items() if c.kind == spec.kind]
        raise UmsrepError(
            f"Head '{name}' learns a {cls.kind}, but task '{spec.name}' is "
            f"{kind.words()}. Choose one of "
            f"{', '.join(fitting) or 'none, and register a head of this kind'}."
        )
    offered = {
        "convolutions": settings.convolutions,
        "filters": settings.decoder_filters
        or (PRETRAINED_FILTERS if representation.origin else None),
        "hidden_units": settings.hidden_units,
        "hidden_activation": settings.hidden_activation,
        "dropout": settings.dropout,
        "fidelity": settings.fidelity if settings.attention else "paper",
    }
    if kind.form == "classes":
        offered["num_classes"] = len(spec.classes)
        offered["loss"] = losses.CategoricalCrossentropy(
            settings.label_smoothing
        )
    if issubclass(cls, heads.LinearHead):
        offered["features"] = settings.classification_features
        # What is solved knows no smoothed labels.
        offered.pop("loss", None)
    elif kind.form in _FEATURES:
        offered["features"] = _FEATURES[kind.form](settings, representation)
    taken = arguments_of(cls)
    return cls(
        name=spec.name,
        **{key: value for key, value in offered.items() if key in taken},
    )


def classifier(settings: FinetuneSettings) -> str:
    """Registered name of the head of label tasks."""
    if settings.classifier is not None:
        return settings.classifier
    strategy = finetuning.registry.get(settings.strategy)
    kept = "encoder" in settings.freeze if settings.freeze else False
    frozen = strategy.keeps_encoder or kept or settings.release_after
    decoded = "decoded" in (settings.classification_features or ())
    trained = settings.of_dense or decoded
    return "linear" if frozen and not trained else "dense"


def _decoded(settings, representation):
    features = settings.segmentation_features
    if features == "stages":
        return representation.stages
    if features is not None:
        return features
    if "decoded" in representation.features:
        return "decoded"
    if representation.stride("bottleneck") <= 16:
        return "bottleneck"
    # A decoder that begins at the coarsest stage of a wide encoder has most of
    # its parameters there, and its time goes there.
    fine = [n for n in representation.stages if representation.stride(n) <= 16]
    return tuple(fine) or "bottleneck"


def _pooled(settings, representation):
    if settings.classification_features is not None:
        return settings.classification_features
    fine = [n for n in representation.stages if representation.stride(n) == 16]
    return fine[0] if fine else "bottleneck"


def _looked_at(settings, representation):
    if settings.saliency_features is not None:
        return settings.saliency_features
    if "decoded" in representation.features:
        return "decoded"
    stages = representation.stages
    return tuple(n for n in stages if representation.stride(n) >= 8)


# What a head reads, by the form of its results.
_FEATURES = {
    "classes": _pooled,
    "number": _pooled,
    "mask": _decoded,
    "map": _looked_at,
}


def balancer(
    specs: Sequence[TaskSpec], settings: FinetuneSettings
) -> balancing.Balancer | None:
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


def strategy(settings: FinetuneSettings) -> finetuning.FineTuning:
    """The strategy object that the settings describe."""
    cls = finetuning.registry.get(settings.strategy)
    options = {
        "optimizer": settings.optimizer,
        "cache_features": settings.cache_features,
        "xla": settings.xla,
        "schedule": schedule(settings),
        "encoder_rate": settings.encoder_rate,
        "freeze_batch_norms": settings.freeze_batch_norms,
        "release_after": settings.release_after,
        "weight_average": settings.weight_average,
    }
    balance = class_balance(settings)
    if balance is not None:
        options["class_balance"] = balance
    if settings.freeze is not None:
        options["freeze"] = settings.freeze
    if "ratio" in arguments_of(cls):
        options["ratio"] = settings.ratio
    return cls(**options)


def class_balance(settings: FinetuneSettings) -> ClassBalance | None:
    """The `data.ClassBalance` that the settings describe, or None."""
    if settings.class_balance == "none":
        return None
    return ClassBalance(settings.class_balance, settings.class_balance_beta)


def schedule(settings: FinetuneSettings) -> Schedule:
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
