"""The card as CUDA sees it, and that it computes at all."""

from __future__ import annotations

import subprocess

from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Setting
from orchestrator.machine.gpu_cards import parse_log
from orchestrator.machine.nvidia_smi import output_of

LOG = ("nvidia-smi", "-q", "-x")
LOG_FACT = " ".join(LOG)
"""Its whole answer is kept for programs, so that a card that `doctor` misreads can be looked into."""


def run(setting: Setting, recorder: Recorder) -> None:
    if setting.dry:
        recorder.fact("device", "CPU (dry run)")
        recorder.not_run("doctor reads the card", "a dry run has no card")
        return
    import torch

    about = torch.cuda.get_device_properties(0)
    recorder.fact("device", about.name)
    recorder.fact("id", f"GPU-{about.uuid}")
    recorder.fact("compute capability", f"{about.major}.{about.minor}")
    recorder.fact("memory, GB", round(about.total_memory / 1e9, 1))
    recorder.fact("CUDA of torch", torch.version.cuda)
    recorder.fact("cuDNN", torch.backends.cudnn.version())
    recorder.fact("bfloat16", torch.cuda.is_bf16_supported(including_emulation=False))
    _as_the_doctor_sees_it(recorder)
    ones = torch.ones(64, 64, device="cuda")
    assert float((ones @ ones).sum()) == 64.0**3  # small whole numbers: exact in TF32 too


def _as_the_doctor_sees_it(recorder: Recorder) -> None:
    try:
        answer = output_of(list(LOG))
    except (OSError, subprocess.SubprocessError) as error:
        recorder.not_run("doctor reads the card", f"nvidia-smi does not answer: {type(error).__name__}")
        return
    recorder.fact(LOG_FACT, answer)
    try:
        cards = parse_log(answer).cards
    except ValueError as error:
        recorder.check("doctor reads the card", 0.0, str(error))
        return
    recorder.check("doctor reads the card", len(cards), f"{len(cards)} cards")
