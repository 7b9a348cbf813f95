"""Places in a sequence as text, and back: every time representation of video LLMs.

>>> encode(7, 96)
'<0><7><2><9>'
>>> decode_item("<0><7><2><9>", 96)
7
"""

from timetokens.absolute_codecs import AbsoluteDigits, DecimalText
from timetokens.codec import Codec
from timetokens.codecs import CODECS, as_codec
from timetokens.errors import CodecError
from timetokens.escaping import escape, unescape
from timetokens.parsing import parse_events, parse_items, parse_spans
from timetokens.position import ItemPosition, Position, TimePosition, time_position
from timetokens.relative_codecs import Bins, Percent, RelativeDigits
from timetokens.rpt import (
    TOKENS,
    decode,
    decode_item,
    decode_seconds,
    encode,
    encode_seconds,
)
from timetokens.spans import Event, ItemResult, Malformed, ParseResult, Span, SpanResult
from timetokens.vocab import add_to

__version__ = "0.1.0"

__all__ = [
    "CODECS",
    "TOKENS",
    "AbsoluteDigits",
    "Bins",
    "Codec",
    "CodecError",
    "DecimalText",
    "Event",
    "ItemPosition",
    "ItemResult",
    "Malformed",
    "ParseResult",
    "Percent",
    "Position",
    "RelativeDigits",
    "Span",
    "SpanResult",
    "TimePosition",
    "add_to",
    "as_codec",
    "decode",
    "decode_item",
    "decode_seconds",
    "encode",
    "encode_seconds",
    "escape",
    "parse_events",
    "parse_items",
    "parse_spans",
    "time_position",
    "unescape",
]
