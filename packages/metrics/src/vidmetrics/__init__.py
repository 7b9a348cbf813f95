"""Scores for dense video captioning and temporal grounding, as the field computes them."""

from importlib.metadata import version

__version__ = version("seq2time-metrics")
