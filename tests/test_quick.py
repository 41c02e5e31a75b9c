"""What `--quick` leaves out without importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import all_need_torch_or_ray

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("import pytest\n\npytestmark = pytest.mark.torch\n", True),
        ("pytestmark = [\n    pytest.mark.cluster,\n    pytest.mark.skipif(a[0], reason=b),\n]\n", True),
        ("pytestmark = [pytest.mark.ray, pytest.mark.timeout(9)]\n", True),
        ("pytestmark = pytest.mark.timeout(9)\n\n\n@pytest.mark.ray\ndef test_a() -> None: ...\n", False),
        ("@pytest.mark.slow\ndef test_a() -> None: ...\n", False),
    ],
)
def test_a_file_is_left_out_by_the_mark_of_all_its_tests(text: str, left_out: bool, tmp_path: Path) -> None:
    path = tmp_path / "test_a.py"
    path.write_text(text)
    assert all_need_torch_or_ray(path) is left_out


def test_all_tests_of_the_trainables_are_left_out() -> None:
    assert all_need_torch_or_ray(HERE / "trainables")
    assert not all_need_torch_or_ray(HERE / "race")
