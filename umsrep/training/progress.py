"""A progress bar that also reads well in a log file."""

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from umsrep import distribution


class Progress:
    """Counts steps on a terminal; prints one line per note elsewhere.

    Args:
        title: What is being done.
        total: Number of steps.
        done: Steps already done in an earlier run.
        enabled: False shows nothing.
    """

    def __init__(self, title, total, done=0, enabled=True):
        self.title = title
        # Of several workers, one reports.
        self.enabled = enabled and distribution.leads()
        self.terminal = self.enabled and sys.stderr.isatty()
        self.total, self.done = total, done
        self._bar = None

    def __enter__(self):
        if self.terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(
                self.title, total=self.total, completed=self.done
            )
        return self

    def __exit__(self, *exc):
        if self._bar is not None:
            self._bar.stop()

    def advance(self, steps=1, note=None):
        """Counts `steps`; `note` is shown on a terminal only."""
        self.done += steps
        if self._bar is not None:
            text = f"{self.title} {note}" if note else None
            self._bar.update(self._task, advance=steps, description=text)

    def describe(self, note):
        """A line worth keeping, such as an epoch's validation loss."""
        if self._bar is not None:
            self._bar.console.print(f"{self.title}: {note}", highlight=False)
        elif self.enabled:
            share = 100 * self.done / max(1, self.total)
            print(f"{self.title}: {note} ({share:.0f} %)", file=sys.stderr)
