"""Model text to events and spans, tolerantly: nothing here raises on what a model wrote.

Two positions make a span when a dash, "to", an end label or nothing stands between them. Numbers
are ambiguous ("add 1-2 cups"): a span of numbers counts only where an answer puts one, at the start
of a sentence or line or behind words such as "from", and then with a unit, decimals or punctuation
behind it. Reversed spans are turned round. Nothing is invented: a span of which one end cannot be
read is reported as malformed, not completed.
"""

from typing import Final, Literal, SupportsIndex

from timetokens import context, timechat_compat
from timetokens.captions import captions_of
from timetokens.codec import Codec
from timetokens.codecs import as_codec
from timetokens.conversion import convert_text
from timetokens.errors import CodecError
from timetokens.escaping import unescape
from timetokens.found import find_spans
from timetokens.mentions import find_points
from timetokens.position import checked_item
from timetokens.spans import Event, ItemResult, Malformed, ParseResult, Span, SpanResult

_ANSWER_TAGS: Final = ("</think>", "<answer>")


def parse_events(
    text: str,
    codec: str | Codec = "rpt",
    *,
    duration_seconds: float | None = None,
    compat: Literal["timechat"] | None = None,
) -> ParseResult:
    """The events of a model's answer, and every piece that looks like one and is not.

    Args:
        text: what the model wrote.
        codec: how its positions are written.
        duration_seconds: length of the video (of a sequence: number of items); needed by relative
            codecs, for which 1.0 gives places as fractions.
        compat: "timechat" reads what TimeChat's own script reads, slips included (captions in
            lower case, reversed spans kept); other codecs are brought to seconds first.

    Returns:
        Events in the order of the text, captions stripped and unescaped. Times beyond the end of
        the video are kept as written.

    Raises:
        CodecError: an unknown codec or compat, a missing or bad duration. Never for the text.

    Example:
        >>> parse_events("1.0 - 2.0 seconds, pour.", "seconds").events
        (Event(start_seconds=1.0, end_seconds=2.0, caption='pour.'),)
    """
    codec = as_codec(codec)
    if compat is not None:
        spans, captions = timechat_compat.dense_captions(
            _timechat_text(text, codec, duration_seconds, compat)
        )
        pairs = zip(spans, captions, strict=True)
        return ParseResult(tuple(Event(*span, unescape(caption)) for span, caption in pairs), ())
    text = _answer_part(text)
    found, malformed = find_spans(text, *find_points(text, codec, duration_seconds))
    captions = captions_of(text, found, malformed)
    events = (
        Event(item.span.start_seconds, item.span.end_seconds, caption)
        for item, caption in zip(found, captions, strict=True)
    )
    return ParseResult(tuple(events), tuple(malformed))


def parse_spans(
    text: str,
    codec: str | Codec = "rpt",
    *,
    duration_seconds: float | None = None,
    compat: Literal["timechat"] | None = None,
) -> SpanResult:
    """The spans of an answer to "when does ... happen"; the first one is the answer.

    Arguments and errors as for `parse_events`. A single position gives a span of no length.

    Example:
        >>> parse_spans("It happens in <1><0><0><0> - <2><0><0><0>.", duration_seconds=60.0).spans
        (Span(start_seconds=6.0, end_seconds=12.0),)
    """
    codec = as_codec(codec)
    if compat is not None:
        text = _timechat_text(text, codec, duration_seconds, compat)
        return SpanResult(tuple(Span(*span) for span in timechat_compat.grounding(text)), ())
    text = _answer_part(text)
    found, malformed = find_spans(text, *find_points(text, codec, duration_seconds))
    return SpanResult(tuple(item.span for item in found), tuple(malformed))


def parse_items(text: str, codec: str | Codec = "rpt", *, length: SupportsIndex) -> ItemResult:
    """The item numbers that an answer about a sequence of `length` items names.

    Numbers written as ordinary text count only behind a word such as "index" or "image", as the
    first thing said ("7", "7 shows it", not "3 dogs"), or in a list that starts so; a number that
    is no item is malformed.

    Raises:
        CodecError: an unknown codec or a length below 1. Never for the text.

    Example:
        >>> parse_items("The image indices are 7, 9.", "index", length=96).items
        (7, 9)
    """
    codec = as_codec(codec)
    _, length = checked_item(1, length)
    text = _answer_part(text)
    points, malformed = find_points(text, codec, float(length))
    text_start = len(text) - len(text.lstrip())
    items: list[int] = []
    list_end = -1  # where the list of items read so far ends
    for point in points:
        goes_on = list_end >= 0 and context.LIST_GAP.fullmatch(text, list_end, point.start)
        is_first = point.start == text_start and context.FIRST_ITEM_FOLLOWS.match(text, point.end)
        if not (point.is_sure or goes_on or is_first or _names_item(text, point.start)):
            continue
        list_end = point.end
        try:
            items.append(codec.parse_item(point.text, length=length))
        except CodecError as error:
            malformed.append(Malformed(point.start, text[point.start : point.end], str(error)))
    return ItemResult(tuple(items), tuple(sorted(malformed, key=lambda piece: piece.offset)))


def _timechat_text(text: str, codec: Codec, duration_seconds: float | None, compat: str) -> str:
    """The text with its positions in seconds, as TimeChat's scripts expect them."""
    if compat != "timechat":
        raise CodecError(f"unknown compat {compat!r}; known: timechat")
    codec.duration_to_read(duration_seconds)
    if not codec.is_relative:
        if not codec.new_tokens:
            return text
        duration_seconds = None  # times beyond the end of the video are kept as written
    return convert_text(text, codec, "seconds", duration_seconds=duration_seconds, clamp=True).text


def _answer_part(text: str) -> str:
    """The text with the thoughts in front of a reasoning model's answer blanked out.

    Offsets stay. A text without the tags `</think>` or `<answer>` comes back as it is.
    """
    start = max(text.rfind(tag) + len(tag) if tag in text else 0 for tag in _ANSWER_TAGS)
    return f"{' ' * (start - 1)}\n{text[start:]}" if start else text


def _names_item(text: str, offset: int) -> bool:
    """Whether the words before `offset` announce an item number."""
    before = text[max(0, offset - context.WINDOW) : offset]
    return context.ITEM_WORD.search(before) is not None
