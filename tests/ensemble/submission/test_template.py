"""A template is written again as it was read, whatever program made it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.ensemble.submission.template import Form, read_template, rendered


@pytest.mark.parametrize(
    "data, form",
    [
        (b"id,label\na,0\nb,0\n", Form()),
        (b"id,label\r\na,0\r\n", Form(newline="\r\n")),
        (b"\xef\xbb\xbfid;label\r\na;0\r\n", Form(";", "\r\n", mark=True)),
        (b"id\tlabel\na\t0", Form("\t", ends=False)),
        (b"sep=;\r\nid;label\r\na,b;0\r\n", Form(";", "\r\n")),
        (b'"id","label"\n"a","0"\n', Form(quoted="all")),
        (b'"id","label"\n"a",0\n"b",0\n', Form(quoted="text")),
        (b'id,label\n"a,b",0\n"say ""x""",0\n', Form()),
        ("Bild-Nr,Urteil\n\uac00.jpg,0\n".encode(), Form()),
        (b"id,label\n a ,0\n007,0\n", Form()),
        (b'id,"healthy;rust;scab"\na,healthy\n', Form()),
        (b'id, label\n"a,b",0\n', Form()),
        (b"id,site;label\na,x;0\n", Form()),
    ],
)
def test_a_template_is_written_again_byte_for_byte(tmp_path: Path, data: bytes, form: Form) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    template = read_template(tmp_path / "t.csv")
    assert replace(template.form, head="") == form
    assert rendered(template) == data


def test_ids_stay_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,label\n007,0\n1e5,0\n1.0,0\nTrue,0\n")
    assert read_template(tmp_path / "t.csv").column(0) == ["007", "1e5", "1.0", "True"]
