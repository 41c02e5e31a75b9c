"""The GPUs of one machine one by one: their state, whose programs they run, what they are set to. Pure.

Where all is well there is one line for each kind of card. Cards that CUDA_VISIBLE_DEVICES hides are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.core.finding import Finding, Level, blocks, ok, warning
from orchestrator.core.text import counted, shortened
from orchestrator.doctor.gpu_kernels import capability_text, check_kernels
from orchestrator.doctor.gpu_sharing import check_sharing
from orchestrator.machine.gpu_cards import SLOWED, Card, parse_log, visible_cards
from orchestrator.machine.node_facts import NodeFacts

POWER_LOW = 0.9  # of the limit that a card leaves the factory with


def check_cards(facts: NodeFacts, torch: Mapping[str, Any] | None) -> list[Finding]:
    """torch: what `probe.TORCH` printed there, None where it was not asked."""
    if not facts.gpu_query:
        return []  # no GPU, or a node that tells no more than their names
    try:
        said = parse_log(facts.gpu_query, facts.gpu_listed)
    except ValueError as error:
        return [warning("gpu state", f"{error}", "see `nvidia-smi -q`: faults of a card are not seen here")]
    visible = facts.cuda_settings.get("CUDA_VISIBLE_DEVICES")
    cards = visible_cards(said.cards, visible)
    return [
        *_hidden(said.cards, cards, visible),
        *_order(cards, facts),
        *_kinds(cards, torch),
        *check_kernels(torch),
        *(warning("gpu state", line, "see `nvidia-smi -q`") for line in said.remarks),
        *_faults(cards),
        *_speed(cards),
        *check_sharing(cards, facts),
    ]


def which(cards: Sequence[Card]) -> str:
    """GPU 3, or GPUs 0, 1, 2 and 5 more."""
    numbers = [str(card.index) for card in cards]
    return f"GPU {numbers[0]}" if len(numbers) == 1 else f"GPUs {shortened(numbers, 8)}"


def _hidden(every: Sequence[Card], cards: Sequence[Card], visible: str | None) -> list[Finding]:
    if len(cards) == len(every):
        return []
    found = f"CUDA_VISIBLE_DEVICES={visible} leaves {len(cards)} of {counted(len(every), 'GPU')}"
    if cards:
        return [Finding(Level.NOTE, "gpu", found)]
    return [blocks("gpu", found, "unset it, or name GPUs as `nvidia-smi -L` lists them")]


def _order(cards: Sequence[Card], facts: NodeFacts) -> list[Finding]:
    """CUDA counts the fastest first unless told otherwise, nvidia-smi by slot."""
    if len({card.name for card in cards}) < 2 or facts.cuda_settings.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return []
    found = "cards of several kinds: CUDA numbers them by speed, nvidia-smi by their slots"
    return [warning("gpu", found, "`export CUDA_DEVICE_ORDER=PCI_BUS_ID` makes the numbers the same")]


def _kinds(cards: Sequence[Card], torch: Mapping[str, Any] | None) -> list[Finding]:
    """One line for each kind: cards of one name and settings."""
    kinds: dict[tuple[str, str], list[Card]] = {}
    for card in cards:
        kinds.setdefault((card.name, _settings(card)), []).append(card)
    lines = []
    for (name, settings), alike in kinds.items():
        told = [part for part in (capability_text(torch, name), settings) if part]
        if told:
            lines.append(ok("gpu", f"{len(alike)} x {name}: {', '.join(told)}"))
    return lines


def _settings(card: Card) -> str:
    told = [
        f"{label} {value.lower().replace('enabled', 'on').replace('disabled', 'off')}"
        for label, value in (
            ("ECC", card.ecc),
            ("persistence", card.persistence),
            ("MIG", card.mig),
            ("compute mode", card.compute_mode),
        )
        if value and (label, value) not in (("MIG", "Disabled"), ("compute mode", "Default"))
    ]
    limit = "" if card.power_limit_w is None else f"{card.power_limit_w:.0f} W"
    return ", ".join([*told, *([limit] if limit else [])])


# ---- faults ----------------------------------------------------------------------------------------

_AWAY = "or leave it out with CUDA_VISIBLE_DEVICES"
FAULTS: tuple[tuple[Callable[[Card], bool], Level, str, str], ...] = (
    (
        lambda card: bool(card.recovery),
        Level.BLOCKS,
        "the driver asks for a reset or reboot (`nvidia-smi -q` tells which)",
        f"end what runs there, then `sudo nvidia-smi -r -i NUMBER`, or reboot; {_AWAY}",
    ),
    (
        lambda card: card.remap_failed,
        Level.BLOCKS,
        "faulty memory that can be replaced by no spare row any more",
        f"have the card replaced, {_AWAY}",
    ),
    (
        lambda card: card.uncorrected > 0,
        Level.WARNING,
        "memory errors that ECC could not mend since the driver was loaded",
        "a program that met one has ended or has computed with a wrong value; `nvidia-smi -q -d ECC` tells; "
        f"reset the card or reboot, {_AWAY}",
    ),
    (
        lambda card: card.retirement_pending,
        Level.WARNING,
        "pages of its memory are faulty and will be retired at the next start",
        f"reboot, {_AWAY}",
    ),
    (
        lambda card: card.remap_pending,
        Level.NOTE,
        "rows of its memory will be replaced at the next reset; results are right until then",
        "reset it or reboot when nothing runs",
    ),
)
"""Whether a card has it, how bad it is, what it is, the way out. Which is how bad follows NVIDIA's GPU Memory
Error Management: a pending row touches no program that runs, a failed one ends the card's life."""


