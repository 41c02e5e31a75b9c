"""The process that measures one fold run: a request on its input, lines of JSON on its output.

    python -P -m orchestrator.execution.probe_process FOLDER

It says {"warm": true} once all is ready to be timed and goes on when told to, so that several begin at one
moment. Its last line is the cost, or what went wrong. It ends when its input does, and removes FOLDER, its
own for temporary files, as whoever started it would have done.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from orchestrator.core.failure_causes import is_gpu_memory
from orchestrator.core.fold_run_cost import FoldRunCost
from orchestrator.core.own_memory import own_peak_unshared, own_unshared
from orchestrator.core.text import on_one_line
from orchestrator.core.trainable import Resources, load_trainable
from orchestrator.execution import worker
from orchestrator.machine.gpu_memory import Held, gpu_memory

WORKER = worker.FoldRunWorker
"""Its modules are imported here as they are in a worker; the trainable brings only the others."""
KILLED_FIRST = "1000"
"""Of the processes of a machine without memory, the kernel ends this one."""
CONTEXT_GUESS = 600 * 2**20
"""Bytes of CUDA's own on a GPU, at least, where nvidia-smi does not tell whose memory it is."""


class _Conversation:
    """With who started this process."""

    def __init__(self, answers: TextIO) -> None:
        self._answers, self._go = answers, threading.Event()
        self.request: dict[str, Any] = json.loads(sys.stdin.readline())
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for _ in sys.stdin:
            self._go.set()
        shutil.rmtree(sys.argv[1], ignore_errors=True)
        os._exit(1)  # who asked is gone

    def say(self, **answer: Any) -> None:
        print(json.dumps(answer), file=self._answers, flush=True)

    def meet(self) -> None:
        self.say(warm=True)
        self._go.wait()


def measured(talk: _Conversation, own: int) -> FoldRunCost:
    """The cost of the request's case, with what a worker holds beside the trainable in place of our own.

    own: bytes that this process held when a worker's modules had been imported, and nothing of the trainable.
    """
    request = talk.request
    probe = load_trainable(request["trainable"]).probe  # type: ignore[attr-defined]
    talk.say(started=True)
    resources = Resources(**request["resources"])
    before = _used(gpu_memory(())) if resources.gpus else 0
    cost: FoldRunCost = probe(
        request["config"], request["classes"], request["rows"], resources, request["seconds"], talk.meet
    )
    device = cost.device_bytes + held_of_gpu(before) if resources.gpus else 0
    return replace(cost, resident_bytes=_beside(cost.resident_bytes, own, request), device_bytes=device)


def _beside(peak: int, own: int, request: Mapping[str, Any]) -> int:
    return max(peak - own, 0) + (request["base_bytes"] or own)


def held_of_gpu(before: int) -> int:
    """Bytes of a GPU that this process holds when its fold run is closed: little but CUDA's own.

    before: bytes that all held before it began. In a container nvidia-smi names processes by the numbers of
    the host (NVIDIA/nvidia-docker issue 1483), or none: then what all hold has grown by that, if nobody else
    came or went.
    """
    cards = gpu_memory((os.getpid(),))
    own = [size for _, _, ours in cards for size in ours]
    return max(own) if own else max(CONTEXT_GUESS, _used(cards) - before)


def _used(cards: Sequence[Held]) -> int:
    return sum(used for _, used, _ in cards)


def _does_not_fit(own: int, request: Mapping[str, Any]) -> FoldRunCost:
    held = _beside(own_peak_unshared(), own, request)
    gpus = gpu_memory(()) if request["resources"]["gpus"] else []
    return FoldRunCost(held, max((total for total, _, _ in gpus), default=0), 0.0, 0.0, fits=False)


def is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU as torch says it, of the machine as Python says it, or torch's allocator on a CPU."""
    by_name = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    said = str(error)
    return by_name or "DefaultCPUAllocator: can't allocate memory" in said or is_gpu_memory(said)


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a trainable prints is no answer
    try:
        Path("/proc/self/oom_score_adj").write_text(KILLED_FIRST)
    except OSError:
        print("the order of ending processes cannot be changed here", file=sys.stderr)
    talk, own = _Conversation(answers), own_unshared()
    try:
        cost = measured(talk, own)
    except Exception as error:  # whatever the trainable's own code raises
        if is_out_of_memory(error):
            talk.say(cost=asdict(_does_not_fit(own, talk.request)))
        else:
            talk.say(fault=on_one_line(f"{type(error).__name__}: {error}"))
    else:
        talk.say(cost=asdict(cost))
    answers.close()
    os._exit(0)  # threads of a fold run that failed may not end by themselves


if __name__ == "__main__":
    main()
