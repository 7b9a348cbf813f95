"""The command `timetokens`: encode and decode positions, convert data files.

Errors are one line on standard error and exit code 2.
"""

import argparse
import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from timetokens.codec import Codec
from timetokens.codecs import CODECS, as_codec
from timetokens.convert_file import FORMATS, convert_file, read_durations
from timetokens.errors import CodecError
from timetokens.position import ItemPosition, time_position
from timetokens.records import Converter
from timetokens.relative_codecs import RelativeDigits
from timetokens.rpt import DEFAULT_DIGITS
from timetokens.wording import span_text

_DESCRIPTION = "Places in a sequence as text, and back."
_CODEC_HELP = f"one of {', '.join(CODECS)}"
_ENCODE_EXAMPLES = """examples:
  timetokens encode 7 96                                  <0><7><2><9>
  timetokens encode --seconds 25 61.4 --duration-seconds 148.8 --codec seconds
"""
_DECODE_EXAMPLES = """examples:
  timetokens decode "<0><7><2><9>"                          0.0729
  timetokens decode "<0><7><2><9>" --length 96              7
  timetokens decode "<0><7><2><9>" --duration-seconds 60    4.374
  timetokens decode "25.0 - 61.4 seconds" --codec seconds   25 61.4
Printed are shares of the whole, with --duration-seconds (or a codec of seconds) seconds.
Without TEXT, every line of standard input is one position.
"""
_CONVERT_EXAMPLES = """examples:
  timetokens convert --from seconds --to rpt timeit.json --durations durations.json --out rpt.json

FILE is a JSON list of records (.json), one record a line (.jsonl) or plain lines (anything else).
A record's texts are QA[].q and .a, conversations[].value, messages[].content, turns[].prompt and
.answer, prompt, answer, question and text. The duration of its video is its own field
duration_seconds or duration, else what DURATIONS says about it, else --duration-seconds.
DURATIONS is a JSON object from video names to seconds (or to objects with a duration).
"""


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        one_line = " ".join(message.split())
        self.exit(2, f"{self.prog}: error: {one_line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.error("name a command: encode, decode or convert")
    if sys.stdout is None:  # `timetokens ... >&-`
        parser.error("standard output is closed")
    try:
        if options.command == "encode":
            print(_encode(options))
        elif options.command == "decode":
            for line in _decode(options):
                print(line)
        else:
            _convert(options)
        sys.stdout.flush()
    except BrokenPipeError:  # `timetokens ... | head`
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130
    except (CodecError, OSError, UnicodeError) as error:
        parser.error(_described(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="timetokens", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument(
        "--version",
        action="version",
        version=f"timetokens {importlib.metadata.version('seq2time-timetokens')}",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, summary: str, epilog: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    encode = add("encode", "Write a position.", _ENCODE_EXAMPLES)
    encode.add_argument("item", nargs="?", type=int, metavar="ITEM", help="item number, from 1")
    encode.add_argument("length", nargs="?", type=int, metavar="LENGTH", help="number of items")
    encode.add_argument(
        "--seconds", nargs="+", type=float, metavar="T", help="a time, or start and end of a span"
    )
    encode.add_argument(
        "--clamp", action="store_true", help="move times outside the video to its nearer end"
    )

    decode = add("decode", "Read positions.", _DECODE_EXAMPLES)
    decode.add_argument("text", nargs="*", metavar="TEXT", help="a position, or a span")
    decode.add_argument("--length", type=int, metavar="N", help="print the item of a sequence of N")

    convert = add("convert", "Rewrite a file in another codec.", _CONVERT_EXAMPLES)
    convert.add_argument("--from", required=True, dest="source", metavar="CODEC", help=_CODEC_HELP)
    convert.add_argument("--to", required=True, dest="target", metavar="CODEC")
    convert.add_argument("file", type=Path, metavar="FILE")
    convert.add_argument("--format", choices=FORMATS, help="instead of what the file name says")
    convert.add_argument("--durations", type=Path, metavar="FILE", help="seconds by video, JSON")
    convert.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")
    convert.add_argument("--force", action="store_true", help="replace an existing --out file")
    convert.add_argument("--clamp", action="store_true", help="move times after the end to the end")

    for command in (encode, decode, convert):
        command.add_argument(
            "--duration-seconds", type=float, metavar="D", help="length of the video"
        )
    for command in (encode, decode):
        command.add_argument(
            "--codec", default="rpt", metavar="CODEC", help=f"{_CODEC_HELP}; default rpt"
        )
    for command in (encode, decode, convert):
        command.add_argument(
            "--digits", type=int, metavar="N", help=f"of rpt, 1 to 6 (default {DEFAULT_DIGITS})"
        )
    return parser


def _codec(name: str, digits: int | None) -> Codec:
    codec = as_codec(name)
    if digits is None:
        return codec
    if not isinstance(codec, RelativeDigits):
        raise CodecError(f"--digits belongs to rpt, not to {name}")
    return RelativeDigits(digits=digits)


def _encode(options: argparse.Namespace) -> str:
    codec = _codec(options.codec, options.digits)
    if (options.item is None) == (options.seconds is None):
        raise CodecError("give either ITEM LENGTH or --seconds T --duration-seconds D")
    if options.item is not None:
        if options.length is None:
            raise CodecError(f"item {options.item} of how many? give ITEM LENGTH")
        if options.clamp or options.duration_seconds is not None:
            raise CodecError("--clamp and --duration-seconds belong to --seconds, not to an item")
        return codec.format_point(ItemPosition(options.item, options.length))
    if options.duration_seconds is None:
        raise CodecError("--seconds needs --duration-seconds")
    if len(options.seconds) > 2:
        raise CodecError(f"--seconds takes one time or two, got {len(options.seconds)}")
    start, *end = (
        time_position(seconds, duration_seconds=options.duration_seconds, clamp=options.clamp)
        for seconds in options.seconds
    )
    return span_text(start, end[0], codec) if end else codec.format_point(start)


def _decode(options: argparse.Namespace) -> list[str]:
    codec = _codec(options.codec, options.digits)
    if options.length is not None and options.duration_seconds is not None:
        raise CodecError("give --length or --duration-seconds, not both")
    duration_seconds = options.duration_seconds
    if duration_seconds is None and codec.is_relative:
        duration_seconds = 1.0

    def decoded(text: str) -> str:
        if options.length is not None:
            return str(codec.parse_item(text, length=options.length))
        bare = text.strip().removesuffix(f" {codec.time_unit}") if codec.time_unit else text
        places: tuple[float, ...]
        if " - " in bare:
            places = codec.parse_span(bare, duration_seconds=duration_seconds)
        else:
            places = (codec.parse_point(bare, duration_seconds=duration_seconds),)
        return " ".join(f"{place:.10g}" for place in places)

    if options.text:
        return [decoded(text) for text in options.text]
    if sys.stdin is None:
        raise CodecError("no TEXT, and standard input is closed")
    places = []
    for number, line in enumerate(sys.stdin.read().split("\n"), start=1):
        try:
            places += [decoded(line)] if line.strip() else []
        except CodecError as error:
            raise CodecError(f"standard input, line {number}: {error}") from error
    return places


def _convert(options: argparse.Namespace) -> None:
    durations = None if options.durations is None else read_durations(options.durations)
    digits = options.digits
    if digits is not None and "rpt" not in (options.source, options.target):
        raise CodecError("--digits belongs to rpt, which is neither --from nor --to")
    source = _codec(options.source, digits if options.source == "rpt" else None)
    target = _codec(options.target, digits if options.target == "rpt" else None)
    if options.out is not None and options.out.is_file() and not options.force:
        raise CodecError(f"{options.out} exists; --force replaces it")
    text, tally = convert_file(
        options.file,
        Converter(source, target, options.duration_seconds, durations, options.clamp),
        format_name=options.format,
    )
    if options.out is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", newline="")
        sys.stdout.write(text)
    else:
        _write(options.out, text)
    print(
        f"{tally.num_positions} positions in {tally.num_records} records rewritten, "
        f"{tally.num_malformed} malformed pieces left alone",
        file=sys.stderr,
    )


def _write(path: Path, text: str) -> None:
    """Whole or not at all; a link is followed, what is no file (a pipe) is written to as it is."""
    if path.exists() and not path.is_file():  # before resolve(): a pipe has no name of its own
        path.write_text(text, encoding="utf-8", newline="")
        return
    target = path.resolve()
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _described(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return f"input is not UTF-8 text (byte {error.start})"
    return str(error)
