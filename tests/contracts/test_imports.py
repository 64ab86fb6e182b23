"""Imports point one way (the layering of the package).

Seen are imports at the top of a file, deferred ones inside a function, and
those by name (`importlib.import_module`, `__import__`, `lazy_loader.attach`).
"""

import ast
import graphlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A part may import from parts of lower rank, or of its own.
RANKS = {
    "errors": 0,
    "registry": 1,
    "notebook": 1,
    "backend": 1,
    "cells": 1,
    "keras_import": 2,
    "precision": 2,
    "distribution": 2,
    "progress": 2,
    "metrics": 3,
    "tasks": 4,
    "data": 5,
    "phantoms": 6,
    "layers": 6,
    "losses": 6,
    "representations": 7,
    "heads": 7,
    "balancing": 7,
    "model": 8,
    "ensemble": 8,
    "training": 9,
    "finetuning": 10,
    "derived": 10,
    "runs": 11,
    "evaluation": 12,
    "figures": 13,
    "stages": 14,
    "search": 15,
    "experiments": 16,
    "report": 17,
    "predictor": 17,
    "export": 18,
    "inference": 19,
    "view": 20,
    "recipes": 21,
    "cli": 22,
}
# Parts that may import less than what is of lower rank.
ONLY = {"tasks": {"errors", "registry", "metrics"}}
MAY_IMPORT_TENSORFLOW = {
    Path("umsrep/backend.py"),
    Path("umsrep/distribution.py"),
    Path("umsrep/export/formats.py"),
    Path("umsrep/export/runtimes.py"),
    Path("umsrep/metrics/image_quality.py"),
}
# Each has a list of names, and a reason not to import them when it starts.
MAY_IMPORT_COMPUTED_NAMES = {
    # The classes that a model file may hold, when one is opened.
    Path("umsrep/keras_import.py"),
    # One sub-command per file.
    Path("umsrep/cli/main.py"),
    Path("data_prep/__init__.py"),
}
BY_NAME = {"import_module", "__import__"}


@dataclass(frozen=True)
class Import:
    """What is imported where.

    Attributes:
        file: Relative to the repository.
        line: Of the file.
        name: Dotted name; empty where it is computed.
        at_top: Whether it happens when the file is imported, and not when a
            function is called or an attached name is first used.
    """

    file: Path
    line: int
    name: str
    at_top: bool

    def __str__(self):
        return f"{self.file}:{self.line} imports {self.name or 'a variable'}"

    @property
    def part(self):
        """The part of umsrep that is imported, or None."""
        package, _, rest = self.name.partition(".")
        return rest.partition(".")[0] or None if package == "umsrep" else None


def files(*folders):
    return [
        path.relative_to(ROOT)
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def module_name(file):
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def package_of(file):
    """The package that a relative import in `file` starts from."""
    name = module_name(file)
    return name if file.name == "__init__.py" else name.rpartition(".")[0]


def imports_in(text, file):
    """Every `Import` in the text of a file."""

    def visit(node, at_top):
        deferred = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        now = at_top and not attaches(node)
        for name in names_of(node, package_of(file)):
            yield Import(file, node.lineno, name, now)
        later = isinstance(node, deferred) or for_types(node)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, at_top and not later)

    yield from visit(ast.parse(text), True)


def for_types(node):
    """Whether a type checker alone reads what is below `node`."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(
        node.test
    )


def names_of(node, package):
    """Dotted names that one statement or call imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level:
            module = importlib.util.resolve_name(
                "." * node.level + module, package
            )
        return [module, *(f"{module}.{alias.name}" for alias in node.names)]
    if not isinstance(node, ast.Call):
        return []
    if called(node) in BY_NAME and node.args:
        return [constant(node.args[0])]
    if attaches(node):
        return [f"{package}.{name}" for name in attached(node)]
    return []


def called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def attaches(node):
    return isinstance(node, ast.Call) and called(node) == "attach"


def attached(call):
    """Modules that a call of `lazy_loader.attach` names."""
    keywords = {word.arg: word.value for word in call.keywords}
    listed = getattr(keywords.get("submodules"), "elts", [])
    mapped = getattr(keywords.get("submod_attrs"), "keys", [])
    return [constant(node) for node in (*listed, *mapped)]


def constant(node):
    return node.value if isinstance(node, ast.Constant) else ""


def all_imports(*folders):
    """Of all files but umsrep/__init__.py, which has no rank."""
    return [
        found
        for file in files(*folders)
        if file != Path("umsrep/__init__.py")
        for found in imports_in((ROOT / file).read_text(), file)
    ]


def part_of(file):
    return file.parts[1].removesuffix(".py")


def allowed(part, imported):
    if part in ONLY:
        return imported in ONLY[part] | {part}
    return imported == part or RANKS[imported] < RANKS[part]


def test_every_part_has_a_rank():
    parts = {part_of(file) for file in files("umsrep")} - {"__init__"}
    assert not parts - set(RANKS)


def test_imports_point_one_way():
    breaches = [
        str(found)
        for found in all_imports("umsrep")
        if found.part in RANKS and not allowed(part_of(found.file), found.part)
    ]
    assert not breaches


def test_no_file_imports_itself_in_a_circle():
    known = {module_name(file) for file in files("umsrep", "data_prep")}
    graph = {name: set() for name in known}
    for found in all_imports("umsrep", "data_prep"):
        own = module_name(found.file)
        # A package is on its way while its modules are imported.
        within = f"{own}.".startswith(f"{found.name}.")
        if found.at_top and found.name in known and not within:
            graph[own].add(found.name)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def test_names_that_are_imported_can_be_read():
    breaches = [
        str(found)
        for found in all_imports("umsrep", "data_prep")
        if not found.name and found.file not in MAY_IMPORT_COMPUTED_NAMES
    ]
    assert not breaches


def test_converters_need_only_data():
    breaches = [
        str(found)
        for found in all_imports("data_prep")
        if found.part not in (None, "data", "errors", "tasks")
    ]
    assert not breaches


def test_tensorflow_stays_in_few_files():
    breaches = [
        str(found)
        for found in all_imports("umsrep", "data_prep")
        if found.name.partition(".")[0] == "tensorflow"
        and found.file not in MAY_IMPORT_TENSORFLOW
    ]
    assert not breaches


def test_every_kind_of_import_is_seen():
    text = """
import umsrep.cli
from umsrep import view
from . import finetuning
if TYPE_CHECKING:
    from umsrep.figures import Plot
def later():
    from umsrep.export import open_file
    importlib.import_module("umsrep.inference")
    __import__("umsrep.report")
    importlib.import_module(name)
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["network"], submod_attrs={"settings": ["Settings"]}
)
"""
    found = list(imports_in(text, Path("umsrep/stages/__init__.py")))
    assert {each.name for each in found if each.at_top} == {
        "umsrep.cli",
        "umsrep",
        "umsrep.view",
        "umsrep.stages",
        "umsrep.stages.finetuning",
    }
    assert {each.name for each in found if not each.at_top} == {
        "umsrep.figures",
        "umsrep.figures.Plot",
        "umsrep.export",
        "umsrep.export.open_file",
        "umsrep.inference",
        "umsrep.report",
        "",
        "umsrep.stages.network",
        "umsrep.stages.settings",
    }
