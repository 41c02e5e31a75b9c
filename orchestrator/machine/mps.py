"""CUDA's Multi-Process Service (MPS) as a daemon of this account's own, for programs that share a GPU.

Without it the programs on one GPU take turns; with it their kernels run side by side. NVIDIA documents that
any account may start a daemon with folders of its own, and that programs find it by the same environment:
https://docs.nvidia.com/deploy/mps/. What it changes for the worse: a fault of one program on a GPU ends all
that share the GPU through it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.core.text import on_one_line
from orchestrator.machine.gpu_cards import Card, parse_log, visible_cards
from orchestrator.machine.gpu_users import mps_daemons
from orchestrator.machine.nvidia_smi import output_of
from orchestrator.machine.private_folder import private_folder

PROGRAM = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
SWITCH = "FOLD_ORCHESTRATOR_MPS"
"""Environment variable; "off": no daemon is started."""
ANSWER_S, QUIT_S = 10.0, 20.0  # seconds for the daemon to answer, and to end with its servers
_NOBODY = "Cannot find MPS control daemon"
_SAID = 200  # characters of what the program says


class MpsError(Exception):
    """Why there is no daemon of ours, in words that follow "MPS is not used: "."""


@contextlib.contextmanager
def own_daemon(environment: Mapping[str, str] = os.environ) -> Iterator[dict[str, str]]:
    """Runs one for the block; gives what programs that are to use it need in their environment.

    Raises MpsError where it may not or cannot be started.
    """
    with private_folder() as folder:  # first: a daemon that a killed command left would speak against ours
        if (reason := reason_against(environment)) is not None:
            raise MpsError(reason)
        own = {PIPES: str(folder.path / "p"), LOGS: str(folder.path / "l")}
        for path in own.values():
            Path(path).mkdir(mode=0o700)
        # Numbers of GPUs that the daemon is told would be counted anew by the programs that use it.
        seen = {name: value for name, value in environment.items() if name != "CUDA_VISIBLE_DEVICES"}
        _start({**seen, **own})
        try:
            yield own
        finally:
            with contextlib.suppress(MpsError):  # it has ended, or what is left is ended with its folder
                _tell("quit", {**seen, **own}, QUIT_S)


def reason_against(environment: Mapping[str, str] = os.environ) -> str | None:
    """Why none should be started on this machine; None where one may be."""
    if environment.get(SWITCH, "").lower() in ("off", "0", "no"):
        return f"{SWITCH}={environment[SWITCH]}"
    if PIPES in environment:
        return f"{PIPES} is set, so that a daemon of yours is used"
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed"
    if daemons := mps_daemons():
        owners = ", ".join(sorted(on_one_line(owner) for owner in set(daemons.values())))
        return f"a daemon of {owners} runs already"
    return _cards_against(environment)


def _cards_against(environment: Mapping[str, str]) -> str | None:
    try:
        cards = parse_log(output_of(["nvidia-smi", "-q", "-x"])).cards
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return f"nvidia-smi does not tell of the GPUs: {on_one_line(str(error))[:_SAID]}"
    return card_reason(visible_cards(cards, environment.get("CUDA_VISIBLE_DEVICES")))


def card_reason(cards: tuple[Card, ...]) -> str | None:
    """Why programs on these GPUs should not share them through MPS."""
    if not cards:
        return "no GPU is visible"
    if any(card.mig == "Enabled" for card in cards):
        return "a GPU is in slices (MIG), each of which would need a daemon of its own"
    if any(card.compute_mode == "Prohibited" for card in cards):
        return "a GPU's compute mode is Prohibited"
    return None


def _start(environment: Mapping[str, str]) -> None:
    """Raises MpsError where no daemon answers."""
    _run([PROGRAM, "-d"], environment, "", ANSWER_S)
    _tell("get_server_list", environment, ANSWER_S)


def _tell(order: str, environment: Mapping[str, str], seconds: float) -> None:
    _run([PROGRAM], environment, f"{order}\n", seconds)


def _run(command: list[str], environment: Mapping[str, str], text: str, seconds: float) -> None:
    """Raises MpsError. What it says goes to a file: a daemon that keeps a pipe open would hold us up."""
    with tempfile.TemporaryFile("w+") as said:
        try:
            done = subprocess.run(
                command,
                env=dict(environment),
                input=text,
                stdout=said,
                stderr=said,
                text=True,
                timeout=seconds,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise MpsError(f"{' '.join(command)}: {on_one_line(str(error))[:_SAID]}") from error
        said.seek(0)
        text = on_one_line(" ".join(said.read().split()))[:_SAID]
    if done.returncode != 0 or _NOBODY in text:
        raise MpsError(f"{' '.join(command)} ended with {done.returncode}: {text}")
