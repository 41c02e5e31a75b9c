"""The site of README.md and docs/: `make docs` builds it, and any warning (a dead link) fails.

The source folder is the repository, so that a link is the same on the site and in the files.
"""

from __future__ import annotations

import re
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "Fold orchestrator"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["README.md", "docs/**.md"]
html_theme = "furo"
html_title = "Fold orchestrator"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_additional_pages = {"index": "to_readme.html"}
templates_path = ["_site"]
html_theme_options = {"sidebar_hide_name": False}
highlight_language = "text"  # an indented block is a command or what one prints
myst_heading_anchors = 4
myst_fence_as_directive: list[str] = []  # the pages are plain CommonMark with tables
_PAGE = re.compile(r"^- \[[^\]]+\]\(([^)\s]+\.md)\)", re.MULTILINE)


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """The lists of docs/index.md are the table of contents: a page that they lack fails the build.

    A page README or index further below contains the pages of its own folder.
    """
    if page == "README":
        source[0] += _contents(["docs/index"])
        listed = Path(app.srcdir) / "docs/index.md"
        app.env.note_dependency(str(listed))  # README is read again when the list has changed
        for section in listed.read_text().split("\n## ")[1:]:
            title = section.splitlines()[0].split(":")[0]
            source[0] += _contents([f"docs/{path}" for path in _PAGE.findall(section)], f":caption: {title}")
    elif page != "docs/index" and page.rpartition("/")[2] in ("README", "index"):
        source[0] += _contents(["*"], ":glob:")


def _contents(pages: list[str], *options: str) -> str:
    return "\n".join(["", "", "```{toctree}", ":hidden:", *options, "", *pages, "```", ""])


def setup(app: Sphinx) -> None:
    app.add_lexer("csv", TextLexer)  # Pygments has none
    app.connect("source-read", add_contents)
