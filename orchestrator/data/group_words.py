"""Names of columns that say which rows belong together."""

from __future__ import annotations

import re

GROUP = re.compile(
    r"(.*_)?(patient|subject|lesion|person|participant|case|animal|plant|plate|slide|specimen|sample|site|farm|"
    r"field|camera|location|driver|user|family|individual|study|series|video|clip|session|scene|eye|tree|donor|"
    r"mouse|owner|batch|group|hospital|identity|object|burst|sequence|seq|mother|cow|dog|cat)"
    r"(_?(id|uid|uuid|name|no|num|number|code|instance_uid))?"
)
"""Names, as `snake` writes them, of columns that say which rows belong together."""


def says_group(name: str) -> bool:
    return GROUP.fullmatch(snake(name)) is not None


def snake(name: str) -> str:
    """PatientID and "Patient ID" as patient_id."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"[\s\-.]+", "_", spaced).lower()
