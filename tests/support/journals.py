"""Journals that a test changes: as somebody does who leaves the checksums of their lines out."""

from __future__ import annotations

import re

_SEAL = re.compile(r', "crc": "[0-9a-f]{8}"}$', re.MULTILINE)


def unsealed(text: str) -> str:
    """The lines as versions until 0.3 wrote them, without checksums."""
    return _SEAL.sub("}", text)
