"""What is different where Python runs in a notebook."""

import sys
import time

from rich.console import Console

# A notebook keeps every message, so a fast loop must not send each step.
SECONDS_BETWEEN = 0.25
COLUMNS = 110


def in_notebook():
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class NotebookLine:
    """One line of text below a cell, replaced again and again.

    Rich's own bar for notebooks needs ipywidgets, and what it shows is gone
    when the notebook is read elsewhere.
    """

    def __init__(self):
        self.console = Console(
            width=COLUMNS,
            color_system=None,
            force_jupyter=False,
            force_terminal=False,
        )
        self._handle = None
        self._latest = 0.0

    def show(self, renderable, last=False):
        """Shows `renderable`, unless the line before is very young."""
        now = time.monotonic()
        if not last and now - self._latest < SECONDS_BETWEEN:
            return
        self._latest = now
        with self.console.capture() as captured:
            self.console.print(renderable)
        text = {"text/plain": captured.get().rstrip()}
        if self._handle is None:
            from IPython.display import DisplayHandle

            self._handle = DisplayHandle()
            self._handle.display(text, raw=True)
        else:
            self._handle.update(text, raw=True)
