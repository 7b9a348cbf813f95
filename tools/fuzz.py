"""Feeds the parsers odd input for as long as asked: `nox -s fuzz -- SECONDS [PARSER ...]`.

What is fed stands in Hypothesis tests, `tests/fuzz` and `native/tests/test_fuzz.py`, of which the
suite runs a little. An input that fails is printed: it is kept as an `@example` of its test.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent
PARSERS = {
    "native": "native/tests/test_fuzz.py",
    "timetokens": "tests/fuzz/test_timetokens.py",
    "seqsynth": "tests/fuzz/test_seqsynth.py",
    "vidmetrics": "tests/fuzz/test_vidmetrics.py",
    "vidllm": "tests/fuzz/test_vidllm.py",
}
_EXAMPLES_VARIABLE = "SEQ2TIME_FUZZ_EXAMPLES"
_EXAMPLES_A_ROUND = 100
_SECONDS_AN_INPUT = 20  # a hundred times what any of them should take
_BYTES_OF_MEMORY = 12 << 30

FUZZED = settings(
    max_examples=int(os.environ.get(_EXAMPLES_VARIABLE, "40")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)

_Value = TypeVar("_Value")
_NUMBERS = [0, -1, 1.5, 1e308, -1e308, 10**400, float("nan"), float("inf"), 2**63, 5e-324]
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6),
    st.sampled_from([*_NUMBERS, "\ud800", "..", "/etc", "-1", "\0", "<script>", "9" * 400]),
)  # fmt: skip
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
_PIECES = [
    *(b"\xff", b"\x00", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\\ud800", b"\x1a"),
    *(
        b"9" * 5000,
        b"-1",
        b"1e999",
        b"NaN",
        b"null",
        b"true",
        b"''",
        b"[" * 20_000,
        b'{"a":' * 9999,
    ),
    *(b'"', b"[", b"{", b"]", b"}", b",", b":", b"=", b"#", b"\n", b"\r", b"\t", b" ", b"\\", b"/"),
]


class TakesTooLongError(BaseException):
    """A parser that does not come back; no parser may catch it."""


@st.composite
def spoilt_bytes(draw: st.DrawFn, contents: list[bytes]) -> bytes:
    """One of these contents with some places cut out or replaced; or any bytes at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=64))
    content = draw(st.sampled_from(contents))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        width = draw(st.sampled_from([0, 0, 1, 1, 2, 8, 64, len(content)]))
        other = draw(st.integers(0, len(content)))
        piece = draw(
            st.one_of(
                st.just(b""),
                st.sampled_from(_PIECES),
                st.binary(max_size=4),
                st.just(content[other : other + 40]),
            )
        )
        content = content[:start] + piece + content[start + width :]
    return content


@st.composite
def spoilt_value(draw: st.DrawFn, documents: list[Any]) -> Any:
    """One of these documents with one or two values left out or replaced by nonsense."""
    document = json.loads(json.dumps(draw(st.sampled_from(documents))))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(
            st.sampled_from([path for path in _places(document) if path] or [(None,)])
        )
        if last is None:
            return draw(VALUES)
        holder = functools.reduce(lambda value, key: value[key], way, document)
        if draw(st.integers(0, 5)) == 0:
            del holder[last]
        else:
            holder[last] = draw(VALUES)
    return document


def json_bytes(documents: list[Any]) -> st.SearchStrategy[bytes]:
    """Documents as JSON, with wrong values or wrong bytes."""
    whole = [json.dumps(document).encode() for document in documents]
    return spoilt_value(documents).map(lambda value: json.dumps(value).encode()) | spoilt_bytes(
        whole
    )


