"""Code that a study or an ensemble on disk names: imported only where it is installed or known here.

Importing runs code, and the folder may come from somebody else. Known is what a command of the user's own
named before, by its file and by the digest of its contents; the list lies in the user's own folder, where no
study or ensemble can write to it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.callbacks import Announce
from orchestrator.core.code_origin import JOURNAL, CodeOrigin, find_code, is_installed, written_by_a_study
from orchestrator.core.errors import TrainableError
from orchestrator.core.known_list import add_to_list, is_listed, known_list_file

LIST = "known_code.jsonl"


def known_code_file() -> Path:
    """Where the user's list lies."""
    return known_list_file(LIST)


def remember(code: CodeOrigin) -> None:
    """The user has named it: from now on a record on disk may name it too. Raises OSError."""
    if not is_installed(code) and not is_known(code):
        add_to_list(known_code_file(), _record(code))


def remember_names(names: Sequence[str], say: Announce) -> None:
    """Remembers each "module:attribute" of them, which the user's own command names; tells if it cannot."""
    try:
        for code in (find_code(name.partition(":")[0]) for name in names if ":" in name):
            if code is not None:
                remember(code)
    except OSError as error:
        say(
            f"note: {known_code_file()} cannot be written ({error.strerror}), so what continues or uses this "
            f"study has to say --trust before it imports {names[0]}"
        )


def is_known(code: CodeOrigin) -> bool:
    """Whether a command of this user named this file with these contents."""
    return is_listed(known_code_file(), _record(code))


def _record(code: CodeOrigin) -> dict[str, str]:
    return {"origin": str(code.origin), "digest": code.digest}


def check_named_code(name: str, folder: Path, trust: bool = False, beside: Path | None = None) -> None:
    """Whether "module:attribute", which a record in `folder` names, may be imported. Imports nothing.

    trust: the user said so; it is known from then on. beside: a folder in which it is looked for where Python
    finds none. Raises TrainableError.
    """
    module = name.partition(":")[0]
    if module.partition(".")[0] in sys.stdlib_module_names:  # what they do with what they are given runs, too
        raise TrainableError(
            f"{folder} names {name}, which is in a module of Python itself: neither a trainable nor a metric"
        )
    if module in sys.modules:
        return  # the program imported it itself
    code = find_code(module) or (None if beside is None else find_code(module, beside))
    if code is None:
        raise TrainableError(
            f"{folder} names {name}, and Python finds no module {module}; install it, start the command in "
            "the folder where it lies, or name the space file beside it (--space)"
        )
    _refuse_written(name, code, folder)
    _refuse_among_studies(name, code, folder)
    if is_installed(code) or is_known(code):
        return
    if not trust:
        raise TrainableError(
            f"{folder} names {name}, which no command of yours has named before: importing it would run "
            f"{code.origin};\nlook at that file, then say --trust"
        )
    remember(code)


def _refuse_written(name: str, code: CodeOrigin, folder: Path) -> None:
    """Code below a study or an ensemble is never run, whoever trusts it."""
    for path in _paths(code):
        if (written := written_by_a_study(path)) is not None:
            raise _refusal(name, folder, path, written)


def _refuse_among_studies(name: str, code: CodeOrigin, folder: Path) -> None:
    """Nor is code below the folder that holds the studies: what somebody sends is copied there.

    What is installed may lie there, but in a package that itself holds the studies.
    """
    runs = {study.parent for study in _studies_above(folder)}
    package = code.root / code.module.partition(".")[0]
    if is_installed(code):
        runs = {place for place in runs if place.is_relative_to(package)}
    for path in _paths(code):
        if found := runs & set(path.parents):
            raise _refusal(name, folder, path, found.pop())


def _refusal(name: str, folder: Path, file: Path, written: Path) -> TrainableError:
    return TrainableError(
        f"{folder} names {name}, which would run {file}, below {written}, where studies or ensembles are "
        "written;\ncode from there is not run: copy it to a folder of its own"
    )


def _paths(code: CodeOrigin) -> list[Path]:
    """Of all that importing it runs, as they are named and where links lead."""
    return [path for file in code.files for path in (file.absolute(), file.resolve())]


def _studies_above(folder: Path) -> list[Path]:
    """The study that `folder` is, or that an ensemble there was written into."""
    places = [place for path in (folder.absolute(), folder.resolve()) for place in (path, *path.parents)]
    return [place for place in places if (place / JOURNAL).exists()]
