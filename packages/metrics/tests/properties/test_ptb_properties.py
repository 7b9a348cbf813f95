"""What holds for the tokens of any text."""

from hypothesis import given
from hypothesis import strategies as st

from vidmetrics.ptb import raw_tokens, tokenize
from vidmetrics.ptb_lexicon import PUNCTUATION

text = st.text(st.characters())  # all code points, surrogates too
captions = st.lists(
    text | st.text("aAbzI 10.,'\"-&;@#()<>/:!?\u00bd\u00e9\u2019\u00ad\t\n$"), max_size=6
)


@given(captions)
def test_every_caption_has_its_tokens(captions: list[str]) -> None:
    raw, tokens = raw_tokens(captions), tokenize(captions)
    assert len(raw) == len(tokens) == len(captions)
    for of_caption, kept in zip(raw, tokens, strict=True):
        printed = " ".join(of_caption).rstrip().split(" ")
        assert kept == " ".join(token for token in printed if token not in PUNCTUATION)
        assert not set(kept) & set("\n\r")


@given(captions)
def test_tokens_can_be_written_and_are_lower_case(captions: list[str]) -> None:
    for tokens in tokenize(captions):
        tokens.encode()  # no lone surrogates
        assert tokens.isascii() <= (tokens == tokens.lower())


@given(captions, st.randoms(use_true_random=False))
def test_independent_captions_may_be_shuffled(captions: list[str], random: object) -> None:
    order = list(range(len(captions)))
    random.shuffle(order)  # type: ignore[attr-defined]
    tokens = tokenize(captions, independent=True)
    shuffled = tokenize([captions[k] for k in order], independent=True)
    assert shuffled == [tokens[k] for k in order]


@given(st.lists(st.from_regex(r"[a-z]{3,8}", fullmatch=True), min_size=1, max_size=8))
def test_plain_words_are_left_alone(words: list[str]) -> None:
    split = {"cannot", "gimme", "gonna", "gotta", "lemme", "wanna"}
    kept = [word for word in words if word not in split]
    assert raw_tokens([" ".join(kept)]) == [kept]
    assert tokenize([" , ".join(kept).upper()]) == [" ".join(kept)]
