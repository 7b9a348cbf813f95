"""Loss curves as inline SVG, without a plotting library."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 28
NUM_COLOURS = 7
SMOOTHING = 0.9

Series = Sequence[tuple[float, float]]


def loss_figure(rows: Sequence[dict[str, Any]]) -> str:
    """The loss of every step, smoothed and by task, with a line where a stage begins.

    Args:
        rows: of metrics.jsonl.
    """
    losses = [(row["step"], row["loss"]) for row in rows if math.isfinite(row["loss"])]
    if len(losses) < 2:
        return "<p class='muted'>Too few steps for a curve.</p>"
    tasks = sorted({task for row in rows for task in row.get("task_losses", {})})
    by_task = {
        task: [(r["step"], r["task_losses"][task]) for r in rows if task in r["task_losses"]]
        for task in tasks
    }
    frame = _Frame(
        (losses[0][0], losses[-1][0]), (0.0, max(loss for _, loss in losses) * 1.05 or 1.0)
    )
    curves = [f"<path class='raw' d='{frame.path(losses)}'/>"]
    legend = [("all tasks", 0)]
    curves.append(_curve(frame, smoothed(losses), 0))
    if len(tasks) > 1:
        for number, task in enumerate(tasks, start=1):
            curves.append(_curve(frame, smoothed(by_task[task]), number))
            legend.append((task, number))
    stages = "".join(frame.stage(step, name) for step, name in _stage_starts(rows))
    label = "Training loss by step"
    items = "".join(
        f"<li style='--swatch: var(--line-{number % NUM_COLOURS})'>{html.escape(name)}</li>"
        for name, number in legend
    )
    return (
        "<figure><div class='scroll'>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{label}'>"
        f"{frame.axes()}{stages}{''.join(curves)}</svg></div>"
        f"<ul class='legend'>{items}</ul></figure>"
    )


def smoothed(points: Series) -> list[tuple[float, float]]:
    """Exponential mean of the values, corrected for its start."""
    out = []
    total = weight = 0.0
    for step, value in points:
        total = SMOOTHING * total + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        out.append((step, total / weight))
    return out


class _Frame:
    """The map from data to picture."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]):
        self.x_range, self.y_range = x_range, y_range

    def x(self, value: float) -> float:
        low, high = self.x_range
        return LEFT + (value - low) / max(high - low, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        share = (min(value, high) - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Series) -> str:
        return "M" + "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)

    def axes(self) -> str:
        parts = []
        for value in _ticks(*self.y_range, 5):
            y = self.y(value)
            parts.append(f"<line class='grid' x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y}' y2='{y}'/>")
            parts.append(f"<text x='{LEFT - 6}' y='{y + 4}' text-anchor='end'>{value:g}</text>")
        for value in _ticks(*self.x_range, 8):
            x = self.x(value)
            parts.append(f"<text x='{x}' y='{HEIGHT - 8}' text-anchor='middle'>{value:g}</text>")
        return "".join(parts)

    def stage(self, step: float, name: str) -> str:
        x = self.x(step)
        return (
            f"<line class='stage' x1='{x}' x2='{x}' y1='{TOP}' y2='{HEIGHT - BOTTOM}'/>"
            f"<text x='{x + 4}' y='{TOP + 10}'>{html.escape(name)}</text>"
        )


def _curve(frame: _Frame, points: Series, number: int) -> str:
    colour = f"var(--line-{number % NUM_COLOURS})"
    return f"<path class='curve' stroke='{colour}' d='{frame.path(points)}'/>"


def _stage_starts(rows: Sequence[dict[str, Any]]) -> list[tuple[float, str]]:
    starts: list[tuple[float, str]] = []
    for row in rows:
        if not starts or starts[-1][1] != row["stage"]:
            starts.append((row["step"], row["stage"]))
    return starts


def _ticks(low: float, high: float, count: int) -> list[float]:
    """At most `count` round values in [low, high]."""
    rough = max(high - low, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return [round(k * step, 10) for k in range(first, math.floor(high / step) + 1)]
