"""The two ways to run a race: in this process, or on Ray Tune."""
