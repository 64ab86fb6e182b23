"""Tables for the terminal."""

import pandas as pd
from rich.console import Console
from rich.table import Table


def print_levels(metrics):
    """Prints Table 2: what was lost by PSNR, SSIM, MS-SSIM."""
    table = Table("corruption", "PSNR (dB)", "of input", "SSIM", "MS-SSIM")
    for level, row in metrics.items():
        table.add_row(
            level,
            f"{row['psnr']:.2f}",
            f"{row['noisy_psnr']:.2f}",
            f"{row['ssim']:.3f}",
            f"{row['ms_ssim']:.3f}",
        )
    Console().print(table)


def print_metrics(metrics, title):
    """Prints {task: {metric: value}}, with intervals where they are."""
    table = Table(title=title)
    for heading in ("task", "metric", "value", "95 % interval"):
        table.add_column(heading, overflow="fold")
    for task, row in metrics.items():
        for name, value in row.items():
            if not isinstance(value, (int, float)):
                continue
            if name.endswith("_undefined_resamples"):
                continue
            interval = row.get(f"{name}_ci95")
            shown = ""
            if interval and not any(map(pd.isna, interval)):
                shown = f"{interval[0]:.3f} to {interval[1]:.3f}"
            number = str(value) if isinstance(value, int) else f"{value:.3f}"
            note = (row.get("intervals") or {}).get("notes", {}).get(name)
            if note:
                shown = f"{shown} ({note})".strip()
            table.add_row(task, name, number, shown)
    console = Console()
    console.print(table)
    for task, row in metrics.items():
        for remark in row.get("remarks", []):
            console.print(f"{task}: {remark}", markup=False, soft_wrap=True)


def print_folds(spread, metrics):
    """Prints mean and standard deviation over folds, of the main metrics."""
    from umsrep.metrics import catalogue

    table = Table(title="over folds (no standard error: folds share patients)")
    for heading in ("task", "metric", "mean", "standard deviation"):
        table.add_column(heading, overflow="fold")
    for task in metrics:
        for name, found in spread.get(task, {}).items():
            if name in catalogue.LISTED and found["mean"] is not None:
                sd = "–" if found["sd"] is None else f"{found['sd']:.3f}"
                table.add_row(task, name, f"{found['mean']:.3f}", sd)
    Console().print(table)


def print_shifts(table):
    """Prints one row per shift with the columns that settings are chosen by."""
    chosen = [
        name
        for name in table.columns
        if name.split(" ", 1)[1] in ("dice", "dice_min", "accuracy", "auc")
    ]
    shown = Table("shift", *chosen)
    for shift, row in table[chosen].iterrows():
        shown.add_row(str(shift), *(f"{value:.3f}" for value in row))
    Console().print(shown)


def print_parity(parity):
    """Prints the largest differences of an exported file, one row per task."""
    from umsrep.export.parity import SCALES

    table = Table(
        "task",
        "difference",
        "end to end",
        "of",
        title=f"Compared on {parity['images']} images in "
        f"{len(parity['sizes'])} sizes",
    )
    for task, entry in parity["tasks"].items():
        table.add_row(
            task,
            f"{entry['max_difference']:.2e}",
            f"{entry['end_to_end']:.2e}",
            SCALES[entry["relative_to"]],
        )
    Console().print(table)
    for part in ("prepared", "denoised"):
        if part in parity:
            print(
                f"Grey levels of the {part} image that differ: "
                f"{parity[part]['rounded_otherwise']} of "
                f"{parity[part]['pixels']}"
            )


def print_accuracy(accuracy, quantize):
    """Prints the metrics of a quantised file beside the run's."""
    from umsrep.export.accuracy import cells

    table = Table(
        "task",
        "metric",
        "float32",
        quantize,
        "change",
        title=f"{accuracy['images']} images of the split '{accuracy['split']}'",
    )
    for task, row in accuracy["tasks"].items():
        for name, (before, after) in row.items():
            table.add_row(task, name, *cells(before, after))
    Console().print(table)


def print_audit(audit):
    """Prints an `evaluation.auditing.Audit`: a table, and what follows."""
    table = Table(
        *("label", "from", "AUC", "95 % interval", "p (Holm)", ""),
        title=f"{audit.name}: what alone predicts a label (chance: AUC 0.5)",
    )
    for tried in sorted(audit.tried, key=lambda t: (t.about, t.task)):
        found = tried.probe
        p = "< 0.001" if tried.p_holm < 0.001 else f"{tried.p_holm:.3f}"
        table.add_row(
            tried.task,
            tried.source,
            f"{found.auc:.3f}",
            f"{found.low:.3f} to {found.high:.3f}",
            p,
            "readable" * tried.flagged,
            style="yellow" if tried.flagged else None,
        )
    console = Console()
    if audit.tried:
        # A log has no edge to fit.
        (console if console.is_terminal else Console(width=100)).print(table)
    for line in audit.sentences():
        print(line)


def print_curve(tables):
    """Prints a learning curve: headline metrics, and what reaches what."""
    summary, reached = tables["summary"], tables["reached"]
    sizes = sorted(summary["patients"].unique())
    table = Table(
        *("data", "task", "metric", "candidate", *map(str, sizes)),
        title="Learning curve: mean over repeats, by labelled patients",
    )
    first = summary.drop_duplicates(["data", "task"])
    for _, head in first.iterrows():
        keys = ["data", "task", "metric"]
        part = summary[(summary[keys] == head[keys]).all(axis=1)]
        for name, curve in part.groupby("candidate", sort=False):
            means = curve.set_index("patients")["mean"]
            cells = [f"{means[n]:.3f}" if n in means else "–" for n in sizes]
            table.add_row(*head[keys], name, *cells)
    console = Console()
    (console if console.is_terminal else Console(width=100)).print(table)
    for row in reached.to_dict("records"):
        print(
            f"{row['candidate']} on {row['data']}, {row['task']}: what the "
            f"baseline has with {row['baseline_patients']} patients "
            f"({row['target']:.3f}): {row['words']}"
        )


def print_probes(table, means):
    """Prints means over draws of probes, by number of labelled patients.

    Args:
        table: As returned by `frozen_probes.probe_table`.
        means: As returned by `frozen_probes.summary`.
    """
    console = Console()
    if len(means):
        sizes = sorted(means["patients"].unique())
        shown = Table(
            *("data", "task", "metric", "representation", *map(str, sizes)),
            title="Frozen features, by labelled patients: mean ± standard "
            "deviation over draws",
        )
        keys = ["data", "task", "metric", "representation"]
        for key, part in means.groupby(keys, sort=False):
            cells = part.set_index("patients")
            shown.add_row(
                *key,
                *(
                    _spread(cells.loc[n]) if n in cells.index else "–"
                    for n in sizes
                ),
            )
        (console if console.is_terminal else Console(width=100)).print(shown)
    if "skipped" in table:
        skipped = table[table["skipped"].notna()]
        for row in (
            skipped[["representation", "patients", "data", "task", "skipped"]]
            .drop_duplicates()
            .to_dict("records")
        ):
            print(
                f"{row['task']} on {row['data']}, {row['representation']}, "
                f"{row['patients']} patients: {row['skipped']}"
            )


def _spread(row):
    spread = "" if pd.isna(row["sd"]) else f" ± {row['sd']:.3f}"
    return f"{row['mean']:.3f}{spread}"
