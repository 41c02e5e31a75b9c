"""Figures drawn as inline SVG and HTML, without a library: colours are the page's, places are percentages."""

from orchestrator.pages.svg.draw import data_table, draw

__all__ = ["data_table", "draw"]
