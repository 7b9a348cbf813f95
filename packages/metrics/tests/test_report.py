import re
from html.parser import HTMLParser

import pytest

from vidmetrics.cli import main

REFERENCES = {
    "good": [[0.0, 10.0, "cut the onions"], [10.0, 30.0, "fry them"]],
    "bad": [[0.0, 10.0, "boil water"]],
}
PREDICTIONS = {
    "good": [[0.0, 9.0, "cut onions"], [12.0, 29.0, "fry in the pan"]],
    "bad": [[80.0, 90.0, "<script>alert('x')</script> & \"quotes\" \ud800\x00"]],
}


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def report(write, tmp_path, references, predictions, *arguments: str) -> Page:
    out = tmp_path / "report.html"
    paths = [str(write("r.json", references)), str(write("p.json", predictions))]
    assert main(["report", *paths, "--out", str(out), *arguments]) == 0
    return Page(out.read_text(encoding="utf-8"))


def articles(page: Page) -> list[float]:
    return [float(attrs["data-quality"] or 0) for tag, attrs in page.tags if tag == "article"]


def test_worst_first_with_bars_of_both_sides(write, tmp_path) -> None:
    page = report(write, tmp_path, REFERENCES, PREDICTIONS)
    assert not page.open
    assert articles(page) == sorted(articles(page))
    assert len(articles(page)) == 2
    sides = [attrs.get("data-side") for _, attrs in page.tags if attrs.get("data-side")]
    assert sides == ["r", "p", "r", "r", "p", "p"]
    assert "overlaps no reference" in page.text


def test_hover_text_has_iou_and_meteor_of_every_overlap(write, tmp_path) -> None:
    page = report(write, tmp_path, REFERENCES, PREDICTIONS)
    found = re.search(r"reference 1: IoU (\S+) · METEOR (\d+\.\d\d)", page.text)
    assert found is not None
    assert float(found[1]) == pytest.approx(90.0, abs=0.01)
    assert 0 < float(found[2]) < 100


def test_captions_stay_text(write, tmp_path) -> None:
    page = report(write, tmp_path, REFERENCES, PREDICTIONS)
    assert [tag for tag, _ in page.tags].count("script") == 1  # the page's own
    assert "<script>alert('x')</script> & \"quotes\"" in page.text
    assert "\x00" not in page.text


def test_nothing_is_loaded_from_elsewhere(write, tmp_path) -> None:
    page = report(write, tmp_path, REFERENCES, PREDICTIONS)
    assert not [attrs for _, attrs in page.tags if {"src", "href"} & attrs.keys()]
    assert "://" not in (tmp_path / "report.html").read_text()


def test_grounding(write, tmp_path) -> None:
    windows = {"q1": [[0.0, 10.0]], "q2": [[0.0, 10.0]]}
    page = report(write, tmp_path, windows, {"q1": [[0.0, 5.0]]}, "--task", "tvg")
    assert articles(page) == [0.0, 0.5]
    assert "reference 1: IoU 50.00" in page.text


def test_answers_that_are_not_drawn_are_counted(write, tmp_path) -> None:
    answers = {"q": [[0.0, 5.0]] * 203}
    page = report(write, tmp_path, {"q": [[0.0, 10.0]]}, answers, "--task", "tvg")
    assert "3 more not drawn" in page.text


def test_limit_keeps_both_ends(write, tmp_path) -> None:
    windows = {str(n): [[0.0, 10.0]] for n in range(1, 11)}
    answers = {str(n): [[0.0, float(n)]] for n in range(1, 11)}
    page = report(write, tmp_path, windows, answers, "--task", "tvg", "--limit", "5")
    assert articles(page) == pytest.approx([0.1, 0.2, 0.3, 0.9, 1.0])
    assert (
        articles(report(write, tmp_path, windows, answers, "--task", "tvg", "--limit", "0")) == []
    )


def test_absurd_times_and_thousands_of_predictions_stay_on_the_page(write, tmp_path) -> None:
    predictions = {"good": [[0.0, 1e308, "x" * 100_000], [-1e9, 5.0, "y"]] * 500, "bad": []}
    page = report(write, tmp_path, REFERENCES, predictions)
    styles = [attrs["style"] or "" for _, attrs in page.tags if attrs.get("data-side") == "p"]
    assert len(styles) == 200
    for style in styles:
        left, width = (float(number) for number in re.findall(r":([\d.]+)%", style))
        assert left >= 0.0
        assert left + width <= 100.001
    assert "800 more not drawn" in page.text
    assert "(100000 characters)" in page.text


def test_one_system_must_be_chosen(write, tmp_path, capsys) -> None:
    line = {"id": "1", "task": "dvc", "benchmark": "b", "events": [[0, 5, "a"]]}
    references = write("r.jsonl", [line])
    predictions = write("p.jsonl", [{**line, "system": s} for s in ("s", "t")])
    arguments = ["report", str(references), str(predictions), "--out", str(tmp_path / "r.html")]
    assert main(arguments) == 2
    assert "choose with --benchmark and --system among b s, b t" in capsys.readouterr().err
    assert main([*arguments, "--system", "t"]) == 0
