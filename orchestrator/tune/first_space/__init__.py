"""`tune --init`: a commented space for the data at hand.

What is guessed, and the text that says it, are pure; `collecting.py` and `command.py` alone touch files.
"""
