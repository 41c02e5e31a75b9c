"""Runs the notebook of docs/ in an empty folder; as a command, writes what it prints into its file.

python -m tests.support.notebook
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "tutorial" / "from_dataframe_to_ensemble.ipynb"
TIMEOUT_S = 600  # of one cell, on a machine that does other things too
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def executed(folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of now; `folder` is where its files appear. Raises CellExecutionError."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    inherited = os.environ.get("PYTHONPATH", "")
    paths = os.pathsep.join([str(ROOT), *filter(None, [inherited])])  # the kernel is a process of its own
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        startup_timeout=TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, "PYTHONPATH": paths})
    return notebook


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    """What each code cell shows as text, HTML where it has that too."""
    return ["".join(map(_shown, _outputs(cell))) for cell in notebook.cells]


def without_numbers(text: str) -> str:
    """For comparing runs: the last digits of a score differ from processor to processor."""
    return re.sub(r"\s+", " ", _NUMBER.sub("0", text))


def _outputs(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Without what libraries warn of, which differs from machine to machine."""
    return [output for output in cell.get("outputs", ()) if output.get("name") != "stderr"]


def _shown(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return str(output.text)
    return "".join(str(output.data.get(kind, "")) for kind in ("text/plain", "text/html"))


def _write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(Path(folder))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}  # times of execution
        if cell.cell_type == "code":
            cell.outputs = _outputs(cell)
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec}
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    _write()
