"""Nodes that come and go while legs run: whose fault a death is, and where fold runs go on."""

from __future__ import annotations

import contextlib
import logging
import signal

import numpy as np
import pytest

from orchestrator.cli.signals import ignore_interrupts, restored_signals, treat_hangups_as_interrupts
from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded
from orchestrator.execution.driver import Driver
from orchestrator.execution.on_ray.leg_scheduler import SILENT_POLLS, LegScheduler, new_node_pool
from orchestrator.execution.on_ray.slots import Node, ResourceRequest, allocate_slots
from orchestrator.race import RaceConfig, make_race
from orchestrator.sampling import RandomSampler
from orchestrator.study.study import Study
from tests.support.helpers import events


class Seen:
    """What there is to see of the nodes, as a test sets it."""

    def __init__(self, *nodes: Node) -> None:
        self.ready: list[Node] = []
        self.alive: set[str] | None = {node.id for node in nodes}
        self.silent: set[str] = set()

    def poll(self) -> tuple[list[Node], set[str] | None]:
        ready, self.ready = self.ready, []
        return ready, self.alive

    def answers(self, node: Node) -> bool:
        return node.id not in self.silent


class Blind:
    def on_event(self, event: object, decisions: object, now: float) -> None:
        """Nobody watches."""


A, B = Node("a", "server-a", 1), Node("b", "server-b", 1)


def scheduler_of(study: Study, seen: Seen, *nodes: Node) -> LegScheduler:
    race = make_race("exhaustive", RaceConfig(trials=4, folds=2, max_t=4))
    labels, folds = np.zeros(24, np.int64), np.zeros(24, np.int16)
    dataset = Dataset("", ("x",) * 24, labels, folds, ("red", "blue"), "macro_f1", "max", "f", "")
    driver = Driver(race, study, RandomSampler(study.space, 0), dataset, Blind())
    pool = new_node_pool(nodes, allocate_slots(nodes, ResourceRequest()))
    return LegScheduler(driver, pool, seen, ResourceRequest(), on_gpus=False)


def test_a_process_that_died_alone_was_killed_and_its_journal_line_says_where_it_ran(study: Study) -> None:
    scheduler = scheduler_of(study, Seen(A), A)
    found = scheduler.next()
    assert found is not None and found[1].node == A
    scheduler.lost(found[0].leg.key, "worker died")
    [failed] = events(study.path, "leg_failed")
    assert failed["failure"] == "killed" and failed["error"] == "worker died"
    assert [event["node"] for event in events(study.path, "leg_started")] == ["server-a"]


def test_a_node_that_does_not_answer_gets_no_more_legs_and_its_fold_run_goes_on_elsewhere(
    study: Study,
) -> None:
    """Though Ray still believes it is there."""
    seen = Seen(A, B)
    scheduler = scheduler_of(study, seen, A, B)
    legs = dict(reversed(found) for _ in range(2) if (found := scheduler.next()))
    by_node = {placement.node.id: order.leg for placement, order in legs.items()}
    assert set(by_node) == {"a", "b"}
    scheduler.report(EpochEnded(by_node["a"].trial, by_node["a"].fold, 1, 0.5, seconds=1.0))
    seen.silent = {"a"}
    scheduler.lost(by_node["a"].key, "connection reset")
    assert events(study.path, "leg_failed")[0]["failure"] == "lost"
    assert scheduler.next() is None, "b is busy and a is silent"
    scheduler.lost(by_node["b"].key, "killed")
    again = scheduler.next()
    assert again is not None and again[1].node == B
    assert (again[0].leg.key, again[0].leg.start) == (by_node["a"].key, 1)


def test_a_node_that_was_only_silent_for_a_while_is_used_again(study: Study) -> None:
    seen = Seen(A)
    scheduler = scheduler_of(study, seen, A)
    found = scheduler.next()
    assert found is not None
    seen.silent = {"a"}
    scheduler.lost(found[0].leg.key, "timed out")
    scheduler.poll_nodes()
    assert scheduler.next() is None and not scheduler.gone
    seen.silent = set()
    for _ in range(SILENT_POLLS):
        scheduler.poll_nodes()
    assert scheduler.next() is not None


def test_a_node_that_joins_late_is_used_and_one_that_is_gone_is_not(
    study: Study, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen(A)
    scheduler = scheduler_of(study, seen, A)
    assert scheduler.next() is not None and scheduler.next() is None
    seen.ready, seen.alive = [B], {"a", "b"}
    scheduler.poll_nodes()
    late = scheduler.next()
    assert late is not None and late[1].node == B
    seen.alive = set()
    with caplog.at_level(logging.WARNING):
        scheduler.poll_nodes()
        scheduler.poll_nodes()
    assert scheduler.gone == {"a", "b"}
    assert sum("no node is left" in line for line in caplog.messages) == 1
    scheduler.lost_all("Tune ended")
    assert {event["failure"] for event in events(study.path, "leg_failed")} == {"lost"}
    assert scheduler.next() is None


def test_an_interrupt_that_ray_dropped_is_obeyed_in_the_next_turn(study: Study) -> None:
    scheduler = scheduler_of(study, Seen(A), A)
    with restored_signals():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        treat_hangups_as_interrupts()
        scheduler.poll_nodes()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            scheduler.poll_nodes()
        ignore_interrupts()
        scheduler.poll_nodes()
