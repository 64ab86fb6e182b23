"""The figures as Markdown."""

BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"


def replace(text, table):
    """`text` with the table between its two marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{table.strip()}\n\n{END}{after}"


def markdown(results):
    """All figures of a run of the benchmarks."""
    about = results["about"]
    versions = dict(about["versions"])
    lines = [
        f"Measured {about['date']} on {about['processor']}, "
        f"{about['cores']} cores, {about['memory_gib']:.0f} GiB; Python "
        f"{versions.pop('python')}, "
        + ", ".join(f"{k} {v}" for k, v in versions.items())
        + f"; `auto` is {about['auto']} here. It took "
        f"{sum(about['seconds'].values()) / 60:.0f} minutes. Medians; in "
        "brackets the smallest and the largest of the rounds.",
        "",
    ]
    for name, figures in results["parts"].items():
        lines += [*PARTS[name](figures), ""]
    return "\n".join(lines)


def _range(values, digits=0):
    low, middle, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} ({low}-{high})"


def _training(figures):
    titles = {
        "cdae": "Denoising autoencoder `small`, 256x256",
        "unet": "U-Net of width 16, 128x128",
    }
    lines = ["### (a) Training steps, batch 16", ""]
    for network, found in figures.items():
        lines += [
            f"| {titles[network]} | images/s | umsrep is faster by |",
            "|---|---|---|",
            *(
                f"| {name} | {_range(one['images_per_second'], 1)} | "
                f"{one['umsrep_is_faster_by']:.2f} |"
                for name, one in found["rows"].items()
            ),
            "",
        ]
        for name, one in found["limits"].items():
            shares = ", ".join(
                f"{kind} {100 * share:.0f} %"
                for kind, share in list(one["shares"].items())[:6]
            )
            lines += [
                f"{name}: {one['operations_per_image'] / 1e9:.2f} G operations "
                f"per image and step, {100 * one['share_of_matmul']:.0f} % of "
                f"what a large matrix product reaches here "
                f"({one['matmul_per_second'] / 1e9:.0f} G/s in "
                f"{one['precision']}). Time by operation: {shares}.",
                "",
            ]
    return lines[:-1]


def _overhead(figures):
    return [
        "### (b) Cost of the loop over a hand-written one",
        "",
        "| strategy | images/s, umsrep | images/s, hand-written | cost |",
        "|---|---|---|---|",
        *(
            f"| {name} | {_range(one['umsrep']['images_per_second'])} | "
            f"{_range(one['hand-written']['images_per_second'])} | "
            f"{100 * one['cost']:+.1f} % |"
            for name, one in figures.items()
        ),
    ]


def _strategies(figures):
    lines = ["### (b) Three classification heads", ""]
    for preset, found in figures.items():
        lines += [
            f"| `{preset}`, {found['images']} images of {found['size']}x"
            f"{found['size']}, {found['epochs']} epochs | seconds in all | "
            "saved | seconds per later epoch | saved | trained parameters |",
            "|---|---|---|---|---|---|",
        ]
        for name, one in found.items():
            if not isinstance(one, dict):
                continue
            lines.append(
                f"| {name} | {_range(one['seconds'], 1)} | "
                f"{100 * one['saved_seconds']:.0f} % | "
                f"{_range(one['epoch'], 2)} | "
                f"{100 * one['saved_epoch']:.0f} % | {one['parameters']:,} |"
            )
        lines.append("")
    return lines[:-1]


def _pipeline(figures):
    return [
        "### (c) Input alone, 256x256",
        "",
        "| what | images/s |",
        "|---|---|",
        *(f"| {name} | {_range(v)} |" for name, v in figures.items()),
    ]


def _inference(figures):
    words = {
        "predict": "both tasks in one pass",
        "separate": "two separate models",
        "predict one": "one classification task",
        "explain": "Grad-CAM of that task",
    }
    return [
        f"### (d) Inference, {figures['images']} images of 256x256",
        "",
        "| what | images/s | times the seconds of both tasks, or of the one |",
        "|---|---|---|",
        *(
            f"| {text} | {_range(figures[key]['images_per_second'])} | "
            f"{figures[key]['times']:.2f} |"
            for key, text in words.items()
        ),
    ]


def _memory(figures):
    return [
        "### (e) Memory",
        "",
        f"One shuffled epoch of denoising over {figures['images']:,} images of "
        f"256x256: at most {figures['peak_gib']:.2f} GiB resident, "
        f"{figures['images_per_second']:.0f} images/s.",
    ]


def _scaling(figures):
    lines = [
        "### (f) Seconds per epoch, joint, classification",
        "",
        "A set of 240 images of 128x128 and 3 tasks, but for one:",
        "",
        "| what | images trained on | seconds | milliseconds an image |",
        "|---|---|---|---|",
    ]
    words = {"images": "images", "size": "pixels a side", "tasks": "tasks"}
    for name, series in figures.items():
        for value, one in series.items():
            lines.append(
                f"| {value} {words[name]} | {one['images']} | "
                f"{one['seconds']:.2f} | "
                f"{1000 * one['seconds'] / one['images']:.2f} |"
            )
    return lines


def _accuracy(figures):
    lines = [
        "### (g) The same recipe in float32 and in auto",
        "",
        "| precision | Dice per seed | median | AUC per seed | median |",
        "|---|---|---|---|---|",
    ]
    for precision, found in figures.items():
        cells = []
        for name in ("dice", "auc"):
            values = ", ".join(f"{value:.3f}" for value in found[name])
            cells += [values, f"{found['medians'][name]:.3f}"]
        lines.append(f"| {precision} | " + " | ".join(cells) + " |")
    return lines


PARTS = {
    "training": _training,
    "overhead": _overhead,
    "strategies": _strategies,
    "pipeline": _pipeline,
    "inference": _inference,
    "memory": _memory,
    "scaling": _scaling,
    "accuracy": _accuracy,
}
