"""`umsrep verify`: is a prepared data set whole and free of leaks?"""

from pathlib import Path
from typing import Annotated

import typer

# More would scroll the summary away.
ROWS = 40


def verify(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A prepared data set.")
    ],
):
    """Checks a prepared data set and lists what is wrong with it.

    Files and checksums, image sizes, label and mask values, patients or
    identical images on both sides of a split. The exit code is 1 if there is
    an error, 0 if there are warnings only.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from umsrep.data import verification
    from umsrep.progress import counting

    with counting(f"Verifying {data.name}") as progress:
        findings = verification.verify(data, progress)
    console = Console(highlight=False)
    if findings:
        table = Table("", "File", "Finding", "What to do")
        for finding in findings[:ROWS]:
            style = "red" if finding.severity == "error" else "yellow"
            table.add_row(
                Text(finding.severity, style=style),
                *map(Text, (finding.file, finding.message, finding.remedy)),
            )
        console.print(table)
        if len(findings) > ROWS:
            console.print(f"... and {len(findings) - ROWS} more.")
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    print(f"{data}: errors: {errors}, warnings: {warnings}.")
    if errors:
        raise typer.Exit(1)


def add_to(app):
    """Adds the sub-command."""
    app.command("verify")(verify)
