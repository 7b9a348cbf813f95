"""`vidllm ground`, `vidllm caption` and `vidllm demo`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidllm import run_folder
from vidllm.arguments import UsageError, is_flag, parse
from vidllm.terminal import as_text, messages, write_json

if TYPE_CHECKING:
    from vidllm.asking import Asker, VideoAnswer

MAX_PORT = 65535

_GROUND = """Says where in a video something happens, in seconds.

  vidllm ground VIDEO "the query" [--run DIR] [--json FILE]"""
_CAPTION = """Says what happens in a video, and when, in seconds.

  vidllm caption VIDEO [--run DIR] [--json FILE]"""
_DEMO = """A page on this machine with a video, a question and a timeline. Ctrl-C ends it.

  vidllm demo [--run DIR] [--videos DIR] [--port N]"""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Which run is asked, and how."""

    run: str = ""
    """The run folder. Default: the newest under runs/."""
    num_frames: int = 0
    """Frames that are looked at, evenly spaced. Default: as many as training showed of clips."""
    num_beams: int = 1
    """Places looked at side by side where the answer is nothing but places; 1 is greedy."""
    free: bool = False
    """Let the model write what it likes instead of holding answers to the form of the task."""


@dataclass(frozen=True, kw_only=True)
class AskOptions(RunOptions):
    """What `vidllm ground` and `vidllm caption` take besides the video."""

    json: str = ""
    """Write everything to this file as one JSON object; - is stdout, in place of the lines."""


@dataclass(frozen=True, kw_only=True)
class DemoOptions(RunOptions):
    """What `vidllm demo` takes."""

    videos: str = "."
    """The folder whose videos can be chosen."""
    port: int = 8000
    """Where on this machine; 0: any that is free. Nobody else can reach it."""


def ground(arguments: Sequence[str]) -> int:
    """Runs `vidllm ground` and returns the exit status."""
    (video, query), options = _taken(arguments, 2, 'vidllm ground VIDEO "the query"', _GROUND)
    path = _video(video)
    return _print(_asker(options).ground(path, as_text(query)), options)


def caption(arguments: Sequence[str]) -> int:
    """Runs `vidllm caption` and returns the exit status."""
    (video,), options = _taken(arguments, 1, "vidllm caption VIDEO", _CAPTION)
    path = _video(video)
    return _print(_asker(options).caption(path), options)


def demo(arguments: Sequence[str]) -> int:
    """Runs `vidllm demo` until it is interrupted, and returns the exit status."""
    options = parse(DemoOptions, arguments, DemoOptions(), "vidllm demo", _DEMO)
    folder = Path(options.videos)
    if not folder.is_dir():
        raise UsageError(f"--videos {folder}: there is no such folder")
    if not 0 <= options.port <= MAX_PORT:
        raise UsageError(f"--port is {options.port}: give 0 to {MAX_PORT}")
    asker = _asker(options)
    from vidllm.demo import serving, wait_forever

    with serving(asker, folder, port=options.port) as address:
        print(address, flush=True)
        _say(asker.system, f"videos of {folder.resolve()}")
        wait_forever()
    return 0


def _taken(
    arguments: Sequence[str], count: int, usage: str, description: str
) -> tuple[list[str], AskOptions]:
    """The leading words and the options."""
    program = " ".join(usage.split()[:2])
    if any(argument in ("-h", "--help") for argument in arguments):
        parse(AskOptions, ["--help"], AskOptions(), program, description)
    arguments = _words_first(arguments)
    words = arguments[:count]
    if len(words) < count or any(re.match("--[a-z]", word) for word in words):
        raise UsageError(f"usage: {usage} [--run DIR]; settings come last")
    rest = arguments[count:]
    if rest and not rest[0].startswith("-"):
        raise UsageError(
            f"usage: {usage}; {rest[0]!r} is one word too many: what has blanks stands in quotes"
        )
    return words, parse(AskOptions, rest, AskOptions(), program, description)


def _words_first(arguments: Sequence[str]) -> list[str]:
    """The arguments without a `--`, before which settings may stand."""
    if "--" not in arguments:
        return list(arguments)
    at = arguments.index("--")
    before, behind = list(arguments[:at]), list(arguments[at + 1 :])
    return behind + before if before and is_flag(before[0]) else before + behind


def _video(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"{name}: there is no such video")
    return path


def _asker(options: RunOptions) -> Asker:
    run_dir = Path(options.run) if options.run else run_folder.newest()
    run_folder.load_config(run_dir)  # a wrong folder is told before torch is loaded
    from vidllm.asking import Asker, AskSettings

    settings = AskSettings(
        num_frames=options.num_frames,
        num_beams=options.num_beams,
        constrained=not options.free,
    )
    return Asker(run_dir, settings)


def _say(system: dict[str, str], what: str) -> None:
    """Which model answers, on stderr."""
    messages().print(
        f"{system['run']}: recipe {system['recipe']}, step {system['steps']}, "
        f"{system.get('llm', 'a model of its own')}; {what}"
    )


def _print(answer: VideoAnswer, options: AskOptions) -> int:
    if options.json:
        write_json(answer.to_record(), options.json)
    if options.json == "-":
        return 0
    _say(answer.system, f"{answer.num_frames} frames of {answer.duration_seconds:.1f} s")
    for start, end, text in answer.events:
        print(f"{start:.1f} - {end:.1f} s" + (f"  {text}" if text else ""))
    if not answer.events:
        print(f"no place in the answer: {answer.text!r}")
    return 0
