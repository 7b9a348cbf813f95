"""The codecs by name. Table, sources and figures: docs/time_representations.md.

Other sizes are made by calling the class, for instance `RelativeDigits(digits=3)` or
`Bins(num_bins=301)`; every function of this package takes a name or a codec.
"""

import difflib
from typing import Final

from timetokens.absolute_codecs import AbsoluteDigits, DecimalText
from timetokens.codec import Codec
from timetokens.errors import CodecError
from timetokens.relative_codecs import Bins, Percent, RelativeDigits

CODECS: Final[dict[str, Codec]] = {
    "rpt": RelativeDigits(),
    "seconds": DecimalText(),
    "index": DecimalText(name="index", item_decimals=0),
    "percent": Percent(),
    "bins": Bins(),
    "absolute_digits": AbsoluteDigits(),
}
"""One codec of every kind."""


def as_codec(codec: str | Codec) -> Codec:
    """The codec of that name; a codec is returned as it is.

    Raises:
        CodecError: a name that CODECS does not have.
    """
    if isinstance(codec, Codec):
        return codec
    if codec not in CODECS:
        near = difflib.get_close_matches(str(codec), CODECS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise CodecError(f"unknown codec {codec!r}{hint}; one of: {', '.join(CODECS)}")
    return CODECS[codec]
