"""What the name of a column says, and how a name is written in Python."""

from __future__ import annotations

import re

from orchestrator.data.group_words import says_group, snake

TARGET = re.compile(r"(image_?)?(label|class|target|category|y)(e?s)?(_?(id|name|code|no|num|index))?", re.I)
"""Names of columns that are the target."""
ENDS_AS_TARGET = re.compile(r".*_(label|class|target|category)(e?s)?", re.I)
"""Names, as `snake` writes them, of columns that are the target where none is called so outright."""
NO_CLASS = re.compile(
    r"(k_?)?folds?|splits?|sets?|subsets?|parts?|width|height|(file|image)_?(name|path|size)?|path|url|source|role"
)
"""Names, as `snake` writes them, of columns that describe the file or the data set, never the target."""

FOLD = re.compile(r"(k_?)?folds?")


def says_target(name: str) -> bool:
    return TARGET.fullmatch(name.strip()) is not None


def ends_as_target(name: str) -> bool:
    return ENDS_AS_TARGET.fullmatch(snake(name)) is not None


def says_no_class(name: str) -> bool:
    return says_group(name) or NO_CLASS.fullmatch(snake(name)) is not None


def quote(text: str) -> str:
    """As a Python literal in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
