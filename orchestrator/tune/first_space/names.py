"""What the name of a column says, and how a name is written in Python."""

from __future__ import annotations

import re

TARGET = re.compile(r"(image_?)?(label|class|target|category|y)(e?s)?(_?(id|name|code|no|num|index))?", re.I)
"""Names of columns that are the target."""
ENDS_AS_TARGET = re.compile(r".*_(label|class|target|category)(e?s)?", re.I)
"""Names, as `snake` writes them, of columns that are the target where none is called so outright."""
GROUP = re.compile(
    r"(.*_)?(patient|subject|lesion|person|participant|case|animal|plant|plate|slide|specimen|sample|site|farm|"
    r"field|camera|location|driver|user|family|individual|study|series|video|clip|session|scene|eye|tree|donor|"
    r"mouse|owner|batch|group|hospital|identity|object|burst|sequence|seq|mother|cow|dog|cat)"
    r"(_?(id|uid|uuid|name|no|num|number|code|instance_uid))?"
)
"""Names, as `snake` writes them, of columns that say which rows belong together."""

NO_CLASS = re.compile(
    r"(k_?)?folds?|splits?|sets?|subsets?|parts?|width|height|(file|image)_?(name|path|size)?|path|url|source|role"
)
"""Names, as `snake` writes them, of columns that describe the file or the data set, never the target."""

FOLD = re.compile(r"(k_?)?folds?")


def says_target(name: str) -> bool:
    return TARGET.fullmatch(name.strip()) is not None


def ends_as_target(name: str) -> bool:
    return ENDS_AS_TARGET.fullmatch(snake(name)) is not None


def says_group(name: str) -> bool:
    return GROUP.fullmatch(snake(name)) is not None


def says_no_class(name: str) -> bool:
    return says_group(name) or NO_CLASS.fullmatch(snake(name)) is not None


def snake(name: str) -> str:
    """PatientID and "Patient ID" as patient_id."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"[\s\-.]+", "_", spaced).lower()


def quote(text: str) -> str:
    """As a Python literal in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
