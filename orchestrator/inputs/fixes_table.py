"""Label fixes as a reader looks at them."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from orchestrator.cli.terminal import Terminal
from orchestrator.data.label_fixes import Fix
from orchestrator.data.scalars import to_text

_SHOWN = 8  # lines of the table


def fixes_table(fixes: Sequence[Fix]) -> str:
    """The first few fixes, a line each, and how many more there are."""
    table = Table(box=None, pad_edge=False)
    for name in ("path", "column", "old", "new", "reason"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=44)
    for fix in fixes[:_SHOWN]:
        cells = (fix.target, fix.column, fix.old or "", to_text(fix.new) or "", fix.reason)
        table.add_row(*(Text(cell) for cell in cells))
    if len(fixes) > _SHOWN:
        table.add_row(f"and {len(fixes) - _SHOWN} more")
    file = io.StringIO()
    Terminal(file=file, width=110, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
