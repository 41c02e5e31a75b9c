"""How long the slowest test files take: workers begin with them, so that none is alone at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SECONDS = {
    "tests/execution/on_ray/test_loss_of_head.py": 150,
    "tests/lab/test_one_server.py": 140,
    "tests/lab/test_two_servers.py": 130,
    "tests/execution/on_ray/test_loss_of_nodes.py": 110,
    "tests/execution/on_ray/test_loss_of_workers.py": 100,
    "tests/execution/on_ray/test_tune_adapter.py": 90,
    "tests/doctor/test_doctor_lab.py": 80,
    "tests/execution/on_ray/test_nodes.py": 50,
    "tests/execution/on_ray/test_head_store.py": 45,
    "tests/execution/on_ray/test_own_trainable.py": 40,
    "tests/test_notebook.py": 40,
    "tests/trainables/test_techniques.py": 40,
    "tests/search_spaces/test_recipes.py": 35,
    "tests/execution/on_ray/test_loss_by_memory.py": 30,
    "tests/inputs/test_node_images.py": 30,
    "tests/testing/test_own_trainable_pages.py": 30,
    "tests/demo/test_faces.py": 20,
    "tests/storage/test_storage.py": 20,
    "tests/test_extending.py": 20,
}  # on an idle machine with two cores
WORTH_LISTING = 20  # seconds from which a file belongs into the table


def unlisted(durations: Iterable[tuple[str, float]]) -> Mapping[str, float]:
    """Seconds of the slow files that the table lacks, from pairs of a test's id and its seconds."""
    by_file: dict[str, float] = {}
    for node_id, seconds in durations:
        file = node_id.partition("::")[0]
        by_file[file] = by_file.get(file, 0.0) + seconds
    return {file: s for file, s in by_file.items() if s >= WORTH_LISTING and file not in SECONDS}
