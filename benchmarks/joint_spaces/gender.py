"""Heads on frozen features for `gender` ([joint answers](../../docs/benchmarks/joint_answers.md))."""

from benchmarks.joint_spaces.frozen_head import space_of
from search_spaces.shared.faces import GENDER

space = space_of(GENDER)
