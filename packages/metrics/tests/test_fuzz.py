"""Broken and hostile files: an error that names the place, or a finite score; never a hang."""

import json
import math
import random

import pytest

from vidmetrics.cli import main

REFERENCES = {"a": [[0.0, 10.0, "cut the onions"], [10.0, 30.0, "fry them"]], "b": [[5, 9, "boil"]]}
PREDICTIONS = {"a": [[0.0, 9.0, "cut onions"], [12.0, 29.0, "fry"]], "b": [[4, 9, "boil water"]]}


def run(tmp_path, references: str, predictions: str) -> int:
    """The exit code of scoring these files."""
    (tmp_path / "references.json").write_text(references, encoding="utf-8")
    (tmp_path / "predictions.json").write_text(
        predictions, encoding="utf-8", errors="surrogatepass"
    )
    paths = [str(tmp_path / name) for name in ("references.json", "predictions.json")]
    return main(["dvc", *paths, "--json", "-", "--resamples", "20"])


def score(tmp_path, capsys, references: str, predictions: str) -> dict[str, float] | None:
    """The scores, or None after an error that names the file."""
    code = run(tmp_path, references, predictions)
    out, err = capsys.readouterr()
    if code == 2:
        assert ".json" in err or "video 'a'" in err
        return None
    assert code == 0
    (result,) = json.loads(out)["results"]
    assert all(math.isfinite(value) for value in result["scores"].values())
    return result["scores"]


def test_every_truncation_is_an_error(tmp_path, capsys) -> None:
    whole = json.dumps(PREDICTIONS)
    for length in range(1, len(whole), 3):
        assert score(tmp_path, capsys, json.dumps(REFERENCES), whole[:length]) is None


def test_any_changed_character_is_scored_or_named(tmp_path, capsys) -> None:
    rng = random.Random(0)
    whole = json.dumps(PREDICTIONS)
    for _ in range(100):
        at = rng.randrange(len(whole))
        changed = whole[:at] + rng.choice('"[]{},:0-9e.NIt\\\u2028\ud800é') + whole[at + 1 :]
        score(tmp_path, capsys, json.dumps(REFERENCES), changed)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"5"', "null", "true"])
def test_what_is_no_time_is_named(tmp_path, capsys, value: str) -> None:
    predictions = f'{{"a": [[0, 1, "x"],\n [0, {value}, "x"]]}}'
    (tmp_path / "r.json").write_text(json.dumps(REFERENCES))
    (tmp_path / "p.json").write_text(predictions)
    assert main(["dvc", str(tmp_path / "r.json"), str(tmp_path / "p.json")]) == 2
    error = capsys.readouterr().err
    assert "p.json, line 1, video 'a', event 2: a time must be" in error


@pytest.mark.parametrize(
    "span", [[0, 1e308], [-1e308, 1e308], [1e308, 1e308], [30, 0], [-5, 5], [0, 10**300], [5, 5]]
)
def test_absurd_times_are_scored(tmp_path, capsys, span) -> None:
    predictions = {"a": [[*span, "cut onions"]]}
    assert score(tmp_path, capsys, json.dumps(REFERENCES), json.dumps(predictions)) is not None


def test_ten_thousand_predictions_for_one_video(tmp_path, capsys) -> None:
    rng = random.Random(0)
    words = "cut the red onions and fry them in a hot pan".split()  # noqa: SIM905
    captions = [" ".join(rng.choices(words, k=6)) for _ in range(400)]
    predictions = {
        "a": [[rng.uniform(0, 30), rng.uniform(0, 30), rng.choice(captions)] for _ in range(10_000)]
    }
    assert score(tmp_path, capsys, json.dumps(REFERENCES), json.dumps(predictions)) is not None


def test_a_caption_of_a_hundred_thousand_characters(tmp_path, capsys) -> None:
    for caption in (
        (f"cut the onions and {'x' * 60} " * 1_250)[:100_000],
        "x" * 100_000,
        "." * 100_000,
        " \u2028" * 50_000,
    ):
        predictions = {"a": [[0, 10, caption], [10, 30, "fry"]]}
        assert score(tmp_path, capsys, json.dumps(REFERENCES), json.dumps(predictions)) is not None


def test_a_number_that_python_does_not_read_is_an_error_like_others(tmp_path, capsys) -> None:
    predictions = f'{{"a": [[0, {"9" * 5000}, "x"]]}}'
    assert run(tmp_path, json.dumps(REFERENCES), predictions) == 2
    assert "predictions.json: a number of thousands of digits" in capsys.readouterr().err


def test_longer_captions_are_refused_by_name(tmp_path, capsys) -> None:
    predictions = {"a": [[0, 10, "fry"], [10, 30, "cut the onions and " * 500_000]]}
    assert run(tmp_path, json.dumps(REFERENCES), json.dumps(predictions)) == 2
    assert "video 'a', event 2: a caption of 9,500,000 characters" in capsys.readouterr().err


def test_captions_that_cannot_be_aligned_name_the_video(tmp_path, capsys) -> None:
    references = {"a": [[0, 10, "b a " * 2000]], "b": [[0, 9, "c"]]}
    predictions = {"a": [[0, 10, "a b " * 2000]], "b": [[0, 9, "d " * 9000]]}
    assert run(tmp_path, json.dumps(references), json.dumps(predictions)) == 2
    assert "too long for METEOR to align; the longest are in video 'a'" in capsys.readouterr().err


def test_lone_surrogates_line_breaks_and_controls_shift_nothing(tmp_path, capsys) -> None:
    for character in (
        "\ud800",
        "\r",
        "\n",
        "\x0b",
        "\x0c",
        "\u2028",
        "\x00",
        "\u200b",
        "\U0001f373",
    ):
        predictions = {"a": [[0, 9, f"zap{character}"], [12, 29, "fry"]], "b": [[4, 9, "boil"]]}
        odd = score(tmp_path, capsys, json.dumps(REFERENCES), json.dumps(predictions))
        predictions["a"][0][2] = "zap"
        plain = score(tmp_path, capsys, json.dumps(REFERENCES), json.dumps(predictions))
        assert odd is not None
        # The odd caption matches nothing either way; the others must score as before.
        assert odd["soda_c"] == pytest.approx(plain["soda_c"])


def test_too_many_events_of_both_sides_are_refused(tmp_path, capsys) -> None:
    many = {"a": [[0, 1, "x"]] * 5_000}
    assert score(tmp_path, capsys, json.dumps(many), json.dumps(many)) is None
