"""A coverage report for people: as a table on a terminal and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seqsynth.coverage import Counts, CoverageReport

_COLUMNS = ("part", "listed", "present", "missing", "unreadable", "share", "hours")
_SECONDS_PER_HOUR = 3600

_STYLE = """
:root { color-scheme: light dark; --line: #ddd; --strong: #999; --faint: #555 }
@media (prefers-color-scheme: dark) { :root { --line: #444; --strong: #888; --faint: #aaa } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
h1, code { overflow-wrap: anywhere } code { color: var(--faint) }
.wide { overflow-x: auto; margin: 1rem 0 2rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left }
th, td { vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
tr.total td { font-weight: 600; border-top: 2px solid var(--strong) }
td.part { overflow-wrap: anywhere; min-width: 5rem } td.places { min-width: 8rem }
meter { width: 8rem }
@media (max-width: 45rem) {
  body { font-size: 13px; margin: 1rem auto } th, td { padding: .3rem }
  td.bar, th.bar { display: none }
}
"""


def coverage_table(report: CoverageReport) -> RenderableType:
    """Tables for a terminal: counts by part, then reasons, then what was corrected."""
    title = Text(f"{report.source} in {report.root}", style="table.title")  # no markup: a path
    counts = Table(box=box.SIMPLE, title=title, title_justify="left")
    for name in _COLUMNS:
        counts.add_column(name, justify="left" if name == "part" else "right")
    for part, row in _rows(report):
        counts.add_row(Text(part), *_cells(row), style="bold" if part == "total" else None)
    tables: list[RenderableType] = [counts]
    if report.reasons:
        reasons = Table(box=box.SIMPLE, title="absent because", title_justify="left")
        for name in ("part", "rows", "why", "for instance"):
            reasons.add_column(name, justify="right" if name == "rows" else "left")
        for reason, count in report.reasons.most_common():
            example = report.examples[reason][0]
            place = " ".join(filter(None, (example.origin, example.path, example.detail)))
            why = f"{reason.status}: {reason.reason}"
            reasons.add_row(Text(reason.part), f"{count:,}", Text(why), Text(place))
        tables.append(reasons)
    if report.flaws:
        flaws = Table(box=box.SIMPLE, title="corrected in present rows", title_justify="left")
        flaws.add_column("times", justify="right")
        flaws.add_column("what")
        for flaw, count in report.flaws.most_common():
            flaws.add_row(f"{count:,}", Text(flaw))
        tables.append(flaws)
    return Group(*tables)


def coverage_page(report: CoverageReport) -> str:
    r"""One HTML page without scripts or outside parts; whatever annotations say is escaped.

    Bytes of theirs that are no UTF-8 stand in it as `\udcff`.
    """
    title = f"Coverage of {escape(report.source)}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1><p>in <code>{escape(report.root)}</code>: "
        f"{report.totals.present:,} of {report.totals.listed:,} rows "
        f"({report.totals.share:.1%}) can be used.</p>",
        *_counts_html(report),
        *_reasons_html(report),
        *_flaws_html(report),
        "</body></html>",
    ]
    return ("\n".join(parts) + "\n").encode(errors="backslashreplace").decode()


def _rows(report: CoverageReport) -> Iterator[tuple[str, Counts]]:
    for part, counts in sorted(report.parts.items()):
        if part or len(report.parts) > 1:
            yield part or "(no part)", counts
    yield "total", report.totals


def _cells(counts: Counts) -> tuple[str, ...]:
    numbers = (counts.listed, counts.present, counts.missing, counts.unreadable)
    hours = counts.duration_seconds / _SECONDS_PER_HOUR
    return (*(f"{number:,}" for number in numbers), f"{counts.share:.1%}", f"{hours:,.2f}")


def _counts_html(report: CoverageReport) -> Iterator[str]:
    yield '<div class="wide"><table><tr><th>part</th><th class="bar"></th>'
    yield "".join(f'<th class="number">{name}</th>' for name in _COLUMNS[1:]) + "</tr>"
    for part, counts in _rows(report):
        yield f'<tr class="{"total" if part == "total" else "row"}">'
        yield f'<td class="part">{escape(part)}</td>'
        yield f'<td class="bar"><meter value="{counts.share:.4f}"></meter></td>'
        yield "".join(f'<td class="number">{cell}</td>' for cell in _cells(counts)) + "</tr>"
    yield "</table></div>"


def _reasons_html(report: CoverageReport) -> Iterator[str]:
    if not report.reasons:
        return
    yield '<h2>Absent because</h2><div class="wide"><table><tr><th>part</th>'
    yield '<th class="number">rows</th><th>why</th><th>for instance</th></tr>'
    for reason, count in report.reasons.most_common():
        places = "<br>".join(
            escape(" ".join(filter(None, (absent.origin, absent.path, absent.detail))))
            for absent in report.examples[reason]
        )
        yield f'<tr><td class="part">{escape(reason.part)}</td>'
        yield f'<td class="number">{count:,}</td>'
        why = f"{reason.status}: {escape(reason.reason)}"
        yield f'<td>{why}</td><td class="places"><code>{places}</code></td></tr>'
    yield "</table></div>"


def _flaws_html(report: CoverageReport) -> Iterator[str]:
    if not report.flaws:
        return
    yield '<h2>Corrected in present rows</h2><div class="wide"><table>'
    yield '<tr><th class="number">times</th><th>what</th></tr>'
    for flaw, count in report.flaws.most_common():
        yield f'<tr><td class="number">{count:,}</td><td>{escape(flaw)}</td></tr>'
    yield "</table></div>"
