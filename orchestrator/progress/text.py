"""Numbers, times and data as short text that is safe to print."""

from __future__ import annotations

import time


def clean(text: object) -> str:
    """One line without control characters: an error's text must not move the cursor or break a line."""
    return "".join(char if char.isprintable() else " " for char in str(text)).strip()


def duration(seconds: float) -> str:
    """8 s, 1 min 20 s, 2 h 05 min, 3 d 4 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(whole / 60), 60)
    if hours < 1:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def clock_time(when: float, now: float) -> str:
    """14:32 today, else Sat 14:32, else 21 Nov 14:32. Both in unix seconds, shown in local time."""
    day = "" if when - now < 20 * 3600 else "%a " if when - now < 6 * 86400 else "%d %b "
    return time.strftime(f"{day}%H:%M", time.localtime(when))


def per_epoch(seconds: float | None) -> str:
    """Seconds of an epoch, with a decimal where it says something."""
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds < 10 else duration(seconds)


def score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
