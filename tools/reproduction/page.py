"""report.html of a table: scores beside the paper's, curves, errors by place, timelines."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from reproduction.experiment import Answers
from reproduction.tables import Table
from vidllm.report.curves import loss_figure
from vidllm.report.page import whole_page
from vidllm.report.timelines import read_rows, timelines

UNSCALED = frozenset({"cider", "mean_length", "type_token_ratio"})
NAMES = {
    "soda_c": "SODA_c",
    "cider": "CIDEr",
    "meteor": "METEOR",
    "f1": "F1",
    "recall_at_1@0.5": "R@1, IoU 0.5",
    "recall_at_1@0.7": "R@1, IoU 0.7",
    "mean_iou": "mean IoU",
    "mean_length": "words",
    "type_token_ratio": "TTR",
}
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
        scores_section(rows),
        "<h2>How far answers are from the asked image, by its place</h2>",
        "<p class='muted small'>Shares of the sequence, times 100; 33 on average for answers "
        "drawn at random.</p>",
        position_table(rows),
        "<h2>Loss</h2>",
    ]
    for label, of_row in answers.items():
        body.append(f"<h3>{html.escape(label)}</h3>{loss_figure(of_row[0].metrics)}")
    last = answers[table.rows[-1].label][0]
    body.append("<h2>Clips</h2><p>Blue is where things are, orange where the last row says.</p>")
    body.append(
        timelines(
            last.benchmark_dir / "examples.jsonl",
            last.media_root,
            read_rows(last.benchmark_dir / "references.jsonl"),
            {row["id"]: row for row in last.predictions},
        )
    )
    return whole_page(table.title, "".join(body))


def heading(outcome: Mapping[str, Any]) -> str:
    """What, how large, with which seeds, when."""
    seeds = ", ".join(map(str, outcome["seeds"]))
    return (
        f"Table {outcome['table']}, size {outcome['size']}, seeds {seeds}, {outcome['date']}; "
        f"the interval of a score is of 95 %, over questions and seeds together"
    )


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """All metrics that any row has, in order."""
    return list(dict.fromkeys(column for row in rows for column in row["scores"]))


def shown(column: str, value: float) -> str:
    """A score as tables show it."""
    return f"{value:.2f}" if column in UNSCALED else f"{100 * value:.1f}"


def scores_section(rows: Sequence[Mapping[str, Any]]) -> str:
    """Ours, below it the interval, the paper's figure and whether both move alike."""
    columns = columns_of(rows)
    head = "".join(f"<th>{html.escape(NAMES.get(name, name))}</th>" for name in columns)
    lines = []
    for row in rows:
        cells = "".join(_cell(name, row) for name in columns)
        lines.append(f"<tr><td>{html.escape(row['label'])}</td>{cells}</tr>")
    return (
        "<h2>Scores</h2><p class='muted small'>Times 100, except CIDEr, words and TTR. Below: the "
        "interval, then the paper&rsquo;s own figure (YouCook2, Charades-STA) and whether ours "
        "moves from the first row as the paper&rsquo;s does: &#10003; yes, &#10007; no, &#8776; "
        "within noise.</p>"
        f"<div class='scroll'><table><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(column: str, row: Mapping[str, Any]) -> str:
    entry = row["scores"].get(column)
    if entry is None:
        return "<td>&ndash;</td>"
    parts = [shown(column, entry["value"])]
    if "low" in entry:
        low, high = shown(column, entry["low"]), shown(column, entry["high"])
        parts.append(f"<span class='interval'>{low}&ndash;{high}</span>")
    if column in row["paper"]:
        sign = SIGNS.get(entry.get("direction", ""), "")
        parts.append(f"<span class='interval'>paper {row['paper'][column]:g} {sign}</span>")
    return f"<td>{''.join(parts)}</td>"


def position_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Errors by fifths of the sequence."""
    fifths = ("first fifth", "second", "third", "fourth", "last")
    head = "".join(f"<th>{name}</th>" for name in fifths)
    lines = []
    for row in rows:
        cells = "".join(
            f"<td>{'&ndash;' if error is None else f'{100 * error:.1f}'}</td>"
            for error in row["position_error"]
        )
        lines.append(f"<tr><td>{html.escape(row['label'])}</td>{cells}</tr>")
    return (
        f"<div class='scroll'><table><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
