"""The pixel trainable, whose epochs end only when a test lets them: a screen can be looked at meanwhile.

The file that GATE names holds how many epochs of the whole search may end.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import ClassVar

from tests.pixel_trainable import PixelTrainable

LONGEST_S = 900
"""The last search waits for the tests of those before it; a test that was killed leaves no process behind."""


class GatedTrainable(PixelTrainable):
    begun: ClassVar[int] = 0  # epochs of this process

    def run_epoch(self) -> dict[str, float]:
        GatedTrainable.begun += 1
        gate, until = Path(os.environ["GATE"]), time.monotonic() + LONGEST_S
        while int(gate.read_text() or 0) < GatedTrainable.begun:
            if time.monotonic() > until:
                raise RuntimeError(f"nobody opened {gate}")
            time.sleep(0.02)
        return super().run_epoch()
