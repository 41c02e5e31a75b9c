"""Worlds with known truth: what the simulated studies and the choice of epoch stand on."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.epoch_choice import CHOICES, TEMPERATURES, one_draw
from benchmarks.head_training import draw_config, train_head
from benchmarks.simulated_worlds import DrawnWorld, TableWorld, draw_study, macro_f1, truth_of
from benchmarks.stored_tables import StoredTable, deal_folds
from orchestrator.core.metrics import score

EPOCHS = 4


def small_world() -> DrawnWorld:
    return DrawnWorld(trials=5, epochs=EPOCHS, groups=60, people=300)


def table(rng: np.random.Generator) -> StoredTable:
    """Six configurations, three folds, two epochs; 30 groups of two rows are held out."""
    test = rng.dirichlet(np.ones(3), (6, 3, 2, 60)).astype(np.float16)
    groups = np.repeat(np.arange(30), 2).astype(str)
    labels = np.repeat(np.arange(30) % 3, 2)
    none = np.zeros((6, 2, 0, 3), np.float16)
    configs = tuple({"features": name} for name in ("last", "middle", "both") * 2)
    empty = np.zeros(0, np.int64)
    return StoredTable(
        none, test, empty, empty.astype(np.int16), groups[:0], labels, groups, configs, "small"
    )


def test_macro_f1_of_many_models_is_the_projects() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 30, p=[0.6, 0.2, 0.2, 0.0])  # a class that may be in predictions alone
    answers = rng.dirichlet(np.ones(4), (3, 2, 30))
    found = macro_f1(labels, answers.argmax(axis=3), 4)
    for at in np.ndindex(3, 2):
        assert found[at] == pytest.approx(score("macro_f1", labels, answers[at].astype(np.float32)))


def test_a_group_lies_in_one_fold_and_every_fold_has_its_share_of_each_class() -> None:
    rng = np.random.default_rng(1)
    study = draw_study(small_world().draw(rng), 60, rng)
    for group in np.unique(study.codes):
        assert len(np.unique(study.folds[study.codes == group])) == 1
        assert len(np.unique(study.labels[study.codes == group])) == 1
    held = [len(np.unique(study.codes[study.folds == fold])) for fold in range(5)]
    assert max(held) - min(held) <= 1 and len(np.unique(study.codes)) == 60


def test_a_row_of_a_study_is_answered_by_its_own_folds_models_of_the_table() -> None:
    rng = np.random.default_rng(2)
    world = TableWorld(table(rng), groups=20, subset=6)
    population = world.draw(np.random.default_rng(3))
    study = draw_study(population, 20, rng)
    member = study.member(4, ((0,), (1,), (0,)))
    for row in range(len(study.labels)):
        fold = int(study.folds[row])
        possible = population.member(4, fold, fold % 2)[population.labels == study.labels[row]]
        assert (np.abs(possible - member[row]).max(axis=1) == 0).any()


def test_the_truth_judges_every_row_by_every_folds_models() -> None:
    rng = np.random.default_rng(4)
    population = TableWorld(table(rng), groups=20, subset=6).draw(rng)
    epochs = ((0,), (1,), (0, 1))
    parts = [population.member(2, 0, 0), population.member(2, 1, 1)]
    parts.append((population.member(2, 2, 0) + population.member(2, 2, 1)) / 2)
    found = truth_of(population, [(2, epochs)], lambda members: members[0])
    assert found.of_folds == pytest.approx(
        score("macro_f1", np.tile(population.labels, 3), np.concatenate(parts))
    )
    assert found.of_mean == pytest.approx(
        score("macro_f1", population.labels, np.mean(parts, axis=0, dtype=np.float32))
    )


def test_without_a_choice_a_studys_score_is_right_on_average() -> None:
    """The validation rows are drawn from the very population that the truth is of."""
    rng = np.random.default_rng(5)
    population = small_world().draw(rng)
    epochs = ((3,),) * 5
    truth = truth_of(population, [(0, epochs)], lambda members: members[0]).of_folds
    seen = []
    for _ in range(60):
        study = draw_study(population, 150, rng)
        seen.append(score("macro_f1", study.labels, study.member(0, epochs)))
    error = np.std(seen, ddof=1) / np.sqrt(len(seen))
    assert abs(np.mean(seen) - truth) < 3 * error + 0.003  # a ratio of sums has a bias of its own


def test_drawn_models_learn_and_the_same_seed_draws_the_same() -> None:
    first, again = (small_world().draw(np.random.default_rng(6)) for _ in range(2))
    rows = np.arange(200)
    assert np.array_equal(first.answers(1, rows), again.answers(1, rows))
    study = draw_study(first, 60, np.random.default_rng(7))
    assert study.scores[:, :, -1].mean() > study.scores[:, :, 0].mean() + 0.02


def test_every_choice_of_epochs_names_epochs_that_exist_and_today_takes_the_best() -> None:
    rng = np.random.default_rng(8)
    study = draw_study(small_world().draw(rng), 60, rng)
    for _, choose in CHOICES.values():
        taken = choose(study, 2)
        assert len(taken) == 5 and all(0 <= epoch < EPOCHS for fold in taken for epoch in fold)
    best = CHOICES["per_fold"][1](study, 2)
    assert [study.scores[2, fold, epochs[0]] for fold, epochs in enumerate(best)] == pytest.approx(
        study.scores[2].max(axis=1).tolist()
    )
    same = CHOICES["all_folds"][1](study, 2)
    assert len(set(same)) == 1 and study.scores[2].mean(axis=0).argmax() == same[0][0]


def test_the_calibrated_loss_does_not_mind_how_sure_a_model_is() -> None:
    """Probabilities raised to a power are the same model at another temperature."""
    rng = np.random.default_rng(9)
    study = draw_study(small_world().draw(rng), 60, rng)
    before = CHOICES["loss"][1](study, 1)
    for power in (0.5, 2.0):
        assert TEMPERATURES.min() < power < TEMPERATURES.max()
        raised = study.answers**power
        changed = raised / raised.sum(axis=3, keepdims=True)
        object.__setattr__(study, "answers", changed.astype(np.float32))
        after = CHOICES["loss"][1](study, 1)
        assert sum(a == b for a, b in zip(before, after, strict=True)) >= 4  # the temperatures are a grid


def test_a_draw_tells_what_was_seen_and_what_is_true() -> None:
    row = one_draw(small_world(), 0, 0)
    for key in CHOICES:
        seen, of_folds, of_mean = row[f"{key}/single"]
        assert 0 < min(seen, of_folds, of_mean) <= max(seen, of_folds, of_mean) <= 1


def test_heads_learn_from_their_rows_alone_and_repeat_by_seed() -> None:
    rng = np.random.default_rng(10)
    inputs = rng.normal(size=(150, 6)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(np.int64)
    config = {**draw_config(rng), "lr": 0.1, "batch": 8, "share": 1.0, "width": 8, "dropout": 0.2}
    first, again = (train_head(config, inputs, labels, inputs, 2, 6, seed=3) for _ in range(2))
    assert np.array_equal(first, again)
    right = (first.argmax(axis=2) == labels).mean(axis=1)
    assert right[-1] > 0.9 and np.allclose(first.sum(axis=2), 1, atol=2e-3)


def test_folds_are_dealt_by_whole_groups() -> None:
    rng = np.random.default_rng(11)
    groups = np.repeat(np.arange(40), 3).astype(str)
    labels = np.repeat(np.arange(40) % 2, 3)
    folds = deal_folds(labels, groups, 2, 4, rng)
    assert all(len(np.unique(folds[groups == name])) == 1 for name in np.unique(groups))
    counts = np.array([np.bincount(labels[folds == fold], minlength=2) for fold in range(4)])
    assert np.ptp(counts, axis=0).max() <= 3
