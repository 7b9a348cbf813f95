"""One self-contained HTML page: what was there, what was predicted, and how well it matches."""

from vidmetrics.report.page import render_page
from vidmetrics.report.timelines import Bar, Timeline, dense_timelines, grounding_timelines

__all__ = ["Bar", "Timeline", "dense_timelines", "grounding_timelines", "render_page"]