def _faults(cards: Sequence[Card]) -> list[Finding]:
    found = []
    for has_it, level, what, way_out in FAULTS:
        faulty = [card for card in cards if has_it(card)]
        if faulty:
            found.append(Finding(level, "gpu state", f"{which(faulty)}: {what}", way_out))
    return found


# ---- speed -----------------------------------------------------------------------------------------


def _speed(cards: Sequence[Card]) -> list[Finding]:
    return [*_slowed(cards), *_power(cards), *_persistence(cards), *_mig_waits(cards)]


def _slowed(cards: Sequence[Card]) -> list[Finding]:
    """A card at its power limit is a card at work; only what takes speed beyond that is told."""
    slow = [card for card in cards if set(card.slowed) - {"sw_power_cap"}]
    if not slow:
        return []
    why = [SLOWED[name] for name in SLOWED if name != "sw_power_cap" and any(name in c.slowed for c in slow)]
    hottest = max((card.temperature_c for card in slow if card.temperature_c is not None), default=None)
    heat = "" if hottest is None else f", {hottest} C"
    found = f"{which(slow)}: slowed down now by {' and '.join(why)}{heat}"
    return [warning("gpu speed", found, "see to its cooling and power; `nvidia-smi -q -d PERFORMANCE` tells")]


def _power(cards: Sequence[Card]) -> list[Finding]:
    low = [card for card in cards if _power_share(card) < POWER_LOW]
    if not low:
        return []
    first = low[0]
    found = (
        f"{which(low)}: limited to {first.power_limit_w:.0f} W of {first.default_power_limit_w:.0f} W, "
        "so slower than others of their kind"
    )
    way_out = f"if nobody wants that: `sudo nvidia-smi -pl {first.default_power_limit_w:.0f} -i NUMBER`"
    return [Finding(Level.NOTE, "gpu speed", found, way_out)]


def _power_share(card: Card) -> float:
    if not card.power_limit_w or not card.default_power_limit_w:
        return 1.0
    return card.power_limit_w / card.default_power_limit_w


def _persistence(cards: Sequence[Card]) -> list[Finding]:
    """Where a screen is connected the driver stays loaded anyway."""
    off = [card for card in cards if card.persistence == "Disabled" and not card.has_display]
    if not off:
        return []
    found = f"{which(off)}: persistence is off, so the driver loads anew, for seconds, when nothing used it"
    return [Finding(Level.NOTE, "gpu speed", found, "`sudo nvidia-smi -pm 1`, or start nvidia-persistenced")]


def _mig_waits(cards: Sequence[Card]) -> list[Finding]:
    waiting = [card for card in cards if card.mig and card.mig_pending and card.mig != card.mig_pending]
    if not waiting:
        return []
    found = f"{which(waiting)}: MIG will be {waiting[0].mig_pending.lower()} only after a reset"
    return [warning("mig", found, "end what runs there, then `sudo nvidia-smi -r -i NUMBER`, or reboot")]
