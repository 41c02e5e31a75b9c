"""Fold runs in processes of their own that train at the same time, each as a slot of a study would run it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Resources

Epoch = tuple[float, int, float]
"""When it ended (seconds of the machine's monotonic clock), images trained, seconds of training."""


@dataclass(frozen=True)
class Order:
    """One fold run to build."""

    data: Dataset
    fold: int
    config: Mapping[str, Any]
    seed: int
    resources: Resources
    rows: int  # trained in an epoch


class MemberError(RuntimeError):
    """What a member raised, with the name of its class; "OutOfMemoryError: ..." for example."""


class Members:
    """`count` processes: build a fold run in each, let the first n train together, let them go again."""

    usable: bool  # False once one has died or not answered: what it says later would answer another question

    def __init__(
        self,
        count: int,
        patience_s: float,
        environment: Mapping[str, str] | None = None,
        imports: Sequence[str] = ("trainables.image_classifier",),
    ) -> None:
        self._patience, self.usable = patience_s, True
        # A server that has imported torch, and touched no GPU, makes them: 8 imports side by side take long.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(imports))
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, dict(environment or {})), daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def __enter__(self) -> Members:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            _tell(pipe, "end")
        for process in self._processes:
            process.join(5.0)
            if process.is_alive():
                process.kill()
                process.join()

    def build(self, orders: Sequence[Order]) -> None:
        """A fold run in each of the first len(orders) members, one epoch old.

        Raises MemberError; then no member holds a fold run.
        """
        pipes = self._pipes[: len(orders)]
        for pipe, order in zip(pipes, orders, strict=True):
            _tell(pipe, "build", order)
        try:
            self._answers(pipes)
        except MemberError:
            if self.usable:
                self.release()
            raise

    def train(self, count: int, seconds: float) -> float:
        """Images a second of the first `count` members, training together for about `seconds`.

        Raises MemberError.
        """
        pipes = self._pipes[:count]
        for pipe in pipes:
            _tell(pipe, "train")
        ends_at = time.monotonic() + seconds
        wait(pipes, seconds)  # an answer before it was asked for is an error, which `_answers` raises
        for pipe in pipes:
            _tell(pipe, "stop")
        return total_rate(self._answers(pipes), ends_at)

    def curve(self, members: Sequence[int], epochs: int) -> list[list[dict[str, float]]]:
        """The named members train `epochs` at the same time; what each epoch said. Raises MemberError."""
        pipes = [self._pipes[member] for member in members]
        for pipe in pipes:
            _tell(pipe, "curve", epochs)
        return self._answers(pipes)

    def fault_in(self, member: int) -> str:
        """What the named member says of a fault that it makes itself."""
        try:
            _tell(self._pipes[member], "fault")
            self._answers([self._pipes[member]])
        except MemberError as error:
            return str(error)
        return "it noticed nothing"

    def release(self) -> None:
        """No member holds a fold run any more."""
        for pipe in self._pipes:
            _tell(pipe, "release")
        self._answers(self._pipes)

    def _answers(self, pipes: Sequence[Connection]) -> list[Any]:
        """One of each member, all of them awaited before an error is raised."""
        answers = [self._answer(pipe) for pipe in pipes]
        for kind, answer in answers:
            if kind == "error":
                raise MemberError(answer)
        return [answer for _, answer in answers]

    def _answer(self, pipe: Connection) -> tuple[str, Any]:
        try:
            if pipe.poll(self._patience):
                answer: tuple[str, Any] = pipe.recv()
                return answer
            fault = f"no answer in {self._patience:.0f} s"
        except (EOFError, OSError):
            fault = "its process has died"
        self.usable = False
        return "error", fault


def total_rate(epochs: Sequence[Sequence[Epoch]], ends_at: float) -> float:
    """Images a second of all together: the sum of each fold run's own rate of training.

    Of the epochs that had ended when the window did; of a fold run without any, its first, which began in it.
    """
    total = 0.0
    for own in epochs:
        inside = [item for item in own if item[0] <= ends_at] or own[:1]
        total += sum(item[1] for item in inside) / sum(item[2] for item in inside)
    return total


def _tell(pipe: Connection, *words: Any) -> None:
    with contextlib.suppress(OSError):  # of a process that has died, which the answer that is missing says
        pipe.send(words)


# ---- in a member's process -----------------------------------------------------------------------------


def _serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)  # read when CUDA is touched first
    member = _Member(pipe)
    while True:
        try:
            name, *arguments = pipe.recv()
        except EOFError:
            return  # the stage has ended
        if name == "end":
            member.release()
            return
        if name == "stop":
            continue  # it came after an error had ended the training
        try:
            answer = ("ok", getattr(member, name)(*arguments))
        except Exception as error:
            traceback.print_exc()
            traceback.clear_frames(error.__traceback__)  # they hold what the step had on the device
            member.give_up()
            answer = ("error", f"{type(error).__name__}: {error}")
        pipe.send(answer)


class _Member:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._run: Any = None
        self._order: Order | None = None

    def build(self, order: Order) -> None:
        from trainables.image_classifier import ImageClassifier

        self.release()
        self._order = order
        made = (order.data, order.fold, order.config, 1000, order.seed, order.resources)
        self._run = ImageClassifier(*made)
        self._run.run_epoch()

    def train(self) -> list[Epoch]:
        assert self._order is not None  # build comes first
        epochs: list[Epoch] = []
        while not (epochs and self._pipe.poll()):
            found = self._run.run_epoch()
            rows = self._order.rows
            epochs.append((time.monotonic(), rows, rows / found["images_per_second"]))
        assert self._pipe.recv() == ("stop",)
        return epochs

    def curve(self, epochs: int) -> list[dict[str, float]]:
        return [self._run.run_epoch() for _ in range(epochs)]

    def fault(self) -> None:
        """As of a bug in a kernel: an assertion of the device itself, after which CUDA is of no use."""
        import torch

        torch.zeros(1, device="cuda")[torch.tensor([2], device="cuda")].cpu()

    def give_up(self) -> None:
        """As `release`, of what can still be released."""
        try:
            self.release()
        except Exception:
            traceback.print_exc()  # the error that led here is the one that is answered

    def release(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.close()
