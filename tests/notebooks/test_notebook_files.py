"""The notebooks as they are kept; `make test-notebooks` executes them."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 400_000
# A Unix or a Windows path from the root, but not a URL or "n/m".
ABSOLUTE = re.compile(r"(?<![\w.:/*)])/(?:[\w.-]+/)+[\w.-]+|\b[A-Z]:\\\w")
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def read(file):
    return nbformat.read(file, as_version=nbformat.NO_CONVERT)


def texts(notebook):
    """Everything that a cell printed or showed as text."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "text" in output:
                yield output.text
            for kind, content in output.get("data", {}).items():
                if not kind.startswith("image/"):
                    yield content if isinstance(content, str) else str(content)


def test_the_eight_are_there():
    numbers = [file.name.partition("_")[0] for file in FILES]
    assert numbers == [f"{number:02d}" for number in range(1, 9)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
class TestNotebook:
    def test_is_valid(self, file):
        notebook = read(file)
        assert notebook.nbformat == 4
        nbformat.validate(notebook)

    def test_was_executed_without_an_error(self, file):
        code = [c for c in read(file).cells if c.cell_type == "code"]
        counts = [cell.execution_count for cell in code]
        # In order, in a fresh kernel.
        assert counts == list(range(1, len(code) + 1))
        for cell in code:
            kinds = {output.output_type for output in cell.outputs}
            streams = {output.get("name") for output in cell.outputs}
            assert "error" not in kinds, cell.source
            assert "stderr" not in streams, cell.source

    def test_shows_no_path_of_the_machine_it_ran_on(self, file):
        for text in texts(read(file)):
            assert not ABSOLUTE.search(text), ABSOLUTE.search(text)

    def test_is_light_and_has_pictures(self, file):
        assert file.stat().st_size < MOST_BYTES
        shown = {
            kind
            for cell in read(file).cells
            for output in cell.get("outputs", ())
            for kind in output.get("data", {})
        }
        assert shown & {"image/png", "image/jpeg"}

    def test_says_that_data_are_synthetic_before_it_shows_any(self, file):
        first, second = read(file).cells[:2]
        assert first.cell_type == "markdown"
        assert "**synthetic**" in first.source
        assert re.search(r"^(DATA|SOURCE|RUN) = None  # ", second.source, re.M)

    def test_its_links_lead_somewhere(self, file):
        for cell in read(file).cells:
            if cell.cell_type != "markdown":
                continue
            for target in LINK.findall(cell.source):
                if "://" not in target:
                    assert (FOLDER / target).exists(), target

    def test_is_listed(self, file):
        for page in ("notebooks/README.md", "README.md"):
            assert file.name in (ROOT / page).read_text(), page


def test_an_absolute_path_is_told_from_other_text():
    for path in ("in /mine/data/x.png", "C:\\Users", "'/data/a/b'"):
        assert ABSOLUTE.search(path), path
    for text in ("20/20", "output/a/b.png", "https://a.org/b/c", "cm/s"):
        assert not ABSOLUTE.search(text), text
