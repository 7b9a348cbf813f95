"""The sentences around positions, one place for all codecs: written here and read back here.

The wording is TimeChat's (the paper takes over its data and its prompts). The codec decides how a
position looks and whether the word "seconds" follows: a relative position is not a number of
seconds, so `rpt` goes without it (row 7 of docs/decisions.md). Where the positions are
`ItemPosition`s, the sentences speak of images.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from timetokens.codec import Codec
from timetokens.codecs import as_codec
from timetokens.errors import CodecError
from timetokens.escaping import escape
from timetokens.parsing import parse_events
from timetokens.position import ItemPosition, Position, time_position
from timetokens.spans import Event, Malformed, Span

# TimeChat ends every event with ". " and joins with a space.
EVENT_JOINT: Final = "  "
SPEECH_START: Final = "Transcribed speech: "
SPEECH_END: Final = " Based on the video content and possible transcribed speech, "
NO_SPEECH: Final = "None."

_SAMPLING = re.compile(
    r"The video contains (?P<count>[0-9]{1,9}) (?:frames sampled|images indexed) at "
)
_FRAME = re.compile(r"This (?:frame is sampled|image is indexed) at ")


@dataclass(frozen=True, slots=True)
class SpeechQuestion:
    """A question with the speech in front of it.

    Attributes:
        segments: what was said when.
        question: the question itself.
        malformed: pieces of the speech that could not be read.
    """

    segments: tuple[Event, ...]
    question: str
    malformed: tuple[Malformed, ...]


def span_text(start: Position, end: Position, codec: str | Codec = "rpt") -> str:
    """A span with its unit word; start and end at the same place give one position.

    Example:
        >>> span_text(time_position(0.0, duration_seconds=60.0),
        ...           time_position(9.1, duration_seconds=60.0), "seconds")
        '0.0 - 9.1 seconds'
    """
    codec = as_codec(codec)
    is_moment = start == end
    text = codec.format_point(start) if is_moment else codec.format_span(start, end)
    return text + _unit(start, codec)


def sampling_sentence(positions: Sequence[Position], codec: str | Codec = "rpt") -> str:
    """The sentence of the prompt that says where the frames (or images) were taken.

    Raises:
        CodecError: no positions, or items mixed with times.

    Example:
        >>> sampling_sentence([ItemPosition(1, 2), ItemPosition(2, 2)])
        'The video contains 2 images indexed at <5><0><0><0>, <9><9><9><9>.'
    """
    codec = as_codec(codec)
    if not positions or len({type(position) for position in positions}) > 1:
        raise CodecError(
            "sampling_sentence needs positions of one kind, "
            f"got {[type(position).__name__ for position in positions[:3]]}"
        )
    kind = "images indexed" if isinstance(positions[0], ItemPosition) else "frames sampled"
    places = ", ".join(codec.format_point(position) for position in positions)
    unit = _unit(positions[0], codec)
    return f"The video contains {len(positions)} {kind} at {places}{unit}."


def frame_sentence(position: Position, codec: str | Codec = "rpt") -> str:
    """The sentence that TimeChat's image Q-Former reads beside a frame."""
    codec = as_codec(codec)
    kind = "image is indexed" if isinstance(position, ItemPosition) else "frame is sampled"
    unit = _unit(position, codec).removesuffix("s")  # TimeChat has the singular here
    return f"This {kind} at {codec.format_point(position)}{unit}."


def dense_caption_answer(
    events: Iterable[Event],
    codec: str | Codec = "rpt",
    *,
    duration_seconds: float,
    clamp: bool = False,
) -> str:
    """The answer to "what happens when": `START - END, caption.` for every event.

    Captions lose line breaks and doubled spaces, gain a full stop where they end without one, and
    are escaped. An event without length (start == end) is written with one position.

    Raises:
        CodecError: an event outside the video (unless `clamp`) or that ends before it starts.

    Example:
        >>> dense_caption_answer([Event(0.0, 9.1, "a man waves")], "seconds", duration_seconds=20.0)
        '0.0 - 9.1 seconds, a man waves.'
    """
    codec = as_codec(codec)
    return EVENT_JOINT.join(
        f"{_span_of(event.span, codec, duration_seconds, clamp)}, {_sentence(event.caption)}"
        for event in events
    )


