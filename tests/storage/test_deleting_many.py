"""Files deleted together: how many requests it takes, and what is said where some cannot go."""

from __future__ import annotations

import itertools
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from orchestrator.core.errors import StorageError
from orchestrator.storage import DirectoryStore, UriStore, join, s3_deletion, uri
from orchestrator.storage.contract import CheckpointStore
from tests.support.storage_locations import make_bucket, s3_server

NUMBERS = itertools.count()
SEVERAL = [f"t{number:04d}-f0/resume-e0001.pt" for number in range(5)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> UriStore:
    return UriStore(join(make_bucket(server, f"deleting-{next(NUMBERS)}"), "some/where"))


def requests_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Those that the server has written into its log."""
    texts = (record.getMessage() for record in caplog.records if record.name == "werkzeug")
    return [match[0] for text in texts if (match := re.search(r"(GET|PUT|POST|HEAD|DELETE) \S+", text))]


def fill(store: CheckpointStore, names: list[str]) -> None:
    for name in [*names, "t0099-f0/kept.pt"]:
        store.put(name, b"x")


def test_s3_deletes_a_thousand_names_with_one_request(
    bucket: UriStore, caplog: pytest.LogCaptureFixture
) -> None:
    fill(bucket, SEVERAL)
    names = [*SEVERAL, *(f"t{number:04d}-f1/never.pt" for number in range(s3_deletion.MOST - len(SEVERAL)))]
    with caplog.at_level(logging.INFO, "werkzeug"):
        caplog.clear()
        bucket.delete_many(names)
        one = requests_of(caplog)
        caplog.clear()
        bucket.delete_many([*names, "t9999-f9/never.pt"])
        two = requests_of(caplog)
    assert [item.partition(" ")[0] for item in one] == ["POST"] and "?delete" in one[0]
    assert len(two) == 2
    assert bucket.names() == ["t0099-f0/kept.pt"]


def test_without_boto3_files_go_one_by_one_in_several_threads(
    bucket: UriStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bucket, SEVERAL)
    monkeypatch.setattr(s3_deletion.importlib.util, "find_spec", lambda name: None)
    uri._deleting.cache_clear()
    bucket.delete_many([*SEVERAL, "t0098-f0/never.pt"])
    uri._deleting.cache_clear()
    assert bucket.names() == ["t0099-f0/kept.pt"]


def test_what_a_server_does_not_delete_together_is_deleted_one_by_one(
    bucket: UriStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two names in a request it refuses one, as S3 answers where one may not be deleted."""
    fill(bucket, SEVERAL)
    asked: list[list[str]] = []

    def refuse_one(client: Any, bucket: str, keys: list[str]) -> list[str]:
        asked.append(keys)
        return [keys[1]]

    monkeypatch.setattr(s3_deletion, "delete_objects", refuse_one)
    bucket.delete_many(SEVERAL[:2])
    assert asked == [[f"some/where/{name}" for name in SEVERAL[:2]]]
    assert SEVERAL[0] in bucket.names() and SEVERAL[1] not in bucket.names()


def test_the_answer_of_s3_names_the_keys_that_it_kept() -> None:
    class Client:
        def delete_objects(self, Bucket: str, Delete: Any) -> Any:  # noqa: N803  boto3's names
            keys = [item["Key"] for item in Delete["Objects"]]
            return {"Errors": [{"Key": keys[1], "Code": "AccessDenied", "Message": "Access Denied"}]}

    assert s3_deletion.delete_objects(Client(), "bucket", ["a", "b", "c"]) == ["b"]


def test_a_server_that_refused_such_a_request_is_asked_no_second_time() -> None:
    """Each epoch would wait for all tries of it, where only boto3 distrusts the server's certificate."""
    asked: list[str] = []

    class Client:
        def delete_objects(self, Bucket: str, Delete: Any) -> Any:  # noqa: N803  boto3's names
            asked.append(Bucket)
            raise EndpointConnectionError(endpoint_url="https://minio")

    client, keys = Client(), [str(number) for number in range(s3_deletion.MOST + 1)]
    assert s3_deletion.delete_objects(client, "bucket", keys) == keys
    assert s3_deletion.delete_objects(client, "bucket", keys) == keys
    assert asked == ["bucket"]


def test_a_server_that_does_not_answer_is_not_asked_for_every_name(server: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        gone = UriStore(f"s3://bucket/p?region=us-east-1&endpoint_override={endpoint}").with_short_timeouts()
        with pytest.raises(StorageError) as caught:
            gone.delete_many([f"t{number:04d}-f0/x.pt" for number in range(400)])
    said = re.fullmatch(
        r"(\d+) of 400 files were not deleted: (.*); (\d+) others not tried", str(caught.value)
    )
    assert said is not None and f"no answer from {endpoint}" in said[2], str(caught.value)
    assert int(said[1]) + int(said[3]) == 400 and int(said[1]) <= uri.AT_ONCE + 3


def test_a_directory_deletes_what_it_can_and_names_the_rest(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    fill(store, SEVERAL)
    for name in (SEVERAL[1], SEVERAL[3]):  # a folder where a file was cannot be unlinked, not even by root
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
    with pytest.raises(StorageError) as caught:
        store.delete_many(SEVERAL)
    said = str(caught.value)
    assert said.startswith("2 of 5 files were not deleted: cannot delete ") and "\n" not in said
    assert SEVERAL[1] in said and SEVERAL[3] in said and SEVERAL[0] not in said
    assert store.names() == ["t0099-f0/kept.pt"]


class Refusing(DirectoryStore):
    """Deletes nothing, and counts how often it was asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        object.__setattr__(self, "asked", [])

    def delete(self, name: str) -> None:
        self.asked.append(name)  # type: ignore[attr-defined]
        raise StorageError(f"cannot delete {name}: no answer")


def test_where_nobody_answers_the_others_are_not_tried(tmp_path: Path) -> None:
    store = Refusing(tmp_path)
    with pytest.raises(StorageError, match=r"3 of 5 files were not deleted: .*; 2 others not tried"):
        store.delete_many(SEVERAL)
    assert store.asked == SEVERAL[:3]  # type: ignore[attr-defined]
    with pytest.raises(StorageError, match=r"^cannot delete t0000-f0/resume-e0001\.pt: no answer$"):
        store.delete_many(SEVERAL[:1])
