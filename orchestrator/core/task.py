"""What is predicted: the classes, and whether a row has one of them or several."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """Single label: labels (n,) in [0, C), probabilities (n, C) whose rows sum to 1; of two classes the
    second is the positive one. Multi-label: labels (n, L) of 0 and 1, probabilities (n, L), each in [0, 1].
    """

    classes: tuple[str, ...]  # C class names, or L label names
    multi_label: bool = False
    ordered: bool = False  # whether the classes stand in an order, such as grades; single label only

    def __len__(self) -> int:
        return len(self.classes)
