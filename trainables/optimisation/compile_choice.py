"""Whether compiling a network repays, by what it cost and saved before on the same kind of GPU.

Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.atomic_file import atomic_write

REPAID = 2.0  # times its cost that compiling must save: a race ends most fold runs before their last epoch
TRIED_FROM_S = 600.0  # of training left, plain: what nobody has measured may cost some tenths of this
WARM_STEPS = 5  # of an epoch, in which kernels are chosen, compiled and recorded

WHAT_MATTERS = (
    "backbone",
    "image_size",
    "batch_size",
    "head",
    "head_hidden",
    "dropout_samples",
    "drop_path",
    "amp",
    "channels_last",
    "accumulate",
)


@dataclass(frozen=True)
class CompileTimes:
    """Measured in one fold run. All in seconds."""

    compile_s: float  # from a first compiled step to the end of the warm-up, beyond what those steps take
    plain_step_s: float
    compiled_step_s: float


def repays(times: CompileTimes, steps_left: int) -> bool:
    """Whether compiling saves `REPAID` times its cost in so many steps."""
    saved_s = (times.plain_step_s - times.compiled_step_s) * steps_left
    return saved_s > 0 and saved_s >= REPAID * times.compile_s


def worth_a_try(plain_step_s: float, steps_left: int) -> bool:
    """Whether so much is left that the first measurement of a kind costs little beside it."""
    return plain_step_s * steps_left >= TRIED_FROM_S


def times_path(cache_dir: str, config: Mapping[str, Any], device: str, version: str) -> Path:
    """Where the times of a (completed) configuration lie: equal for all that cost the same.

    device: a GPU's name; version: torch's.
    """
    asked = {name: config[name] for name in WHAT_MATTERS}
    asked |= {"sam": bool(config["sam_rho"]), "device": device, "torch": version}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    return Path(cache_dir) / "compile_times" / f"{digest[:20]}.json"


def read_times(path: Path) -> CompileTimes | None:
    """None where nobody measured, or what was written cannot be read: it is measured again."""
    try:
        found = CompileTimes(**json.loads(path.read_text()))
        return found if all(math.isfinite(value) for value in asdict(found).values()) else None
    except (OSError, ValueError, TypeError):
        return None


def write_times(path: Path, times: CompileTimes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(json.dumps(asdict(times)).encode())


class CompileChoice:
    """compile=auto of one fold run: asked before each epoch, told when its steps are done.

    The first fold run of a kind trains an epoch as it is and, where enough is left, a compiled one; what both
    took is written for all that follow.
    """

    def __init__(
        self, path: Path, wait: Callable[[], object], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """wait: for all that was queued on the device, so that a clock can be read."""
        self._path, self._wait, self._clock = path, wait, clock
        self._times = read_times(path)
        self._plain_step_s: float | None = None
        self._is_compiled = False
        self._began = self._warm = 0.0

    def begin(self, steps_left: int) -> bool:
        """Whether the epoch that begins is to run compiled; steps_left: of the fold run, this epoch's too."""
        if not self._is_compiled:
            self._is_compiled = self._wants(steps_left)
        elif self._times is not None and self._times.compiled_step_s >= self._times.plain_step_s:
            self._is_compiled = False
        self._began = self._clock()
        return self._is_compiled

    def _wants(self, steps_left: int) -> bool:
        if self._times is not None:
            return repays(self._times, steps_left)
        return self._plain_step_s is not None and worth_a_try(self._plain_step_s, steps_left)

    def after_step(self, step: int) -> None:
        """step: of this epoch, from 1."""
        if step == WARM_STEPS and self._times is None:
            self._wait()
            self._warm = self._clock()

    def end(self, steps: int) -> None:
        """The epoch's steps are done and waited for."""
        if self._times is not None or steps < 2 * WARM_STEPS:
            return
        step_s = (self._clock() - self._warm) / (steps - WARM_STEPS)
        if not self._is_compiled:
            self._plain_step_s = step_s
        elif self._plain_step_s is not None:
            compile_s = max(0.0, self._warm - self._began - WARM_STEPS * step_s)
            self._times = CompileTimes(compile_s, self._plain_step_s, step_s)
            write_times(self._path, self._times)
