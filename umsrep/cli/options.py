"""Options that several commands share, and how their values are read."""

from pathlib import Path
from typing import Annotated

import typer

Preset = Annotated[
    str, typer.Option(help="Of a new representation: small or paper.")
]
Filters = Annotated[
    str | None,
    typer.Option(
        help="Of a new representation: filters per stage, such as "
        "16,32,64,128, instead of the preset's."
    ),
]
SkipConnections = Annotated[
    bool | None,
    typer.Option(
        help="Of a new representation: join encoder stages to the decoder. "
        "Default: as the preset (small: yes, paper: no)."
    ),
]
Normalization = Annotated[
    str, typer.Option(help="Of a new representation: percentile, mean or none.")
]
Argument = Annotated[
    list[str] | None,
    typer.Option(
        help="Of --architecture: NAME=VALUE, such as width=16; repeat."
    ),
]
BatchSize = Annotated[int, typer.Option(min=1)]
LearningRate = Annotated[float, typer.Option()]
Fractions = Annotated[
    tuple[float, float, float],
    typer.Option(help="Train, validation and test share of patients."),
]
Seed = Annotated[int, typer.Option(min=0)]
Precision = Annotated[
    str, typer.Option(help="auto, float32, bfloat16 or float16.")
]
Xla = Annotated[
    bool | None,
    typer.Option(help="Compile with XLA. Default: where it helps."),
]
Distribution = Annotated[
    str,
    typer.Option(
        help="Devices that share each batch: none (one device), mirrored (all "
        "of this machine) or multi_worker (the machines of TF_CONFIG; start "
        "the same command on each)."
    ),
]
# Of recipes, whose presets hold the defaults.
Repeats = Annotated[int, typer.Option(min=1, help="Trainings of each network.")]
RecipePreset = Annotated[
    str, typer.Option(help="small (a laptop) or paper (needs a GPU).")
]
MaybeEpochs = Annotated[int | None, typer.Option(min=1, help="At most.")]
MaybePatience = Annotated[
    int | None, typer.Option(min=1, help="Epochs until the rate falls.")
]
MaybeBatchSize = Annotated[int | None, typer.Option(min=1)]
MaybeLearningRate = Annotated[float | None, typer.Option()]
MaybeAugmentation = Annotated[
    float | None, typer.Option(help="Strength, 0 (off) to 1.5.")
]
MaybeFractions = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        help="Train, validation and test share of patients. Default: 0.7 0.1 "
        "0.2, as the papers."
    ),
]
Settings = Annotated[
    Path | None,
    typer.Option(
        help="Settings file (YAML), such as best.yaml of `umsrep scan`; what "
        "else is given here goes before it."
    ),
]
SixteenBit = Annotated[
    str,
    typer.Option(
        help="PNG and TIFF of more than 8 bits: refuse, or rescale from each "
        "image's minimum and maximum. DICOM says itself."
    ),
]
Settings = Annotated[
    Path | None,
    typer.Option(
        help="Settings file (YAML), such as best.yaml of `umsrep scan`; what "
        "else is given here goes before it."
    ),
]
Resume = Annotated[
    bool, typer.Option(help="Go on in an interrupted run folder.")
]


def given(context):
    """Names of the parameters that are on the command line."""
    return {
        name
        for name in context.params
        if context.get_parameter_source(name).name == "COMMANDLINE"
    }


def over(settings, values, given, sources=None):
    """Settings of a file, with what the command line says instead.

    Args:
        settings: A settings object.
        values: {field: value} of the command line, with its defaults.
        given: As of `given`.
        sources: {field: parameters it is made of}, where they have other
            names.

    Returns:
        Another settings object.
    """
    from dataclasses import replace

    chosen = {
        field: value
        for field, value in values.items()
        if given.intersection((sources or {}).get(field, (field,)))
    }
    arguments = chosen.get("arguments")
    # One argument more leaves the file's other ones.
    if arguments is not None and "architecture" not in given:
        chosen["arguments"] = settings.arguments | arguments
    return replace(settings, **chosen)


def whole_numbers(text, option):
    """A tuple of the whole numbers in "16,32,64"; None stays None."""
    from umsrep.errors import UmsrepError

    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UmsrepError(
            f"{option} {text}: expected whole numbers with commas between "
            "them, such as 16,32,64,128."
        ) from error


def values(pairs, option, example):
    """{name: value} of NAME=VALUE arguments, as JSON where it is JSON."""
    import json

    from umsrep.errors import UmsrepError

    result = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise UmsrepError(
                f"{option} {pair}: expected NAME=VALUE, such as {example}."
            )
        try:
            result[name] = json.loads(value)
        except ValueError:
            result[name] = value
    return result


REPRESENTATION = ("preset", "filters", "skip_connections", "normalization")
# What the arguments of a representation are made of.
ARGUMENTS = ("architecture", "argument", *REPRESENTATION)


def representation_arguments(
    architecture,
    pairs,
    preset,
    filters,
    skip_connections,
    normalization,
    only=REPRESENTATION,
):
    """{argument: value} of a new representation, from the options.

    Args:
        architecture: Its registered name.
        pairs: NAME=VALUE arguments of --argument, which come first.
        preset, filters, skip_connections, normalization: The options; the
            first and third are the autoencoder's.
        only: Those of them that count.
    """
    arguments = {"normalization": normalization}
    filters = whole_numbers(filters, "--filters")
    if architecture == "conv_autoencoder":
        arguments |= {
            "preset": preset,
            "filters": filters,
            "skip_connections": skip_connections,
        }
    elif filters is not None:
        arguments["filters"] = filters
    arguments = {k: v for k, v in arguments.items() if k in only}
    return arguments | values(pairs, "--argument", "width=16")


def by_class(pairs, option):
    """A task, or {class: task} of CLASS=TASK arguments; None for none."""
    from umsrep.errors import UmsrepError

    if not pairs:
        return None
    if len(pairs) == 1 and "=" not in pairs[0]:
        return pairs[0]
    found = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(found.values()):
        raise UmsrepError(
            f"{option} {' '.join(pairs)}: expected one task, or CLASS=TASK "
            "for each class, such as pneumonia=lung."
        )
    return found


def counts(pairs, option, example):
    """{task: whole number} of TASK=NUMBER arguments; None where none."""
    from umsrep.errors import UmsrepError

    if not pairs:
        return None
    result = numbers(pairs, option, example)
    for task, value in result.items():
        if value != int(value) or value < 1:
            raise UmsrepError(
                f"{option} {task}={value:g}: expected a whole number of at "
                f"least 1, such as {example}."
            )
    return {task: int(value) for task, value in result.items()}


def numbers(pairs, option, example):
    """{task: number} of TASK=NUMBER arguments."""
    from umsrep.errors import UmsrepError

    result = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            result[name] = float(value)
        except ValueError as error:
            raise UmsrepError(
                f"{option} {pair}: expected TASK=NUMBER, such as {example}."
            ) from error
    return result
