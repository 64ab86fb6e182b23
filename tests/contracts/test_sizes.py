"""Code stays small enough to be read at one sitting."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("umsrep", "data_prep", "benchmarks", "notebooks")
LONGEST = {ast.FunctionDef: 80, ast.ClassDef: 300}


def test_no_function_or_class_is_too_long():
    too_long = []
    for folder in PROGRAMS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                most = LONGEST.get(type(node))
                if most is None:
                    continue
                lines = node.end_lineno - node.lineno + 1
                if lines > most:
                    name = f"{path.relative_to(ROOT)}: {node.name}"
                    too_long.append(f"{name} has {lines} lines of {most}")
    assert not too_long, "\n".join(too_long)
