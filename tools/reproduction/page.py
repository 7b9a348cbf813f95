"""TABLE.html: scores beside the paper's, curves, errors by place, timelines."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from reproduction.benchmarks import FURTHER
from reproduction.experiment import Answers
from reproduction.tables import Table
from seqsynth.benchmark import EXAMPLES_NAME
from vidllm.report.curves import loss_figure
from vidllm.report.page import METRIC_NAMES, whole_page
from vidllm.report.timelines import read_rows, timelines

UNSCALED = frozenset({"cider", "mean_length", "type_token_ratio"})
PARTS = {
    "": "Held-out pictures and emoji",
    "generated": "AI-generated clips in a row: no row has seen one",
    "film": "The end of a film in natural order",
}
"""Benchmarks of one kind, by how their columns begin."""
NAMES = {**METRIC_NAMES, "mean_length": "words", "type_token_ratio": "TTR"}
SIGNS = {"as the paper": "✓", "not as the paper": "✗", "within noise": "≈"}


def rendered(
    table: Table, outcome: Mapping[str, Any], answers: Mapping[str, Sequence[Answers]]
) -> str:
    """The page as HTML, with everything in it.

    Args:
        table: what was run.
        outcome: what `reproduce` writes as JSON.
        answers: of each row, by label, one for each seed.
    """
    rows = outcome["rows"]
    body = [
        f"<h1>{html.escape(table.title)}</h1>",
        f"<p class='muted'>{html.escape(heading(outcome))}</p>",
        f"<p>{html.escape(table.note)}</p>",
        scores_section(rows_with_chance(outcome)),
        ceiling_section(rows),
        "<h2>How far answers are from the asked image, by its place</h2>",
        "<p class='muted small'>Shares of the sequence, times 100; 33 on average for answers "
        "drawn at random.</p>",
        position_table(rows),
        "<h2>Loss</h2>",
    ]
    for label, of_row in answers.items():
        body.append(f"<h3>{html.escape(label)}</h3>{loss_figure(of_row[0].metrics)}")
    last = answers[table.rows[-1].label][0]
    body.append(
        "<p class='muted'>Below, blue is where things are, orange where the last row says.</p>"
    )
    for asked in last.asked:
        kind = asked.name.rpartition("-")[2]
        body.append(f"<h2>{html.escape(PARTS.get(kind, PARTS['']))}</h2>")
        body.append(
            timelines(
                asked.folder / EXAMPLES_NAME,
                media_root=asked.media_root or last.media_root,
                references=read_rows(asked.references),
                predictions={row["id"]: row for row in last.predictions},
            )
        )
    return whole_page(table.title, "".join(body))


def heading(outcome: Mapping[str, Any]) -> str:
    """What, how large, with which seeds, when."""
    seeds = ", ".join(map(str, outcome["seeds"]))
    return (
        f"Table {outcome['table']}, size {outcome['size']}, seeds {seeds}, {outcome['date']}; "
        "intervals of 95 % over sequences, a sequence's questions and seeds drawn together"
    )


def rows_with_chance(outcome: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a table, and what nobody would score as the last one."""
    return [*outcome["rows"], {"label": "chance", "scores": outcome["chance"], "paper": {}}]


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """All metrics that any row has, in order, by the kind of benchmark (`PARTS`)."""
    parts: dict[str, list[str]] = {}
    for column in dict.fromkeys(column for row in rows for column in row["scores"]):
        parts.setdefault(kind_of(column), []).append(column)
    return parts


def kind_of(column: str) -> str:
    """The key of PARTS that a column belongs to."""
    kind = column.partition("_")[0]
    return kind if kind in FURTHER else ""


def name_of(column: str) -> str:
    """A column's heading."""
    name = column.removeprefix(f"{kind_of(column)}_")
    return NAMES.get(name, name)


def shown(column: str, value: float) -> str:
    """A score as tables show it."""
    return f"{value:.2f}" if column in UNSCALED else f"{100 * value:.1f}"


def scores_section(rows: Sequence[Mapping[str, Any]]) -> str:
    """Ours, below it the interval, the paper's figure and whether both move alike."""
    stepwise = len({row.get("compared_with") for row in rows} - {"", None}) > 1
    against = "the row above" if stepwise else "the first row"
    parts = [
        "<h2>Scores</h2><p class='muted small'>Times 100, except CIDEr, words and TTR. Below: the "
        "interval, then the paper&rsquo;s own figure (YouCook2, Charades-STA) and whether ours "
        f"moves from {against} as the paper&rsquo;s does: &#10003; yes, &#10007; no, &#8776; "
        "within noise. Rows at or below chance say nothing about places.</p>"
    ]
    for kind, columns in columns_of(rows).items():
        lines = [[row["label"], *(_cell(name, row) for name in columns)] for row in rows]
        parts.append(f"<h3>{html.escape(PARTS[kind])}</h3>")
        parts.append(_table([name_of(column) for column in columns], lines))
    return "".join(parts)


def ceiling_section(rows: Sequence[Mapping[str, Any]]) -> str:
    """What right answers reach in each way of writing; nothing where no row says."""
    names, lines = ceiling_table(rows)
    if not lines:
        return ""
    return (
        "<h2>What right answers would reach</h2><p class='muted small'>True places written and "
        "read back: scores times 100, then how far ends of spans move.</p>" + _table(names, lines)
    )


def ceiling_table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Headings and lines of what right answers reach; no lines where no row says."""
    known = [row for row in rows if "ceiling" in row]
    if not known:
        return [], []
    columns, rounding = list(known[0]["ceiling"]), list(known[0]["rounding"])
    names = [f"{kind_of(column)} {name_of(column)}".strip() for column in columns]
    lines = [
        [
            row["label"],
            *(f"{100 * row['ceiling'][column]:.1f}" for column in columns),
            *(f"{row['rounding'][name]:.4f}" for name in rounding),
        ]
        for row in known
    ]
    return [*names, *(name.replace("_", " ") for name in rounding)], lines


def _table(names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table whose lines begin with a label; cells are HTML."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr><td>{html.escape(label)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for label, *cells in lines
    )
    return (
        f"<div class='scroll'><table><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(column: str, row: Mapping[str, Any]) -> str:
    entry = row["scores"].get(column, {})
    parts = [shown(column, entry["value"]) if entry else "&ndash;"]
    if "low" in entry:
        low, high = shown(column, entry["low"]), shown(column, entry["high"])
        parts.append(f"<span class='interval'>{low}&ndash;{high}</span>")
    if column in row["paper"]:
        sign = SIGNS.get(entry.get("direction", ""), "")
        parts.append(f"<span class='interval'>paper {row['paper'][column]:g} {sign}</span>")
    return "".join(parts)


def position_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Errors by fifths of the sequence."""
    fifths = ("first fifth", "second", "third", "fourth", "last")
    lines = [
        [
            row["label"],
            *("&ndash;" if e is None else f"{100 * e:.1f}" for e in row["position_error"]),
        ]
        for row in rows
    ]
    return _table(fifths, lines)
