import pytest

from vidmetrics import InputError, text_richness


def captions(events_of_videos) -> dict[str, list[str]]:
    return {video: [event[2] for event in events] for video, events in events_of_videos.items()}


def test_equals_counts_by_hand(golden) -> None:
    expected = golden("text_stats")["dvc_main"]
    richness = text_richness(captions(golden("dense_main")["predictions"]))
    assert richness.num_captions == expected["n_captions"]
    assert richness.mean_length == pytest.approx(expected["L_avg"], abs=1e-12)
    assert richness.type_token_ratio == pytest.approx(expected["TTR_per_video_mean"], abs=1e-12)
    assert richness.type_token_ratio_corpus == pytest.approx(expected["TTR_corpus"], abs=1e-12)


def test_words_are_those_of_the_original_tokenizer(golden) -> None:
    data = golden("dense_edge")
    # The original makes "they're" at the end of its input "they 're", at the end of a line before
    # the last "they re": a caption's tokens depend on its neighbours. Ours are those of a line.
    del data["predictions"]["edge_weird42.mp4"]
    tokens = {video: data["soda_detail"][video]["predictions"] for video in data["predictions"]}
    ours = text_richness(captions(data["predictions"]))
    assert ours.num_words > 1000
    original = text_richness(tokens, tokenizer="whitespace")
    for name in ("mean_length", "type_token_ratio", "type_token_ratio_corpus", "num_words"):
        assert getattr(ours, name) == getattr(original, name), name


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
    richness = text_richness(["... , !", "cut it."])
    assert (richness.num_words, richness.mean_length) == (2, 1.0)


def test_an_unknown_tokenizer_is_named() -> None:
    with pytest.raises(ValueError, match="tokenizer 'words': choose ptb or whitespace"):
        text_richness(["a"], tokenizer="words")


@pytest.mark.parametrize("captions", [{}, {"a": []}, [], {"a": [3]}, {"a": "cut"}, 5])
def test_nothing_to_measure_is_an_error(captions) -> None:
    with pytest.raises(InputError, match="caption"):
        text_richness(captions)
