"""How questions name the unit of an answer, with seconds and with relative positions.

The phrases are those of the questions of TimeIT and of TimeChat's evaluation. Every one has a
counterpart of its own, so that a text can be brought back.
"""

import re
from typing import Final

_PHRASES: Final = {
    "start - end seconds, ": "start - end, ",
    "start - end seconds format": "start - end format",
    "start and end seconds": "start and end positions",
    "timestamps in seconds": "timestamps as relative positions",
    "timestamp in seconds": "timestamp as a relative position",
    "start time and end time in seconds": "start time and end time as relative positions",
}


class PhraseTable:
    """Replaces every phrase of a table by its counterpart, in one pass."""

    def __init__(self, phrases: dict[str, str]) -> None:
        self._phrases = phrases
        self._pattern = re.compile("|".join(map(re.escape, phrases)))

    def sub(self, text: str) -> str:
        """The text with the counterparts."""
        return self._pattern.sub(lambda match: self._phrases[match[0]], text)


UNIT_DROPPED: Final = PhraseTable(_PHRASES)
UNIT_NAMED: Final = PhraseTable({without: named for named, without in _PHRASES.items()})
