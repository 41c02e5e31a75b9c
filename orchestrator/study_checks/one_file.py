"""FO022: models of different folds, or of different trials, are one and the same file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from orchestrator.core.events import FoldRunKey
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import counted, shortened
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO022"


def look(material: Material) -> Iterator[Finding]:
    digests = {
        FoldRunKey(trial.number, best.fold): best.weights_digest
        for trial in material.complete
        for best in trial.bests
        if best.weights_digest
    }
    if not digests:
        raise UnseenError("its journal has no digests of models")
    yield from one_file(digests)


def one_file(digests: Mapping[FoldRunKey, str]) -> Iterator[Finding]:
    """digests: of the model that each fold run of a complete trial keeps."""
    alike = _alike(digests)
    across = [keys for keys in alike if len({key.fold for key in keys}) > 1]
    if across:
        of = counted(len(digests), "fold model")
        yield coded(
            CODE,
            Level.WARNING,
            f"{sum(map(len, across))} of {of} of complete trials have the bytes of another fold's: "
            f"{_named(across)}; models that learnt from different rows are never the same file",
            "see what the trainable saves: weights from before training, or one file for all folds? Mend it "
            "and search again, for an ensemble of these models is not what was scored",
            trials=_trials(across),
        )
    elif alike:
        yield coded(
            CODE,
            Level.NOTE,
            f"trials have the same model on the same fold: {_named(alike)}; what they differ in changed "
            "nothing",
            "see whether the trainable uses every parameter of the space",
            trials=_trials(alike),
        )
    else:
        yield fine(CODE, f"{counted(len(digests), 'fold model')} of complete trials, each a file of its own")


def _alike(digests: Mapping[FoldRunKey, str]) -> list[list[FoldRunKey]]:
    by_digest: defaultdict[str, list[FoldRunKey]] = defaultdict(list)
    for key, digest in digests.items():
        by_digest[digest].append(key)
    return [sorted(keys) for keys in by_digest.values() if len(keys) > 1]


def _named(alike: Sequence[Sequence[FoldRunKey]]) -> str:
    return "; ".join(
        [shortened([f"trial {key.trial} fold {key.fold}" for key in keys], 3) for keys in alike[:2]]
        + ([f"{len(alike) - 2} more such files"] if len(alike) > 2 else [])
    )


def _trials(alike: Sequence[Sequence[FoldRunKey]]) -> list[int]:
    return list(dict.fromkeys(key.trial for keys in alike for key in keys))
