r"""Captions that contain a time token by accident: `<5>` in, `<\5>` in the text, `<5>` out.

A caption such as "press <5> twice" would otherwise become a position the moment it is tokenized.
A backslash after the bracket breaks the token; captions that already hold such a backslash get one
more, so `unescape(escape(caption)) == caption` for every string.
"""

import re
from typing import Final

# Digit tokens of any length (`<0>`..`<9>` of rpt, `<0>`..`<300>` of other systems), `<t17>`,
# `<TIME_ZERO>`: the tokens of every codec in CODECS, whichever is in use, in any case, as they are
# read.
_TOKEN_BODY: Final = r"[0-9]+>|t[0-9]+>|TIME_[A-Z]+>"
_PLAIN: Final = re.compile(rf"<(?=\\*(?:{_TOKEN_BODY}))", re.IGNORECASE)
_ESCAPED: Final = re.compile(rf"<\\(?=\\*(?:{_TOKEN_BODY}))", re.IGNORECASE)


def escape(caption: str) -> str:
    r"""The caption with no time token in it.

    Example:
        >>> print(escape("press <5> twice"))
        press <\5> twice
    """
    return _PLAIN.sub(r"<\\", caption)


def unescape(text: str) -> str:
    r"""The caption that `escape` was given.

    Example:
        >>> unescape(escape("press <5> twice"))
        'press <5> twice'
    """
    return _ESCAPED.sub("<", text)
