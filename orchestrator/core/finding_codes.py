"""The numbers of findings: one table of code, title and what it means.

docs/reference/check.md explains each of data; each of studies has a page in docs/reference/checks.

    finding = coded("FO121", Level.WARNING, "12 images are copies of others: a.png = b.png", "keep one each")

FO001 to FO099 are of studies. Of data: FO10x files and rows, FO11x oddities of images, FO12x duplicates and
leaks, FO13x groups and folds, FO14x labels, FO15x shift between training and prediction, FO16x what a model
on frozen features says. A number keeps its meaning; one that is no longer given is not used again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.core.finding import Finding, Level


@dataclass(frozen=True)
class FindingCode:
    code: str
    title: str  # a few words: the head of its section in a page
    meaning: str  # one sentence: what is the case, and what it does to a score


OF_STUDIES = (
    FindingCode(
        "FO001",
        "best value at the edge of its range",
        "The best trials have the least or the largest value that the space allows, so a better one may lie "
        "outside.",
    ),
    FindingCode(
        "FO002",
        "a fold unlike the others",
        "All trials score far better or worse on one fold than on the rest.",
    ),
    FindingCode(
        "FO003",
        "no better than a baseline",
        "A model that knows no images, or one that is fitted in seconds, answers as well as the best trial.",
    ),
    FindingCode(
        "FO004",
        "best trial not told from the next",
        "The best trial leads by less than one standard error, so chance alone may have put it first.",
    ),
    FindingCode(
        "FO005",
        "vote worse than a member",
        "One trial alone answers better than the vote that it is part of.",
    ),
    FindingCode(
        "FO006",
        "score falls when choices are counted in",
        "The out-of-fold score is more than one standard error better than the one that corrects for what "
        "was chosen on the same rows.",
    ),
    FindingCode(
        "FO007",
        "classes in few groups",
        "A class has fewer groups than twice the folds, so a fold judges it by one group or none.",
    ),
    FindingCode(
        "FO008",
        "groups of one row",
        "Every row is its own group while names or copies say that some belong together.",
    ),
    FindingCode(
        "FO009",
        "copies in several folds or groups",
        "A row is judged by models that trained on a copy of it, so the score is too good.",
    ),
    FindingCode("FO010", "scores rise until the end", "The last epoch is the best one almost everywhere."),
    FindingCode("FO011", "failures of one kind", "Many trials failed for the same reason."),
    FindingCode(
        "FO012",
        "probabilities that mislead",
        "The probabilities are further from the share that is right than chance explains.",
    ),
    FindingCode(
        "FO013",
        "rows to predict are unlike",
        "A check of these data told rows to predict from training rows.",
    ),
    FindingCode(
        "FO014",
        "untouched rows score worse",
        "Rows that nothing was fitted to score far worse than the estimate from the training rows.",
    ),
    FindingCode(
        "FO015",
        "several things changed at once",
        "Two compared studies differ in more than one thing, so no one thing explains their difference.",
    ),
    FindingCode(
        "FO016", "a class missing in a fold", "A fold has no row of a class, so it cannot judge that class."
    ),
    FindingCode(
        "FO017", "a failed trial was ahead", "A trial failed while it was ahead of the one that won."
    ),
    FindingCode(
        "FO018", "the first epoch is the best", "Training makes the score worse after the first epoch."
    ),
    FindingCode("FO019", "work done twice", "Many epochs were lost after they were run, and were run again."),
    FindingCode("FO020", "a class never predicted", "The answer never names a class that many rows have."),
    FindingCode("FO021", "code changed during the study", "Trials of one study ran with different code."),
    FindingCode(
        "FO022",
        "fold models that are one file",
        "Models that learnt from different rows have the same bytes, so what was stored is not what was "
        "trained.",
    ),
)
"""The numbers of `orchestrator.study_checks`; each has a page of its own."""

OF_DATA = (
    FindingCode("FO101", "unreadable images", "A file that a row names cannot be decoded."),
    FindingCode("FO102", "rows without a label", "A row with role train has no label, so nothing learns it."),
    FindingCode("FO103", "classes with few rows", "A class has too few rows to be learned or judged."),
    FindingCode("FO104", "imbalanced classes", "The largest class has very many times the smallest's rows."),
    FindingCode("FO111", "dark images", "Even the brightest part of an image is dark."),
    FindingCode("FO112", "bright images", "Even the darkest part of an image is nearly white."),
    FindingCode("FO113", "blurred images", "An image has hardly an edge."),
    FindingCode("FO114", "images of little information", "An image has few different shades."),
    FindingCode(
        "FO115", "images of an odd size", "An image has far more or far fewer pixels than the others."
    ),
    FindingCode("FO116", "images of an odd shape", "An image is far longer than it is wide, or the reverse."),
    FindingCode(
        "FO117", "grey images among coloured ones", "A few images have no colour while the others have."
    ),
    FindingCode("FO121", "identical images", "Several rows have the same decoded pixels."),
    FindingCode(
        "FO122", "near duplicates", "Several rows show the same picture, resized, cut or re-encoded."
    ),
    FindingCode(
        "FO123",
        "identical images with different labels",
        "The same pixels have labels of which one at least is wrong.",
    ),
    FindingCode(
        "FO124", "near duplicates with different labels", "Copies of one picture have different labels."
    ),
    FindingCode(
        "FO125",
        "copies in several groups",
        "Copies of one picture belong to different groups, so one is trained on and another judged on.",
    ),
    FindingCode(
        "FO126", "copies in several folds", "A row is validated by models that trained on a copy of it."
    ),
    FindingCode(
        "FO127",
        "test images in the training rows",
        "A row with role test is a copy of one that is trained on, so a score on it says nothing.",
    ),
    FindingCode("FO131", "no groups", "Nothing says which rows belong together; each row is its own group."),
    FindingCode("FO132", "possible groups", "File names, times or copies suggest groups that nothing names."),
    FindingCode("FO133", "classes with few groups", "A class has fewer groups than there are folds."),
    FindingCode("FO134", "uneven folds", "A class has very different shares in different folds."),
    FindingCode("FO141", "labels to look at", "Models that never saw a row's label contradict it."),
    FindingCode(
        "FO142", "groups whose label to look at", "Models contradict the label that a whole group shares."
    ),
    FindingCode(
        "FO151", "shift", "Rows to predict can be told from training rows, so scores may not carry over."
    ),
    FindingCode("FO152", "shift that cannot be seen", "Training rows and rows to predict were not compared."),
    FindingCode(
        "FO161", "what a leak is worth", "Folds that ignore groups or copies score better than honest ones."
    ),
)

"""The numbers of `check` and `audit`."""

CODES: dict[str, FindingCode] = {item.code: item for item in (*OF_STUDIES, *OF_DATA)}


def coded(
    code: str,
    level: Level,
    found: str,
    way_out: str = "",
    *,
    rows: Iterable[int] = (),
    pairs: Iterable[tuple[int, int]] = (),
    trials: Iterable[int] = (),
) -> Finding:
    """A finding under a number of the table, whose title is its topic. KeyError for another number."""
    evidence = tuple((int(one), int(other)) for one, other in pairs)
    which = tuple(int(row) for row in rows), evidence, tuple(int(trial) for trial in trials)
    return Finding(level, CODES[code].title, found, way_out, code, *which)


def fine(code: str, found: str) -> Finding:
    """What a check saw where nothing is wrong."""
    return coded(code, Level.OK, found)
