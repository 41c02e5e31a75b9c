"""Copies with two labels, and copies that lie in several groups, folds or roles."""

from __future__ import annotations

from pathlib import Path

from orchestrator.check.look import Look
from orchestrator.check.stage_result import StageResult
from orchestrator.core.finding import Finding
from orchestrator.data.known_clusters import remember_clusters
from orchestrator.data.manifest import given_groups
from orchestrator.data.quality.conflicts import label_conflicts
from orchestrator.data.quality.crossing import copies_in_folds, copies_in_groups, copies_in_roles


def look_at_leaks(look: Look) -> StageResult:
    """Keeps what are copies of each other, too, so that a search of these files knows it."""
    found, paths, roles = look.duplicates, look.paths, [str(role) for role in look.roles]
    findings: list[Finding] = [*label_conflicts(found, look.tasks, paths)]
    given = given_groups(look.frame)
    if len(set(given)) < len(given):  # else each row is a group of its own, which nothing says
        findings += copies_in_groups(found, given, roles, paths)
    findings += copies_in_folds(found, look.folds, roles, paths)
    findings += copies_in_roles(found, roles, paths)
    remember_clusters(Path(look.arguments.runs) / ".cache", look.manifest.root, paths, found)
    return StageResult(tuple(findings))
