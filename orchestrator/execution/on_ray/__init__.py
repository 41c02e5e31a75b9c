"""Everything that imports Ray: fold runs as Tune trials, on one machine or several."""
