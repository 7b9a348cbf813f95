"""What is read out of a text: spans, events and the pieces that could not be read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open [start_seconds, end_seconds); a single point has both equal."""

    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Event:
    """A span and what happens in it."""

    start_seconds: float
    end_seconds: float
    caption: str

    @property
    def span(self) -> Span:
        """Start and end alone."""
        return Span(self.start_seconds, self.end_seconds)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A piece of text that looks like a position and could not be read as part of an answer.

    Attributes:
        offset: where it starts in the text, in characters.
        text: the piece, cut after 80 characters.
        reason: why, in a few words.
    """

    offset: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class ParseResult:
    """Events of a text in the order they stand in it, and what was malformed."""

    events: tuple[Event, ...]
    malformed: tuple[Malformed, ...]


@dataclass(frozen=True, slots=True)
class SpanResult:
    """Spans of a text in the order they stand in it, and what was malformed."""

    spans: tuple[Span, ...]
    malformed: tuple[Malformed, ...]


@dataclass(frozen=True, slots=True)
class ItemResult:
    """Item numbers (from 1) of a text in the order they stand in it, and what was malformed."""

    items: tuple[int, ...]
    malformed: tuple[Malformed, ...]
