"""Tables as people write them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.scalars import to_scalars
from orchestrator.data.table_files import csv_rows, read_csv, read_head, read_table


def cells(frame: pd.DataFrame) -> list[list[object]]:
    return [list(row) for row in zip(*(to_scalars(frame[name]) for name in frame.columns), strict=True)]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"id,label\n007,x\n", [["007", "x"]]),
        (b"\xef\xbb\xbfid,label\r\n007,x\r\n", [["007", "x"]]),
        ("\ufeffid;label\n007;x\n".encode("utf-16-le"), [["007", "x"]]),
        (b"id;label\n007;1,5\n", [["007", "1,5"]]),
        (b"id\tlabel\n007\tx y\n", [["007", "x y"]]),
        (b"id|label\n007|x\n", [["007", "x"]]),
        (b"sep=,\nid,label\n007,x\n", [["007", "x"]]),
        (b'"sep=;"\r\nid;label\r\n007;x\r\n', [["007", "x"]]),
        (b'id, label\n007, "x, y"\n', [["007", "x, y"]]),
        (b'id,label\n"1","a ""b"" c"\n\n"2","d\ne"\n', [[1, 'a "b" c'], [2, "d\ne"]]),
        (b"id;a,b\n007;1\n008;2\n", [["007", 1], ["008", 2]]),
        (b" id , label \n 007 , x \n", [["007", "x"]]),
        (b"id\n007\n", [["007"]]),
        (b"id,flag,one\na,True,1\nb,False,0\n", [["a", "True", 1], ["b", "False", 0]]),
        ("id,label\n1,한글\u2028x\n".encode(), [[1, "한글\u2028x"]]),
    ],
)
def test_delimiters_marks_and_quotes_are_what_they_are(
    data: bytes, rows: list[list[object]], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    assert cells(read_csv(tmp_path / "t.csv")) == rows


def test_a_line_is_counted_as_an_editor_counts_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('sep=,\nid,label\n\n1,"a\nb"\n2,c\n')
    assert [line for line, _ in csv_rows(tmp_path / "t.csv")] == [2, 5, 6]
    (tmp_path / "t.csv").write_text("sep=,\nid,label\n\n1,2,3\n")
    with pytest.raises(ManifestError, match=r"line 4 has 3 cells, the header has 2; correct that line$"):
        read_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("id,label\n1,2,3\n4,5\n6\n7,8,9\n")
    with pytest.raises(ManifestError, match=r"line 2 has 3 .*; correct that line and 2 others, 4, 5$"):
        read_csv(tmp_path / "t.csv")


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize(
    "text",
    [
        '{"id": "007", "n": 1, "tags": ["a", "b"]}\n\n{"id": "8", "n": null, "tags": []}\n',
        '[{"id": "007", "n": 1, "tags": ["a", "b"]}, {"id": "8", "tags": []}]',
    ],
)
def test_json_is_a_list_of_objects_or_one_a_line(suffix: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_text(text)
    assert cells(read_table(path)[0]) == [["007", 1, "a b"], ["8", None, None]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1', "cannot be read as JSON (Expecting ',' delimiter"),
        ("[1, 2]", "is no list of JSON objects; write an object per line"),
        ("[]", "is no list of JSON objects"),
        ('{"tags": ["a b", "c"]}', "column 'tags' has a list with a space in its item 'a b'"),
    ],
)
def test_other_json_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_table(tmp_path / "t.jsonl")
    assert words in str(caught.value) and str(caught.value).startswith(str(tmp_path / "t.jsonl"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_head_of_a_table_is_its_first_rows(encoding: str, tmp_path: Path) -> None:
    lines = ["id,text", *[f'{number},"{"é" * 900}\n{number}"' for number in range(400)]]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding=encoding)
    head, whole = read_head(tmp_path / "t.csv"), read_csv(tmp_path / "t.csv")
    assert 100 < len(head) <= 200
    pd.testing.assert_frame_equal(head, whole.head(len(head)))
