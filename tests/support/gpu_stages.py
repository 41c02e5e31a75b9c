"""Stages of benchmarks.gpu that go wrong, each in its way."""

from __future__ import annotations

import subprocess
import sys
import threading

from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Setting


def works(setting: Setting, recorder: Recorder) -> None:
    recorder.fact("device", setting.device)
    recorder.check("resume", 0.0, "bit for bit")
    recorder.figure("resnet18", "fold run", 0.5, "the network alone", 1000.0, "images/s")


def raises(setting: Setting, recorder: Recorder) -> None:
    works(setting, recorder)
    raise RuntimeError("CUDA error: an illegal memory access\nwas encountered \x1b[31m")


def hangs(setting: Setting, recorder: Recorder) -> None:
    threading.Event().wait()


def leaves_a_process(setting: Setting, recorder: Recorder) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
    recorder.fact("child", child.pid)


def half(setting: Setting, recorder: Recorder) -> None:
    recorder.check("resume", 0.0)
    recorder.cut("the other half")


def faulty(setting: Setting, recorder: Recorder) -> None:
    recorder.fault("a graph could not be captured")
    recorder.check("resume", 9.0)
