import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth.caption.text_checks import check_text


@pytest.mark.parametrize(
    ("label", "caption", "coverage"),
    [
        ("juggling balls", "A man juggles three red balls.", 1.0),
        ("juggling balls", "A juggler drops a ball.", 1.0),
        ("riding a bike", "She rides her bike along the beach.", 1.0),
        ("cutting the grass", "He cuts grass.", 1.0),
        ("making jewelry", "A woman makes a necklace.", 0.5),
        ("crying", "A baby cries.", 1.0),
        ("playing drums", "A dog runs over a field.", 0.0),
        ("tai chi", "Old people do Tai-Chi in a park.", 1.0),
        ("跳舞", "一个人在跳舞。", 1.0),
        ("", "Anything at all.", None),
        ("on the", "Anything at all.", None),
    ],
)
def test_words_of_the_label_are_found_in_other_forms(
    label: str, caption: str, coverage: float | None
) -> None:
    assert check_text(caption, label).label_coverage == coverage


@pytest.mark.parametrize(
    "caption",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot see the video.",
        "I can’t view images.",
        "I am unable to describe it.",
        "As an AI language model, I have no eyes.",
        "There is no video provided.",
        "Please upload the frames.",
        "I don't have access to videos.",
    ],
)
def test_refusals_are_told_by_their_words(caption: str) -> None:
    found = check_text(caption, "x").refusal
    assert found
    assert found in caption


@pytest.mark.parametrize(
    "caption",
    [
        "A man who cannot see walks with a white cane.",
        "She provides a towel and says sorry.",
        "A video game is shown on a screen; the images are bright.",
        "He is unable to lift the bar.",
    ],
)
def test_captions_about_such_things_are_no_refusals(caption: str) -> None:
    assert check_text(caption, "x").refusal == ""


def test_repetition_is_the_share_of_runs_that_came_before() -> None:
    assert check_text("one two three four five six seven", "").repetition == 0
    assert check_text("a b c d a b c d", "").repetition == pytest.approx(1 / 5)
    assert check_text("the ball " * 50, "").repetition > 0.9
    assert check_text("one two three", "").repetition == 0
    assert check_text("one two three", "").num_words == 3


@given(st.text(), st.text())
def test_any_text_can_be_checked(caption: str, label: str) -> None:
    check = check_text(caption, label)
    assert 0 <= check.label_words_found <= check.label_words
    assert 0 <= check.repetition < 1
    if check.label_words:
        assert check_text(f"{caption} {label}", label).label_coverage == 1
