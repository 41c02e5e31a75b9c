"""FO009: copies of one image are judged by models that trained on another copy."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import counted, shortened
from orchestrator.data.known_clusters import KnownClusters
from orchestrator.data.manifest import joined_folds
from orchestrator.data.quality.crossing import Pair, at_odds, clusters_at_odds, is_certain
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO009"
WAY_OUT = (
    "give copies one group and search again: python -m orchestrator.check --write-groups FILE writes such "
    "data"
)


def look(material: Material) -> Iterator[Finding]:
    known = material.snapshot.copies
    if fault := material.snapshot.copies_fault:
        raise UnseenError(f"which images are copies could not be found out: {fault}")
    if known is None:
        raise UnseenError(
            "no two images are known to be copies (python -m orchestrator.check looks for them)"
        )
    frame = material.manifest.frame
    # Rows for one fold alone have labels that its models gave; rows in no fold are always trained on.
    bound = joined_folds(frame) >= 0
    folds = [
        None if own or role == "test" else int(fold)
        for own, role, fold in zip(bound, frame["role"], material.fold_plan.folds, strict=True)
    ]
    paths = [str(path) for path in frame["path"]]
    groups: list[Hashable] = [
        None if fold is None or fold < 0 else group
        for fold, group in zip(folds, material.groups, strict=True)
    ]
    yield from copies_apart(known, folds, groups, paths)


def copies_apart(
    known: KnownClusters, folds: Sequence[int | None], groups: Sequence[Hashable], paths: Sequence[str]
) -> Iterator[Finding]:
    """folds (n,): -1 for rows that are always trained on, None for those that are left aside; groups, paths
    (n,). An image that two rows name is no copy of itself."""
    same, near = at_odds(known.exact, folds), clusters_at_odds(known, folds)
    near = [pair for pair in near if known.exact[pair[0]] != known.exact[pair[1]]]
    found = False
    for pairs, kind, sign, certain in (
        (same, "the same image", "=", True),
        (near, "near duplicates", "~", is_certain(known.precision)),
    ):
        pairs = [(one, other) for one, other in pairs if paths[one] != paths[other]]
        if pairs:
            found = True
            pairs = _apart_first(pairs, groups)
            said = (
                f"{counted(len(pairs), 'image')} in another fold than a copy ({kind}): "
                f"{_named(pairs, paths, sign)}; models were judged on what they "
                "trained on, so scores are too good"
            )
            level = Level.BLOCKS if certain else Level.WARNING
            yield coded(CODE, level, said, WAY_OUT, pairs=pairs)
    apart = (
        [] if found else [pair for pair in at_odds(known.exact, groups) if paths[pair[0]] != paths[pair[1]]]
    )
    if apart:
        said = (
            f"{counted(len(apart), 'image')} in another group than a copy: {_named(apart, paths, '=')}; "
            "folds keep them together by luck alone, and intervals count them as independent"
        )
        yield coded(CODE, Level.WARNING, said, WAY_OUT, pairs=apart)
    elif not found:
        yield fine(CODE, f"copies share their fold and group, so far as is known. {known.rule}")


def _apart_first(pairs: Sequence[Pair], groups: Sequence[Hashable]) -> list[Pair]:
    """One of each two groups, then the others: who looks at the first few sees different ones."""
    seen: set[frozenset[Hashable]] = set()
    first, rest = list[Pair](), list[Pair]()
    for pair in pairs:
        between = frozenset(groups[row] for row in pair)
        (rest if between in seen else first).append(pair)
        seen.add(between)
    return first + rest


def _named(pairs: Sequence[Pair], paths: Sequence[str], sign: str) -> str:
    return shortened([f"{paths[one]} {sign} {paths[other]}" for one, other in pairs])
