"""An ensemble for where torch is not: ONNX models, how they become one answer, and a script that does it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError, StorageError
from orchestrator.core.file_digest import sha256_of_file
from orchestrator.core.trainable import load_trainable
from orchestrator.data.targets import Joint, Target
from orchestrator.ensemble.folder import Ensemble, read_weights
from orchestrator.ensemble_record.record import Component, FoldModel, Member, Route, sealed

FOLDER = "onnx"  # in the ensemble's own
MODEL = "model.json"
SCRIPT = "predict.py"
FORMAT = 1  # of model.json


def check_exporter() -> None:
    """Raises EnsembleError where what torch exports with is not installed."""
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise EnsembleError(f"--export onnx needs {' and '.join(missing)}: pip install -e '.[onnx]'")


def export_ensemble(ensemble: Ensemble, out: Path | None = None, progress: Progress | None = None) -> Path:
    """Writes a folder with a model for each fold model, model.json and predict.py, whole or not at all.

    out: by default `onnx` in the ensemble's folder. progress counts models.
    Raises EnsembleError where there is something at `out` or a trainable exports nothing, TrainableError,
    StorageError.
    """
    out = ensemble.path / FOLDER if out is None else out
    if out.exists():
        raise EnsembleError(f"{out} exists; delete it to export anew (nothing was changed)")
    ensemble.check_code()
    draft = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        (draft / "models").mkdir(parents=True)
        record = _Export(ensemble, draft, progress).record()
        (draft / MODEL).write_text(_sealed(record, draft), encoding="utf-8")
        script = resources.files("orchestrator.ensemble.exported") / SCRIPT
        (draft / SCRIPT).write_bytes(script.read_bytes())
        draft.rename(out)
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error.strerror}; free space") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return out


def _sealed(record: Mapping[str, Any], draft: Path) -> str:
    """With the SHA-256 of each model, and of all that the record says, by which predict.py knows them."""
    names = sorted({name for term in record["terms"] for item in term["members"] for name in item["models"]})
    files = {name: sha256_of_file(draft / name).hex() for name in names}
    return sealed({**record, "files": files})


class _Export:
    """Models one after another, each once however many routes it is in."""

    def __init__(self, ensemble: Ensemble, draft: Path, progress: Progress | None) -> None:
        self._ensemble, self._draft, self._progress = ensemble, draft, progress
        self._inputs: dict[str, dict[str, Any]] = {}  # by what was written: how its images are prepared
        self._total = len({model.weights for model in ensemble.models()})

    def record(self) -> dict[str, Any]:
        found = self._ensemble.record
        terms = [self._term(component) for component in found.components]
        routes, first = [], 0
        for route in found.routes:
            routes.append(route_json(found.target, route, first))
            first += len(route.terms)
        return {
            "format": FORMAT,
            "classes": list(found.target.classes),
            "multi_label": found.target.multi_label,
            "metric": found.metric,
            "tta": found.tta,
            "routes": routes,
            "terms": terms,
            "temperature": None if found.temperature is None else dict(found.temperature),
            "decisions": None if found.decisions is None else dict(found.decisions),
        }

    def _term(self, component: Component) -> dict[str, Any]:
        return {
            "vote": component.fitted.to_json(),
            "temperature": None if component.temperature is None else dict(component.temperature),
            "multi_label": component.target.multi_label,
            "members": [self._member(component, member) for member in component.members],
        }

    def _member(self, component: Component, member: Member) -> dict[str, Any]:
        names = [self._model(component, member, model) for model in member.models]
        return {"models": names, "tta": member.tta, "input": self._inputs[names[0]]}

    def _model(self, component: Component, member: Member, model: FoldModel) -> str:
        name = "models/" + model.weights.removeprefix("weights/").replace("/", "-") + ".onnx"
        name = name.replace(".safetensors.onnx", ".onnx")
        if name not in self._inputs:
            export = getattr(load_trainable(member.trainable), "export_onnx", None)
            if export is None:
                raise EnsembleError(
                    f"trainable={member.trainable!r} exports nothing: it has no export_onnx(weights, config, "
                    "classes, path)"
                )
            weights = read_weights(self._ensemble.path, model)
            classes = len(component.target.classes)
            self._inputs[name] = dict(export(weights, member.config, classes, self._draft / name))
            if self._progress is not None:
                self._progress(len(self._inputs), self._total)
        return name


def route_json(target: Target, route: Route, first: int) -> Mapping[str, Any]:
    """How terms, numbered from `first`, are multiplied: factors, each of one term or of one for each class of
    its condition (stacked on the second axis), and the einsum of `chain_rule.combine`."""
    terms = [component.term for component in route.terms]
    if len(terms) == 1:
        return {"weight": route.weight, "factors": [[first]], "einsum": ""}
    if not (isinstance(target, Joint) and all(term.target in target.parts for term in terms)):
        given = list(range(first + 1, first + len(terms)))
        return {"weight": route.weight, "factors": [[first], given], "einsum": "Nc,Nct->Nt"}
    letters = {part: chr(ord("a") + at) for at, part in enumerate(target.parts)}
    factors, spans = [], []
    for part in target.parts:
        own = [at for at, term in enumerate(terms) if term.target == part]
        condition = terms[own[0]].given
        spans.append("N" + ("" if condition is None else letters[condition[0]]) + letters[part])
        factors.append([first + at for at in own])
    return {
        "weight": route.weight,
        "factors": factors,
        "einsum": f"{','.join(spans)}->N{''.join(letters.values())}",
    }
