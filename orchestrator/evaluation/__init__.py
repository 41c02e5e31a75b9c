"""Pure functions over out-of-fold probabilities: vote, score, interval."""
