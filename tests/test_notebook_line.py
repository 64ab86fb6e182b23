"""Text below a notebook's cell, in a real kernel."""

import nbformat
import pytest
from nbclient import NotebookClient

from umsrep.notebook import in_notebook

CODE = """
from umsrep.notebook import NotebookLine, in_notebook
assert in_notebook()
line = NotebookLine()
for number in range(500):
    line.show(f"step {number}")
line.show("all 500", last=True)
"""


class Client(NotebookClient):
    """Keeps the kinds of all messages."""

    def process_message(self, message, *arguments, **options):
        self.kinds = [*getattr(self, "kinds", []), message["msg_type"]]
        return super().process_message(message, *arguments, **options)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    cell = nbformat.v4.new_code_cell(CODE)
    client = Client(nbformat.v4.new_notebook(cells=[cell]), timeout=120)
    client.execute(cwd=str(tmp_path_factory.mktemp("kernel")))
    return client


def test_it_is_one_line_and_the_last_one_stays(executed):
    (output,) = executed.nb.cells[0].outputs
    assert output["data"] == {"text/plain": "all 500"}


def test_fast_steps_are_not_all_sent(executed):
    assert 1 <= executed.kinds.count("update_display_data") < 20


def test_a_test_is_no_notebook():
    assert not in_notebook()


def test_keras_is_imported_without_notices(tmp_path):
    code = "import umsrep\numsrep.MultiTaskModel\nprint('ready')"
    cell = nbformat.v4.new_code_cell(code)
    client = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), timeout=300)
    client.execute(cwd=str(tmp_path))
    assert [output["text"] for output in cell.outputs] == ["ready\n"]
