"""model.json of an exported ensemble is what was written, or predict.py says that it is not."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ensemble.exported import predict as exported
from orchestrator.ensemble_record.record import record_digest
from tests.support.mutations import any_bytes, examples, json_texts

SPEC = {"size": [4, 4], "steps": [], "background": [255, 255, 255]}
MEMBER = {"models": ["models/t0000-f0.onnx"], "tta": "none", "input": SPEC}
RECORD: dict[str, Any] = {
    "format": 1, "classes": ["a", "b"], "multi_label": False, "metric": "accuracy", "tta": None,
    "routes": [{"weight": 1.0, "factors": [[0]], "einsum": ""}],
    "terms": [{"vote": {"kind": "soft", "weights": [1.0], "multi_label": False}, "temperature": None,
               "multi_label": False, "members": [MEMBER]}],
    "temperature": {"value": 1.25, "multi_label": False}, "decisions": None,
    "files": {"models/t0000-f0.onnx": hashlib.sha256(b"model").hexdigest()},
}  # fmt: skip


def write(folder: Path, data: bytes | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "models").mkdir(exist_ok=True)
    (folder / "models" / "t0000-f0.onnx").write_bytes(b"model")
    sealed = json.dumps({**RECORD, "digest": record_digest(RECORD)}, indent=1).encode()
    (folder / "model.json").write_bytes(sealed if data is None else data)
    return folder / "model.json"


def test_it_is_known_by_its_digest_however_it_is_laid_out(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert exported.read_record(path) == RECORD
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))
    assert exported.read_record(path) == RECORD


@examples(200)
@given(data=st.data())
def test_any_other_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = write(tmp_path).read_bytes()
    path = write(tmp_path, data.draw(json_texts(whole) | any_bytes(whole)))
    try:
        assert exported.read_record(path) == RECORD
    except ValueError as error:
        assert "export the ensemble anew" in str(error)


def test_a_model_of_other_bytes_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    write(tmp_path)
    (tmp_path / "models" / "t0000-f0.onnx").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"t0000-f0\.onnx is not what was exported"):
        exported.Ensemble(tmp_path)._session("models/t0000-f0.onnx")


def test_the_command_says_it_in_a_line(tmp_path: Path) -> None:
    write(tmp_path, b"{}")
    script = tmp_path / "predict.py"
    script.write_bytes(Path(exported.__file__).read_bytes())
    done = subprocess.run([sys.executable, str(script), "a.png"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
