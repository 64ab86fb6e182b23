"""Writes docs/settings.md and the names that help texts show.

    python -m umsrep.stages.reference docs/settings.md

Run it after a setting, or a class that settings may name, has changed.
"""

import json
import sys
from pathlib import Path

from umsrep.stages import choices
from umsrep.stages.declaration import declared
from umsrep.stages.settings import STAGES

INTRODUCTION = """# Settings

Written by `python -m umsrep.stages.reference docs/settings.md` from the
declarations in `umsrep/stages/settings.py` and `shared_settings.py`.

A setting is a field of the stage's settings in Python, a key below `settings:`
in a settings file or a search space, and an option of the command.
"""
COMMANDS = {"finetune": "umsrep finetune"}
COLUMNS = ("Setting", "Default", "Expected", "What it is", "Option")


def page(stages: dict[str, type] | None = None) -> str:
    """The reference of all settings, in Markdown.

    Args:
        stages: {stage: class of settings}; default: all.
    """
    lines = [INTRODUCTION]
    for stage, cls in (stages or STAGES).items():
        command = COMMANDS.get(stage, f"umsrep pretrain --objective {stage}")
        lines += [
            f"## {cls.__name__}",
            "",
            f"Stage `{stage}`: `{command}`.",
            "",
        ]
        fields = declared(cls).values()
        for group in dict.fromkeys(field.group for field in fields):
            lines += [f"### {group.capitalize()}", "", _row(COLUMNS)]
            lines.append("|" + "---|" * len(COLUMNS))
            lines += [_of(field) for field in fields if field.group == group]
            lines.append("")
    return "\n".join(lines)


def _of(setting):
    expected = setting.expected
    if setting.choices:
        expected = ", ".join(choices.names(setting.choices))
        others = setting.expected.removeprefix("text")
        expected += others
    spellings = ", ".join(f"`--{option.name}`" for option in setting.options)
    return _row(
        (
            f"`{setting.name}`",
            f"`{json.dumps(setting.default)}`",
            expected,
            setting.help,
            spellings,
        )
    )


def _row(cells):
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def recorded() -> str:
    """What `choices.json` should hold."""
    names = {source: choices.names(source) for source in choices.SOURCES}
    return json.dumps(names, indent=2) + "\n"


if __name__ == "__main__":
    choices.RECORD.write_text(recorded(), encoding="utf-8")
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
