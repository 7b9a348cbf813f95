import pytest

from vidmetrics import InputError, text_richness


@pytest.mark.parametrize("name", ["main", "edge"])
def test_equals_counts_by_hand(golden, name: str) -> None:
    expected = golden("text_stats")[f"dvc_{name}"]
    predictions = golden(f"dense_{name}")["predictions"]
    richness = text_richness(
        {v: [event[2] for event in events] for v, events in predictions.items()}
    )
    assert richness.num_captions == expected["n_captions"]
    assert richness.mean_length == pytest.approx(expected["L_avg"], abs=1e-12)
    assert richness.type_token_ratio == pytest.approx(expected["TTR_per_video_mean"], abs=1e-12)
    assert richness.type_token_ratio_corpus == pytest.approx(expected["TTR_corpus"], abs=1e-12)


def test_ratios_of_video_corpus_and_caption() -> None:
    richness = text_richness({"a": ["cut it", "cut it"], "b": ["fry it well", ""]})
    assert richness.mean_length == 7 / 4
    assert richness.type_token_ratio == pytest.approx((2 / 4 + 1) / 2)
    assert richness.type_token_ratio_corpus == pytest.approx(4 / 7)
    assert richness.type_token_ratio_caption == 1.0
    assert (richness.num_captions, richness.num_words) == (4, 7)


def test_white_space_keeps_case_and_punctuation() -> None:
    captions = {"a": ["Cut it.", "cut it"]}
    assert text_richness(captions).type_token_ratio == 0.5
    assert text_richness(captions, tokenizer="whitespace").type_token_ratio == 1.0
    assert "tok:whitespace" in text_richness(captions, tokenizer="whitespace").signature


def test_a_list_is_one_video() -> None:
    assert text_richness(["a b", "b c"]) == text_richness({"v": ["a b", "b c"]})


def test_words_that_are_only_punctuation_do_not_count() -> None:
    assert text_richness(["...", "!!"]).mean_length < 2.0


@pytest.mark.parametrize("captions", [{}, {"a": []}, [], {"a": [3]}, 5])
def test_nothing_to_measure_is_an_error(captions) -> None:
    with pytest.raises(InputError, match="caption"):
        text_richness(captions)
