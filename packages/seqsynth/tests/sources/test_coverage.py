import io
import json
import os
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seqsynth import cli
from seqsynth.coverage_tables import coverage_page, coverage_table
from seqsynth.index import measure_coverage

WriteVideo = Callable[..., Path]
WriteJson = Callable[..., Path]
WritePicture = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def valley(tmp_path: Path, write_video: WriteVideo, write_json: WriteJson) -> Path:
    """Two of five VATEX videos are there, none of two from the stock site; one record is broken."""
    root = tmp_path / "valley"
    records = [record("VATEX", f"v{k}.mp4") for k in range(5)]
    records += [record("jukinmedia", f"j{k}.mp4") for k in range(2)]
    records.append({**record("VATEX", "x.mp4"), "QA": []})
    write_json(root / "valley.json", records)
    write_video(root / "v1.mp4")
    write_video(root / "VATEX/v3.mp4")
    (root / "v4.mp4").write_bytes(b"<html>404</html>")
    return root


def record(source: str, video: str) -> dict[str, Any]:
    return {
        "v_id": video.removesuffix(".mp4"),
        "video": video,
        "source": source,
        "conversations": [
            {"from": "human", "value": "<video>\nWhat?"},
            {"from": "gpt", "value": "That."},
        ],
    }


def test_counts_by_part_and_by_reason(valley: Path) -> None:
    report = measure_coverage("valley", valley)
    assert {
        part: (c.listed, c.present, c.missing, c.unreadable) for part, c in report.parts.items()
    } == {"VATEX": (6, 2, 2, 2), "jukinmedia": (2, 0, 2, 0)}
    assert report.totals.duration_seconds == pytest.approx(2.0)
    assert report.totals.videos == 2
    reasons = {(r.part, r.status, r.reason): count for r, count in report.reasons.items()}
    assert reasons == {
        ("VATEX", "missing", "no such file"): 2,
        ("jukinmedia", "missing", "no such file"): 2,
        ("VATEX", "unreadable", "cannot be opened"): 1,
        ("VATEX", "unreadable", "no questions and answers"): 1,
    }


@pytest.mark.parametrize(
    ("source", "name", "content", "part"),
    [
        ("image_table", "a.jsonl", '{"image": "../a.png", "split": "val"}', "val"),
        ("image_table", "a.jsonl", '{"image": "../a.png", "split": "\\ud83d"}', "?"),
        ("kinetics", "a.csv", "youtube_id,time_start,time_end,split\nx,9,1,test", "test"),
        ("timeit", "instruct_time.json", '[{"video": "/a", "source": "coin"}]', "coin"),
        ("valley", "valley.json", '[{"video": "/a", "source": "VATEX"}]', "VATEX"),
        ("youcook2", "youcookii.json", '{"database": {"a": {"subset": "training"}}}', "training"),
        ("youcook2", "val.caption_coco_format.json", '{"annotations": [{}]}', "val"),
        ("charades_sta", "charades_sta_test.txt", "A 2 1##x", "test"),
        ("activitynet_captions", "val_1.json", '{"v_a": {}}', "val_1"),
        ("qvhighlights", "highlight_test.jsonl", '{"qid": 1}', "highlight_test"),
        ("timelens_100k", "timelens.jsonl", '{"source": "didemo"}', "didemo"),
    ],
)
def test_rows_that_cannot_be_used_count_for_their_part(
    tmp_path: Path, source: str, name: str, content: str, part: str
) -> None:
    (tmp_path / name).write_text(content)
    report = measure_coverage(source, tmp_path)
    assert {name: counts.unreadable for name, counts in report.parts.items()} == {part: 1}


