"""Results in the terminal."""

import math

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from umsrep.evaluation import summary
from umsrep.metrics import catalogue


def print_summary(frame, console=None):
    """Prints the data frame of `summary_table` in the terminal.

    The best value of each task and column is bold. Training time and
    parameters stand in the first row of each run.
    """
    console = console or _console()
    pretraining = frame[frame["data"] == ""]
    metrics = summary.present(frame)
    for data, part in frame[frame["data"] != ""].groupby("data", sort=False):
        table = Table(
            title=escape(data),
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            padding=(0, 0),
            pad_edge=False,
            show_edge=False,
        )
        table.add_column("Strategy", overflow="fold", min_width=11)
        table.add_column("Task", overflow="fold", min_width=11)
        headings = [metric.short for metric in metrics.values()]
        for heading in (*headings, "Seconds", "Parameters"):
            table.add_column(heading, justify="right", no_wrap=True)
        previous = None
        for _, row in pd.concat([part, pretraining]).iterrows():
            first = row["strategy"] != previous
            previous = row["strategy"]
            best = summary.best_values(part, row["task"])
            cells = [
                f"[bold]{summary.text(row[metric])}[/bold]"
                if row[metric] == best[metric]
                else summary.text(row[metric])
                for metric in metrics
            ]
            table.add_row(
                escape(row["strategy"]) if first else "",
                escape(row["task"]),
                *cells,
                summary.text(row["seconds"], 0) if first else "",
                summary.text(row["trainable_parameters"], 0) if first else "",
            )
        console.print(table)


def print_tests(tests, console=None):
    """Prints the tests in the terminal, two lines each."""
    console = console or _console()
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False, show_edge=False
    )
    table.add_column("Task", overflow="fold")
    table.add_column("Test", overflow="fold")
    for heading in (
        "A",
        "B",
        "A - B\n(95 %)",
        "Better\nA : B",
        "p",
        "p (Holm)",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    several = len({(test.name_a, test.name_b) for test in tests}) > 1
    for test in tests:
        low, high = test.difference_ci95
        pair = f"{test.name_a} - {test.name_b}: " if several else ""
        better = "–"
        if test.a_better is not None:
            better = f"{test.a_better} : {test.b_better}"
        table.add_row(
            f"{pair}{test.task}",
            f"{test.test_patients}\n{test.metric}",
            f"{test.a:.3f}",
            f"{test.b:.3f}",
            f"{test.difference:+.3f}\n{low:+.3f}, {high:+.3f}",
            better,
            f"{test.p_patients:.2g}",
            f"{test.p_patients_holm:.2g}",
        )
    console.print(table)
    console.print(
        "p takes patients as independent, the interval belongs to p, and Holm "
        "adjusts for all tests together."
    )
    notes = dict.fromkeys(f"{t.task}: {t.note}" for t in tests if t.note)
    if notes:
        console.print(f"Little to rest on: {'; '.join(notes)}.", markup=False)


def print_improvements(improvements, console=None):
    """Prints each Delta m and its parts; nothing where there is none."""
    console = console or _console()
    for one in improvements:
        low, high = one.ci95
        parts = ", ".join(
            f"{part.task} {catalogue.metric(part.metric).words} "
            f"{_percent(part.percent)}"
            for part in one.tasks
        )
        console.print(
            f"Delta m of {one.name} over {one.baseline}: "
            f"{_percent(one.percent)} (95 % by patient: {_percent(low)} to "
            f"{_percent(high)}), the mean of {parts}.",
            markup=False,
        )
        for remark in one.remarks:
            console.print(remark, markup=False)
        if one.note:
            console.print(f"Little to rest on: {one.note}.", markup=False)


def _percent(value):
    return "–" if math.isnan(value) else f"{value:+.1f} %"


def _console():
    console = Console()
    # A log has no edge to fit.
    return console if console.is_terminal else Console(width=120)
