"""Numbered checks of a study: what should be known of it before its score is believed."""
