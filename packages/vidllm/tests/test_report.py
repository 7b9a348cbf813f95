"""The report: one page, nothing from outside, text as text."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from seqsynth import BenchmarkSpec, Corpus, build_default_benchmark
from vidllm import run_folder
from vidllm.benchmarks import read_benchmark
from vidllm.chance import chance_events
from vidllm.config import TrainConfig
from vidllm.predict import write_events
from vidllm.prediction_files import PredictionSettings
from vidllm.report import write_report
from vidllm.report.curves import loss_figure, smoothed
from vidllm.report.page import scores_table
from vidllm.report.timelines import read_rows
from vidllm.run_folder import RunFolderError


class Page(HTMLParser):
    """Tags and attributes of a page; fails on a tag that is closed out of order."""

    VOID = frozenset({"meta", "img", "line", "path", "br", "link"})

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str, **attributes: str) -> int:
        return sum(
            name == tag and all((found.get(k) or "").startswith(v) for k, v in attributes.items())
            for name, found in self.tags
        )


def metrics_row(step: int, **changes: object) -> dict[str, object]:
    row = {
        "step": step,
        "stage": "align" if step < 5 else "images",
        "loss": 5.0 / step,
        "tokens": 100,
        "seconds": 0.5,
        "task_losses": {"iig": 5.0 / step} | ({"caption": 4.0} if step < 5 else {}),
    }
    return {**row, **changes}


@pytest.fixture
def run_dir(tmp_path: Path, config: TrainConfig) -> Path:
    run_folder.create(config, tmp_path / "run")
    lines = [json.dumps(metrics_row(step)) for step in range(1, 13)]
    (tmp_path / "run" / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path / "run"


def evaluated(run_dir: Path, corpus: Corpus, num_clip_sequences: int) -> None:
    """Adds a benchmark and predictions, as the evaluation leaves them."""
    spec = BenchmarkSpec(
        image_lengths=(),
        num_clip_sequences=num_clip_sequences,
        max_clips=4,
        num_frames=12,
        templates="brief",
    )
    directory = run_dir / "evaluation"
    build_default_benchmark(corpus, directory, spec)
    queries = read_benchmark(directory, corpus.root)
    events = chance_events(queries, corpus, seed=0)
    settings = PredictionSettings(system="trained", weights="w", benchmark_sha256="0")
    write_events(queries, events, run_dir / "predictions.jsonl", settings=settings)


SCORES = {
    "index_grounding@16": {
        "trained": {"exact": {"value": 0.41, "low": 0.35, "high": 0.47, "count": 200}},
        "chance": {"exact": {"value": 0.06, "low": 0.03, "high": 0.09, "count": 200}},
    },
    "clip_dense_captions": {
        "trained": {"cider": {"value": 1.25, "low": 1.0, "high": 1.5, "count": 20}},
    },
}


def test_a_page_of_its_own(run_dir: Path, corpus: Corpus) -> None:
    evaluated(run_dir, corpus, num_clip_sequences=12)
    (run_dir / "scores.json").write_text(json.dumps(SCORES))
    path = write_report(run_dir)
    text = path.read_text()
    page = Page(text)
    assert path == run_dir / "report.html"
    assert page.count("svg") == 1
    assert page.count("script") == page.count("link") == 0
    assert all((a.get("src") or "data:").startswith("data:") for _, a in page.tags)
    assert not re.search(r"https?://|url\(", text)
    assert page.count("h3") == 10  # of twelve sequences
    assert page.count("img", src="data:image/webp;base64,") == 10 * 12
    assert page.count("div", **{"class": "span reference"}) > 10
    assert page.count("div", **{"class": "span prediction"}) > 10
    assert "41.0" in text
    assert "35.0&ndash;47.0" in text
    assert "prefers-color-scheme: dark" in text


def test_what_is_not_there_yet_is_said(run_dir: Path) -> None:
    text = write_report(run_dir).read_text()
    Page(text)
    assert "Not evaluated yet" in text
    (run_dir / "metrics.jsonl").unlink()
    assert "Too few steps for a curve" in write_report(run_dir).read_text()
    (run_dir / "scores.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"scores\.json is damaged .*: score again"):
        write_report(run_dir)


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    for line in ("{", "[]", '{"system": "trained"}'):
        (tmp_path / "rows.jsonl").write_text(f'{{"id": "a"}}\n\n{line}\n')
        with pytest.raises(ValueError, match=r"rows\.jsonl:3: no row with an id"):
            read_rows(tmp_path / "rows.jsonl")


def test_captions_are_text_not_markup(run_dir: Path, corpus: Corpus) -> None:
    evaluated(run_dir, corpus, num_clip_sequences=1)
    path = run_dir / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    nasty = "</div><script>alert('x')</script> \"quoted' & <b>"
    for row in rows:
        row["events"] = [[0.0, 1.0, nasty]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = write_report(run_dir).read_text()
    page = Page(text)
    assert page.count("script") == page.count("b") == 0
    assert "&lt;script&gt;alert" in text


def test_names_and_queries_are_text_not_markup(run_dir: Path, corpus: Corpus) -> None:
    evaluated(run_dir, corpus, num_clip_sequences=1)
    nasty = "<script>alert('x')</script>"
    path = run_dir / "evaluation" / "references.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["query"] = nasty
        row["events"] = [[start, end, nasty] for start, end, _ in row["events"]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = {"parts": {"eye": nasty, "llm": nasty}, "starts": [{"git_commit": nasty}]}
    (run_dir / "manifest.json").write_text(json.dumps(manifest))
    scores = {nasty: {nasty: {nasty: {"value": 0.5, "low": 0.1, "high": 0.9, "count": 2}}}}
    (run_dir / "scores.json").write_text(json.dumps(scores))
    metrics = [metrics_row(step, stage=nasty, task_losses={nasty: 1.0}) for step in range(1, 5)]
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    named = run_dir.rename(run_dir.with_name("<script>"))
    text = write_report(named).read_text()
    page = Page(text)
    assert page.count("script") == 0
    assert text.count("&lt;script&gt;") > 10


def test_spans_beyond_the_video_stay_inside_the_track(run_dir: Path, corpus: Corpus) -> None:
    evaluated(run_dir, corpus, num_clip_sequences=1)
    path = run_dir / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["events"] = [[-5.0, 1e9, "all of it"]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = re.findall(
        r"class='span prediction'[^>]*left: ([\d.]+)%; width: ([\d.]+)%",
        write_report(run_dir).read_text(),
    )
    assert found
    assert set(found) == {("0.00", "100.00")}


def test_a_gone_picture_is_no_reason_to_fail(run_dir: Path, corpus: Corpus) -> None:
    evaluated(run_dir, corpus, num_clip_sequences=1)
    path = run_dir / "evaluation" / "examples.jsonl"
    path.write_text(re.sub(r'\["[^"]+\.webp"', '["gone.webp"', path.read_text()))
    text = write_report(run_dir).read_text()
    Page(text)
    assert "no pictures: " in text


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is no run folder"):
        write_report(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    checkpoint = tmp_path / "checkpoint-2"
    checkpoint.mkdir()
    with pytest.raises(RunFolderError, match=f"it lies in one: {tmp_path}"):
        write_report(checkpoint)


def test_curves_show_tasks_stages_and_survive_odd_losses() -> None:
    rows = [metrics_row(step) for step in range(1, 13)]
    figure = loss_figure(rows)
    Page(figure)
    assert figure.count("class='curve'") == 3  # all, caption, iig
    assert figure.count("class='stage'") == 2
    assert "nan" not in loss_figure([*rows, metrics_row(13, loss=float("nan"))]).lower()
    Page(loss_figure([metrics_row(step, loss=0.0) for step in (1, 2)]))
    assert [value for _, value in smoothed([(1, 2.0), (2, 2.0), (3, 2.0)])] == pytest.approx(
        [2.0] * 3
    )


def test_the_best_score_of_a_line_is_marked() -> None:
    table = scores_table(SCORES)
    Page(table)
    assert "<td class='best'>41.0<span" in table
    assert "<td>6.0<span" in table
    assert "<td class='best'>1.25<span" in table
    assert "&ndash;" in table  # chance has no dense captions here
