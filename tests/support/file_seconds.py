"""How long the slowest test files take: workers begin with them, so that none is alone at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SECONDS = {
    "tests/execution/on_ray/test_loss_of_head.py": 150,
    "tests/execution/on_ray/test_loss_of_nodes.py": 125,
    "tests/lab/test_two_servers.py": 120,
    "tests/execution/on_ray/test_tune_adapter.py": 115,
    "tests/lab/test_one_server.py": 110,
    "tests/benchmarks/test_gpu_dry_run.py": 100,
    "tests/execution/on_ray/test_loss_of_workers.py": 85,
    "tests/execution/on_ray/test_ended_from_outside.py": 80,
    "tests/execution/on_ray/test_loss_by_memory.py": 65,
    "tests/execution/on_ray/test_own_trainable.py": 55,
    "tests/execution/on_ray/test_nodes.py": 55,
    "tests/doctor/test_doctor_lab.py": 55,
    "tests/inputs/test_node_images.py": 45,
    "tests/test_notebook.py": 45,
    "tests/trainables/network/test_backbones.py": 40,
    "tests/competitions/test_competitions.py": 40,
    "tests/demo/test_faces.py": 35,
    "tests/execution/on_ray/test_early_import.py": 35,
    "tests/test_api.py": 30,
    "tests/execution/on_ray/test_hungry.py": 30,
    "tests/tune/test_journal_full.py": 30,
    "tests/trainables/optimisation/test_compiling.py": 30,
    "tests/check/test_stage_shift.py": 30,
    "tests/pseudo_labels/test_pseudo_labels.py": 30,
    "tests/storage/test_storage.py": 30,
    "tests/tune/test_inline.py": 30,
    "tests/report/test_report_browser.py": 30,
    "tests/search_spaces/test_recipes.py": 25,
    "tests/tune/test_disk.py": 25,
    "tests/test_tutorial.py": 25,
    "tests/core/test_known_code.py": 25,
    "tests/test_make_curves.py": 25,
    "tests/trainables/test_continuation.py": 25,
    "tests/race/test_storm.py": 25,
    "tests/trainables/test_techniques.py": 20,
    "tests/trainables/test_probe.py": 20,
    "tests/execution/on_ray/test_taken_gpu.py": 20,
    "tests/execution/on_ray/test_head_store.py": 20,
    "tests/tune/test_budget.py": 20,
    "tests/search_spaces/test_any_layout.py": 20,
    "tests/study/test_file_mutations.py": 20,
    "tests/tune/test_own_metric.py": 20,
    "tests/tune/test_damaged_checkpoints.py": 20,
    "tests/report/test_report_command.py": 20,
    "tests/report/test_sections.py": 20,
    "tests/study_checks/test_check_study.py": 20,
    "tests/execution/on_ray/test_sockets.py": 20,
    "tests/trainables/test_imports.py": 20,
    "tests/doctor/test_doctor.py": 20,
    "tests/testing/test_own_trainable_pages.py": 20,
    "tests/core/test_private_files.py": 20,
    "tests/race/test_scale.py": 20,
    "tests/budget/test_budget.py": 20,
    "tests/ensemble/test_folder.py": 20,
    "tests/data/test_folds.py": 20,
    "tests/race/test_baselines_storm.py": 20,
    "tests/test_extending.py": 20,
    "tests/pages/test_browser.py": 20,
    "tests/progress/test_tmux.py": 20,
}  # on an idle machine with two cores
WORTH_LISTING = 20  # seconds from which a file belongs into the table


def unlisted(durations: Iterable[tuple[str, float]]) -> Mapping[str, float]:
    """Seconds of the slow files that the table lacks, from pairs of a test's id and its seconds."""
    by_file: dict[str, float] = {}
    for node_id, seconds in durations:
        file = node_id.partition("::")[0]
        by_file[file] = by_file.get(file, 0.0) + seconds
    return {file: s for file, s in by_file.items() if s >= WORTH_LISTING and file not in SECONDS}
