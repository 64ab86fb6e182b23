"""A progress bar for work that is counted item by item."""

import contextlib


@contextlib.contextmanager
def counting(words):
    """Shows a bar; yields the `progress(done, total)` that moves it.

    Args:
        words: What is being done, shown before the bar.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    ) as bar:
        task = bar.add_task(words, total=None)

        def progress(done, total):
            bar.update(task, completed=done, total=total)

        yield progress
