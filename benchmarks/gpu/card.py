"""The card as CUDA sees it, and that it computes at all."""

from __future__ import annotations

import torch

from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Setting


def run(setting: Setting, recorder: Recorder) -> None:
    recorder.fact("torch", torch.__version__)
    if setting.dry:
        recorder.fact("device", "CPU (dry run)")
        return
    about = torch.cuda.get_device_properties(0)
    recorder.fact("device", about.name)
    recorder.fact("id", f"GPU-{about.uuid}")
    recorder.fact("compute capability", f"{about.major}.{about.minor}")
    recorder.fact("memory, GB", round(about.total_memory / 1e9, 1))
    recorder.fact("CUDA of torch", torch.version.cuda)
    recorder.fact("cuDNN", torch.backends.cudnn.version())
    recorder.fact("bfloat16", torch.cuda.is_bf16_supported(including_emulation=False))
    ones = torch.ones(64, 64, device="cuda")
    assert float((ones @ ones).sum()) == 64.0**3  # small whole numbers: exact in TF32 too
