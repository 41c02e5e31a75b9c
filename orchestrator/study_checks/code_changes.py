"""FO021: trials of one study ran with different code."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import shortened
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO021"


def look(material: Material) -> Iterator[Finding]:
    sources = material.snapshot.study.sources
    if not sources:
        raise UnseenError("its journal does not say with which code it ran")
    changed = {name: digests for name, digests in sources.items() if len(digests) > 1}
    if not changed:
        yield fine(CODE, f"one version of {shortened(sorted(sources), 5)}")
        return
    listed = shortened([f"{name} ({len(digests)} versions)" for name, digests in sorted(changed.items())], 5)
    yield coded(
        CODE,
        Level.WARNING,
        f"the study went on with other code than it began with: {listed}; its trials may differ by that",
        "if the change reaches training, begin a new study and compare the two",
    )
