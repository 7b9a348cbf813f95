"""Penn Treebank tokens of captions, as the caption scorers of the field see them.

Owns the pipeline in front of CIDEr and METEOR: Stanford PTB tokens in lower case (behaviour of
CoreNLP 3.4.1, observed as a black box), then the removal of the scorers' punctuation list.
"""

from __future__ import annotations

from collections.abc import Sequence


def tokenize(captions: Sequence[str]) -> list[str]:
    """One string a caption: its tokens in lower case, without punctuation, joined by single spaces.

    This is the string that the original scorers hand on: METEOR takes it as it is, CIDEr takes
    `string.split()`. The two differ for a mixed number: `"1 1/2 cups"` is `"1\\u00a01/2 cups"`
    here (one token for the punctuation removal), and `str.split()` makes it three words.

    Args:
        captions: any text; line breaks, control characters and lone surrogates are allowed and
            never move a token to another caption.

    Returns:
        A list as long as `captions`; a caption without words gives `""`.
    """
    return [" ".join(caption.lower().split()) for caption in captions]


def raw_tokens(caption: str) -> list[str]:
    """The tokens of one caption before punctuation is removed, in lower case.

    A mixed number is one token that holds U+00A0 (`"1\\u00a01/2"`).
    """
    return caption.lower().split()
