"""Targets: functions from a manifest's columns to labels, one kind a module.

A target is data (`to_json`, `target_from_json`), so that a study records exactly what it was judged on.
"""

from orchestrator.data.targets.binned import Binned, age_bins
from orchestrator.data.targets.categorical import Categorical, binary, categorical
from orchestrator.data.targets.contract import Target
from orchestrator.data.targets.joint import Joint, joint, mixed_radix
from orchestrator.data.targets.multi_label import LabelColumns, LabelSets, multi_label
from orchestrator.data.targets.one_hot import OneHot, one_hot
from orchestrator.data.targets.records import (
    Given,
    factors_of,
    given_from_json,
    given_text,
    given_to_json,
    target_from_json,
)

__all__ = [
    "Binned",
    "Categorical",
    "Given",
    "Joint",
    "LabelColumns",
    "LabelSets",
    "OneHot",
    "Target",
    "age_bins",
    "binary",
    "categorical",
    "factors_of",
    "given_from_json",
    "given_text",
    "given_to_json",
    "joint",
    "mixed_radix",
    "multi_label",
    "one_hot",
    "target_from_json",
]