def test_the_json_report(valley: Path, tmp_path: Path, capsys: Capture) -> None:
    path, absent = tmp_path / "out/a.json", tmp_path / "out/absent.jsonl"
    arguments = ["coverage", "valley", str(valley), "--json", str(path), "--absent", str(absent)]
    assert cli.main(arguments) == 0
    content = json.loads(path.read_text("utf-8"))
    assert content["totals"] == {
        "listed": 8,
        "present": 2,
        "missing": 4,
        "unreadable": 2,
        "images": 0,
        "clips": 0,
        "videos": 2,
        "duration_seconds": pytest.approx(2.0),
    }
    assert sum(part["listed"] for part in content["parts"].values()) == 8
    assert sum(reason["count"] for reason in content["reasons"]) == 6
    first = content["reasons"][0]
    assert (first["part"], first["status"], first["count"]) == ("VATEX", "missing", 2)
    assert first["examples"][0] == {
        "origin": "valley.json[0]",
        "id": "valley.json[0]",
        "path": "v0.mp4",
    }
    assert content["checks"]["probe"] == "header"
    rows = [json.loads(line) for line in absent.read_text("utf-8").splitlines()]
    assert len(rows) == 6
    printed = capsys.readouterr().out
    assert "jukinmedia" in printed
    assert "25.0%" in printed
    assert "missing: no such file" in " ".join(printed.split())
    assert cli.main(["coverage", "valley", str(valley), "--json", "-"]) == 0
    printed, tables = capsys.readouterr()
    assert json.loads(printed) == content
    assert "jukinmedia" in tables


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_names_that_lead_nowhere_cost_their_own_row(
    tmp_path: Path, write_picture: WritePicture
) -> None:
    """A folder of a name that no disk can hold, and a link that leads to itself."""
    write_picture(tmp_path / "there.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    paths = ["there.png", "loop.png", f"{'x' * 300}/a.png"]
    lines = [json.dumps({"image": path, "caption": "x"}) for path in paths]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    report = measure_coverage("image_table", tmp_path)
    assert (report.totals.present, report.totals.missing) == (1, 2)


def test_a_root_may_have_any_name(tmp_path: Path, capsys: Capture) -> None:
    """Square brackets are markup of the library that draws the tables."""
    root = tmp_path / "[bold]" / "a[" / "b]é"
    root.mkdir(parents=True)
    (root / "a.csv").write_text("path,caption\ngone.png,x\n")
    assert cli.main(["coverage", "image_table", str(root), "--json", "-"]) == 0
    printed, tables = capsys.readouterr()
    assert json.loads(printed)["root"] == str(root)
    assert printed.isascii()
    assert "[bold]/a[/b]é" in "".join(tables.split())


@pytest.mark.parametrize(
    "threshold",
    [
        ["--min-label-words", "0.5"],
        ["--max-repetition", "0.5"],
        ["--no-refusals"],
        ["--no-cut"],
        ["--min-image-text", "0.2"],
    ],
)
def test_thresholds_without_captions_are_refused(
    valley: Path, capsys: Capture, threshold: list[str]
) -> None:
    assert cli.main(["coverage", "valley", str(valley), *threshold]) == 2
    assert "thresholds of captions need --captions DIR" in capsys.readouterr().err


def test_a_share_that_is_too_small_is_a_status(valley: Path, capsys: Capture) -> None:
    assert cli.main(["coverage", "valley", str(valley), "--fail-under", "25"]) == 0
    assert cli.main(["coverage", "valley", str(valley), "--fail-under", "25.1"]) == 1
    assert "25.0 % of the rows are present, fewer than 25.1 %" in capsys.readouterr().err


def test_examples_are_few_however_many_rows(tmp_path: Path) -> None:
    lines = [f'{{"image": "gone{k}.png", "caption": "x"}}\n' for k in range(50)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    report = measure_coverage("image_table", tmp_path)
    (count,) = report.reasons.values()
    (examples,) = report.examples.values()
    assert count == 50
    assert [absent.path for absent in examples] == [f"gone{k}.png" for k in range(5)]


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_what_strangers_wrote_and_runs_none_of_it(
    tmp_path: Path, write_json: WriteJson, capsys: Capture
) -> None:
    attack = "<script>alert(1)</script>"
    records = [
        {"image": f"{attack}.png", "caption": "x", "split": f'"><img src=x>{attack}'},
        {"image": "a.png", "caption": "[bold]x[/nonsense]", "num_frames": attack},
        {"image": "b.png", "caption": "x", "split": "[red]part[/oops]"},
    ]
    write_json(tmp_path / "a.jsonl", records)
    path = tmp_path / "page.html"
    assert cli.main(["coverage", "image_table", str(tmp_path), "--html", str(path)]) == 0
    text = path.read_text("utf-8")
    page = Page()
    page.feed(text)
    assert not {"script", "img"} & set(page.tags)
    assert f"{attack}.png" in page.text
    assert f'"><img src=x>{attack}' in page.text
    assert "http" not in text
    assert page.tags.count("meter") == 4  # three parts and the total
    assert "[red]part[/oops]" in capsys.readouterr().out  # nor is it taken for markup


def test_a_page_of_annotations_that_are_no_utf8_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_bytes(b"\xffpath,caption\na.mp4,a cat\n")
    page = coverage_page(measure_coverage("clip_table", tmp_path))
    assert r"\udcffpath" in page.encode().decode()


def test_what_was_corrected_is_shown(
    tmp_path: Path, write_json: WriteJson, write_video: WriteVideo
) -> None:
    record = {"video": "a.mp4", "QA": [{"q": "a", "a": "b"}, {"q": "a"}, {"a": "b"}]}
    write_json(tmp_path / "instruct_time.json", [record])
    write_video(tmp_path / "a.mp4")
    report = measure_coverage("timeit", tmp_path)
    assert report.flaws == {"turn left out: empty question or answer": 2}
    assert report.to_record()["flaws"] == report.flaws
    page = Page()
    page.feed(coverage_page(report))
    assert "Corrected in present rows" in page.text
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(coverage_table(report))
    assert "2   turn left out: empty question or answer" in console.export_text()
