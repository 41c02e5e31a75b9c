"""A space and its data, looked at before a run. `python -m orchestrator.check` is its command."""
