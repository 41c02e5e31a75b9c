"""Names a user chooses among that several rooms know."""

SCALES = ("full", "small", "smoke")
"""Sizes of a search, the largest first."""

TTA = ("none", "flip", "five_crop", "five_crop_flip")
"""Test-time augmentation: the views of an image whose probabilities are averaged."""

VOTE_KINDS = ("auto", "soft", "geometric", "rank", "hard", "greedy")
"""How an ensemble's members vote; `evaluation.voting` has the functions."""

GATED = ("auto", "none")
"""Whether an ensemble fits something where it pays."""

ON_CONFLICT = ("error", "drop", "keep")
"""What becomes of identical images with different labels."""

TORN_CLUSTERS = ("refuse", "warn")
"""What becomes of folds that tear copies of an image."""

BACKBONE = "tf_efficientnet_lite0"
"""The timm network that describes images where no other is named: quick on a CPU."""
