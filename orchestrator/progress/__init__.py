"""What a user sees while something runs: a study, or one long step."""

from orchestrator.progress.bar import hidden_bars, progress_bar
from orchestrator.progress.json_events import JsonLines, JsonView
from orchestrator.progress.listener import EventListener
from orchestrator.progress.state import StudyContext
from orchestrator.progress.view import StudyView

__all__ = [
    "EventListener",
    "JsonLines",
    "JsonView",
    "StudyContext",
    "StudyView",
    "hidden_bars",
    "progress_bar",
]
