"""A command whose help names what is registered."""

from string import Template

from typer.core import TyperCommand

from umsrep.stages.choices import Named


class Command(TyperCommand):
    """Fills in `$explainers` and the like when its help is printed.

    The names are those of `stages.choices`.
    """

    def format_help(self, ctx, formatter):
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text and "$" in text:
                parameter.help = Template(text).safe_substitute(Named())
        super().format_help(ctx, formatter)