def grounding_answer(
    span: Span, codec: str | Codec = "rpt", *, duration_seconds: float, clamp: bool = False
) -> str:
    """The answer to "when does this happen".

    Raises:
        CodecError: a span outside the video (unless `clamp`) or that ends before it starts.
    """
    place = _span_of(span, as_codec(codec), duration_seconds, clamp)
    return f"The given query happens in {place}."


def speech_question(
    question: str,
    segments: Sequence[Event],
    codec: str | Codec = "rpt",
    *,
    duration_seconds: float,
    clamp: bool = False,
) -> str:
    """A question behind the transcribed speech of the video; no segments give "None."."""
    speech = dense_caption_answer(segments, codec, duration_seconds=duration_seconds, clamp=clamp)
    return f"{SPEECH_START}{speech or NO_SPEECH}{SPEECH_END}{question}"


def parse_sampling_sentence(
    text: str, codec: str | Codec = "rpt", *, duration_seconds: float | None = None
) -> tuple[float, ...]:
    """The times (one second an item for image sequences) of a `sampling_sentence`.

    Raises:
        CodecError: another text, a place that cannot be read, or another number of places than
            the sentence says.
    """
    codec = as_codec(codec)
    match = _SAMPLING.match(text)
    if match is None:
        raise CodecError(f"not a sentence about sampled frames: {text[:80]!r}")
    places = _without_unit(text[match.end() :], codec).split(", ")
    if len(places) != int(match["count"]):
        raise CodecError(f"{len(places)} places where the sentence says {match['count']}")
    return tuple(codec.parse_point(place, duration_seconds=duration_seconds) for place in places)


def parse_frame_sentence(
    text: str, codec: str | Codec = "rpt", *, duration_seconds: float | None = None
) -> float:
    """The time of a `frame_sentence`.

    Raises:
        CodecError: another text, or a place that cannot be read.
    """
    codec = as_codec(codec)
    match = _FRAME.match(text)
    if match is None:
        raise CodecError(f"not a sentence about one frame: {text[:80]!r}")
    place = _without_unit(text[match.end() :], codec)
    return codec.parse_point(place, duration_seconds=duration_seconds)


def parse_speech_question(
    text: str, codec: str | Codec = "rpt", *, duration_seconds: float | None = None
) -> SpeechQuestion:
    """Speech and question of a `speech_question`; a text without speech is all question."""
    end = text.rfind(SPEECH_END)
    if not text.startswith(SPEECH_START) or end < 0:
        return SpeechQuestion((), text, ())
    question = text[end + len(SPEECH_END) :]
    speech = text[len(SPEECH_START) : end]
    if speech == NO_SPEECH:
        return SpeechQuestion((), question, ())
    result = parse_events(speech, codec, duration_seconds=duration_seconds)
    return SpeechQuestion(result.events, question, result.malformed)


def _unit(position: Position, codec: Codec) -> str:
    is_time = not isinstance(position, ItemPosition)
    return f" {codec.time_unit}" if codec.time_unit and is_time else ""


def _without_unit(text: str, codec: Codec) -> str:
    text = text.rstrip().removesuffix(".")
    for unit in (codec.time_unit, codec.time_unit.removesuffix("s")):
        if unit and text.endswith(f" {unit}"):
            return text.removesuffix(f" {unit}")
    return text


def _span_of(span: Span, codec: Codec, duration_seconds: float, clamp: bool) -> str:
    start = time_position(span.start_seconds, duration_seconds=duration_seconds, clamp=clamp)
    end = time_position(span.end_seconds, duration_seconds=duration_seconds, clamp=clamp)
    return span_text(start, end, codec)


def _sentence(caption: str) -> str:
    text = escape(" ".join(caption.split()))
    return text if text.endswith((".", "!", "?")) else f"{text}."
