"""Is everything there that a search needs: checks that say what was found and the way out.

A check is a pure function from facts to findings; only `local`, `ssh` and `probe` look at machines.
"""
