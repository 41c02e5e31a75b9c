"""A proposal as a space file that one reads, and that runs as it stands: pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from orchestrator.tune.first_space.names import quote
from orchestrator.tune.first_space.proposal import Proposal, classes_line
from orchestrator.tune.first_space.target_guess import MULTI_LABEL

WIDTH = 108
MAKERS = ("age_bins", "binary", "categorical", "joint", "multi_label", "one_hot")
LARGE = 5_000  # rows from which a smoke test has to be content with one epoch


def render(proposal: Proposal, commands: Sequence[str]) -> str:
    """The file's text. commands: what to type next, for its head."""
    return "\n".join(
        [
            *_head(proposal, commands),
            f"from orchestrator.space import {', '.join(_imported(proposal))}",
            "",
            "space = SearchSpace(",
            '    trainable="trainables.image_classifier:ImageClassifier",',
            *_target(proposal),
            *_metric(proposal),
            *_groups(proposal),
            *_length(proposal),
            *_params(proposal),
            *_scales(proposal),
            ")",
            "",
        ]
    )


def _imported(proposal: Proposal) -> list[str]:
    makers = set(re.findall(r"\b(\w+)\(", proposal.target.code)) & set(MAKERS)
    return sorted({"Scale", "SearchSpace"}) + sorted({"choice", "loguniform", "uniform"} | makers)


def _head(proposal: Proposal, commands: Sequence[str]) -> list[str]:
    names = ", ".join(proposal.target.columns)
    title = f'"""{_plain(names) if len(names) < 60 else f"{len(proposal.target.columns)} labels"}'
    return [
        f"{title} of {_plain(proposal.source)}, written by tune --init from {proposal.rows} rows.",
        "",
        *(f"    {_plain(command)}" for command in commands),
        "",
        "Every guess stands with its reason; change what is wrong.",
        "What else can vary: docs/reference/techniques.md.",
        '"""',
        "",
    ]


