import gzip
import io
from dataclasses import replace

import numpy as np
import pytest

from vidmetrics import PROTOCOLS, InputError, Resampling, evaluate_dense_captions
from vidmetrics.caption_pairs import CaptionTable
from vidmetrics.meteor_compile import compile_tables
from vidmetrics.meteor_data import data_path
from vidmetrics.meteor_tables import tables_bytes
from vidmetrics.resampling import Statistics, confidence

REFERENCES = {
    "a": [(0.0, 10.0, "cut the onions"), (10.0, 30.0, "fry them in a pan")],
    "b": [(5.0, 20.0, "boil some water")],
    "c": [(0.0, 9.0, "serve the soup")],
}


def scores(predictions, protocol="timechat", references=REFERENCES) -> dict[str, float]:
    return dict(evaluate_dense_captions(references, predictions, protocol).scores)


def test_a_perfect_prediction() -> None:
    perfect = scores(REFERENCES)
    for name in ("soda_c", "meteor", "f1", "precision", "recall"):
        assert perfect[name] == pytest.approx(1.0, abs=1e-6), name


def test_no_predictions_score_nothing_in_every_protocol() -> None:
    for protocol in PROTOCOLS:
        for predictions in ({}, {"a": []}):
            assert set(scores(predictions, protocol).values()) == {0.0}


def test_missing_and_empty_videos_follow_the_protocol() -> None:
    predictions = {"a": REFERENCES["a"], "b": []}
    precision = {name: scores(predictions, name)["precision"] for name in PROTOCOLS}
    assert precision == pytest.approx({"timechat": 1 / 3, "vidchapters": 1 / 2, "soda": 1.0})
    counts = evaluate_dense_captions(REFERENCES, predictions, "soda").counts
    assert (counts["scored"], counts["missing"], counts["empty"]) == (1, 1, 1)


def test_predictions_for_unknown_videos_are_counted_and_ignored() -> None:
    with_unknown = {**REFERENCES, "x": [(0.0, 1.0, "noise")]}
    result = evaluate_dense_captions(REFERENCES, with_unknown)
    assert result.counts["unknown"] == 1
    assert dict(result.scores) == scores(REFERENCES)


def test_an_unmatched_prediction_costs_captions_unless_dropped() -> None:
    predictions = {**REFERENCES, "a": [*REFERENCES["a"], (50.0, 60.0, "cut the onions")]}
    dropped = replace(PROTOCOLS["timechat"], unmatched="dropped")
    assert scores(predictions)["meteor"] < scores(REFERENCES)["meteor"]
    assert scores(predictions, dropped)["meteor"] == pytest.approx(1.0)


def test_a_prediction_is_paired_with_every_reference_it_overlaps_enough() -> None:
    references = {"a": [(0.0, 10.0, "cut the onions"), (0.0, 10.0, "boil some water")]}
    one = evaluate_dense_captions(references, {"a": [(0.0, 10.0, "cut the onions")]})
    assert 0.0 < one.per_video["a"]["meteor"] < 1.0
    assert one.scores["recall"] == 1.0


def test_two_annotators_best_mean_and_merged() -> None:
    first = {"a": [(0.0, 10.0, "cut the onions")]}
    second = {"a": [(50.0, 60.0, "boil water")]}
    predictions = {"a": [(0.0, 10.0, "cut the onions")]}

    def soda(choice: str) -> float:
        protocol = replace(PROTOCOLS["timechat"], several_references=choice)
        return evaluate_dense_captions([first, second], predictions, protocol).scores["soda_c"]

    assert soda("best") == pytest.approx(1.0, abs=1e-6)
    assert soda("mean") == pytest.approx(0.5, abs=1e-6)
    assert soda("merged") == pytest.approx(2 / 3, abs=1e-6)  # precision 1, recall 1/2
    result = evaluate_dense_captions([first, second], predictions)
    assert (result.scores["precision"], result.scores["recall"]) == (1.0, 1.0)
    assert result.counts["references"] == 2


def test_a_video_that_one_annotator_lacks_counts_for_the_other_only() -> None:
    second = {"a": [(500.0, 600.0, "nothing alike")]}
    result = evaluate_dense_captions([REFERENCES, second], REFERENCES)
    assert result.scores["soda_c"] == pytest.approx((1.0 + 0.0) / 2, abs=1e-6)
    assert result.per_video["b"]["soda_c"] == pytest.approx(1.0, abs=1e-6)


def test_line_breaks_and_odd_characters_do_not_shift_other_captions() -> None:
    for character in "\r\n\x0b\x0c\x85\u2028\u2029\ud800\x00":
        predictions = {**REFERENCES, "a": [(0.0, 10.0, f"zap{character}zap"), REFERENCES["a"][1]]}
        result = evaluate_dense_captions(REFERENCES, predictions)
        assert result.per_video["b"]["meteor"] == pytest.approx(1.0), repr(character)