def jsonl_bytes(records: list[Any]) -> st.SearchStrategy[bytes]:
    """Records as JSON lines, with wrong values or wrong bytes."""
    lines = spoilt_value([records]).filter(lambda value: isinstance(value, list))
    whole = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    spoilt = lines.map(lambda rows: b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return spoilt | spoilt_bytes([whole])


def scratch_file(name: str, content: bytes) -> Path:
    """A file with this content, until the next one of its name."""
    path = Path(_scratch().name, name)
    path.write_bytes(content)
    return path


def value_or_error(
    call: Callable[[], _Value], errors: type[Exception] | tuple[type[Exception], ...], named: object
) -> _Value | None:
    """What a call gives; None where it refuses by an error of that kind that names something."""
    try:
        return call()
    except errors as error:
        if str(named) not in str(error):
            raise AssertionError(f"{error!r} does not name {named}") from error
        return None


def module_at(path: str) -> ModuleType:
    """A module of tests, by its path in the repository."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fuzz(parser: str, seconds: float) -> int:
    """Runs the tests of a parser again and again; prints counts and returns how many failed."""
    tests = _tests_of(parser)
    counts = dict.fromkeys(tests, 0)
    failed: dict[str, str] = {}
    end = time.monotonic() + seconds
    for name, test in tests.items():
        test.hypothesis.inner_test = _watched(test.hypothesis.inner_test, counts, name)
    while time.monotonic() < end and len(failed) < len(tests):
        for name, test in tests.items():
            if name not in failed and time.monotonic() < end:
                try:
                    test()
                except (Exception, TakesTooLongError):  # whatever it is, it is what was looked for
                    failed[name] = traceback.format_exc()
                    sys.stdout.write(f"{parser}: {name}\n{failed[name]}\n")
    for name, count in counts.items():
        outcome = "failed" if name in failed else "ok"
        sys.stdout.write(f"{parser}: {name}: {count} inputs, {outcome}\n")
    sys.stdout.write(f"{parser}: {sum(counts.values())} inputs, {len(failed)} tests failed\n")
    sys.stdout.flush()
    return len(failed)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fuzz-")


def _tests_of(parser: str) -> dict[str, Any]:
    module = module_at(PARSERS[parser])
    return {
        name: value
        for name, value in vars(module).items()
        if name.startswith("test_") and is_hypothesis_test(value)
    }


def _watched(test: Callable[..., Any], counts: dict[str, int], name: str) -> Callable[..., Any]:
    """The test, counted, and ended where it takes too long."""

    @functools.wraps(test)
    def watched(*args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        if not hasattr(signal, "setitimer"):
            return test(*args, **kwargs)
        signal.setitimer(signal.ITIMER_REAL, _SECONDS_AN_INPUT)
        try:
            return test(*args, **kwargs)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return watched


def _too_long(signum: int, frame: FrameType | None) -> None:
    raise TakesTooLongError(f"an input took over {_SECONDS_AN_INPUT} s")


def main() -> int:
    """Fuzzes the parsers that are named, each for as long; 1 where something was found."""
    parser = argparse.ArgumentParser(description="Feed the parsers odd input.")
    parser.add_argument("seconds", nargs="?", type=float, default=600.0, help="for each parser")
    parser.add_argument("parsers", nargs="*", metavar="PARSER", help=f"{', '.join(PARSERS)}; all")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.parsers).difference(PARSERS))
    if unknown:
        parser.error(f"unknown parser {unknown[0]!r}; one of: {', '.join(PARSERS)}")
    if hasattr(signal, "SIGALRM"):
        import resource

        signal.signal(signal.SIGALRM, _too_long)
        # Not with the address sanitizer, whose own map of memory is far larger than that.
        if "ASAN_OPTIONS" not in os.environ:
            resource.setrlimit(resource.RLIMIT_DATA, (_BYTES_OF_MEMORY, _BYTES_OF_MEMORY))
    return int(sum(fuzz(name, arguments.seconds) for name in arguments.parsers or PARSERS) > 0)


if __name__ == "__main__":
    os.environ.setdefault(_EXAMPLES_VARIABLE, str(_EXAMPLES_A_ROUND))
    # The tests import this file by its name, and must see the setting.
    import fuzz as imported

    sys.exit(imported.main())
