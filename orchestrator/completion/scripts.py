"""Scripts that a shell reads. They ask Python nothing: names of studies are folders with a journal."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence

from orchestrator.completion.words import FILE, STUDY, Option, Words

PROGRAM = "fold-orchestrator"
PYTHONS = ("python", "python3")
JOURNAL = "journal.jsonl"

_BASH_HEAD = """\
# Completion of fold-orchestrator, and of python -m orchestrator. Made by: fold-orchestrator completion bash
__fold_orchestrator_studies() {  # names of studies below --runs that begin with the current word
    local runs=runs path name i
    for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
        if [[ ${COMP_WORDS[i]} == --runs ]]; then
            runs=${COMP_WORDS[i+1]}
            if [[ $runs == = ]]; then runs=${COMP_WORDS[i+2]}; fi
        fi
    done
    for path in "$runs"/*/JOURNAL; do
        if [[ -e $path ]]; then
            name=${path%/JOURNAL}
            name=${name##*/}
            if [[ $name == "$1"* ]]; then COMPREPLY+=("$(printf %q "$name")"); fi
        fi
    done
}
__fold_orchestrator_reply() {  # of the words $2 those that begin with $1
    local word
    for word in $2; do
        if [[ $word == "$1"* ]]; then COMPREPLY+=("$word"); fi
    done
}
__fold_orchestrator() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=1 command="" sub=""
    COMPREPLY=()
    if [[ $cur == = ]]; then cur=""; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
    if [[ ${COMP_WORDS[0]##*/} == python* ]]; then
        if [[ ${COMP_WORDS[1]} != -m || ${COMP_WORDS[2]} != orchestrator* ]]; then return 0; fi
        if ((COMP_CWORD == 2)); then __fold_orchestrator_reply "$cur" "MODULES"; return 0; fi
        at=3
        command=${COMP_WORDS[2]#orchestrator}
        command=${command#.}
    fi
    if [[ -z $command ]]; then
        if ((COMP_CWORD == at)); then __fold_orchestrator_reply "$cur" "COMMANDS"; return 0; fi
        command=${COMP_WORDS[at]}
        ((at += 1))
    fi
    case $command in
        WITH_SUBS)
            if ((COMP_CWORD > at)); then sub=${COMP_WORDS[at]}; fi ;;
    esac
    case "$command $sub" in
"""
_BASH_TAIL = """\
    esac
}
complete -o default -F __fold_orchestrator fold-orchestrator
complete -o bashdefault -o default -F __fold_orchestrator PYTHONS
"""


def bash(words: Sequence[Words]) -> str:
    """A branch for each command, in it one for each option that takes a value."""
    commands = [item.path[0] for item in words if len(item.path) == 1]
    with_subs = [item.path[0] for item in words if item.subcommands]
    head = (
        _BASH_HEAD.replace("JOURNAL", JOURNAL)
        .replace("MODULES", " ".join(["orchestrator", *(f"orchestrator.{name}" for name in commands)]))
        .replace("COMMANDS", " ".join(commands))
        .replace("WITH_SUBS", "|".join(with_subs))
    )
    branches = "".join(f"{line}\n" for item in words for line in _bash_branch(item))
    return head + branches + _BASH_TAIL.replace("PYTHONS", " ".join(PYTHONS))


def _bash_branch(item: Words) -> Iterator[str]:
    sub = item.path[1] if len(item.path) > 1 else ""
    yield f'        "{item.path[0]} {sub}")'
    yield "            case $prev in"
    for option in item.options:
        if option.choices:
            words = " ".join(option.choices)
            yield f'                {option.name}) __fold_orchestrator_reply "$cur" "{words}"; return 0 ;;'
        elif option.takes == STUDY:
            yield f'                {option.name}) __fold_orchestrator_studies "$cur"; return 0 ;;'
    free = [option.name for option in item.options if option.takes not in ("", STUDY) and not option.choices]
    if free:  # the shell offers files
        yield f"                {'|'.join(free)}) return 0 ;;"
    yield "            esac"
    own = " ".join((*item.subcommands, *item.choices, *(option.name for option in item.options)))
    if item.takes_studies:
        yield '            if [[ $cur != -* ]]; then __fold_orchestrator_studies "$cur"; return 0; fi'
    yield f'            __fold_orchestrator_reply "$cur" "{own}" ;;'


def zsh(words: Sequence[Words]) -> str:
    """The same script by zsh's own reader of bash's completions."""
    first = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
    return first + bash(words).replace("completion bash", "completion zsh")


_FISH_HEAD = f"""\
# Completion of fold-orchestrator, and of python -m orchestrator. Made by: fold-orchestrator completion fish
function __fold_orchestrator_words # command and sub-command so far, without program and options
    set -l words (commandline -opc)
    set -e words[1]
    if test "$words[1]" = -m
        set -e words[1]
        string match -q 'orchestrator*' -- "$words[1]"; or return 1
        set words[1] (string replace -r '^orchestrator\\.?' '' -- $words[1])
        test -n "$words[1]"; or set -e words[1]
    else if not string match -q '*fold-orchestrator' -- (commandline -opc)[1]
        return 1
    end
    set -q words[1]; and printf '%s\\n' $words
    return 0
end
function __fold_orchestrator_module # a module of ours is being typed
    set -l words (commandline -opc)
    test (count $words) -eq 2; and test "$words[2]" = -m; and string match -q 'o*' -- (commandline -ct)
end
function __fold_orchestrator_none
    set -l words (__fold_orchestrator_words); or return 1
    test (count $words) -eq 0
end
function __fold_orchestrator_at # command, or command and sub-command
    set -l words (__fold_orchestrator_words); or return 1
    test "$words[1]" = "$argv[1]"; or return 1
    test (count $argv) -eq 1; or test "$words[2]" = "$argv[2]"
end
function __fold_orchestrator_first # right after the command
    set -l words (__fold_orchestrator_words); or return 1
    test "$words[1]" = "$argv[1]"; and test (count $words) -eq 1
end
function __fold_orchestrator_studies # names of studies below --runs
    set -l words (commandline -opc)
    set -l runs runs
    if set -l at (contains -i -- --runs $words)
        set runs $words[(math $at + 1)]
    end
    for path in $runs/*/{JOURNAL}
        basename (dirname $path)
    end
end
"""


def fish(words: Sequence[Words]) -> str:
    """A line for each command and option."""
    programs = (PROGRAM, *PYTHONS)
    lines = [line for program in programs for item in words for line in _fish_lines(program, item)]
    modules = " ".join(f"orchestrator.{item.path[0]}" for item in words if len(item.path) == 1)
    lines += [f"complete -c {program} -f -n __fold_orchestrator_module -a '{modules}'" for program in PYTHONS]
    return _FISH_HEAD + "".join(f"{line}\n" for line in lines)


def _fish_lines(program: str, item: Words) -> Iterator[str]:
    here = f"complete -c {program}"
    at = f"-n {shlex.quote('__fold_orchestrator_at ' + ' '.join(item.path))}"
    if len(item.path) == 1:
        yield f"{here} -f -n __fold_orchestrator_none -a {item.path[0]} -d {_quoted(item.help)}"
    else:
        first = f"-n {shlex.quote('__fold_orchestrator_first ' + item.path[0])}"
        yield f"{here} -f {first} -a {item.path[1]} -d {_quoted(item.help)}"
    if item.subcommands:
        return
    if item.choices:
        yield f"{here} -f {at} -a {_quoted(' '.join(item.choices))}"
    if item.takes_studies:
        yield f"{here} -f {at} -a '(__fold_orchestrator_studies)'"
    for option in item.options:
        name, about = option.name.removeprefix("--"), _quoted(option.help)
        yield f"{here} {at} -l {name}{_fish_value(option)} -d {about}"


def _fish_value(option: Option) -> str:
    if option.choices:
        return f" -x -a {_quoted(' '.join(option.choices))}"
    if option.takes == STUDY:
        return " -x -a '(__fold_orchestrator_studies)'"
    if option.takes == FILE:
        return " -r -F"
    return " -x" if option.takes else ""


def _quoted(text: str) -> str:
    """For fish, in whose single quotes a backslash can mean something."""
    inner = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{inner}'"


SHELLS: dict[str, Callable[[Sequence[Words]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
