"""ensemble.json: written and read back alike, refused where it is damaged, read where it is older."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.answering import answer, decide
from orchestrator.ensemble_record.chain_rule import combine
from orchestrator.ensemble_record.record import (
    Component,
    EnsembleRecord,
    FoldModel,
    Member,
    Route,
    read_record,
    record_bytes,
)
from orchestrator.evaluation.calibration import Temperature
from orchestrator.evaluation.decisions import Decisions
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.fitted_vote import fitted_vote
from orchestrator.evaluation.voting import hard_vote, soft_vote
from tests.support.ensemble_command import build, images
from tests.support.ensemble_studies import BOTH, SHADE, TINT
from tests.support.format_1 import to_format_1


def member(trial: int, weight: float, study: str = "a", **more: Any) -> Member:
    models = tuple(
        FoldModel(fold, 2, 0.5, f"weights/{study}-{trial}-{fold}.safetensors", 8, "00") for fold in (0, 1)
    )
    return Member(
        study, "tests.pixel_trainable:PixelTrainable", trial, 0.5, weight, {"lr": 0.1}, models, **more
    )


def blended() -> EnsembleRecord:
    """A product and a joint study beside it; the vote on tint is of two studies."""
    tint = Component(TINT, (member(0, 0.75), member(3, 0.25, "b")))
    shade = Component(SHADE, (member(1, 1.0, "c", own_code={"space_file": "c.py"}),), vote="hard")
    whole = Component(BOTH, (member(2, 0.5, "d"), member(4, 0.5, "d")))
    return EnsembleRecord(
        BOTH,
        "macro_f1",
        "max",
        (Route(0.4, (tint, shade)), Route(0.6, (whole,))),
        tta="flip",
        spellings={"kind": ["r", "b"]},
        choice={"kind": "auto", "gain": math.nan},
        estimates={
            "naive": Estimate(0.5, 0.4, math.nan, 0.95, "bootstrap", 9, "OOF macro_f1", "It flatters.")
        },
        metrics={"macro_f1": {"oof": 0.5, "sd": math.nan}},
        comparisons=[{"name": "product", "low": -math.inf}],
        studies=["a", "b", "c", "d"],
        candidates=[3, 3, 2, 5],
        manifest={"name": "faces", "fingerprint": "12ab"},
        fold_plan={"k": 2, "seed": 0, "fingerprint": "34cd"},
        train_digest="56ef",
    )


def written(folder: Path, record: dict[str, Any]) -> Path:
    (folder / "ensemble.json").write_text(json.dumps(record))
    return folder


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    record = blended()
    (tmp_path / "ensemble.json").write_bytes(record_bytes(record))
    found = read_record(tmp_path)
    assert found.routes == record.routes and found.target == BOTH and found.tta == "flip"
    assert found.studies == ["a", "b", "c", "d"] and found.train_digest == "56ef"
    assert found.choice == {"kind": "auto", "gain": None} and found.metrics["macro_f1"]["sd"] is None
    assert found.comparisons == [{"name": "product", "low": None}]
    assert math.isnan(found.estimates["naive"].high) and found.estimates["naive"].low == 0.4
    assert record_bytes(found) == record_bytes(record)
    assert json.loads(record_bytes(record))["routes"][0]["terms"][0]["vote"]["weights"] == [0.75, 0.25]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"format": 3}, "format 3 is neither 1 nor 2; use the version that wrote it"),
        ({"format": None}, "format None is neither 1 nor 2"),
        ({"routes": []}, "an answer of 0 routes has no parts"),
        ({"mode": "up"}, "mode 'up' is neither max nor min"),
        ({"tta": "rotate"}, "tta 'rotate' is none of none, flip"),
        ({"target": SHADE.to_json()}, "is damaged"),
        ({"estimates": [{"score": 1}]}, "is damaged"),
    ],
)
def test_a_record_that_cannot_predict_is_refused_with_what_is_wrong(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    written(tmp_path, {**blended().to_json(), **change})
    with pytest.raises(EnsembleError, match=words):
        read_record(tmp_path)


@pytest.mark.parametrize(
    "path, value, words",
    [
        (("weight",), 0.5, "the weights of an answer of 2 routes sum to 1.1, not to 1"),
        (("weight",), -1, "a weight is -1; weights are finite and not negative"),
        (("terms",), [], "a route without terms"),
        (("terms", 0, "vote", "kind"), "loud", "vote kind='loud' is not known; use one of soft"),
        (("terms", 0, "vote", "weights"), [0.5, 0.5], "not those of its members"),
        (("terms", 0, "members", 0, "weight"), "nan", "a weight is 'nan'"),
        (("terms", 0, "members", 0, "models"), [], "trial 0 has no models"),
        (("terms", 0, "members", 0, "config"), {"tta": "x"}, "trial 0 has tta 'x'"),
        (("terms", 0, "members", 0, "own_code"), {}, "own_code names no space file"),
        (("terms", 0, "members", 0, "models", 0, "weights"), "../a", "'../a', which lies outside the folder"),
        (("terms", 0, "members", 0, "models", 0, "weights"), "/etc/passwd", "outside the folder"),
        (("terms", 0, "members", 0, "models", 0, "weights"), "", "outside the folder"),
    ],
)
def test_a_damaged_part_is_named(tmp_path: Path, path: tuple[Any, ...], value: Any, words: str) -> None:
    record = blended().to_json()
    at = record["routes"][0]
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(EnsembleError, match=f"ensemble.json is damaged .*{words}.*write the ensemble anew"):
        read_record(written(tmp_path, record))


def test_a_record_that_could_not_be_read_back_is_not_written() -> None:
    record = blended()
    halves = tuple(replace(route, weight=0.25) for route in record.routes)
    with pytest.raises(ValueError, match=r"sum to 0\.5, not to 1"):
        record_bytes(replace(record, routes=halves))


# ---- answers --------------------------------------------------------------------------------------


def test_temperature_and_decisions_come_after_the_routes(tmp_path: Path) -> None:
    whole = Component(SHADE, (member(0, 0.75), member(1, 0.25, "b")), temperature=Temperature(2.0).to_json())
    record = replace(
        blended(),
        target=SHADE,
        routes=(Route(1.0, (whole,)),),
        temperature=Temperature(0.5).to_json(),
        decisions=Decisions("offsets", (0.0, 0.0, 3.0)).to_json(),
    )
    (tmp_path / "ensemble.json").write_bytes(record_bytes(record))
    said = {0: drawn(0, 3), 1: drawn(1, 3)}
    found = answer(read_record(tmp_path), lambda component, one: said[one.trial])
    soft = (0.75 * said[0] + 0.25 * said[1]).astype(np.float64)
    milder = soft**0.5 / (soft**0.5).sum(axis=1)[:, None]
    expected = milder**2 / (milder**2).sum(axis=1)[:, None]
    assert np.allclose(found, expected, atol=1e-5), "predicted undecided"
    decided = (found * [1, 1, np.exp(3)]).argmax(axis=1)
    assert decide(read_record(tmp_path), found).tolist() == decided.tolist()
    assert decide(read_record(tmp_path), found).tolist() != found.argmax(axis=1).tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": {"value": 0, "multi_label": False}},
        {"temperature": {"value": 2, "multi_label": True}},
        {"temperature": {}},
        {"decisions": {"kind": "loud", "values": [], "at_least_one": False}},
        {"decisions": {"kind": "offsets", "values": [1], "at_least_one": False}},
        {"decisions": {"kind": "thresholds", "values": [0.5] * 6, "at_least_one": False}},
    ],
)
def test_a_temperature_or_decisions_of_something_else_are_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(EnsembleError, match="is damaged"):
        read_record(written(tmp_path, {**blended().to_json(), **change}))


def test_a_rank_vote_keeps_what_it_compares_with(tmp_path: Path) -> None:
    known = np.stack([drawn(5, 6), drawn(6, 6)])
    vote = fitted_vote("rank", known, np.array([0.5, 0.5]), np.ones(5), False)
    whole = Component(BOTH, (member(0, 0.5), member(1, 0.5)), vote="rank", quantiles=vote.quantiles)
    record = replace(blended(), routes=(Route(1.0, (whole,)),))
    (tmp_path / "ensemble.json").write_bytes(record_bytes(record))
    said = {0: drawn(0, 6), 1: drawn(1, 6)}
    found = answer(read_record(tmp_path), lambda component, one: said[one.trial])
    assert found.tobytes() == vote.apply(np.stack([said[0], said[1]])).tobytes()


def drawn(seed: int, classes: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), 5).astype(np.float32)


def test_routes_are_weighted_products_of_weighted_votes() -> None:
    said = {0: drawn(0, 2), 3: drawn(3, 2), 1: drawn(1, 3), 2: drawn(2, 6), 4: drawn(4, 6)}
    found = answer(blended(), lambda component, one: said[one.trial])
    tint = 0.75 * said[0] + 0.25 * said[3]
    product = (tint[:, :, None] * hard_vote([said[1]])[:, None, :]).reshape(5, 6)
    assert np.allclose(found, 0.4 * product + 0.6 * (said[2] + said[4]) / 2, atol=1e-6)
    assert found.dtype == np.float32


# ---- folders of format 1 --------------------------------------------------------------------------


@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_a_folder_of_format_1_predicts_the_same_bytes(runs: Path, data: Path, vote: str) -> None:
    paths = images(data)[:9]
    to_format_1(folder := build(runs, "--vote", vote, "--top", "3"))
    ensemble = Ensemble.load(folder)
    assert ensemble.record.routes[0].weight == 1.0 and len(ensemble.record.routes) == 1
    asked: list[np.ndarray] = []
    (component,) = ensemble.components
    for one in component.members:
        alone = replace(component, members=(replace(one, weight=1.0),), vote="soft")
        lone = replace(ensemble, record=replace(ensemble.record, routes=(Route(1.0, (alone,)),)))
        asked.append(lone.predict(paths))
    votes = [{"soft": soft_vote, "hard": hard_vote}[vote](asked)]  # what version 0.3 did with them
    expected = combine(ensemble.target, [component.term], votes)
    assert ensemble.predict(paths).tobytes() == expected.tobytes()
    assert [item.title for item in ensemble.estimates] and ensemble.record.candidates == [3]


def test_damaged_thresholds_of_format_1_are_refused(runs: Path) -> None:
    to_format_1(folder := build(runs))
    (folder / "thresholds.json").write_text("[1")
    with pytest.raises(EnsembleError, match=r"thresholds\.json is damaged"):
        Ensemble.load(folder)
