"""The page: what the run was, how its loss fell, what it scored, what it says about clips."""

from __future__ import annotations

import html
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from seqsynth.benchmark import EXAMPLES_NAME, REFERENCES_NAME
from seqsynth.parsing import parsed_json
from vidllm import run_folder
from vidllm.config import TrainConfig
from vidllm.progress import duration
from vidllm.report.curves import loss_figure
from vidllm.report.timelines import read_rows, timelines

REPORT_NAME = "report.html"
SCORES_NAME = "scores.json"
EVALUATION_DIR = "evaluation"
PREDICTIONS_NAME = "predictions.jsonl"

SYSTEM_NAMES = {
    "trained": "trained",
    "untrained": "untrained",
    "without_seq2time": "w/o Seq2Time",
    "chance": "chance",
}
METRIC_NAMES = {
    "exact": "exact",
    "recall_at_1@0.3": "R@1, IoU 0.3",
    "recall_at_1@0.5": "R@1, IoU 0.5",
    "recall_at_1@0.7": "R@1, IoU 0.7",
    "mean_iou": "mean IoU",
    "soda_c": "SODA_c",
    "cider": "CIDEr",
    "meteor": "METEOR",
    "f1": "F1",
}
PERCENT_METRICS = frozenset(METRIC_NAMES) - {"cider"}

Scores = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]


def write_report(run_dir: str | Path) -> Path:
    """Renders report.html from what the run folder holds so far; returns its path.

    Raises:
        RunFolderError: no run folder, or a file in it that is damaged.
        OSError: it cannot be written.
    """
    run_dir = Path(run_dir)
    config = run_folder.load_config(run_dir)
    manifest = run_folder.read_manifest(run_dir)
    rows = run_folder.read_metrics(run_dir)
    scores = _scores(run_dir / SCORES_NAME)
    sections = [_facts(run_dir, config, manifest, rows), "<h2>Loss</h2>", loss_figure(rows)]
    if scores:
        sections += ["<h2>Scores on held-out concepts</h2>", scores_table(scores)]
    sections.append(_clip_section(run_dir, config))
    page = whole_page(f"{config.recipe}: {run_dir.name}", "".join(sections))
    path = run_dir / REPORT_NAME
    run_folder.write_atomically(page, path)
    return path


def whole_page(title: str, body: str) -> str:
    """A self-contained page in the reports' style, light and dark.

    Args:
        title: plain text.
        body: HTML.
    """
    style = resources.files("vidllm.report").joinpath("report.css").read_text("utf-8")
    return _PAGE.format(title=html.escape(title), style=style, body=body)


def scores_table(scores: Scores) -> str:
    """Benchmarks and metrics down, systems across; the best of each line is marked."""
    systems = [name for name in SYSTEM_NAMES if any(name in by for by in scores.values())]
    head = "".join(f"<th>{html.escape(SYSTEM_NAMES[name])}</th>" for name in systems)
    lines = []
    for benchmark, by_system in scores.items():
        lines.append(
            f"<tr class='head'><td colspan='{len(systems) + 1}'>{html.escape(benchmark)}</td></tr>"
        )
        metrics = [m for m in METRIC_NAMES if any(m in s for s in by_system.values())]
        for metric in metrics:
            cells = {name: by_system.get(name, {}).get(metric) for name in systems}
            best = max(cell["value"] for cell in cells.values() if cell)
            row = "".join(_cell(metric, cells[name], best) for name in systems)
            lines.append(f"<tr><td>{html.escape(METRIC_NAMES[metric])}</td>{row}</tr>")
    return (
        "<p class='muted small'>Times 100, except CIDEr; below each its 95 % bootstrap interval."
        "</p><div class='scroll'><table><thead><tr><th></th>"
        f"{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(metric: str, cell: Mapping[str, float] | None, best: float) -> str:
    if cell is None:
        return "<td>&ndash;</td>"
    scale = 100 if metric in PERCENT_METRICS else 1
    decimals = 1 if scale == 100 else 2
    kind = " class='best'" if cell["value"] == best and best > 0 else ""
    low, high = cell["low"] * scale, cell["high"] * scale
    return (
        f"<td{kind}>{cell['value'] * scale:.{decimals}f}"
        f"<span class='interval'>{low:.{decimals}f}&ndash;{high:.{decimals}f}</span></td>"
    )


def _facts(
    run_dir: Path, config: TrainConfig, manifest: Mapping[str, Any], rows: list[dict[str, Any]]
) -> str:
    start = (manifest.get("starts") or [{}])[-1]
    seconds = sum(row["seconds"] for row in rows)
    tokens = sum(row["tokens"] for row in rows)
    done = rows[-1]["step"] if rows else 0
    corpus = manifest.get("corpus", {})
    facts = {
        "steps": f"{done} of {config.num_steps}, {config.optim.global_batch_size} examples each",
        "time": f"{duration(seconds)} in steps, {tokens / max(seconds, 1e-9):.0f} tokens/s",
        "stages": ", ".join(
            f"{stage.name} {steps}"
            for stage, steps in zip(config.data.stages, config.stage_steps, strict=True)
        ),
        "eye": manifest.get("parts", {}).get("eye", ""),
        "language model": manifest.get("parts", {}).get("llm", ""),
        "trained on": _amounts(corpus, "train"),
        "held out": _amounts(corpus, "heldout"),
        "machine": f"{start.get('machine', {}).get('cores', '?')} cores, "
        f"{start.get('machine', {}).get('system', '')}",
        "commit": start.get("git_commit") or "none",
    }
    items = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"
        for name, value in facts.items()
        if value
    )
    return (
        f"<h1>{html.escape(config.recipe)}</h1><p class='muted'>{html.escape(run_dir.name)}</p>"
        f"<dl class='facts'>{items}</dl>"
    )


def _amounts(corpus: Mapping[str, Any], side: str) -> str:
    if not corpus:
        return ""
    return f"{corpus[f'{side}_images']} pictures, {corpus[f'{side}_clips']} clips"


def _clip_section(run_dir: Path, config: TrainConfig) -> str:
    evaluation = run_dir / EVALUATION_DIR
    needed = [evaluation / EXAMPLES_NAME, evaluation / REFERENCES_NAME]
    predictions = run_dir / PREDICTIONS_NAME
    if not all(path.exists() for path in [*needed, predictions]):
        return "<h2>Clips</h2><p class='muted'>Not evaluated yet.</p>"
    from vidllm.assembly import load_corpus

    try:
        media_root = load_corpus(config.data).root
    except FileNotFoundError:  # not fetched on this machine: spans without pictures
        media_root = ""
    body = timelines(
        needed[0],
        media_root=media_root,
        references=read_rows(needed[1]),
        predictions=read_rows(predictions, system="trained"),
    )
    intro = (
        "<p>What was shown, and what the trained model answers. Blue is where things are, orange "
        "where the model says they are. One line for each clip that was asked for.</p>"
    )
    return f"<h2>Clips</h2>{intro}{body}"


def _scores(path: Path) -> Scores:
    if not path.exists():
        return {}
    try:
        scores: Scores = parsed_json(path.read_bytes())
    except ValueError as error:
        raise run_folder.RunFolderError(f"{path} is damaged ({error}): score again") from None
    return scores


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body><main>{body}</main></body>
</html>
"""
