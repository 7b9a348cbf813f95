"""Files that somebody else wrote, damaged: vidmetrics scores them or names the place."""

import contextlib
import io
import json
import math
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fuzz import (
    FUZZED,
    json_bytes,
    jsonl_bytes,
    module_at,
    scratch_file,
    spoilt_bytes,
    value_or_error,
)
from vidmetrics import readers
from vidmetrics.cli import main
from vidmetrics.errors import InputError

FILES = module_at("packages/metrics/tests/test_fuzz_formats.py").FILES
CHARADES = b"a 0.0 9.0##a person cuts.\nb 1 2##a person fries.\n"
TVG = {"0": [[0, 9]], "1": [[1, 2]]}


def run(*words: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a command."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        status = main(words)
    return status, out.getvalue(), errors.getvalue()


def is_finite(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def spoilt(content: Any) -> st.SearchStrategy[bytes]:
    return jsonl_bytes(content) if isinstance(content, list) else json_bytes([content])


@st.composite
def commands(draw: st.DrawFn) -> list[str]:
    """A command on two files, of which one is damaged."""
    name = draw(st.sampled_from(sorted(FILES)))
    command, *contents = FILES[name]
    suffix = "jsonl" if "own" in name else draw(st.sampled_from(["json", "jsonl"]))
    side = draw(st.integers(0, 1))
    paths = []
    for number, content in enumerate(contents):
        rows = content if isinstance(content, list) else [content]
        whole = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        data = draw(spoilt(content)) if number == side else whole
        ending = suffix if number == side or "own" in name else "json"
        paths.append(str(scratch_file(f"{number}.{ending}", data)))
    verb, _, task = command.partition(" ")
    if verb == "report":
        page = str(scratch_file("page.html", b""))
        return [verb, *paths, "--resamples", "5", "--out", page, "--task", task or "dvc"]
    moments = ["--moments"] if verb == "tvg" and draw(st.booleans()) else []
    return [verb, *paths, "--resamples", "5", *moments, "--json", "-"]


@FUZZED
@given(commands())
def test_scoring(words: list[str]) -> None:
    status, out, errors = run(*words)
    assert status in (0, 2)
    if status == 2:
        assert any(path in errors for path in words[1:3]) or "prediction" in errors, errors
    elif words[0] != "report":
        assert is_finite(json.loads(out))


@FUZZED
@given(
    spoilt_bytes([CHARADES, json.dumps(FILES["own"][1][0]).encode()])
    | json_bytes([FILES["own"][1]]),
    st.sampled_from(["txt", "json", "jsonl", ""]),
)
def test_any_bytes_are_read_or_refused(content: bytes, suffix: str) -> None:
    path = scratch_file(f"file.{suffix}", content)
    for name in readers.__all__:
        if name.startswith("read_"):
            value_or_error(partial(getattr(readers, name), path), InputError, path)


@FUZZED
@given(spoilt_bytes([CHARADES]))
def test_charades_sta(content: bytes) -> None:
    references = scratch_file("charades.txt", content)
    predictions = scratch_file("p.json", json.dumps(TVG).encode())
    status, _, errors = run("tvg", str(references), str(predictions), "--resamples", "0")
    assert status in (0, 2)
    assert status == 0 or str(references) in errors or "prediction" in errors, errors


def results() -> Any:
    """A file of results, as `--json` writes it."""
    words = [str(scratch_file(f"{side}.json", json.dumps(TVG).encode())) for side in "rp"]
    return json.loads(run("tvg", *words, "--resamples", "5", "--json", "-")[1])


RESULTS = results()


@FUZZED
@given(json_bytes([RESULTS]))
def test_results_that_are_compared(content: bytes) -> None:
    whole = scratch_file("whole.json", json.dumps(RESULTS).encode())
    damaged = scratch_file("damaged.json", content)
    status, out, errors = run(
        "compare", str(whole), str(damaged), "--resamples", "5", "--json", "-"
    )
    assert status in (0, 2)
    if status == 0:
        assert is_finite(json.loads(out))
    else:
        named = (str(damaged), "comparison", "A and B", "no benchmark in common")
        assert any(what in errors for what in named), errors
