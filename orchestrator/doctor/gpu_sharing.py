"""Who shares the GPUs of one machine: other people's programs, slices of MIG, the MPS daemon. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from orchestrator.core.finding import Finding, Level, blocks, ok, warning
from orchestrator.core.text import counted, shortened
from orchestrator.machine.gpu_cards import Card, CardProcess
from orchestrator.machine.node_facts import NodeFacts

MIB = 2**20
GIB_MIB = 1024
MPS_PROGRAM = "nvidia-cuda-mps-server"
DEFAULT_PIPES = "/tmp/nvidia-mps"  # where programs look for a daemon unless told elsewhere


def check_sharing(cards: Sequence[Card], facts: NodeFacts) -> list[Finding]:
    return [
        *_processes(cards, facts.gpu_owners, facts.user),
        *_compute_mode(cards, facts.mps_daemons),
        *_slices(cards, facts.cuda_settings.get("CUDA_VISIBLE_DEVICES")),
        *_mps(facts),
    ]


# ---- programs --------------------------------------------------------------------------------------


def _processes(cards: Sequence[Card], owners: Mapping[str, str], user: str) -> list[Finding]:
    """One line for other people's, one for one's own, one for those whose owner nobody sees."""
    told: dict[str, list[tuple[Card, CardProcess]]] = {"others": [], "own": [], "hidden": []}
    for card in cards:
        for process in card.processes:
            owner = owners.get(str(process.pid))
            kind = "hidden" if owner is None else "own" if owner == user else "others"
            if process.name != MPS_PROGRAM:  # it stands for the programs that compute through it
                told[kind].append((card, process))
    found = []
    if told["others"]:
        text = f"other people compute here: {_listed(told['others'], owners)}"
        way_out = (
            "ask them, or name other GPUs in CUDA_VISIBLE_DEVICES; a fold run leaves a card that is full"
        )
        found.append(warning("gpu use", text, way_out))
    if told["hidden"]:
        text = f"programs outside this container compute here: {_listed(told['hidden'], owners)}"
        way_out = "`nvidia-smi` on the host tells whose they are; name other GPUs in CUDA_VISIBLE_DEVICES"
        found.append(warning("gpu use", text, way_out))
    if told["own"]:
        text = f"programs of yours compute here: {_listed(told['own'], owners)}"
        found.append(Finding(Level.NOTE, "gpu use", text))
    return found


def _listed(items: Sequence[tuple[Card, CardProcess]], owners: Mapping[str, str]) -> str:
    """The largest first."""
    ordered = sorted(items, key=lambda item: -(item[1].used_mib or 0))
    return shortened([_told(card, process, owners.get(str(process.pid))) for card, process in ordered], 4)


def _told(card: Card, process: CardProcess, owner: str | None) -> str:
    size = "" if process.used_mib is None else f" ({mib_text(process.used_mib)})"
    of = "" if owner is None else f" of {owner}"
    return f"{process.name}{of} on GPU {card.index}{size}"


def mib_text(mib: int) -> str:
    return f"{mib / GIB_MIB:.1f} GiB" if mib >= GIB_MIB else f"{mib} MiB"


def _compute_mode(cards: Sequence[Card], daemons: Mapping[str, str]) -> list[Finding]:
    prohibited = [card for card in cards if card.compute_mode == "Prohibited"]
    exclusive = [card for card in cards if card.compute_mode.startswith("Exclusive")]
    found = []
    if prohibited:
        text = f"{_numbers(prohibited)}: compute mode Prohibited lets no program compute there"
        found.append(blocks("gpu mode", text, "`sudo nvidia-smi -c DEFAULT -i NUMBER`"))
    if exclusive and not daemons:
        text = (
            f"{_numbers(exclusive)}: compute mode {exclusive[0].compute_mode} lets one program at a time "
            "compute there, so fold runs cannot share a card"
        )
        way_out = "give --gpus-per-fold-run 1, start an MPS daemon, or `sudo nvidia-smi -c DEFAULT`"
        found.append(warning("gpu mode", text, way_out))
    return found


def _numbers(cards: Sequence[Card]) -> str:
    return f"GPU {', '.join(str(card.index) for card in cards)}"


# ---- MIG -------------------------------------------------------------------------------------------


def _slices(cards: Sequence[Card], visible: str | None) -> list[Finding]:
    """Each slice is a device; CUDA and Ray see one of a card unless all are named (NVIDIA's MIG guide)."""
    cut = [card for card in cards if card.mig == "Enabled"]
    found = []
    empty = [card for card in cut if not card.slices]
    if empty:
        text = f"{_numbers(empty)}: MIG is on and there is no slice: CUDA sees no device there"
        way_out = (
            "`sudo nvidia-smi mig -cgi PROFILE -C` makes slices (-lgip lists profiles), `-mig 0` ends MIG"
        )
        found.append(blocks("mig", text, way_out))
    parts = [part for card in cut for part in card.slices]
    if not parts:
        return found
    sizes = Counter((part.name, part.memory_mib) for part in parts)
    kinds = ", ".join(f"{n} x {_profile(name)}{mib_text(mib)}" for (name, mib), n in sizes.items())
    text = f"{counted(len(parts), 'slice')} on {_numbers(cut)}: {kinds}"
    ids = [part.uuid for part in parts if part.uuid]
    named = {word.strip() for word in (visible or "").split(",")}
    if len(parts) == 1 or named & set(ids):
        return [*found, ok("mig", f"{text}; {len(named & set(ids)) or 1} used")]
    whole = [card for card in cards if card.mig != "Enabled"]
    way_out = _slices_line(ids, len(parts)) + (f"; it hides {_numbers(whole)}" if whole else "")
    return [*found, warning("mig", f"{text}; CUDA and Ray use one slice of each card unless told", way_out)]


def _slices_line(ids: Sequence[str], count: int) -> str:
    """No list with names missing: what it leaves out is hidden."""
    line = (
        f"`export CUDA_VISIBLE_DEVICES={','.join(ids)}`"
        if len(ids) == count
        else "CUDA_VISIBLE_DEVICES with the names that `nvidia-smi -L` lists"
    )
    return (
        f"{line} makes each a GPU of the search; the start commands of a cluster need "
        f"`ray start --num-gpus={count}` too"
    )


def _profile(name: str) -> str:
    return f"{name} of " if name else ""


# ---- MPS -------------------------------------------------------------------------------------------


def _mps(facts: NodeFacts) -> list[Finding]:
    """A daemon serves one user at a time; programs of others wait as they start (its manual page)."""
    if not facts.mps_daemons:
        return []
    pipes = facts.cuda_settings.get("CUDA_MPS_PIPE_DIRECTORY", DEFAULT_PIPES)
    users = sorted(set(facts.mps_daemons.values()))
    others = [user for user in users if user not in (facts.user, "root")]
    whose = " and ".join("yours" if user == facts.user else f"of {user}" for user in users)
    text = f"CUDA's MPS daemon runs: {whose}"
    if not others:
        return [ok("mps", f"{text}; programs that find it in {pipes} share cards through it")]
    way_out = (
        "`export CUDA_MPS_PIPE_DIRECTORY=` with a folder of your own: a program that finds their daemon in "
        f"{pipes} waits until their programs have ended"
    )
    return [warning("mps", text, way_out)]
