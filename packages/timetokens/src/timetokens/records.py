"""Converts the texts of data sets from one codec to another: TimeIT, Valley, chats, plain lines.

A record is a JSON object. These texts of it are converted, the rest stays as it is:
`QA: [{q, a}]` (TimeIT and TimeChat's Valley), `conversations: [{value}]` (LLaVA and Valley),
`messages: [{content}]`, `turns: [{prompt, answer}]`, and the plain fields `prompt`, `answer`,
`question`, `text`. A record that names its `codec` names the new one afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from timetokens.codec import Codec
from timetokens.conversion import convert_text
from timetokens.errors import CodecError

_TURN_FIELDS: Final = {
    "QA": ("q", "a"),
    "conversations": ("value",),
    "messages": ("content",),
    "turns": ("prompt", "answer"),
}
_TEXT_FIELDS: Final = ("prompt", "answer", "question", "text")
_DURATION_FIELDS: Final = ("duration_seconds", "duration")
_VIDEO_FIELDS: Final = ("video", "video_id", "image_id", "vid", "id")


@dataclass(slots=True)
class Tally:
    """What a conversion did.

    Attributes:
        num_records: records (or lines) read.
        num_positions: positions rewritten.
        num_malformed: pieces that look like positions and were left alone.
    """

    num_records: int = 0
    num_positions: int = 0
    num_malformed: int = 0


@dataclass(frozen=True, slots=True)
class Converter:
    """From which codec to which, and where durations come from.

    Attributes:
        source: codec the texts are in.
        target: codec they shall be in.
        duration_seconds: duration of every video; a record's own field goes first.
        durations: seconds by video, by the name in the record, its file name or its stem.
        clamp: move times after the end of a video to the end.
    """

    source: Codec
    target: Codec
    duration_seconds: float | None = None
    durations: Mapping[str, float] | None = None
    clamp: bool = False

    def text(self, text: str, duration_seconds: float | None, tally: Tally) -> str:
        """A converted text; counts into `tally`."""
        conversion = convert_text(
            text, self.source, self.target, duration_seconds=duration_seconds, clamp=self.clamp
        )
        tally.num_positions += conversion.num_positions
        tally.num_malformed += len(conversion.malformed)
        return conversion.text

    def line(self, line: str, tally: Tally) -> str:
        """A converted line of plain text."""
        tally.num_records += 1
        return self.text(line, self.duration_seconds, tally)

    def record(self, record: Any, tally: Tally) -> dict[str, Any]:
        """A converted copy of a record.

        Raises:
            CodecError: not a JSON object, no list where there should be one, an example of
                seqsynth, no duration where one is needed, or a time after the end of the video.
        """
        if not isinstance(record, dict):
            raise CodecError(f"expected a JSON object, got {type(record).__name__}")
        if "frame_codes" in record:  # places of images, written without the words they are found by
            raise CodecError(
                "an example of seqsynth has places beside its texts: build it anew, from a recipe "
                f'with codec = "{self.target.name}" (seqsynth build)'
            )
        tally.num_records += 1
        duration_seconds = self._duration(record)
        converted = dict(record)
        for name in _TEXT_FIELDS:
            if isinstance(record.get(name), str):
                converted[name] = self.text(record[name], duration_seconds, tally)
        for name, fields in _TURN_FIELDS.items():
            if name in record:
                if not isinstance(record[name], list):
                    raise CodecError(f"{name} must be a list, got {record[name]!r:.40}")
                converted[name] = [
                    self._turn(turn, fields, duration_seconds, tally) for turn in record[name]
                ]
        if record.get("codec") == self.source.name:
            converted["codec"] = self.target.name
        return converted

    def _turn(
        self, turn: Any, fields: tuple[str, ...], duration_seconds: float | None, tally: Tally
    ) -> Any:
        if not isinstance(turn, dict):
            raise CodecError(f"expected a turn with {' and '.join(fields)}, got {turn!r:.80}")
        converted = dict(turn)
        for name in fields:
            if isinstance(turn.get(name), str):
                converted[name] = self.text(turn[name], duration_seconds, tally)
        return converted

    def _duration(self, record: Mapping[str, Any]) -> float | None:
        for name in _DURATION_FIELDS:
            value = record.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
        for name in _VIDEO_FIELDS:
            video = record.get(name)
            if isinstance(video, str) and self.durations is not None:
                path = PurePosixPath(video)
                for key in (video, path.name, path.stem):
                    if key in self.durations:
                        return self.durations[key]
        return self.duration_seconds
