"""How long and how varied captions are: average length and type-token ratio (Seq2Time, Table 5).

The paper gives neither its tokenizer nor over what the ratio is taken. Its values (0.27 to 0.41)
only fit a ratio over all captions of one video, averaged over videos, so that is the default; the
ratios of the whole corpus and of single captions stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vidmetrics.errors import InputError
from vidmetrics.events import is_list
from vidmetrics.version import __version__


@dataclass(frozen=True, slots=True)
class TextRichness:
    """Length and variety of captions.

    Attributes:
        mean_length: words a caption.
        type_token_ratio: different words over all words of one video, mean over videos.
        type_token_ratio_corpus: the same over all videos at once.
        type_token_ratio_caption: the same over single captions, mean over captions.
        num_captions: how many captions there are, those without a word included.
        num_words: how many words.
        signature: how words were made.
    """

    mean_length: float
    type_token_ratio: float
    type_token_ratio_corpus: float
    type_token_ratio_caption: float
    num_captions: int
    num_words: int
    signature: str


def text_richness(
    captions: Mapping[str, Sequence[str]] | Sequence[str],
    *,
    tokenizer: Literal["ptb", "whitespace"] = "ptb",
) -> TextRichness:
    """Average length and type-token ratios of captions.

    Args:
        captions: `{video: [caption, ...]}`; a plain list is taken as one video.
        tokenizer: `"ptb"` (lower case, no punctuation: what the caption scorers see) or
            `"whitespace"` (split as it is).

    Raises:
        InputError: no captions, or one that is no text.
        ValueError: an unknown tokenizer.

    Example:
        >>> text_richness({"a": ["cut the onion", "fry the onion"]}).type_token_ratio.__round__(3)
        0.667
    """
    if tokenizer not in _TOKENIZERS:
        raise ValueError(f"tokenizer {tokenizer!r}: choose {' or '.join(_TOKENIZERS)}")
    by_video = {"": captions} if is_list(captions) else captions
    if not isinstance(by_video, Mapping):
        raise InputError(f"captions must be a mapping or a list, got {type(captions).__name__}")
    for video, texts in by_video.items():
        if not is_list(texts):
            raise InputError(f"captions of video {video!r} must be a list, got {texts!r:.60}")
        for text in texts:
            if not isinstance(text, str):
                raise InputError(f"a caption of video {video!r} must be text, got {text!r:.60}")
    if not any(by_video.values()):
        raise InputError("there are no captions to measure")
    words = {video: _TOKENIZERS[tokenizer](texts) for video, texts in by_video.items()}
    captions_words = [caption for of_video in words.values() for caption in of_video]
    num_words = sum(map(len, captions_words))
    pooled = [[word for caption in of_video for word in caption] for of_video in words.values()]
    return TextRichness(
        mean_length=num_words / len(captions_words),
        type_token_ratio=_mean(_ratio(of_video) for of_video in pooled if of_video),
        type_token_ratio_corpus=_ratio([word for of_video in pooled for word in of_video]),
        type_token_ratio_caption=_mean(_ratio(caption) for caption in captions_words if caption),
        num_captions=len(captions_words),
        num_words=num_words,
        signature=f"TEXT|tok:{tokenizer}|ttr:video|v:{__version__}",
    )


def _ptb(captions: Sequence[str]) -> list[list[str]]:
    from vidmetrics.ptb import tokenize

    return [tokens.split() for tokens in tokenize(captions)]


def _whitespace(captions: Sequence[str]) -> list[list[str]]:
    return [caption.split() for caption in captions]


_TOKENIZERS: dict[str, Callable[[Sequence[str]], list[list[str]]]] = {
    "ptb": _ptb,
    "whitespace": _whitespace,
}


def _ratio(words: Sequence[str]) -> float:
    return len(set(words)) / len(words) if words else 0.0


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
