"""Which code a study ran with: digests of the project's own package and of what its space names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.core.code_origin import find_code, is_installed
from orchestrator.core.events import Event, Resumed
from orchestrator.machine.node_facts import source_digest

PROJECT = "orchestrator"


def code_sources(names: Sequence[str]) -> dict[str, str]:
    """First name of a package -> 12 hex digits of its source, which is found without importing it.

    names: "module:attribute" of the trainable and of a metric; others are no code.
    """
    found = {PROJECT: source_digest(PROJECT)}
    for name in names:
        module = name.partition(":")[0]
        code = find_code(module) if ":" in name else None
        if code is not None:
            first = module.partition(".")[0]
            # With what it imports from beside it; an installed package is whole by itself.
            found[first] = source_digest(first) if is_installed(code) else code.digest[:12]
    return found


def changed_sources(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Of those that were known before: package -> its digest now, where that is another."""
    return {name: now[name] for name, digest in before.items() if now.get(name, digest) != digest}


def sources_over_time(begun_with: Mapping[str, str], events: Iterable[Event]) -> dict[str, tuple[str, ...]]:
    """Package -> every digest it had in a session of the study, in their order, one after the other."""
    story = {name: [digest] for name, digest in begun_with.items()}
    for event in events:
        if isinstance(event, Resumed):
            for name, digests in story.items():
                digest = event.sources.get(name, begun_with[name])
                digests += [digest] if digest != digests[-1] else []
    return {name: tuple(digests) for name, digests in story.items()}


def code_notes(
    names: tuple[str, str], first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """A line for each package whose code is not the same in two studies, or changed while one ran.

    names: of the two studies; first, second: as of `sources_over_time`.
    """
    notes = []
    for package in first.keys() & second.keys():
        if list(first[package]) != list(second[package]):
            sides = zip(names, (first[package], second[package]), strict=True)
            told = ", ".join(f"{', then '.join(digests)} in {name}" for name, digests in sides)
            notes.append(f"the code of {package} differs: {told}")
        elif len(first[package]) > 1:
            notes.append(f"the code of {package} changed while both ran: {', then '.join(first[package])}")
    return tuple(sorted(notes))
