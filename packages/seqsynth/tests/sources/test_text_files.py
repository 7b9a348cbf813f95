import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth.sources import RowError, text_files
from seqsynth.sources.text_files import (
    csv_records,
    is_json_list,
    json_document,
    json_list_records,
    json_object_records,
    jsonl_records,
)


def plain(records: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Records with errors as their reasons."""
    return [(o, r.reason if isinstance(r, RowError) else r) for o, r in records]


def test_csv_with_byte_order_mark_crlf_quotes_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"\xef\xbb\xbflabel, id\r\n"
        b'"petting animal (not cat)",-x\r\n'
        b"\r\n"
        b'"two\r\nlines","say ""hi"""\r\n'
    )
    assert plain(csv_records(path, required=["id", "label"])) == [
        ("a.csv:2", {"label": "petting animal (not cat)", "id": "-x"}),
        ("a.csv:5", {"label": "two\r\nlines", "id": 'say "hi"'}),
    ]


def test_csv_faults_cost_their_own_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"label,id\na,1\nb\nc,2,3\ncaf\xe9,4\nd,5\n")
    assert plain(csv_records(path)) == [
        ("a.csv:2", {"label": "a", "id": "1"}),
        ("a.csv:3", "wrong number of columns"),
        ("a.csv:4", "wrong number of columns"),
        ("a.csv:5", "label is not UTF-8"),
        ("a.csv:6", {"label": "d", "id": "5"}),
    ]


def test_a_field_longer_than_csv_allows_is_a_fault_and_no_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"label,id\n{'x' * 200_000},1\nb,2\n")
    assert plain(csv_records(path)) == [
        ("a.csv:2", "not CSV"),
        ("a.csv:3", {"label": "b", "id": "2"}),
    ]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("label;id\na;1\n")
    with pytest.raises(ValueError, match=r"a\.csv has no column label, id; its first line reads"):
        list(csv_records(path, required=["label", "id"]))
    path.write_text("")
    with pytest.raises(ValueError, match="has no column id"):
        list(csv_records(path, required=["id"]))
    path.write_text("x" * 200_000)
    with pytest.raises(ValueError, match=r"a\.csv is no CSV file: field larger than field limit"):
        list(csv_records(path))


def test_json_lines_faults_cost_their_own_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n{"a": \n[1]\n{"a": "\xff"}\n{"a": NaN}')
    records = plain(jsonl_records(path))
    assert records[:4] == [
        ("a.jsonl:1", {"a": 1}),
        ("a.jsonl:3", "not JSON"),
        ("a.jsonl:4", "not an object"),
        ("a.jsonl:5", "not UTF-8"),
    ]
    assert records[4][0] == "a.jsonl:6"


@given(
    st.lists(
        st.one_of(
            st.dictionaries(st.text(max_size=5), st.text(max_size=40), max_size=3),
            st.integers(),
            st.floats(allow_nan=False),
            st.none(),
        ),
        max_size=8,
    ),
    st.integers(1, 40),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_lists_read_piece_by_piece_are_what_json_reads(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[Any],
    chunk: int,
    indent: int | None,
    ascii_only: bool,
) -> None:
    path = tmp_path_factory.mktemp("lists") / "a.json"
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "_CHUNK_CHARACTERS", chunk)
        records = list(json_list_records(path))
    assert [origin for origin, _ in records] == [f"a.json[{k}]" for k in range(len(values))]
    for (_, record), value in zip(records, values, strict=True):
        if isinstance(value, dict):
            assert record == value
        else:
            assert isinstance(record, RowError)
            assert record.reason == "not an object"


def test_a_list_that_ends_early_is_named_after_what_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1}, {"a": 2}, {"a": ')
    seen = []
    with pytest.raises(ValueError, match=r"a\.json is no JSON from record 2 on .* cut short"):
        seen.extend(json_list_records(path))
    path.write_text('{"a": 1}')
    with pytest.raises(ValueError, match=r"a\.json must hold a JSON list, it begins with"):
        list(json_list_records(path))


def test_a_fault_in_the_middle_does_not_read_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "_CHUNK_CHARACTERS", 64)
    path = tmp_path / "a.json"
    path.write_text('[{"a" 1}' + ' {"b": 2}' * 50)

    class Reads:
        count = 0

    real_open = Path.open

    def counting_open(self: Path, *args: Any, **kwargs: Any) -> Any:
        handle = real_open(self, *args, **kwargs)
        real_read = handle.read

        def read(size: int) -> Any:
            Reads.count += 1
            return real_read(size)

        monkeypatch.setattr(handle, "read", read, raising=False)
        return handle

    monkeypatch.setattr(Path, "open", counting_open)
    with pytest.raises(ValueError, match="from record 0 on"):
        list(json_list_records(path))
    assert Reads.count == 1


@pytest.mark.parametrize(
    ("source", "name", "content"),
    [
        ("image_table", "a.json", {"a.png": "a kite", "b.png": {"text": "a boat"}}),
        ("image_table", "a.json", [{"path": "a.png", "text": "a boat"}]),
        ("youcook2", "youcookii.json", {"database": {"x": {}}}),
        ("youcook2", "val.caption_coco_format.json", {"annotations": [{}]}),
        ("coco_captions", "captions_val.json", {"images": [{}], "annotations": [{}]}),
    ],
)
def test_a_document_is_parsed_once(
    tmp_path: Path,
    listed: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    name: str,
    content: Any,
) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(content))
    parsed = []
    parse = text_files.parsed_json
    monkeypatch.setattr(
        text_files, "parsed_json", lambda *a, **k: (parsed.append(a), parse(*a, **k))[1]
    )
    assert listed(source, tmp_path, path)
    assert len(parsed) == (0 if isinstance(content, list) else 1), "a list is read piece by piece"


def test_objects_keep_keys_that_come_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"v": {"n": 1}, "w": 3, "v": {"n": 2}, "\\ud83d": {}}')
    assert plain(json_object_records(path)) == [
        ("a.json:v", ("v", {"n": 1})),
        ("a.json:w", "not an object"),
        ("a.json:v", ("v", {"n": 2})),
        ("a.json:\\ud83d", "key is not UTF-8"),
    ]
    assert list(json_document(path))[:2] == ["v", "w"]
    assert not is_json_list(path)


def test_inner_values_are_asked_for_by_key(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"database": {"x": {"n": 1}}, "annotations": [{"m": 2}]}')
    assert plain(json_object_records(path, inside="database")) == [("a.json:x", ("x", {"n": 1}))]
    assert plain(json_list_records(path, inside="annotations")) == [("a.json[0]", {"m": 2})]
    with pytest.raises(ValueError, match=r"a\.json has no list under 'database'"):
        list(json_list_records(path, inside="database"))
    path.write_text("\ufeff \n[1]", encoding="utf-8")
    assert is_json_list(path)
    with pytest.raises(ValueError, match="must hold a JSON object"):
        list(json_object_records(path))
    path.write_text('{"a": ')
    with pytest.raises(ValueError, match=r"a\.json is no JSON: .*cut short"):
        list(json_object_records(path))
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ValueError, match=r"a\.json is not UTF-8"):
        list(json_object_records(path))
