"""What `nvidia-smi -q -x` says of each card. Pure: text in, records out.

NVIDIA promises no format: names of elements differ between drivers, and any value may be "N/A", "[N/A]", "Not
Supported", "Insufficient Permissions" or "Unknown Error". What is not there or is no value is None, "" or
(); only a text that is no such XML at all is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

SLOWED = {
    "hw_thermal_slowdown": "heat, by the hardware",
    "sw_thermal_slowdown": "heat, by the driver",
    "hw_power_brake_slowdown": "the server's power brake",
    "hw_slowdown": "the hardware (heat or power)",
    "sw_power_cap": "the power limit",
}
"""Reasons for low clocks that cost speed, in words; others are wanted or harmless."""
_NO_VALUE = ("n/a", "none", "not supported", "insufficient permissions", "unknown error", "err!", "")
_DEPRECATED = "requested functionality"  # "... has been deprecated"
_LISTED_CARD = re.compile(r"^GPU \d+:.*\(UUID: (\S+)\)")
_LISTED_SLICE = re.compile(r"^\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (\S+)\)")


@dataclass(frozen=True)
class CardProcess:
    """A program that computes on a card."""

    pid: int
    name: str
    used_mib: int | None  # of the card's memory


@dataclass(frozen=True)
class MigSlice:
    """A part of a card that CUDA sees as a device of its own (Multi-Instance GPU)."""

    uuid: str  # what CUDA_VISIBLE_DEVICES names it by; "" where nvidia-smi tells none
    name: str  # its profile, such as 1g.10gb
    memory_mib: int
    used_mib: int | None


@dataclass(frozen=True)
class Card:
    """One card. "" and None: not told."""

    index: int  # nvidia-smi's number: in the order of the slots
    uuid: str
    name: str
    memory_mib: int
    used_mib: int | None
    persistence: str  # Enabled: the driver stays loaded between programs
    has_display: bool
    compute_mode: str  # Default, Exclusive_Process, Prohibited
    ecc: str
    uncorrected: int  # memory errors that ECC could not mend, since the driver was loaded
    retirement_pending: bool  # pages of its memory are retired at the next start
    remap_pending: bool  # rows of its memory are replaced at the next reset
    remap_failed: bool  # no row was left to replace a faulty one
    recovery: str  # what the driver asks for: Reset, Reboot, ...
    slowed: tuple[str, ...]  # keys of SLOWED that hold now
    temperature_c: int | None
    power_limit_w: float | None
    default_power_limit_w: float | None
    mig: str  # Enabled or Disabled
    mig_pending: str
    slices: tuple[MigSlice, ...]
    processes: tuple[CardProcess, ...]


@dataclass(frozen=True)
class SmiLog:
    """All that it says."""

    driver: str | None
    cuda: str | None
    cards: tuple[Card, ...]
    remarks: tuple[str, ...] = ()  # lines around the XML, such as of a damaged infoROM


def parse_log(text: str, listed: str = "") -> SmiLog:
    """listed: what `nvidia-smi -L` says, for the ids of slices. Raises ValueError."""
    start, end = text.find("<nvidia_smi_log"), text.rfind("</nvidia_smi_log>") + len("</nvidia_smi_log>")
    try:
        root = ElementTree.fromstring(text[start:end] if start >= 0 else text)
    except ElementTree.ParseError as error:
        raise ValueError(f"this is no answer of nvidia-smi -q -x ({error}): {text[:200]}") from None
    around = (text[: max(start, 0)] + "\n" + text[end:]).splitlines()
    remarks = tuple(line.strip() for line in around if line.strip() and not line.strip().startswith("<"))
    named = _slices_by_card(listed)
    cards = tuple(_card(index, found, named) for index, found in enumerate(root.findall("gpu")))
    return SmiLog(_text(root, "driver_version") or None, _text(root, "cuda_version") or None, cards, remarks)


def visible_cards(cards: tuple[Card, ...], visible: str | None) -> tuple[Card, ...]:
    """Those that CUDA_VISIBLE_DEVICES leaves to a program. It names cards by number, by their id or that of a
    slice, or by the first digits of one; as CUDA reads it, the first word that names none ends the list."""
    if visible is None:
        return cards
    found = []
    for word in (item.strip() for item in visible.split(",")):
        named = [card for card in cards if is_named(word, card.index, card.uuid, card.slices)]
        if not named:
            break
        found += [card for card in named if card not in found]
    return tuple(found)


def is_named(word: str, index: int, uuid: str, slices: tuple[MigSlice, ...] = ()) -> bool:
    """Whether a word of CUDA_VISIBLE_DEVICES names this card, or one of its slices."""
    if word.isdigit():
        return int(word) == index
    if word.startswith("MIG-GPU-"):  # drivers before 470: MIG-<id of the card>/<instance>/<instance>
        return word[len("MIG-") :].split("/")[0] == uuid
    names = [uuid, *(part.uuid for part in slices)]
    return word.startswith(("GPU-", "MIG-")) and any(name.startswith(word) for name in names)


def _card(index: int, gpu: Element, named: dict[str, dict[int, tuple[str, str]]]) -> Card:
    uuid = _text(gpu, "uuid")
    errors = gpu.find("ecc_errors/volatile")
    power = "gpu_power_readings" if gpu.find("gpu_power_readings") is not None else "power_readings"
    limit = _number(gpu, f"{power}/current_power_limit") or _number(gpu, f"{power}/power_limit")
    return Card(
        index=index,
        uuid=uuid,
        name=_text(gpu, "product_name") or "a GPU without a name",
        memory_mib=_whole(gpu, "fb_memory_usage/total") or 0,
        used_mib=_whole(gpu, "fb_memory_usage/used"),
        persistence=_text(gpu, "persistence_mode"),
        has_display=_text(gpu, "display_active") == "Enabled",
        compute_mode=_text(gpu, "compute_mode"),
        ecc=_text(gpu, "ecc_mode/current_ecc"),
        uncorrected=_uncorrected(errors),
        retirement_pending=_text(gpu, "retired_pages/pending_retirement") == "Yes",
        remap_pending=_text(gpu, "remapped_rows/remapped_row_pending") == "Yes",
        remap_failed=_text(gpu, "remapped_rows/remapped_row_failure") == "Yes",
        recovery=_recovery(gpu),
        slowed=_slowed(gpu),
        temperature_c=_whole(gpu, "temperature/gpu_temp"),
        power_limit_w=limit,
        default_power_limit_w=_number(gpu, f"{power}/default_power_limit"),
        mig=_text(gpu, "mig_mode/current_mig"),
        mig_pending=_text(gpu, "mig_mode/pending_mig"),
        slices=tuple(_slice(part, named.get(uuid, {})) for part in gpu.findall("mig_devices/mig_device")),
        processes=_processes(gpu),
    )


def _uncorrected(errors: Element | None) -> int:
    """Of drivers since 2020 by kind of memory; of older ones a total of double-bit errors."""
    if errors is None:
        return 0
    names = [item.tag for item in errors if "uncorrectable" in item.tag] or ["double_bit/total"]
    return sum(_whole(errors, name) or 0 for name in names)


def _recovery(gpu: Element) -> str:
    found = _text(gpu, "gpu_recovery_action")
    return found or ("Reset" if _text(gpu, "gpu_reset_status/reset_required") == "Yes" else "")


def _slowed(gpu: Element) -> tuple[str, ...]:
    """Called throttle reasons by drivers up to 535."""
    for block, prefix in (
        ("clocks_event_reasons", "clocks_event_reason_"),
        ("clocks_throttle_reasons", "clocks_throttle_reason_"),
    ):
        if gpu.find(block) is not None:
            return tuple(name for name in SLOWED if _text(gpu, f"{block}/{prefix}{name}") == "Active")
    return ()


def _slice(part: Element, named: dict[int, tuple[str, str]]) -> MigSlice:
    name, uuid = named.get(_whole(part, "index") or 0, ("", ""))
    return MigSlice(
        _text(part, "uuid") or uuid,
        name,
        _whole(part, "fb_memory_usage/total") or 0,
        _whole(part, "fb_memory_usage/used"),
    )


def _slices_by_card(listed: str) -> dict[str, dict[int, tuple[str, str]]]:
    """Id of the card -> number of the slice -> its profile and id."""
    found: dict[str, dict[int, tuple[str, str]]] = {}
    card = ""
    for line in listed.splitlines():
        if match := _LISTED_CARD.match(line):
            card = match[1]
        elif match := _LISTED_SLICE.match(line):
            found.setdefault(card, {})[int(match[2])] = (match[1], match[3])
    return found


def _processes(gpu: Element) -> tuple[CardProcess, ...]:
    """Those that compute; type G alone draws a screen."""
    found = []
    for item in gpu.findall("processes/process_info"):
        pid = _whole(item, "pid")
        if pid is not None and _text(item, "type") != "G":
            name = _text(item, "process_name").split(" ")[0].rsplit("/", 1)[-1]
            found.append(CardProcess(pid, name or "a process without a name", _whole(item, "used_memory")))
    return tuple(found)


def _text(element: Element, path: str) -> str:
    """ "" for what is no value."""
    text = (element.findtext(path) or "").strip().strip("[]").strip()
    is_value = text.lower() not in _NO_VALUE and not text.lower().startswith(_DEPRECATED)
    return text if is_value else ""


def _number(element: Element, path: str) -> float | None:
    """Of such as "400.00 W"."""
    found = re.match(r"-?\d+(?:\.\d+)?", _text(element, path))
    return None if found is None else float(found[0])


def _whole(element: Element, path: str) -> int | None:
    number = _number(element, path)
    return None if number is None else int(number)
