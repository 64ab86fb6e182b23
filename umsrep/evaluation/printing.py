"""Paired tests as a table in the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table


def print_tests(tests, console=None):
    """Prints the tests in the terminal, two lines each."""
    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=120)  # a log has no edge to fit
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False, show_edge=False
    )
    table.add_column("Task", overflow="fold")
    table.add_column("Test", overflow="fold")
    # The first p takes images as independent, the second patients.
    headings = (
        *("A", "B", "A - B\n(95 %)", "Better\nA : B"),
        *("p (Holm)\nby image", "p (Holm)\nby patient"),
    )
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for test in tests:
        low, high = test.difference_ci95
        table.add_row(
            test.task,
            f"{test.test}\n{test.metric}",
            f"{test.a:.3f}",
            f"{test.b:.3f}",
            f"{test.difference:+.3f}\n{low:+.3f}, {high:+.3f}",
            f"{test.a_better} : {test.b_better}",
            f"{test.p_holm:.2g}",
            f"{test.p_patients_holm:.2g}",
        )
    console.print(table)
