"""The HTML of the report: no request leaves the page, and nothing from a caption becomes markup."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files

from vidmetrics.report.timelines import Bar, Timeline
from vidmetrics.results_file import Result
from vidmetrics.score_tables import percent, title

_MAX_TEXT = 400  # characters of one caption that are shown
_MAX_MATCHES = 6
_MAX_LANES = 8
_LANE_REM = 1.4


def render_page(
    heading: str, facts: Mapping[str, str], result: Result, timelines: Sequence[Timeline]
) -> str:
    """The whole page.

    Args:
        heading: title of the page.
        facts: name and value of what the reader should know (files, benchmark, system).
        result: scores to show on top.
        timelines: worst first.
    """
    assets = files("vidmetrics.report")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(heading)}</title>",
        f"<style>{assets.joinpath('page.css').read_text(encoding='utf-8')}</style></head><body>",
        f"<h1>{_text(heading)}</h1>",
        *(
            f'<div><span class="faint">{_text(name)}</span> {_text(value)}</div>'
            for name, value in facts.items()
        ),
        _score_table(result),
        f'<div class="faint"><code>{_text(result.signature)}</code></div>',
        _tools(len(timelines)),
        '<main id="timelines">',
        *(_article(timeline) for timeline in timelines),
        "</main>",
        f"<script>{assets.joinpath('page.js').read_text(encoding='utf-8')}</script>",
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _score_table(result: Result) -> str:
    level = f"{100 * result.resampling.level:g} % interval"
    rows = [
        f"<tr><td>{_text(title(name))}</td><td>{percent(score)}</td>"
        + (
            f"<td>{percent(interval.low)} – {percent(interval.high)}</td></tr>"
            if (interval := result.confidence.get(name))
            else "<td></td></tr>"
        )
        for name, score in result.scores.items()
    ]
    head = f"<tr><th>score</th><th>× 100</th><th>{_text(level)}</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _tools(num_timelines: int) -> str:
    keys = "".join(
        f'<span class="key {name}"></span>{text}'
        for name, text in (
            ("reference", "reference"),
            ("good", "IoU ≥ 0.7"),
            ("fair", "≥ 0.3"),
            ("poor", "&gt; 0"),
            ("none", "no overlap"),
        )
    )
    return (
        '<div class="tools"><button data-order="worst" aria-pressed="true">worst first</button>'
        '<button data-order="best" aria-pressed="false">best first</button>'
        '<input id="find" type="search" placeholder="find a video or word" aria-label="find">'
        f'<span class="faint">{num_timelines} timelines</span><span>{keys}</span></div>'
    )


def _article(timeline: Timeline) -> str:
    scores = " · ".join(
        f"{_text(name)} <b>{_text(value)}</b>" for name, value in timeline.scores.items()
    )
    subtitle = f'<div class="faint">{_text(timeline.subtitle)}</div>' if timeline.subtitle else ""
    hidden = (
        f'<div class="faint">{timeline.num_hidden} more not drawn</div>'
        if timeline.num_hidden > 0
        else ""
    )
    axis = timeline.duration_seconds
    ticks = "".join(f"<span>{_clock(axis * tick / 4)}</span>" for tick in range(5))
    return (
        f'<article data-quality="{timeline.quality:.6f}"><header><h2>{_text(timeline.name)}</h2>'
        f'<div class="scores">{scores}</div></header>{subtitle}'
        f"{_band('references', 'r', timeline.references, axis)}"
        f"{_band('predictions', 'p', timeline.predictions, axis)}"
        f'<div class="axis">{ticks}</div>{hidden}</article>'
    )


def _band(name: str, side: str, bars: Sequence[Bar], axis: float) -> str:
    lanes = _lanes(bars, axis)
    height = _LANE_REM * (max(lanes, default=0) + 1)
    drawn = "".join(
        _bar(bar, number, side, lane, axis)
        for number, (bar, lane) in enumerate(zip(bars, lanes, strict=True), start=1)
    )
    if not bars:
        drawn = '<span class="faint none-there">none</span>'
    return f'<div class="band" data-name="{name}" style="height:{height:.2f}rem">{drawn}</div>'


def _bar(bar: Bar, number: int, side: str, lane: int, axis: float) -> str:
    left, right = _place(bar, axis)
    beyond = max(bar.start_seconds, bar.end_seconds) > axis * 1.001
    classes = ["bar", "reference" if side == "r" else _quality(bar.best_iou)]
    classes += ["beyond"] * beyond + ["right"] * (left > 0.6)
    links = " ".join(str(match.number) for match in bar.matches)
    label = f"{number}. {bar.caption}" if bar.caption else str(number)
    return (
        f'<div class="{" ".join(classes)}" tabindex="0" data-side="{side}" data-number="{number}" '
        f'data-links="{links}" style="left:{100 * left:.3f}%;width:{100 * (right - left):.3f}%;'
        f'top:{lane * _LANE_REM:.2f}rem"><span>{_text(label)}</span>{_tip(bar, number, side)}</div>'
    )


def _tip(bar: Bar, number: int, side: str) -> str:
    own, other = ("reference", "prediction") if side == "r" else ("prediction", "reference")
    lines = [
        f"<b>{own} {number}</b> {_seconds(bar.start_seconds)} – {_seconds(bar.end_seconds)}",
        *([_text(bar.caption)] if bar.caption else []),
    ]
    for match in bar.matches[:_MAX_MATCHES]:
        meteor = "" if match.meteor is None else f" · METEOR {percent(match.meteor)}"
        lines.append(f"{other} {match.number}: IoU {percent(match.iou)}{meteor}")
    if len(bar.matches) > _MAX_MATCHES:
        lines.append(f"and {len(bar.matches) - _MAX_MATCHES} more")
    if not bar.matches:
        lines.append(f"overlaps no {other}")
    if bar.end_seconds < bar.start_seconds:
        lines.append("ends before it starts")
    return '<div class="tip">' + "<br>\n".join(lines) + "</div>"


def _lanes(bars: Sequence[Bar], axis: float) -> list[int]:
    """The row of each bar, such that bars of one row do not cover each other."""
    ends: list[float] = []
    lanes = [0] * len(bars)
    for index in sorted(range(len(bars)), key=lambda n: _place(bars[n], axis)[0]):
        left, right = _place(bars[index], axis)
        lane = next((n for n, end in enumerate(ends) if end <= left), len(ends))
        if lane == len(ends):
            ends.append(right)
        lanes[index] = min(lane, _MAX_LANES - 1)
        ends[lane] = right
    return lanes


def _place(bar: Bar, axis: float) -> tuple[float, float]:
    """Left and right edge as shares of the axis; what lies outside is drawn at its edge."""
    first, last = sorted((bar.start_seconds, bar.end_seconds))
    left = min(max(first / axis, 0.0), 0.995)
    return left, max(min(last / axis, 1.0), left + 0.005)


def _quality(iou: float) -> str:
    if iou >= 0.7:
        return "good"
    if iou >= 0.3:
        return "fair"
    return "poor" if iou > 0.0 else "none"


def _text(text: str) -> str:
    """Text as HTML text: cut, without control characters or lone surrogates, escaped."""
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
    shown = "".join(c if c.isprintable() or c in "\t\n" else "\ufffd" for c in text)
    return html.escape(shown)


def _clock(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if abs(seconds) < 1e6 else f"{seconds:.3g} s"
