"""The forward pass of training: the network as it is, or what torch.compile makes of it.

Only training is compiled, and with it the backward pass: batches all have one shape there. Validation, the
average and everything stored use the network itself, whose names and weights never change, so a fold run can
go on with or without. reduce-overhead records CUDA graphs, so a step starts a few of them and not hundreds of
kernels; a graph's gradients lie at one address and cannot be added up over several batches
(https://github.com/pytorch/pytorch/issues/169545), so with accumulate above 1 kernels are fused alone.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from orchestrator.core.errors import TrainableError
from trainables.optimisation.compile_choice import CompileChoice, times_path

BACKEND = "inductor"
OLDEST = (7, 0)  # compute capability that triton compiles for
BUILDERS = 4
"""Processes that compile kernels for a fold run, at most, where it has fewer cores. torch starts one for each
core of the machine: of eight fold runs on one GPU more than a hundred, each with torch in memory."""
_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


def missing_for_compile(on_gpu: bool) -> str:
    """What torch.compile would ask for in vain on this machine; "" where it has all."""
    if on_gpu and importlib.util.find_spec("triton") is None:
        return "the package triton"
    if on_gpu and torch.cuda.is_available() and torch.cuda.get_device_capability() < OLDEST:
        return f"a GPU of compute capability {OLDEST[0]}.{OLDEST[1]} or above"
    names = (os.environ.get("CC"), "gcc", "clang") if on_gpu else (os.environ.get("CXX"), "g++")
    if not any(name and shutil.which(name) for name in names):
        return "a C compiler ($CC, gcc or clang)" if on_gpu else "a C++ compiler ($CXX or g++)"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "Python's header files (Debian and Ubuntu: python3-dev)"
    return ""


def check_compile(mode: str) -> list[str]:
    """What is worth telling of `mode` on this machine. Raises TrainableError where it cannot work."""
    on_gpu = torch.version.cuda is not None  # a build for GPUs: what prepares may see none of them
    missing = "" if mode == "none" or (mode == "auto" and not on_gpu) else missing_for_compile(on_gpu)
    if missing and mode == "auto":
        return [f"compile=auto trains uncompiled here: torch.compile needs {missing}"]
    if missing:
        raise TrainableError(
            f"compile={mode!r} needs {missing}, which this machine lacks; install it or set compile=none"
        )
    return []


class TrainingForward:
    """Called like the network: images (B, 3, H, W) -> outputs."""

    def __init__(
        self, network: nn.Module, config: Mapping[str, Any], device: torch.device, cache_dir: str
    ) -> None:
        """cache_dir: the user's own folder for what is compiled and measured. Raises TrainableError."""
        self._network = network
        self._graphs = int(config["accumulate"]) == 1
        self._cache_dir = cache_dir
        self._compiled: Callable[[Tensor], Tensor] | None = None
        self._used = False
        self._fixed = config["compile"] == "reduce-overhead"
        self._choice: CompileChoice | None = None
        if self._fixed and (missing := missing_for_compile(device.type == "cuda")):
            raise TrainableError(
                f"compile='reduce-overhead' needs {missing}, which this machine lacks; set compile=none"
            )
        if config["compile"] == "auto" and device.type == "cuda" and not missing_for_compile(True):
            path = times_path(cache_dir, config, torch.cuda.get_device_name(device), torch.__version__)
            self._choice = CompileChoice(path, lambda: torch.cuda.synchronize(device))

    def __call__(self, images: Tensor) -> Tensor:
        if self._compiled is None:
            outputs: Tensor = self._network(images)
            return outputs
        # A graph's tensors of the step before are free again: nothing outlives its step.
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return self._compiled(images)

    def begin(self, steps_left: int, frozen: bool) -> None:
        """Before an epoch; steps_left: of the fold run; frozen: the backbone stands still."""
        wanted = self._fixed
        if self._choice is not None:  # a frozen backbone's steps say nothing of those that follow
            wanted = not frozen and self._choice.begin(steps_left)
        if not wanted:
            self._compiled = None
        elif self._compiled is None:
            self._compiled = self._compile()

    def after_step(self, step: int) -> None:
        """step: of this epoch, from 1."""
        if self._choice is not None:
            self._choice.after_step(step)

    def end(self, steps: int, frozen: bool) -> None:
        if self._choice is not None and not frozen:
            self._choice.end(steps)

    def _compile(self) -> Callable[[Tensor], Tensor]:
        # torch's own default is one folder in /tmp for each name of a user, which others can make first.
        folder = Path(os.environ.setdefault(_FOLDER, str(Path(self._cache_dir) / "compiled")))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._used = True
        inductor.compile_threads = min(  # its own, or what TORCHINDUCTOR_COMPILE_THREADS says
            inductor.compile_threads or BUILDERS, max(torch.get_num_threads(), BUILDERS)
        )
        mode = "reduce-overhead" if self._graphs and BACKEND == "inductor" else None
        made: Callable[[Tensor], Tensor] = torch.compile(
            self._network, backend=BACKEND, dynamic=False, mode=mode
        )
        return made

    def close(self) -> None:
        """Frees graphs and their memory. A process that is used again would else reach torch's limit of
        versions of one function, beyond which it silently stops compiling."""
        if self._used:
            self._compiled = None
            torch.compiler.reset()