def test_scores_are_those_of_the_statistics() -> None:
    predictions = {"a": [(0.0, 9.0, "cut onions")], "b": [(6.0, 20.0, "boil water")]}
    for protocol in PROTOCOLS:
        for change in ({}, {"cider_documents": "corpus", "meteor_aggregate": "corpus"}):
            chosen = replace(PROTOCOLS[protocol], **change)
            result = evaluate_dense_captions(REFERENCES, predictions, chosen)
            copy = Statistics(result.statistics.ids, result.statistics.metrics)
            assert confidence(copy, Resampling()) == result.confidence
            assert result.confidence.keys() == result.scores.keys()
            for name, (low, high) in result.confidence.items():
                assert 0.0 <= low <= high, name
                assert low - 1e-9 <= result.scores[name] <= high + 1e-9, name


def test_a_resample_of_one_video_scores_that_video() -> None:
    result = evaluate_dense_captions(REFERENCES, {"a": [(0.0, 9.0, "cut onions")]})
    stacked = result.statistics.stacked()
    for row, video in enumerate(result.statistics.ids):
        alone = result.statistics.finish(stacked[row : row + 1])
        for name in ("soda_c", "cider", "meteor", "f1"):
            assert alone[name][0] == pytest.approx(result.per_video[video][name]), (video, name)


@pytest.mark.parametrize(
    ("references", "predictions", "message"),
    [
        ({}, {}, "nothing to score"),
        ([], {}, "nothing to score"),
        ({"a": []}, {}, r"references\['a'\] has no event"),
        ({"a": [(0, 1)]}, {}, r"references\['a'\]\[0\]: an event must be"),
        ({"a": [(0, 1, "x")]}, {"a": [(0, 1, 5)]}, r"predictions\['a'\]\[0\]: a caption"),
        ({"a": [(0, 1, "x")]}, {"a": [(0, np.nan, "x")]}, r"predictions\['a'\]\[0\]: .*finite"),
        ({"a": [(0, 1, "x")]}, {"a": "text"}, r"predictions\['a'\] must be a list"),
        ({"a": [(0, 1, "x")]}, [("a", [])], "predictions must be a mapping"),
        ([{"a": [(0, 1, "x")]}, {"a": [(0, "1", "x")]}], {}, r"references\[1\]\['a'\]\[0\]"),
    ],
)
def test_bad_input_is_named(references, predictions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_dense_captions(references, predictions)


def test_data_that_comes_later_is_used(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2TIME_CACHE", str(tmp_path))
    before = evaluate_dense_captions(REFERENCES, REFERENCES).signature
    assert "|meteor:1.5-noparaphrase-nosynonym|" in before
    packed = io.BytesIO(gzip.compress(b"0\ncut\nchop\n"))
    path = data_path()
    path.parent.mkdir()
    path.write_bytes(tables_bytes(compile_tables(packed, b"pan\n1\n", b"cut\ncuts\n"), "test"))
    after = evaluate_dense_captions(REFERENCES, REFERENCES).signature
    assert "|meteor:1.5|" in after


def test_numpy_times_are_numbers() -> None:
    references = {"a": [(np.float32(0), np.int64(9), "cut")]}
    assert evaluate_dense_captions(references, references).scores["f1"] == 1.0


def test_the_word_that_matches_nothing_is_in_no_caption() -> None:
    table = CaptionTable(ascii_only=False)
    table.add_run([["zqxjkvbzqxjkvbz and zqxjkvbzqxjkvbzq"]])
    table.tokenize()
    assert table.tokens[0] not in table.tokens[1]


def test_other_characters_become_spaces_when_asked() -> None:
    kept, replaced = (CaptionTable(ascii_only=flag) for flag in (False, True))
    for table in (kept, replaced):
        table.add_run([["cr\u00e8me"]])
        table.tokenize()
    assert kept.tokens[1] == "cr\u00e8me"
    assert replaced.tokens[1] == "cr me"


def test_each_side_is_a_run_of_its_own() -> None:
    table = CaptionTable(ascii_only=False)
    references = table.add_run([["heat to 180 C."], []])
    predictions = table.add_run([["The pan", "heat to 180 C."], ["The pan", "oil"]])
    table.tokenize()
    tokens = [[table.tokens[n] for n in table.numbers_of(raw)] for raw in references]
    assert tokens == [["heat to 180 c."], []]  # "The" of the other side is no next sentence
    tokens = [[table.tokens[n] for n in table.numbers_of(raw)] for raw in predictions]
    assert tokens == [["the pan", "heat to 180 c."], ["the pan", "oil"]]
