"""Checkpoint stores on disks and servers: a directory, a mounted one, S3, files by URI; and --storage."""

from __future__ import annotations

import ast
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest

from orchestrator.core.errors import InputError, StorageError, StudyError
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.ensemble.folder import Ensemble
from orchestrator.execution import worker
from orchestrator.storage import (
    STORES,
    DirectoryStore,
    UriStore,
    join,
    normalised,
    open_store,
    probe,
    release,
    take_ownership,
    uri,
)
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.support.helpers import check_kept, checkpoints, curves
from tests.support.storage_locations import make_bucket, s3_server
from tests.support.store_contract import CONTRACT

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> str:
    """The URI of a bucket of this test's own."""
    return make_bucket(server, f"bucket-{next(NUMBERS)}")


@pytest.fixture(params=["directory", "mounted", "s3", "uri of files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStore:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "store")
    if request.param == "uri of files":  # written beside and moved, as on HDFS
        return UriStore(f"file://{tmp_path}/store")
    location = str(tmp_path / "mnt") if request.param == "mounted" else request.getfixturevalue("bucket")
    made = open_store(join(location, "study"))
    take_ownership(made, tmp_path / "runs" / "study")
    return made


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_a_store(check: Callable[[CheckpointStore], None], store: CheckpointStore) -> None:
    check(store)


# ---- locations ---------------------------------------------------------------------------------------


def test_a_place_is_a_path_or_a_uri_and_a_study_lies_below_it(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert normalised("mnt") == str(tmp_path / "mnt")
    assert normalised(f"file://{tmp_path}/a%20b") == f"{tmp_path}/a b"
    assert join("/mnt/x", "age") == "/mnt/x/age"
    assert join("s3://b/p/?region=r", "age") == "s3://b/p/age?region=r"
    assert join("sqlite:///b/p", "age") == "sqlite:///b/p/age", "of any scheme, with a host or without"
    assert open_store("/mnt/x") == DirectoryStore(Path("/mnt/x"), mounted=True)
    assert open_store("s3://b/p") == UriStore("s3://b/p")


@pytest.mark.parametrize(
    "location",
    [
        "s3://AKIAKEY:hunter2@bucket/p",
        "s3://bucket/p?secret_key=hunter2",
        "s3://bucket/p?endpoint_override=http://me:hunter2@127.0.0.1:9000",
        "s3://bucket/p?hunter2",
        "s3://bucket/p?access_key=AKIAKEY&secret_key=hunter2",
    ],
)
def test_keys_and_passwords_in_a_place_are_refused_and_not_repeated(
    location: str, space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError):
        UriStore(location)
    assert tune(space_file, faces, tmp_path / "runs", "--study", "a", "--storage", location) == 2
    output = capsys.readouterr()
    assert "--storage s3://bucket/p" in output.err
    assert not [text for text in (output.out, output.err) if "hunter2" in text or "AKIAKEY" in text]
    assert not (tmp_path / "runs" / "a").exists()


@pytest.mark.parametrize(
    "location", ["ftp://host/x", "s3://", "s3:///x", "", "file://host/x", "s3://b/../x", "s3://b#x"]
)
def test_places_that_cannot_be_are_refused(location: str) -> None:
    with pytest.raises(InputError, match="--storage"):
        normalised(location)


def test_a_node_without_the_mount_writes_nothing_under_it(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "mnt" / "study", mounted=True)
    (tmp_path / "mnt" / "study").mkdir(parents=True)  # the empty folder that a mount covers
    for ask in (lambda: store.put("t0000-f0/x", b"x"), lambda: store.get("t0000-f0/x")):
        with pytest.raises(StorageError, match=r"mnt/study .*mount it on every server"):
            ask()
    assert list((tmp_path / "mnt" / "study").iterdir()) == []


def test_names_cannot_lead_out_of_a_directory(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    for name in ("../out", "/etc/out", "a/../../out"):
        with pytest.raises(ValueError, match="no name inside"):
            store.put(name, b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_claimed_place_is_its_studys_alone(store: CheckpointStore, tmp_path: Path) -> None:
    mine, other = tmp_path / "runs" / "study", tmp_path / "elsewhere" / "study"
    take_ownership(store, mine)
    take_ownership(store, mine)  # of a command that was killed before its study began
    with pytest.raises(StudyError, match=r"holds the study .*runs/study; nothing is ever overwritten"):
        take_ownership(store, other)
    store.put("t0000-f0/x", b"x")
    with pytest.raises(StudyError, match="nothing is ever overwritten"):
        take_ownership(store, mine)
    store.delete("t0000-f0/x")
    release(store)
    take_ownership(store, other)


def test_what_a_killed_process_left_half_written_is_neither_listed_nor_kept(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("t0000-f0/x", b"x")
    (tmp_path / "t0000-f0" / "y.123-abc.part").write_bytes(b"half")
    assert store.names() == ["t0000-f0/x"]
    store.remove_partial_files()
    assert [path.name for path in (tmp_path / "t0000-f0").iterdir()] == ["x"]


@pytest.fixture
def one_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DirectoryStore:
    """Another process deletes the last file of a fold run, and its folder with it, as that is looked into."""
    store, scandir = DirectoryStore(tmp_path), os.scandir
    for name in ("t0000-f0/x", "t0001-f0/x", "t0002-f0/x"):
        store.put(name, b"x")

    def late(folder: str | Path) -> Any:
        if Path(folder).name == "t0001-f0":
            store.delete("t0001-f0/x")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", late)
    return store


def test_a_folder_that_goes_while_names_are_listed_has_none(one_goes: DirectoryStore) -> None:
    assert one_goes.names() == ["t0000-f0/x", "t0002-f0/x"]
    assert one_goes.names("t0001-f0/") == []


def test_a_folder_that_goes_while_partial_files_are_removed_has_none(one_goes: DirectoryStore) -> None:
    parts = [one_goes.root / folder / "y.123-abc.part" for folder in ("t0000-f0", "t0002-f0")]
    for part in parts:
        part.write_bytes(b"half")
    one_goes.remove_partial_files()
    assert not any(part.exists() for part in parts)
    assert one_goes.names() == ["t0000-f0/x", "t0002-f0/x"]


def test_partial_files_of_a_uri_whose_files_are_moved_into_place_go_too(tmp_path: Path) -> None:
    store = UriStore(f"file://{tmp_path}")
    store.put("t0000-f0/x", b"x")
    (tmp_path / "t0000-f0" / "y.123abc.part").write_bytes(b"half")
    store.remove_partial_files()
    assert [path.name for path in (tmp_path / "t0000-f0").iterdir()] == ["x"]


def test_only_a_folder_that_no_other_node_mounts_is_local_to_the_driver(tmp_path: Path) -> None:
    assert DirectoryStore(tmp_path).is_local_to_driver
    for location in (str(tmp_path), f"file://{tmp_path}", "s3://b/p"):
        assert not open_store(location).is_local_to_driver


def test_an_empty_folder_goes_and_one_with_something_in_it_stays(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put("study.txt", b"x")
    store.remove_if_empty()
    assert (tmp_path / "store").is_dir()
    store.delete("study.txt")
    store.remove_if_empty()
    assert not (tmp_path / "store").exists()


def test_a_relative_folder_is_the_same_for_a_worker_that_stands_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = DirectoryStore(Path("store"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.put("x", b"x")
    assert (tmp_path / "store" / "x").read_bytes() == b"x"


def test_a_write_that_fails_halfway_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = UriStore(f"file://{tmp_path}/store")
    store.put("t0000-f0/x", b"old")
    original = uri._write

    def half(files: Any, path: str, data: bytes) -> None:
        original(files, path, data[:2])
        raise OSError("No space left on device")

    monkeypatch.setattr(uri, "_write", half)
    with pytest.raises(StorageError, match=r"cannot write t0000-f0/x .*No space left"):
        store.put("t0000-f0/x", b"new")
    assert store.get("t0000-f0/x") == b"old"
    assert [path.name for path in (tmp_path / "store" / "t0000-f0").iterdir()] == ["x"]


UPLOADING = """
import sys
from orchestrator.storage import UriStore, uri

class Stream:
    def __init__(self, stream):
        self.stream = stream
    def write(self, data):
        self.stream.write(data)
        print("written", flush=True)
        input()
    def close(self):
        self.stream.close()

class Files:
    def __init__(self, files):
        self.files = files
    def open_output_stream(self, path):
        return Stream(self.files.open_output_stream(path))

opened = uri._opened
uri._opened = lambda *given: (Files(opened(*given)[0]), opened(*given)[1])
UriStore(sys.argv[1]).put("t0000-f0/x", bytes(3 * 10**7))
"""
"""Stops when all is handed over and the upload is not closed."""


def test_an_upload_whose_process_is_killed_leaves_the_old_object(bucket: str) -> None:
    store = UriStore(bucket)
    store.put("t0000-f0/x", b"old")
    command = [sys.executable, "-c", UPLOADING, bucket]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None and process.stdout.readline() == b"written\n"
        process.kill()
    assert uploads(bucket) and store.get("t0000-f0/x") == b"old"
    assert store.names() == ["t0000-f0/x"]


def uploads(location: str) -> list[Any]:
    """Those of a bucket that were begun and not closed."""
    name, _, endpoint = location.removeprefix("s3://").partition("?region=us-east-1&endpoint_override=")
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    return list(client.list_multipart_uploads(Bucket=name).get("Uploads", []))


# ---- locations that refuse ---------------------------------------------------------------------------


def refusal(location: str) -> str:
    """What `probe` is told, within seconds."""
    started = time.monotonic()
    with pytest.raises(StorageError) as caught:
        probe(UriStore(location).with_short_timeouts())
    assert time.monotonic() - started < 90  # the patient way: six times 20 s
    text = str(caught.value)
    assert "\n" not in text and location in text
    return text


def test_a_bucket_that_is_not_there_is_named(server: str) -> None:
    location = f"s3://no-such-bucket/p?region=us-east-1&endpoint_override={server}"
    assert "no bucket no-such-bucket; make it" in refusal(location)
    with pytest.raises(StorageError, match="no bucket no-such-bucket"):
        UriStore(location).get("t0000-f0/x")  # no KeyError: nothing says that the checkpoint was lost


@pytest.mark.parametrize("listens", [False, True])
def test_an_endpoint_that_does_not_answer_is_told_within_seconds(server: str, listens: bool) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if listens:
            listener.listen()
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        text = refusal(f"s3://bucket/p?region=us-east-1&endpoint_override={endpoint}")
    assert f"no answer from {endpoint}" in text and "start it, or correct --storage" in text


def test_refused_keys_are_told_with_where_they_belong(server: str, bucket: str) -> None:
    import requests

    # moto's own door: from its next request on, this server checks keys; these belong to nobody.
    requests.post(f"{server}/moto-api/reset-auth", data="0", timeout=120)
    try:
        assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws" in refusal(bucket)
    finally:
        requests.post(f"{server}/moto-api/reset-auth", data="1000000000", timeout=120)


# ---- a kind of store that somebody adds -----------------------------------------------------------


class ToyStore(CheckpointStore):
    """A dictionary of the process, by its location."""

    held: ClassVar[dict[str, dict[str, bytes]]] = {}

    def __init__(self, location: str) -> None:
        self._location = location

    def __str__(self) -> str:
        return self._location

    def put(self, name: str, data: bytes | memoryview) -> None:
        self._files[name] = bytes(data)

    def get(self, name: str) -> bytes:
        return self._files[name]

    def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._files if name.startswith(prefix))

    def delete(self, name: str) -> None:
        self._files.pop(name, None)

    @property
    def _files(self) -> dict[str, bytes]:
        return self.held.setdefault(self._location, {})


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A location in a store of the test's own."""
    monkeypatch.setitem(STORES, "toy", ToyStore)
    monkeypatch.setattr(ToyStore, "held", {})
    return "toy://shelf/runs"


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_four_methods_and_a_line_in_the_table_make_a_store(
    check: Callable[[CheckpointStore], None], toy: str
) -> None:
    check(open_store(toy))


def test_a_study_runs_and_is_resumed_on_a_store_that_was_added(
    toy: str, space_file: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        stop_after(9, patched)
        with pytest.raises(StoppedError):
            tune(space_file, faces, tmp_path, "--study", "a", "--storage", toy)
    assert resume(tmp_path) == 0
    kept = ToyStore.held[f"{toy}/a"]
    assert "study.txt" in kept and any(name.endswith(".safetensors") or "best-" in name for name in kept)
    assert not any("resume-" in name for name in kept), "the race is over: nothing is to be continued"


def test_an_unknown_scheme_is_refused_with_those_of_the_table(toy: str) -> None:
    with pytest.raises(InputError, match=r"--storage ftp://host/x: use a path, or a URI of .*s3.*toy$"):
        open_store("ftp://me:hunter2@host/x?key=hunter2")


def test_nobody_outside_the_room_asks_what_kind_of_store_one_is() -> None:
    kinds = {"CheckpointStore", "DirectoryStore", "HeadStore", "UriStore"}
    for path in (Path(__file__).parents[2] / "orchestrator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
                asked = {item.id for item in ast.walk(node.args[1]) if isinstance(item, ast.Name)}
                assert not asked & kinds, f"{path}:{node.lineno}"


# ---- whole studies --------------------------------------------------------------------------------


def tune(space: Path, data: Path, runs: Path, *more: str) -> int:
    return main(
        ["--space", str(space), "--data", str(data), "--runs", str(runs), "--inline", "--no-report", *more]
    )


def resume(runs: Path, *more: str) -> int:
    return main(["--resume", "--study", "a", "--runs", str(runs), "--inline", "--no-report", *more])


class StoppedError(Exception):
    pass


def stop_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver dies once that many epochs are stored."""
    original, left = worker.FoldRunWorker.step, [epochs]

    def step(self: worker.FoldRunWorker) -> Any:
        outcome = original(self)
        left[0] -= 1
        if left[0] == 0:
            raise StoppedError
        return outcome

    monkeypatch.setattr(worker.FoldRunWorker, "step", step)


@pytest.mark.parametrize("kind", ["path", "s3"])
def test_a_study_lives_in_another_place_through_interruption_resume_and_ensemble(
    kind: str,
    space_file: Path,
    faces: Path,
    tmp_path: Path,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    location = str(tmp_path / "mnt") if kind == "path" else bucket
    tune(space_file, faces, tmp_path / "own", "--study", "a")
    runs = tmp_path / "runs"
    with monkeypatch.context() as patched:
        stop_after(9, patched)
        with pytest.raises(StoppedError):
            tune(space_file, faces, runs, "--study", "a", "--storage", location)
    held = Study(runs / "a").store().names()
    assert any("resume-" in name for name in held)
    assert resume(runs, "--storage", location) == 0
    assert curves(runs / "a") == curves(tmp_path / "own" / "a")  # nothing was trained anew differently
    study = Study(runs / "a")
    kept = {
        name for trial in study.complete_trials() for best in trial.bests for name in (best.weights, best.oof)
    }
    assert checkpoints(study) == {*kept, "study.txt"}
    check_kept(runs / "a")
    assert str(study.store()) == join(location, "a")
    assert not (runs / "a" / "checkpoints").exists()
    assert ensemble(["--study", str(runs / "a"), "--out", str(tmp_path / "vote")]) == 0
    models = Ensemble.load(tmp_path / "vote").models()
    assert len(list((tmp_path / "vote").rglob("*.safetensors"))) == len(models) >= 3


def test_a_place_is_fixed_and_never_used_twice(
    space_file: Path, faces: Path, tmp_path: Path, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(space_file, faces, tmp_path / "runs", "--study", "a", "--storage", bucket, "--scale", "smoke")
    before = Study(tmp_path / "runs" / "a").store().names()
    assert tune(space_file, faces, tmp_path / "other", "--study", "a", "--storage", bucket) == 2
    assert "nothing is ever overwritten" in capsys.readouterr().err
    assert not (tmp_path / "other" / "a").exists()
    assert Study(tmp_path / "runs" / "a").store().names() == before
    assert resume(tmp_path / "runs", "--storage", str(tmp_path / "mnt")) == 2
    assert "keeps its checkpoints in s3://" in capsys.readouterr().err


def test_a_study_whose_place_is_not_mounted_is_not_extended(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, mount = tmp_path / "runs", tmp_path / "mnt"
    assert tune(space_file, faces, runs, "--study", "a", "--scale", "smoke", "--storage", str(mount)) == 0
    journal = (runs / "a" / "journal.jsonl").read_bytes()
    mount.rename(tmp_path / "away")
    mount.mkdir()  # the empty folder that a mount covers
    assert resume(runs, "--trials", "5") != 0
    assert "mnt/a is not what the driver sees there" in capsys.readouterr().err
    assert (runs / "a" / "journal.jsonl").read_bytes() == journal and not list(mount.iterdir())
    mount.rmdir()
    (tmp_path / "away").rename(mount)
    assert resume(runs, "--trials", "5") == 0


def test_a_study_that_does_not_begin_leaves_its_place_empty(
    space_file: Path, faces: Path, tmp_path: Path, bucket: str
) -> None:
    space_file.write_text(space_file.read_text().replace('"lr"', '"lrr"'))
    for location in (bucket, str(tmp_path / "mnt")):
        assert tune(space_file, faces, tmp_path / "runs", "--study", "a", "--storage", location) == 2
        assert open_store(join(location, "a")).names() == []
    assert not (tmp_path / "runs" / "a").exists()


def test_a_bucket_that_is_missing_stops_the_command_before_anything_runs(
    space_file: Path, faces: Path, tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    location = f"s3://no-such-bucket?region=us-east-1&endpoint_override={server}"
    assert tune(space_file, faces, tmp_path / "runs", "--study", "a", "--storage", location) == 2
    err = capsys.readouterr().err
    assert "no bucket no-such-bucket" in err and "Traceback" not in err
    assert not (tmp_path / "runs" / "a").exists()
