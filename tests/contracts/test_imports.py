"""Imports point one way (the layering of the package)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A package may import from packages of lower rank, or of its own.
RANKS = {
    "errors": 0,
    "registry": 1,
    "notebook": 1,
    "backend": 1,
    "precision": 2,
    "distribution": 2,
    "progress": 3,
    "metrics": 2,
    "tasks": 3,
    "data": 4,
    "phantoms": 5,
    "layers": 5,
    "losses": 5,
    "representations": 6,
    "heads": 6,
    "balancing": 6,
    "model": 7,
    "training": 8,
    "finetuning": 9,
    "derived": 9,
    "runs": 10,
    "evaluation": 11,
    "figures": 12,
    "stages": 13,
    "search": 14,
    "experiments": 14,
    "report": 15,
    "inference": 15,
    "export": 16,
    "view": 16,
    "recipes": 17,
    "cli": 18,
}
MAY_IMPORT_TENSORFLOW = {
    Path("umsrep/backend.py"),
    Path("umsrep/distribution.py"),
    Path("umsrep/export/formats.py"),
    Path("umsrep/export/runtimes.py"),
    Path("umsrep/metrics/image_quality.py"),
}


def files(*folders):
    return [
        path.relative_to(ROOT)
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def imports(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


@pytest.mark.parametrize("path", files("umsrep"), ids=str)
def test_layers(path):
    if path.name == "__init__.py" and len(path.parts) == 2:
        return
    own = path.parts[1].removesuffix(".py")
    assert own in RANKS, f"{own} has no rank"
    rank = RANKS[own]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "umsrep" or len(parts) < 2 or parts[1] not in RANKS:
            continue
        if parts[1] != own:
            assert RANKS[parts[1]] < rank, f"{path} imports {name}"


@pytest.mark.parametrize("path", files("data_prep"), ids=str)
def test_converters_need_only_data(path):
    for name in imports(path):
        if name.startswith("umsrep."):
            assert name.split(".")[1] in ("data", "errors", "tasks"), name


@pytest.mark.parametrize("path", files("umsrep", "data_prep"), ids=str)
def test_tensorflow_stays_in_few_files(path):
    uses = any(name.split(".")[0] == "tensorflow" for name in imports(path))
    assert not uses or path in MAY_IMPORT_TENSORFLOW
