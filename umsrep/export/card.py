"""The model card: what a person who receives the file must know."""

from umsrep import tasks
from umsrep.data import TaskSpec
from umsrep.export import accuracy as accuracy_module
from umsrep.export import parity as parity_module
from umsrep.export.formats import SUFFIXES
from umsrep.export.quantization import DESCRIPTIONS
from umsrep.metrics import catalogue
from umsrep.runs import stage_one

OPENS = {
    "keras": "`import umsrep; keras.saving.load_model(path)` in safe mode",
    "savedmodel": (
        "`tf.saved_model.load(path).signatures['serving_default'](image=...)`"
    ),
    "onnx": "`onnxruntime.InferenceSession(path).run(None, {'image': ...})`",
    "litert": (
        "`ai_edge_litert.interpreter.Interpreter(path)."
        "get_signature_runner('serving_default')(image=...)`"
    ),
}


def markdown(name, metadata, header, metrics):
    """The card as Markdown.

    Args:
        name: Name of the file.
        metadata: Its description with parity, as `exporting.describe`.
        header: dataset.json of the data that it was checked with.
        metrics: metrics.json of the run: its validation images.
    """
    sections = [
        f"# {name}",
        "For research only. Not a medical device: not for diagnosis, triage "
        "or any other clinical use.",
        _contents(metadata),
        _data(metadata, header),
        _metrics(metadata, metrics),
        _parity(metadata),
        _accuracy(metadata),
        _limits(metadata),
        _versions(metadata),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _contents(metadata):
    size = "x".join(str(n) for n in metadata["image_size"])
    fit = {
        "stretch": f"stretched to {size}",
        "pad": f"scaled by one factor and centred on black in {size}",
    }[metadata["fit"]]
    denoiser = metadata["denoiser"] * ", a denoising network"
    focus = ""
    if metadata.get("focus"):
        focus = (
            f", the outside of the predicted {metadata['focus']['task']} "
            f"taken away ({metadata['focus']['fill']}) for labels and numbers"
        )
    batch = "1" if metadata["file_format"] == "litert" else "any number"
    lines = [
        "## Input and outputs",
        "",
        f"- Opens with: {OPENS[metadata['file_format']]}.",
        f"- `image`: uint8 (batch, height, width), grey, bright is dense, any "
        f"size; {batch} at once, of one size. 8-bit as stored on disk: no "
        "resizing or normalisation before.",
        f"- Inside (rows and columns): {fit}, as OpenCV (area averages, then "
        f"bicubic), rounded to whole grey levels{denoiser}{focus}, "
        "intensity normalisation, network, temperature scaling.",
    ]
    for task, entry in metadata["tasks"].items():
        lines.append(f"- `{task}`: {_output(task, entry)}")
    if metadata["quantize"]:
        lines.append(
            f"- Quantised ({metadata['quantize']}): "
            f"{DESCRIPTIONS[metadata['quantize']]}."
        )
    return "\n".join(lines)


def _output(task, entry):
    kind = tasks.of(TaskSpec.from_json(task, entry))
    return kind.exported_words(entry["threshold"])


def _data(metadata, header):
    source = header.get("source") or {}
    images = metadata["run"]["images"]
    lines = [
        "## Data",
        "",
        f"- Data set: {source.get('title') or header['name']} "
        f"({header['modality'] or 'modality not given'}), "
        f"{header['counts'].get('images')} images of "
        f"{header['counts'].get('patients')} patients.",
        f"- Split by patient: {images.get('train')} train, "
        f"{images.get('validation')} validation, {images.get('test')} test; "
        f"seed {metadata['run']['seed']}.",
        f"- Licence of the data: {header.get('licence') or 'not given'}.",
    ]
    pretrained = metadata["run"].get("pretrained")
    if pretrained:
        lines.append(
            f"- Pretrained weights: {pretrained['architecture']}, "
            f"{pretrained['weights']} ({pretrained['file']}, SHA-256 "
            f"{pretrained['sha256']}). Source: {pretrained['source']}. "
            f"Licence: {pretrained['licence']}."
        )
    seen = metadata["run"].get("seen_in_stage_one")
    for words in stage_one.in_words(seen):
        lines.append(f"- **Learnt from test images.** {words}")
    for key, title in (("terms", "Terms"), ("citation", "Cite"), ("url", "At")):
        if source.get(key):
            lines.append(f"- {title}: {source[key]}")
    if metadata["restrictions"]:
        lines.append(
            "- **Before you pass this file on or use it**, as words of the "
            "licences say:"
        )
        lines += [f"    - {line}" for line in metadata["restrictions"]]
    lines.append(
        "- The weights are learnt from these data; whether their terms extend "
        "to the file is for whoever passes it on to check."
    )
    return "\n".join(lines)


def _metrics(metadata, metrics):
    rows = []
    for task in metadata["tasks"]:
        entry = metrics.get(task, {})
        for name, metric in catalogue.LISTED.items():
            if isinstance(entry.get(name), float):
                rows.append(
                    f"| {task} | {metric.heading} | {entry[name]:.3f} | "
                    f"{entry['images']} |"
                )
    if not rows:
        return ""
    return "\n".join(
        [
            "## Metrics of the run",
            "",
            "On validation images (metrics.json of the run), which thresholds "
            "and temperatures were chosen on too. For test images: `umsrep "
            "evaluate`.",
            "",
            "| task | metric | value | images |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def _parity(metadata):
    parity = metadata["parity"]
    lines = [
        "## Parity with the toolkit",
        "",
        f"{parity['images']} images in {len(parity['sizes'])} sizes, the file "
        "in its own runtime. Largest difference of the results on the file's "
        "own prepared image (the file is refused from "
        f"{parity['tolerance']:g} on"
        + (", but for quantisation" if metadata["quantize"] else "")
        + "), and end to end, with every grey level that was rounded to the "
        "other side:",
        "",
        "| task | difference | end to end | of |",
        "|---|---|---|---|",
    ]
    for task, entry in parity["tasks"].items():
        of = parity_module.SCALES[entry["relative_to"]]
        lines.append(
            f"| {task} | {entry['max_difference']:.2e} | "
            f"{entry['end_to_end']:.2e} | {of} |"
        )
    lines.append("")
    for part in ("prepared", "denoised"):
        if part in parity:
            lines.append(
                f"- The {part} image: {parity[part]['rounded_otherwise']} of "
                f"{parity[part]['pixels']} grey levels differ, by at most "
                f"{parity[part]['beyond_rounding']:.2g} more than rounding to "
                "the other side explains."
            )
    if metadata["run"]["precision"] not in ("float32", None):
        lines.append(
            f"- The run was trained in {metadata['run']['precision']}; the "
            "file computes in float32, which 'end to end' includes."
        )
    return "\n".join(lines)


def _accuracy(metadata):
    accuracy = metadata.get("accuracy")
    if not accuracy:
        return ""
    lines = [
        f"## Metrics before and after {metadata['quantize']}",
        "",
        f"{accuracy['images']} images of the split '{accuracy['split']}'.",
        "",
        f"| task | metric | float32 | {metadata['quantize']} | change |",
        "|---|---|---|---|---|",
    ]
    for task, entry in accuracy["tasks"].items():
        for name, (before, after) in entry.items():
            cells = accuracy_module.cells(before, after)
            lines.append(f"| {task} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _limits(metadata):
    lines = [
        "## Limits",
        "",
        "- It knows images like those it was trained on. On images of another "
        "scanner, protocol, age group or modality its results mean nothing "
        "until they have been checked there.",
        "- It says nothing about what it was not trained for, and nothing "
        "about its own mistakes: a probability is not a guarantee.",
        "- Images must be 8-bit grey. DICOM needs its rescale slope, window "
        "and MONOCHROME1 applied first, as `umsrep predict` does.",
        "- Compared on a CPU. A GPU that multiplies in TF32 or bfloat16 "
        "changes grey levels: switch that off.",
    ]
    return "\n".join(lines)


def _versions(metadata):
    versions = ", ".join(f"{k} {v}" for k, v in metadata["versions"].items())
    return (
        "## Made with\n\n"
        f"`umsrep export --format {metadata['file_format']}` "
        f"({SUFFIXES[metadata['file_format']] or 'folder'}): {versions}."
    )
