"""FO004: the best trial leads by less than one standard error."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import path_to_paste
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO004"


def look(material: Material) -> Iterator[Finding]:
    if len(material.complete) < 2:
        raise UnseenError("one trial is complete, so there is no other to lead")
    best, second = material.complete[:2]
    found = material.resampled(CODE, material.answered(best.number), material.answered(second.number))
    lead = found[:, 0] - found[:, 1]
    error = float(lead[1:].std())
    said = (
        f"trial {best.number} leads trial {second.number} by {abs(float(lead[0])):.4f} "
        f"{material.space.metric} "
        f"with a paired standard error of {error:.4f}"
    )
    if lead[0] >= error:
        yield fine(CODE, said)
        return
    vote = (
        f"let them vote (python -m orchestrator.ensemble --study {path_to_paste(material.snapshot.path)})"
        if material.snapshot.ensemble is None
        else "the ensemble has weighed them"
    )
    way_out = f"take trial {best.number} for no better than the next: {vote}, or choose the cheaper one"
    # A lead so small is what most honest searches have: nothing is wrong, so it is no warning.
    yield coded(CODE, Level.NOTE, said, way_out, trials=(best.number, second.number))
