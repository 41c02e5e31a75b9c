"""Files with the same bytes are found under any name, and a file is read once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.data import identical_files as module
from orchestrator.data.identical_files import WHOLE, identical_files


def write(root: Path, **contents: bytes) -> list[str]:
    root.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (root / name).write_bytes(content)
    return list(contents)


def test_copies_and_links_have_the_code_of_what_they_hold(tmp_path: Path) -> None:
    paths = write(tmp_path, a=b"one", b=b"two", c=b"one")
    (tmp_path / "link").symlink_to("b")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "d").write_bytes(b"one")
    codes = identical_files(tmp_path, [*paths, "link", "folder/d"])
    assert codes.tolist() == [0, 1, 0, 1, 0]


def test_files_that_cannot_be_read_and_empty_ones_are_like_no_other(tmp_path: Path) -> None:
    paths = write(tmp_path, a=b"", b=b"", c=b"x")
    assert identical_files(tmp_path, [*paths, "gone", "lost"]).tolist() == [0, 1, 2, 3, 4]


def test_large_files_that_differ_between_the_sampled_blocks_are_not_the_same(tmp_path: Path) -> None:
    content = bytearray(os.urandom(4 * WHOLE))
    other = bytearray(content)
    other[WHOLE // 2] ^= 1  # between the first block and the second
    paths = write(tmp_path, a=bytes(content), b=bytes(other), c=bytes(content))
    assert identical_files(tmp_path, paths).tolist() == [0, 1, 0]


def test_what_was_read_is_read_again_only_after_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(tmp_path / "set", a=b"one", b=b"two", c=b"one")
    read: list[str] = []
    real = module.sampled_sha256

    def noting(path: Path | str) -> bytes:
        read.append(Path(path).name)
        return real(path)

    monkeypatch.setattr(module, "sampled_sha256", noting)
    cache = tmp_path / "cache"
    assert identical_files(tmp_path / "set", paths, cache).tolist() == [0, 1, 0]
    assert sorted(read) == ["a", "b", "c"]
    read.clear()
    assert identical_files(tmp_path / "set", paths, cache).tolist() == [0, 1, 0]
    assert read == []
    (tmp_path / "set" / "b").write_bytes(b"one")
    os.utime(tmp_path / "set" / "b", ns=(1, 1))
    assert identical_files(tmp_path / "set", paths, cache).tolist() == [0, 0, 0]
    assert read == ["b"]


def test_a_torn_memory_is_read_anew(tmp_path: Path) -> None:
    paths = write(tmp_path / "set", a=b"one", b=b"one")
    assert identical_files(tmp_path / "set", paths, tmp_path / "cache").tolist() == [0, 0]
    (memory,) = (tmp_path / "cache").iterdir()
    memory.write_bytes(memory.read_bytes()[:-9])
    assert identical_files(tmp_path / "set", paths, tmp_path / "cache").tolist() == [0, 0]


def test_files_of_their_own_size_are_not_read_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write(tmp_path, a=b"1", b=b"22", c=b"333")
    monkeypatch.setattr(module, "sampled_sha256", None)
    assert identical_files(tmp_path, paths).tolist() == [0, 1, 2]
