"""docs/fidelity.md says what is as in the papers; what it names is there."""

import ast
import pkgutil
import re
from pathlib import Path

import pytest

from umsrep.recipes import paper_values

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
VERDICTS = ("equal", "differs", "not to be had", "the code's")
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
CODE = re.compile(r"`((?:umsrep|data_prep)(?:\.\w+)+)`")


def rows(heading):
    """The cells of each row of the tables with this first heading."""
    found, inside = [], False
    for line in PAGE.splitlines():
        inside = line.startswith("|") and (
            inside or line.startswith(f"| {heading} |")
        )
        if inside:
            found.append([cell.strip() for cell in line.split("|")[1:-1]])
    return [row for row in found if row[0] != heading and row[0][:3] != "---"]


def names_of(tree, prefix=""):
    """Names of a file's functions and methods, as pytest writes them."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from names_of(node, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef):
            yield prefix + node.name


ELEMENTS = rows("element")
COUNTS = rows("number")


def test_every_row_has_a_place_a_verdict_and_evidence():
    # Three papers.
    assert len(ELEMENTS) > 50
    for element, where, verdict, evidence in ELEMENTS:
        assert CODE.search(where), element
        assert any(word in verdict for word in VERDICTS), element
        assert TEST.search(evidence), element
    for number, _, evidence in COUNTS:
        assert TEST.search(evidence), number


@pytest.mark.parametrize(("file", "name"), sorted(set(TEST.findall(PAGE))))
def test_every_test_on_the_page_exists(file, name):
    path = ROOT / file
    assert path.is_file()
    found = list(names_of(ast.parse(path.read_text(encoding="utf-8"))))
    assert name in found
    assert name.rpartition("::")[2].startswith("test_")


def test_what_looks_like_a_test_is_read_as_one():
    # A path that is misspelt would otherwise be no test to this file.
    assert PAGE.count("`tests/") == len(TEST.findall(PAGE))


@pytest.mark.parametrize("name", sorted(set(CODE.findall(PAGE))))
def test_every_name_in_the_code_can_be_imported(name):
    pkgutil.resolve_name(name)


@pytest.mark.parametrize("number", [800_067, 460_115, 1_573_506, 786_497])
def test_counts_on_the_page_are_those_of_their_tests(number):
    (row,) = [row for row in COUNTS if row[0].startswith(f"{number:,}")]
    file, _ = TEST.search(row[2]).groups()
    assert f"{number:_}" in (ROOT / file).read_text(encoding="utf-8")


def shown(value):
    """A value as the page writes it."""
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, float) and 0 < value < 0.01:
        return f"{value:.0e}".replace("e-0", "e-")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def test_what_the_papers_leave_open_is_on_the_page():
    want = [
        [paper, f"`{name}`", shown(value.held), value.origin, value.source]
        for paper, values in paper_values.VALUES.items()
        for name, value in values.items()
        if value.origin != "paper"
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in want)
    message = f"Write this table into docs/fidelity.md:\n{table}"
    assert rows("paper") == want, message


def test_what_differs_in_a_preset_is_explained():
    for paper, values in paper_values.VALUES.items():
        name = paper.partition(",")[0]
        section = PAGE.partition(f"## {name} ")[2].partition("\n## ")[0]
        differing = [v for v in values.values() if v.here is not None]
        told = section.count("| differs") + section.count("differs for")
        assert told >= len(differing), paper
