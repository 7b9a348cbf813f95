"""Places in a sequence as text, and back: every time representation of video LLMs.

>>> encode(7, 96)
'<0><7><2><9>'
>>> decode_item("<0><7><2><9>", 96)
7
"""

import importlib.metadata
from typing import TYPE_CHECKING

from timetokens.absolute_codecs import AbsoluteDigits, DecimalText
from timetokens.codec import Codec, Spelling
from timetokens.codecs import CODECS, as_codec
from timetokens.constrain import time_token_processor
from timetokens.conversion import Conversion, convert_text
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
from timetokens.wording import (
    SpeechQuestion,
    dense_caption_answer,
    frame_sentence,
    grounding_answer,
    parse_frame_sentence,
    parse_sampling_sentence,
    parse_speech_question,
    sampling_sentence,
    span_text,
    speech_question,
)

__all__ = [
    "CODECS",
    "TOKENS",
    "AbsoluteDigits",
    "Bins",
    "Codec",
    "CodecError",
    "Conversion",
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
    "SpeechQuestion",
    "Spelling",
    "TimePosition",
    "add_to",
    "as_codec",
    "convert_text",
    "decode",
    "decode_item",
    "decode_seconds",
    "dense_caption_answer",
    "encode",
    "encode_seconds",
    "escape",
    "frame_sentence",
    "grounding_answer",
    "parse_events",
    "parse_frame_sentence",
    "parse_items",
    "parse_sampling_sentence",
    "parse_spans",
    "parse_speech_question",
    "sampling_sentence",
    "span_text",
    "speech_question",
    "time_position",
    "time_token_processor",
    "unescape",
]

__version__: str

if not TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        if name == "__version__":  # read when asked for: importing this package touches no file
            return importlib.metadata.version("seq2time-timetokens")
        raise AttributeError(f"module 'timetokens' has no attribute {name!r}")
