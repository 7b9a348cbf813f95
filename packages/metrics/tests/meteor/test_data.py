"""Fetching, compiling and opening the word data."""

import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vidmetrics import meteor_data
from vidmetrics.meteor_compile import compile_tables
from vidmetrics.meteor_data import (
    EXCEPTIONS,
    JAR,
    PARAPHRASES,
    SHA256,
    SYNSETS,
    data_path,
    fetch_meteor_data,
)
from vidmetrics.meteor_phrases import PhraseTable
from vidmetrics.meteor_tables import (
    DTYPES,
    HEADER_BYTES,
    NOT_THERE,
    MeteorDataError,
    Tables,
    WordIndex,
    open_tables,
    tables_bytes,
)


@pytest.fixture
def wheel(tmp_path: Path, sources: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel in the place of the real one, and its checksums."""
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr(SYNSETS, sources["synsets"])
        archive.writestr(EXCEPTIONS, sources["exceptions"])
    path = tmp_path / "pycocoevalcap-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(PARAPHRASES, sources["paraphrases"])
        archive.writestr(JAR, jar.getvalue())
    parts = {
        "wheel": path.read_bytes(),
        PARAPHRASES: sources["paraphrases"],
        SYNSETS: sources["synsets"],
        EXCEPTIONS: sources["exceptions"],
    }
    for part, content in parts.items():
        monkeypatch.setitem(SHA256, part, hashlib.sha256(content).hexdigest())
    return path


def test_a_wheel_becomes_a_data_file(tmp_path: Path, wheel: Path, tables: Tables) -> None:
    stages: list[tuple[str, float]] = []
    path = fetch_meteor_data(
        str(tmp_path / "cache"), wheel=str(wheel), on_stage=lambda *stage: stages.append(stage)
    )
    assert path == data_path(tmp_path / "cache")
    assert [stage for stage, share in stages if share == 1.0] == ["check", "compile", "write"]
    opened = open_tables(path, verify=True)
    for name in DTYPES:
        assert np.array_equal(getattr(opened, name), getattr(tables, name)), name
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_data_file_that_is_there_is_not_built_again(tmp_path: Path, wheel: Path) -> None:
    path = fetch_meteor_data(tmp_path, wheel=wheel)
    before = path.stat().st_mtime_ns
    assert fetch_meteor_data(tmp_path, wheel=tmp_path / "no.whl") == path
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("place", [0, 20, 200, HEADER_BYTES + 5, -1])
def test_a_damaged_data_file_is_found_and_rebuilt(tmp_path: Path, wheel: Path, place: int) -> None:
    path = fetch_meteor_data(tmp_path, wheel=wheel)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[place] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(MeteorDataError, match="vidmetrics fetch meteor-data"):
        open_tables(path, verify=True)
    assert fetch_meteor_data(tmp_path, wheel=wheel).read_bytes() == whole


def test_a_cut_data_file_does_not_open(tmp_path: Path, wheel: Path) -> None:
    path = fetch_meteor_data(tmp_path, wheel=wheel)
    whole = path.read_bytes()
    for size in (0, 10, HEADER_BYTES, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(MeteorDataError, match=path.name):
            open_tables(path)


@pytest.mark.parametrize("part", ["wheel", PARAPHRASES, SYNSETS, EXCEPTIONS])
def test_a_wheel_with_other_content_is_refused(
    tmp_path: Path, wheel: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHA256, part, "0" * 64)
    with pytest.raises(MeteorDataError, match="expected 0000"):
        fetch_meteor_data(tmp_path / "cache", wheel=wheel)
    assert not data_path(tmp_path / "cache").exists()


def test_a_wheel_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no.whl", tmp_path):
        with pytest.raises(MeteorDataError, match="there is no such wheel") as error:
            fetch_meteor_data(tmp_path / "cache", wheel=path)
        assert str(path) in str(error.value)
        assert "SEQ2TIME_CACHE" not in str(error.value)


def test_a_file_that_is_no_wheel_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(b"not a zip file")
    monkeypatch.setitem(SHA256, "wheel", hashlib.sha256(b"not a zip file").hexdigest())
    with pytest.raises(MeteorDataError, match=r"is not the wheel of pycocoevalcap==1\.2"):
        fetch_meteor_data(tmp_path / "cache", wheel=path)


def test_no_package_index_gives_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(MeteorDataError, match=r"pip could not download .*--wheel"):
        fetch_meteor_data(tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.whl"))


def test_a_failure_while_writing_leaves_the_old_file(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch_meteor_data(tmp_path, wheel=wheel)
    path.write_bytes(b"old")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(meteor_data.os, "fsync", full_disk)
    with pytest.raises(MeteorDataError, match="SEQ2TIME_CACHE"):
        fetch_meteor_data(tmp_path, wheel=wheel)
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_cache_is_chosen_by_argument_then_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2TIME_CACHE", str(tmp_path / "env"))
    assert data_path().is_relative_to(tmp_path / "env")
    assert data_path(tmp_path / "own").is_relative_to(tmp_path / "own")
    monkeypatch.delenv("SEQ2TIME_CACHE")
    assert data_path().is_relative_to(Path.home())


def compiled(entries: list[tuple[str, str]]) -> Tables:
    """A table of these paraphrases, and a two-word dictionary."""
    text = "".join(f"0.5\n{left}\n{right}\n" for left, right in entries)
    packed = io.BytesIO(gzip.compress(text.encode()))
    return compile_tables(packed, b"mouse\n2 1\nrat\n2\n", b"mouse\nmice\nghost\nghosts\n")


def test_phrases_are_found_with_their_paraphrases_in_file_order() -> None:
    entries = [("a b", "d"), ("a b", "b a"), ("a", "c"), ("a", "b"), ("b", "a"), ("a b c", "d d")]
    tables = compiled(entries)
    index = WordIndex(tables.table_text, tables.table_starts, tables.table_slots)
    number = {word: index.find(word) for word in "abcd"}
    assert sorted(number.values()) == [0, 1, 2, 3]
    assert index.find("e") == index.find("") == index.find("ab") == NOT_THERE
    phrases = PhraseTable(tables)
    sentence = [number[word] for word in "abcabd"]
    name = {value: word for word, value in number.items()}
    everything = frozenset(number.values())
    found = {
        (place, length): ["".join(name[w] for w in p) for p in phrases.entries(left, everything)]
        for place in range(len(sentence))
        for length, left in phrases.lefts_at(sentence, place)
    }
    assert found == {
        (0, 1): ["c", "b"],
        (0, 2): ["d", "ba"],
        (0, 3): ["dd"],
        (1, 1): ["a"],
        (3, 1): ["c", "b"],
        (3, 2): ["d", "ba"],
        (4, 1): ["a"],
    }
    (_, left), *_ = phrases.lefts_at(sentence, 0)
    assert phrases.entries(left, frozenset([number["b"]])) == [(number["b"],)]
    assert phrases.lefts_at([NOT_THERE, number["a"]], 0) == []


def test_a_table_that_ends_within_an_entry_is_refused() -> None:
    with pytest.raises(ValueError, match="middle of an entry"):
        compile_tables(io.BytesIO(gzip.compress(b"0.5\na\n")), b"", b"")


def test_the_header_says_where_the_data_is_from(tables: Tables) -> None:
    assert b"pycocoevalcap==1.2" in tables_bytes(tables, "pycocoevalcap==1.2")[:HEADER_BYTES]
