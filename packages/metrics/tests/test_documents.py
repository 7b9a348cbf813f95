import json

import pytest

from vidmetrics.errors import InputError
from vidmetrics.readers.documents import load_document


def test_json_and_lines_and_text_are_told_apart(write) -> None:
    assert load_document(write("a.json", {"v": [1]})).kind == "json"
    assert load_document(write("a.jsonl", [{"id": 1}, {"id": 2}])).kind == "lines"
    assert load_document(write("lines.json", '{"id": 1}\n{"id": 2}\n')).kind == "lines"
    assert load_document(write("a.txt", "AO8RW 0.0 6.9##a person\n")).kind == "text"


def test_a_single_record_is_one_line_whatever_the_file_is_called(write) -> None:
    document = load_document(write("one.json", '{"id": "q",\n "events": []}'))
    assert [line for line, _ in document.lines] == [1]


def test_only_newlines_end_json_lines(write) -> None:
    path = write("a.jsonl", '{"id": "a\u2028b"}\n\n{"id": "c\x85"}\n')
    assert [line for line, _ in load_document(path).lines] == [1, 3]


def test_a_byte_order_mark_is_no_error(write) -> None:
    assert load_document(write("a.json", b"\xef\xbb\xbf{}")).value == {}


def test_the_place_of_a_key_is_its_line(write) -> None:
    document = load_document(write("a.json", json.dumps({"a": 1, "b\u00e9": 2}, indent=1)))
    assert document.place("b\u00e9").endswith("line 3")
    assert document.place("other") == str(document.path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "", "is empty"),
        ("a.json", " \n ", "is empty"),
        ("a.json", '{"v": [1,\n 2', "line 2, column 3.*complete"),
        ("a.jsonl", '{"v": 1}\n{"v": ', "line 2, column 7.*complete"),
        ("a.jsonl", '{"v": 1}\n[1]\n', r"line 2: expected a JSON object, got \[1\]"),
        ("a.json", b"\xff\xfe{}", "not UTF-8 text .byte 0 is 0xff"),
        ("a.json", '{"v": 1, "w": 2, "v": 3}', "'v' stands twice"),
        ("a.jsonl", '{"v": 1}\n{"v": 1, "v": 2}', "line 2: .*'v' stands twice"),
        ("a.json", "[" * 100_000, "nested too deeply|complete"),
        ("a.json", '{"v": ' + "9" * 5000 + "}", "a.json: .*digits"),
    ],
)
def test_a_broken_file_is_named_with_the_place(write, name, content, message: str) -> None:
    path = write(name, content)
    with pytest.raises(InputError, match=message) as error:
        load_document(path)
    assert name in str(error.value)


def test_a_missing_file_is_an_os_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        load_document(tmp_path / "nothing.json")
