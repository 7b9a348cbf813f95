"""The original scorers' numbers, per video and corpus, on invented and on edge cases."""

from dataclasses import replace

import pytest

from vidmetrics import PROTOCOLS, Resampling, evaluate_dense_captions
from vidmetrics.meteor import load_meteor
from vidmetrics.meteor_tables import MeteorDataError

METEOR_SCORES = ("soda_c", "meteor")
SCORES = ("cider", "f1", "precision", "recall")
THRESHOLDS = ("0.3", "0.5", "0.7", "0.9")
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def full_meteor() -> None:
    """Skips where METEOR's data was not fetched."""
    try:
        load_meteor("full")
    except MeteorDataError as error:
        pytest.skip(f"the data of METEOR is not there: {error}")


@pytest.fixture(params=["with METEOR", "without METEOR"])
def compared(request) -> tuple[str, ...]:
    """Which scores can be compared: METEOR's numbers need its data."""
    if request.param == "without METEOR":
        return SCORES
    request.getfixturevalue("full_meteor")
    return METEOR_SCORES + SCORES


def evaluate(data, protocol, *, second: bool = False):
    references = [data["references"], *([data["second_references"]] if second else [])]
    return evaluate_dense_captions(
        references, data["predictions"], protocol, resampling=Resampling(num_resamples=0)
    )


@pytest.mark.parametrize("name", ["dense_main", "dense_edge"])
def test_timechat_per_video(golden, compared, name: str) -> None:
    data = golden(name)
    result = evaluate(data, "timechat")
    at_thresholds = [
        f"{score}@{threshold}"
        for score in ("precision", "recall", "cider", *(["meteor"] * ("meteor" in compared)))
        for threshold in THRESHOLDS
    ]
    assert result.per_video.keys() == data["timechat"]["per_video"].keys()
    for video, expected in data["timechat"]["per_video"].items():
        for score in (*compared, *at_thresholds):
            ours = result.per_video[video][score]
            assert ours == pytest.approx(expected[score], abs=TOLERANCE), (video, score)


@pytest.mark.parametrize("name", ["dense_main", "dense_edge"])
def test_timechat_corpus(golden, compared, name: str) -> None:
    data = golden(name)
    result = evaluate(data, "timechat")
    expected = data["timechat"]["corpus"]
    for score in compared:
        assert result.scores[score] == pytest.approx(expected[score], abs=TOLERANCE), score
    for threshold, scores in result.per_threshold.items():
        for score in ("precision", "recall", *(s for s in ("cider", "meteor") if s in compared)):
            assert scores[score] == pytest.approx(expected[f"{score}@{threshold}"], abs=TOLERANCE)


@pytest.mark.usefixtures("full_meteor")
@pytest.mark.parametrize("name", ["dense_main", "dense_edge"])
def test_soda_with_its_quirks_taken_away_one_by_one(golden, name: str) -> None:
    data = golden(name)
    natural = replace(PROTOCOLS["timechat"], name="mine", soda_columns="natural")
    ordered = replace(natural, soda_order="start")
    protocols = {
        "soda_c_natural": natural,
        "soda_c_sorted": ordered,
        "soda_c_unswapped": replace(ordered, soda_roles="straight"),
    }
    for key, protocol in protocols.items():
        result = evaluate(data, protocol)
        expected = data["timechat"]["corpus"][key]
        assert result.scores["soda_c"] == pytest.approx(expected, abs=TOLERANCE), key
        for video, scores in data["timechat"]["per_video"].items():
            ours = result.per_video[video]["soda_c"]
            assert ours == pytest.approx(scores[key], abs=TOLERANCE), (key, video)


@pytest.mark.parametrize("name", ["dense_main", "dense_multiref"])
def test_vidchapters(golden, compared, name: str) -> None:
    data = golden(name)
    result = evaluate(data, "vidchapters", second=name == "dense_multiref")
    for score in compared:
        ours, expected = result.scores[score], data["vidchapters"][score]
        assert ours == pytest.approx(expected, abs=TOLERANCE), score
    for threshold, scores in result.per_threshold.items():
        for score in ("precision", "recall"):
            expected = data["vidchapters"][f"{score}@{threshold}"]
            assert scores[score] == pytest.approx(expected, abs=TOLERANCE)


def test_figures_of_the_choices(golden) -> None:
    """The table in docs/metrics_protocols.md, on the file it calls good."""
    data, timechat = golden("dense_main"), PROTOCOLS["timechat"]
    figures = {
        ("f1", "thresholds", "f1"): 40.519,
        ("f1", "means", "f1"): 40.544,
        ("unmatched", "dropped", "cider"): 327.8,
        ("cider_documents", "corpus", "cider"): 191.5,
    }
    for (field, value, score), expected in figures.items():
        changed = replace(timechat, **{field: value})
        assert 100 * evaluate(data, changed).scores[score] == pytest.approx(expected, abs=0.06)


@pytest.mark.usefixtures("full_meteor")
def test_figures_of_the_choices_that_need_meteor(golden) -> None:
    data, timechat = golden("dense_main"), PROTOCOLS["timechat"]
    figures = {
        ("meteor_aggregate", "pairs", "meteor"): 18.056,
        ("meteor_aggregate", "corpus", "meteor"): 22.426,
        ("soda_columns", "natural", "soda_c"): 19.178,
    }
    for (field, value, score), expected in figures.items():
        changed = replace(timechat, **{field: value})
        assert 100 * evaluate(data, changed).scores[score] == pytest.approx(expected, abs=0.001)
    # The SODA release: right columns, sorted, three videos without prediction left out.
    sorted_ = replace(timechat, soda_columns="natural", soda_order="start", empty="skipped")
    assert 100 * evaluate(data, sorted_).scores["soda_c"] == pytest.approx(20.130, abs=0.001)


def test_cider_over_the_corpus_is_a_score_of_its_own(golden) -> None:
    data = golden("dense_main")
    result = evaluate(data, "timechat")
    changed = replace(PROTOCOLS["timechat"], cider_documents="corpus")
    assert result.scores["cider_corpus"] == evaluate(data, changed).scores["cider"]
    assert result.scores["cider_corpus"] != result.scores["cider"]
