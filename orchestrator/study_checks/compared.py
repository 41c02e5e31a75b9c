"""FO015: compared studies that differ in several things at once."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import on_one_line, path_to_paste
from orchestrator.studies.differences import changed, differences, verdict
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO015"


def look(material: Material) -> Iterator[Finding]:
    if not material.others:
        raise UnseenError("it is compared with no other study")
    for other in material.others:
        found = differences([material.snapshot.study, other.study])
        said = f"{on_one_line(material.snapshot.name)} and {on_one_line(other.name)}: {verdict(found)}"
        if len(changed(found)) < 2:
            yield fine(CODE, said)
            continue
        paths = " ".join(map(path_to_paste, (material.snapshot.path, other.path)))
        way_out = (
            "change one thing at a time, or take the difference for the sum of them; python -m "
            f"orchestrator.studies compare {paths} lists all"
        )
        yield coded(CODE, Level.WARNING, said, way_out)
