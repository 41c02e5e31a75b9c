"""What long work is given to say how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called as progress(done, total)."""


Announce = Callable[[str], None]
