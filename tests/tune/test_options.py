"""What a resumed study does with each option follows from the option's field."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from orchestrator.tune.__main__ import parser
from orchestrator.tune.request import Request, option_of, repeated_options


@pytest.mark.parametrize("item", fields(Request), ids=lambda item: item.name)
def test_every_field_says_what_resume_does_with_it_and_has_its_option(item: object) -> None:
    assert item.metadata["on_resume"] in {"fixed", "repeated", "limit", "own"}  # type: ignore[attr-defined]
    assert option_of(item) in parser()._option_string_actions  # type: ignore[arg-type]


def test_every_fixed_option_is_found_under_the_name_that_was_typed() -> None:
    request = Request(
        data="faces",
        path_column="image",
        images=[Path("images")],
        suffix=".jpg",
        labels=Path("names.json"),
        class_pattern="(a)",
        group_pattern="(b)",
        label_fixes=Path("f.csv"),
        extra=[Path("more")],
        scale="full",
        max_epochs=9,
        settings={"lr": 0.1},
        seed=0,
        rule="exhaustive",
        sampler="tpe",
        tries=[{"lr": 0.1}],
    )
    assert request.fixed() == (
        [
            "--data",
            "--path-column",
            "--images",
            "--suffix",
            "--labels",
            "--class-pattern",
            "--group-pattern",
            "--label-fixes",
            "--extra",
            "--scale",
            "--max-epochs",
            "--set",
            "--seed",
            "--rule",
            "--sampler",
            "--try",
        ]
    )


def test_what_holds_for_one_command_is_free_to_change() -> None:
    machines = {"inline": True, "address": "auto", "gpus_per_fold_run": "1", "cpus_per_fold_run": 1}
    names = {"space": "age", "study": "a", "storage": "/s", "wandb": "w", "data_root": Path("/d")}
    limits = {"trials": 9, "time_budget": 9.0, "max_fold_epochs": 9}
    free = Request(resume=True, private=True, **machines, **names, **limits)  # type: ignore[arg-type]
    assert free.fixed() == [] == Request(extra=[], tries=[], settings={}).fixed()


LIMITS = ["--trials", "9", "--time-budget", "2h", "--max-fold-epochs", "500"]
MACHINES = ["--inline", "--address", "auto", "--gpus-per-fold-run", "A100=0.5", "--cpus-per-fold-run", "2"]
MACHINES += ["--checkpoint-every", "5s"]
SESSION = ["--data-root", "/d", "--private", *MACHINES, "--wandb", "faces"]


@pytest.mark.parametrize(
    "words, spent, expected",
    [
        ([], False, []),
        (["--gpus-per-fold-run", "auto"], False, []),
        (SESSION, False, SESSION),
        (["--data", "x", "--seed", "3", "--storage", "/s", "--set", "lr=1"], False, []),
        (LIMITS, False, LIMITS[2:]),
        ([*LIMITS, "--resume"], False, LIMITS),
        ([*LIMITS, "--resume"], True, []),
    ],
)
def test_the_command_to_resume_says_again_what_held_for_one_command(
    words: list[str], spent: bool, expected: list[str]
) -> None:
    assert repeated_options(vars(parser().parse_args(words)), spent) == expected
