from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from orchestrator.core.file_digest import sha256_of_file


@pytest.mark.parametrize("content", [b"", b"a", b"abc" * 400_000], ids=["empty", "small", "of many pieces"])
def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(content).digest()
    assert sha256_of_file(str(tmp_path / "file")) == hashlib.sha256(content).digest()


def test_a_file_that_is_missing_is_the_callers_to_answer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_of_file(tmp_path / "absent")
