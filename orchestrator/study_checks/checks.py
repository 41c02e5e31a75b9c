"""All checks of a study in one table, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import fine
from orchestrator.snapshot import StudySnapshot
from orchestrator.study_checks import (
    calibration,
    class_groups,
    code_changes,
    compared,
    copies,
    edge_of_range,
    estimates,
    failures,
    leaders,
    never_predicted,
    no_better,
    odd_fold,
    one_file,
    rising,
    shift,
    single_rows,
    vote,
)
from orchestrator.study_checks.fitted_baseline import FittedBaseline
from orchestrator.study_checks.material import Material

NOT_LOOKED_AT = "not looked at: "
"""How a line begins that says what a check could not see."""


@dataclass(frozen=True)
class Check:
    code: str
    look: Callable[[Material], Iterable[Finding]]


CHECKS = (
    # Those first that make a score worthless.
    Check("FO009", copies.look),
    Check("FO008", single_rows.look),
    Check("FO014", estimates.look_at_untouched),
    Check("FO022", one_file.look),
    Check("FO003", no_better.look),
    Check("FO002", odd_fold.look),
    Check("FO001", edge_of_range.look),
    Check("FO010", rising.look_at_the_end),
    Check("FO018", rising.look_at_the_beginning),
    Check("FO017", failures.look_for_leaders),
    Check("FO011", failures.look_for_kinds),
    Check("FO020", never_predicted.look),
    Check("FO016", class_groups.look_for_missing),
    Check("FO007", class_groups.look_for_few),
    Check("FO006", estimates.look_at_choices),
    Check("FO005", vote.look),
    Check("FO012", calibration.look),
    Check("FO013", shift.look),
    Check("FO015", compared.look),
    Check("FO021", code_changes.look),
    Check("FO019", failures.look_for_work_done_twice),
    Check("FO004", leaders.look),
)
"""To add one: its file, its line here, its number in `core.finding_codes`, its page in the docs."""

_ORDER = (Level.BLOCKS, Level.WARNING, Level.NOTE, Level.OK)


def check_study(
    snapshot: StudySnapshot,
    *,
    seed: int,
    baseline: FittedBaseline | None = None,
    others: Sequence[StudySnapshot] = (),
) -> tuple[Finding, ...]:
    """What every check found, the most severe first, then in the order of CHECKS.

    What is fine has a line of level OK; so has what could not be looked at, with the reason
    (`NOT_LOOKED_AT`). seed: of resamples. baseline: of `fit_baseline`; others: studies that it is compared
    with. A damaged or unfinished study raises nothing.
    """
    material = Material(snapshot, seed, baseline, others)
    found = [finding for check in CHECKS for finding in _findings(check, material)]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.level)))


def _findings(check: Check, material: Material) -> list[Finding]:
    try:
        return list(check.look(material))
    except (OrchestratorError, OSError) as error:
        return [fine(check.code, f"{NOT_LOOKED_AT}{error}")]
