"""A progress bar that also reads well in a notebook and in a log file."""

import contextlib
import sys
import textwrap

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from umsrep.notebook import COLUMNS, NotebookLine, in_notebook


class Progress:
    """Counts steps on a terminal, or in one line below a notebook's cell;
    prints one line per note elsewhere.

    Args:
        title: What is being done.
        total: Number of steps; None is not known yet.
        done: Steps already done in an earlier run.
        enabled: False shows nothing.
    """

    def __init__(self, title, total, done=0, enabled=True):
        self.title = title
        self.enabled = enabled
        self.notebook = self.enabled and in_notebook()
        self.terminal = (
            self.enabled and not self.notebook and sys.stderr.isatty()
        )
        self.total, self.done = total, done
        self._bar = self._line = None

    def __enter__(self):
        if self.terminal:
            self._bar = _bar(Console(stderr=True))
            self._bar.start()
        elif self.notebook:
            self._line = NotebookLine()
            self._bar = _bar(self._line.console, bar_width=20)
        if self._bar is not None:
            self._task = self._bar.add_task(
                self.title, total=self.total, completed=self.done
            )
        return self

    def __exit__(self, *exc):
        if self._line is not None:
            self._bar.stop_task(self._task)
            self._line.show(self._bar, last=True)
        elif self._bar is not None:
            self._bar.stop()

    def advance(self, steps=1, note=None):
        """Counts `steps`; `note` is not kept in a log file."""
        self.done += steps
        if self._bar is not None:
            text = f"{self.title} {note}" if note else None
            self._bar.update(self._task, advance=steps, description=text)
        if self._line is not None:
            self._line.show(self._bar)

    def move(self, done, total):
        """Goes to `done` of `total` steps, as some functions count."""
        self.total = total
        if self._bar is not None:
            self._bar.update(self._task, total=total)
        self.advance(done - self.done)

    def describe(self, note):
        """A line worth keeping, such as an epoch's validation loss.

        A notebook shows the latest one.
        """
        if self._line is not None:
            # The bar needs its half of the line.
            note = textwrap.shorten(note, COLUMNS // 2, placeholder=" …")
            self._bar.update(self._task, description=f"{self.title}: {note}")
            self._line.show(self._bar)
        elif self._bar is not None:
            self._bar.console.print(f"{self.title}: {note}", highlight=False)
        elif self.enabled:
            share = 100 * self.done / max(1, self.total)
            print(f"{self.title}: {note} ({share:.0f} %)", file=sys.stderr)


@contextlib.contextmanager
def counting(title):
    """Yields the `progress(done, total)` that moves a new bar.

    Args:
        title: What is being done.
    """
    with Progress(title, total=None) as bar:
        yield bar.move


def _bar(console, bar_width=40):
    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