def _plain(text: str) -> str:
    """Text that neither ends nor escapes in a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")


def _comment(text: str, indent: int = 4) -> list[str]:
    start = " " * indent + "# "
    text = " ".join(text.split())  # a class may be called anything, with line ends in it too
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False)


def _comments(lines: Iterable[str], indent: int = 4) -> list[str]:
    return [made for line in lines for made in _comment(line, indent)]


def _target(proposal: Proposal) -> list[str]:
    target = proposal.target
    lines = [f"Target: {target.said_by}. {classes_line(target)}".rstrip(), *target.notes]
    return [*_comments(lines), *_call("target", target.code)]


def _call(name: str, code: str) -> list[str]:
    """`name=code,` on one line, or a line for each part or label where that is too long."""
    whole = f"    {name}={code},"
    if len(whole) <= WIDTH or "[" not in code:
        return [whole]
    if code.startswith("joint("):
        parts = re.split(r"(?<=\)), (?=\w+\()", code.removeprefix("joint(").removesuffix(")"))
        return [f"    {name}=joint(", *(f"        {part}," for part in parts), "    ),"]
    before, _, rest = code.partition("[")
    items, _, after = rest.rpartition("]")
    names = re.findall(r'"(?:[^"\\]|\\.)*"', items)
    return [f"    {name}={before}[", *(f"        {item}," for item in names), f"    ]{after},"]


def _metric(proposal: Proposal) -> list[str]:
    metric = proposal.metric
    lines = [f"Metric: {metric.why}. If the leaderboard's is another: {', '.join(metric.others)}."]
    mode = [f'    mode="{metric.mode}",  # "min" where smaller values are better'] if metric.mode else []
    return [*_comments(lines), f"    metric={quote(metric.name)},", *mode]


def _groups(proposal: Proposal) -> list[str]:
    groups = proposal.groups
    line = [] if groups.column is None else [f"    group={quote(groups.column)},"]
    return [
        *_comments(("Groups: " + groups.notes[0], *groups.notes[1:])),
        *line,
        *_comments(groups.fold_notes),
        *_comments(proposal.own_folds),
        f"    folds={groups.folds},",
    ]


def _length(proposal: Proposal) -> list[str]:
    epochs = proposal.sizes.epochs
    return [
        "    trials=32,  # configurations; --time-budget 2h or --max-fold-epochs 500 ends sooner",
        f"    max_t={epochs},  # epochs of a complete fold run",
        f"    grace_period={2 if epochs >= 8 else 1},  # epochs before a configuration may be stopped",
    ]


def _params(proposal: Proposal) -> list[str]:
    sizes = proposal.sizes
    return [
        "    params={",
        '        "backbone": choice(["resnet18", "resnet50", "tf_efficientnet_b0"]),  # any timm name',
        '        "pretrained": True,  # from timm\'s hub; or the path of a .safetensors file',
        *_comments(sizes.notes, 8),
        f'        "image_size": {sizes.image_size},',
        f'        "batch_size": {_one_of(sizes.batch_sizes)},',
        '        "optimizer": "adamw",',
        '        "lr": loguniform(3e-5, 1e-3),',
        '        "weight_decay": loguniform(1e-4, 5e-2),',
        '        "head_lr_mult": choice([1.0, 10.0]),  # the head starts from nothing, the backbone does not',
        '        "scheduler": "cosine",',
        '        "warmup_epochs": 0.5,',
        '        "dropout": uniform(0.0, 0.4),',
        *_objective(proposal),
        '        "augment": choice(["light", "medium"]),',
        '        "tta": "flip",  # wrong where left and right differ in meaning; then "none"',
        "    },",
    ]


def _objective(proposal: Proposal) -> list[str]:
    if proposal.target.kind == MULTI_LABEL:
        return [
            '        "loss": choice(["bce", "focal_bce", "asymmetric"]),',
            '        "mix": choice(["none", "mixup"]),',
        ]
    counts = proposal.target.counts.values()
    uneven = bool(counts) and max(counts) > 3 * min(counts)
    why = "  # the largest class has over three times the rows of the smallest" if uneven else ""
    samplers = '["none", "inverse_sqrt", "weighted"]' if uneven else '["none"]'
    ordered = proposal.target.ordered
    losses = '["cross_entropy", "focal", "sord", "corn"]' if ordered else '["cross_entropy", "focal"]'
    return [
        f'        "loss": choice({losses}),',
        '        "label_smoothing": choice([0.0, 0.1]),',
        *([f'        "sampler": choice({samplers}),{why}'] if uneven else []),
        '        "mix": choice(["none", "mixup", "cutmix"]),',
        '        "mix_alpha": choice([0.2, 1.0]).when(mix=["mixup", "cutmix"]),',
    ]


def _scales(proposal: Proposal) -> list[str]:
    folds, epochs = min(proposal.groups.folds, 3), 1 if proposal.rows > LARGE else 2
    return [
        "    scales={",
        "        # Without a GPU: tiny networks from scratch show that all of it runs, not how good it gets.",
        *_scale("small", f"trials=6, max_t=6, folds={folds}, grace_period=1, finalists=2", 64, proposal),
        *_scale("smoke", f"trials=2, max_t={epochs}, folds=2, grace_period=1, finalists=1", 32, proposal),
        "    },",
    ]


def _one_of(numbers: Sequence[int]) -> str:
    """What does not vary is written as it is."""
    return str(numbers[0]) if len(numbers) == 1 else f"choice([{', '.join(map(str, numbers))}])"


def _scale(name: str, numbers: str, image_size: int, proposal: Proposal) -> list[str]:
    return [
        f'        "{name}": Scale(',
        f"            {numbers},",
        "            params={",
        '                "backbone": "test_resnet",',
        '                "pretrained": False,',
        f'                "image_size": {image_size},',
        f'                "batch_size": {min(32, proposal.sizes.batch_sizes[0])},',
        '                "lr": loguniform(2e-3, 1e-2),',
        "            },",
        "        ),",
    ]
