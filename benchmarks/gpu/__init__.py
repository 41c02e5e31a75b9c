"""What one GPU does with this tool, proven or measured in eight minutes: `python -m benchmarks.gpu`.

Stages (`stages.py`) run one after another, each in a process of its own (`runner.py`) and within a limit
(`budget.py`). What a stage finds are records (`records.py`), judged by `limits.py` and shown by `render.py`.
"""
