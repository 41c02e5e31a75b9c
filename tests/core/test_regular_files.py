"""Under the name of a file there may be something that nobody could read to its end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from orchestrator.core.file_digest import sampled_sha256, sha256_of_file
from orchestrator.core.json_text import parse_json
from orchestrator.core.links import strangers_in
from orchestrator.core.regular_files import open_file, read_file
from tests.support.open_files import open_files


def make_special(path: Path, kind: str) -> None:
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a socket":
        place = os.open(path.parent, os.O_RDONLY)  # a socket's own path may be too long
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"/proc/self/fd/{place}/{path.name}")
        os.close(place)
    else:
        path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", ["a FIFO", "a socket", "a device"])
def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    make_special(tmp_path / "x", kind)
    for read in (read_file, open_file, sha256_of_file, sampled_sha256):
        with pytest.raises(OSError, match=f"{kind}, not a file"):
            read(tmp_path / "x")


def test_a_file_is_read_and_a_folder_or_nothing_is_not(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    (tmp_path / "y").symlink_to("x")
    assert read_file(tmp_path / "y") == b"abc"
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "z")


def test_no_file_stays_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    for _ in range(20):
        with pytest.raises(OSError, match="not a file"):
            read_file(tmp_path / "x")
    assert str(tmp_path / "x") not in open_files(os.getpid())


def test_a_folder_tells_them_from_links(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make_special(tmp_path / "in" / "fifo", "a FIFO")
    make_special(tmp_path / "in" / "socket", "a socket")
    (tmp_path / "in" / "link").symlink_to("..")
    found = strangers_in(tmp_path)
    assert [path.name for path in found.specials] == ["fifo", "socket"] and found.links == ()
    assert strangers_in(tmp_path / "in").links == (tmp_path / "in" / "link",)


def test_brackets_without_end_are_no_json() -> None:
    with pytest.raises(ValueError, match="deeper than can be read"):
        parse_json(b"[" * 100_000)
