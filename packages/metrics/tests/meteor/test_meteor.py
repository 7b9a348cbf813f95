"""METEOR against the numbers of the original, with either aligner."""

import importlib.util
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from vidmetrics import _native, meteor_align
from vidmetrics.errors import InputError
from vidmetrics.meteor import STATISTICS, Meteor, load_meteor, score_statistics
from vidmetrics.meteor_data import data_path
from vidmetrics.meteor_tables import MeteorDataError, Tables, open_tables, tables_bytes

NATIVE = pytest.mark.skipif(
    importlib.util.find_spec("seqnative") is None, reason="seqnative is not installed"
)


@pytest.fixture(params=["python", pytest.param("native", marks=NATIVE)])
def meteor(request: pytest.FixtureRequest, tables: Tables) -> Meteor:
    """A METEOR with the golden pairs' word data."""
    return Meteor(tables, request.param)


def wrong_cases(meteor: Meteor, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cases with other statistics or another score than the original gave."""
    statistics = meteor.pair_statistics(
        [reference for case in cases for reference in case["refs"]],
        [case["hyp"] for case in cases for _ in case["refs"]],
    )
    ends = np.cumsum([len(case["refs"]) for case in cases])
    wrong = []
    for case, rows in zip(cases, np.split(statistics, ends[:-1]), strict=True):
        best = rows[np.argmax(score_statistics(rows))]
        same = " ".join(map(str, best.tolist())) == case["stats"]
        if not same or float(score_statistics(best)) != case["score"]:
            wrong.append({**case, "ours": best.tolist()})
    return wrong


def test_statistics_and_scores_equal_the_original_on_every_golden_pair(
    meteor: Meteor, golden_pairs: Any
) -> None:
    assert len(golden_pairs["cases"]) == 2000
    assert wrong_cases(meteor, golden_pairs["cases"]) == []


@pytest.mark.parametrize("which", ["python", pytest.param("native", marks=NATIVE)])
def test_they_do_with_all_word_data(
    which: Literal["python", "native"], full_data_pairs: Any
) -> None:
    if not data_path().exists():
        pytest.skip("METEOR's data is not here: vidmetrics fetch meteor-data")
    full = Meteor(open_tables(data_path()), which)
    assert len(full_data_pairs["cases"]) == 3000
    assert wrong_cases(full, full_data_pairs["cases"]) == []


def test_golden_pairs_use_every_matcher(golden_pairs: Any) -> None:
    rows = np.array([list(map(int, case["stats"].split())) for case in golden_pairs["cases"]])
    matched = dict(zip(STATISTICS, (rows > 0).sum(axis=0).tolist(), strict=True))
    for kind in ("exact", "stem", "synonym", "paraphrase"):
        assert matched[f"{kind}_hypothesis_content"] > 100


def test_blocks_aggregate_as_the_original(meteor: Meteor, golden_pairs: Any) -> None:
    cases, size = golden_pairs["cases"], golden_pairs["block_size"]
    statistics = np.array([meteor.best_statistics(c["refs"], c["hyp"]) for c in cases[: 4 * size]])
    scores = [meteor.corpus_score(statistics[k : k + size]) for k in range(0, 4 * size, size)]
    assert scores == golden_pairs["block_corpus_scores"][:4]


def test_every_block_score_follows_from_the_golden_statistics(
    meteor: Meteor, golden_pairs: Any
) -> None:
    statistics = np.array([list(map(int, case["stats"].split())) for case in golden_pairs["cases"]])
    size = golden_pairs["block_size"]
    blocks = [statistics[k : k + size] for k in range(0, len(statistics), size)]
    assert [meteor.corpus_score(b) for b in blocks] == golden_pairs["block_corpus_scores"]


def test_pairs_score_as_they_do_alone(meteor: Meteor) -> None:
    predictions = ["slice the onions", "stir", ""]
    references = ["cut an onion into slices", "slice the onions", "stir the soup", "x"]
    pairs = [(r, p) for p in predictions for r in references]
    scores = score_statistics(meteor.pair_statistics(*zip(*pairs, strict=True)))
    assert scores.tolist() == [meteor.score([r], p) for r, p in pairs]
    assert scores[1] == 1.0
    assert not scores[8:].any()


def test_empty_inputs_have_their_shapes(meteor: Meteor) -> None:
    assert meteor.pair_statistics([], []).shape == (0, 23)
    assert meteor.corpus_score(meteor.pair_statistics([], [])) == 0.0
    assert meteor.score([""], "") == 0.0


def test_the_best_reference_counts_and_the_first_of_equals(meteor: Meteor) -> None:
    best = meteor.best_statistics(["slice it", "slice the onions", "x"], "slice the onions")
    assert best[STATISTICS.index("chunks")] == 1
    assert best[STATISTICS.index("reference_words")] == 3
    tied = meteor.best_statistics(["x", "y z"], "a")
    assert tied[STATISTICS.index("reference_words")] == 1
    for references in ([], "slice it"):
        with pytest.raises(InputError, match="expected a list of at least one reference"):
            meteor.best_statistics(references, "a")


def test_roles_matter(meteor: Meteor) -> None:
    long, short = "slice the onions into thin rings with a knife", "slice the onions"
    # Recall weighs more than precision: to say too much costs less than to say too little.
    assert meteor.score([short], long) > meteor.score([long], short)


def test_pairs_need_as_many_references_as_predictions(meteor: Meteor) -> None:
    with pytest.raises(InputError, match="1 references but 2 predictions"):
        meteor.pair_statistics(["a"], ["a", "b"])


def test_captions_that_cannot_be_aligned_are_named(meteor: Meteor) -> None:
    with pytest.raises(InputError, match=r"captions of 1,001 and 1,000 words .* too long"):
        meteor.score(["a " * 1000], "a " * 1001)


def test_possible_matches_of_all_kinds_count(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meteor_align, "MAX_CANDIDATES", 40)
    meteor = Meteor(tables, "python")
    assert meteor.score(["cut " * 4], "cuts " * 5) > 0  # 20 by their stems, 20 as synonyms
    with pytest.raises(InputError, match=r"captions of 6 and 4 words .* than 40 possible .* long"):
        meteor.score(["cut " * 4], "cuts " * 6)


def test_a_long_caption_is_scored(meteor: Meteor) -> None:
    words = [f"w{k}" for k in range(5000)]
    assert meteor.score([" ".join(words)], " ".join(words)) == 1.0
    assert 0.0 < meteor.score(["w7 w9 w8"], " ".join(words)) < 1.0


def test_without_data_words_match_by_letters_and_stems_only(golden_pairs: Any) -> None:
    bare = load_meteor("noparaphrase")
    assert bare.label == "meteor:1.5-noparaphrase-nosynonym"
    assert bare.score(["slice the onions"], "slices the onions") > 0.5
    statistics = dict(zip(STATISTICS, bare.best_statistics(["chop it"], "cut it"), strict=True))
    assert statistics["hypothesis_matched_words"] == 1
    exact_and_stem = [case for case in golden_pairs["cases"] if len(case["refs"]) == 1]
    for case in exact_and_stem[:200]:
        counts = bare.best_statistics(case["refs"], case["hyp"])
        assert not counts[12:20].any()


def test_auto_says_what_it_goes_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="vidmetrics.meteor"):
        label = load_meteor("auto", cache_dir=tmp_path).label
    assert label == "meteor:1.5-noparaphrase-nosynonym"
    assert "vidmetrics fetch meteor-data" in caplog.text
    assert str(tmp_path) in caplog.text


def test_full_wants_its_data_and_takes_it(tmp_path: Path, tables: Tables) -> None:
    with pytest.raises(MeteorDataError, match="vidmetrics fetch meteor-data"):
        load_meteor("full", cache_dir=tmp_path)
    path = data_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(tables_bytes(tables, "test"))
    for mode in ("full", "auto"):
        meteor = load_meteor(mode, cache_dir=str(tmp_path))  # type: ignore[arg-type]
        assert meteor.label == "meteor:1.5"
    assert load_meteor("noparaphrase", cache_dir=tmp_path).label != "meteor:1.5"
    with pytest.raises(ValueError, match="'fast'"):
        load_meteor("fast", cache_dir=tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("which", ["python", pytest.param("native", marks=NATIVE)])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("right_lengths", 0),
        ("right_starts", 1 << 30),
        ("table_slots", 0),
        ("table_slots", 1 << 30),
        ("synonym_slots", 1 << 30),
    ],
)
def test_damaged_data_says_what_to_do(
    which: Literal["python", "native"], name: str, value: int, tables: Tables
) -> None:
    damaged = replace(tables, **{name: np.full_like(getattr(tables, name), value)})
    with pytest.raises(MeteorDataError, match=r"is damaged: .*vidmetrics fetch meteor-data"):
        Meteor(damaged, which).score(["chop an onion in a pan"], "cut the onions into pieces")


def test_requiring_native_code_fails_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "seqnative", None)
    monkeypatch.setenv("SEQ2TIME_REQUIRE", "cuda,native")
    _native.backend.cache_clear()
    try:
        with pytest.raises(RuntimeError, match=r"pip install \./native"):
            _native.backend()
        monkeypatch.delenv("SEQ2TIME_REQUIRE")
        assert _native.backend() == "python"
    finally:
        _native.backend.cache_clear()


def test_the_backend_is_stated_once(caplog: pytest.LogCaptureFixture) -> None:
    _native.backend.cache_clear()
    with caplog.at_level(logging.INFO, logger="vidmetrics._native"):
        assert _native.backend() == _native.backend()
    assert len(caplog.records) == 1
