"""The command: what it prints, and one line and exit code 2 for everything that is wrong."""

import io
import json
import os
import shlex
import subprocess
import sys

import pytest

import timetokens as tt
from timetokens import cli
from timetokens.cli import main

RECORDS = [
    {
        "video": "YouCook2/videos/abc123.mp4",
        "QA": [
            {
                "q": "Transcribed speech: 0.0 - 2.0 seconds, hi. Based on the video content and "
                "possible transcribed speech, what happens?",
                "a": "0.0 - 9.1 seconds, a man opens a jar.  9.1 - 14.0 seconds, he stirs <5>.",
            },
            {"q": "When?", "a": "The given query happens in 24.3 - 30.4 seconds."},
        ],
        "source": "anet",
    },
    {"video": "valley/x.mp4", "QA": [{"q": "Describe it.", "a": "A cat \u2028 sleeps."}]},
]


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert code == 0
    return captured.out


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("timetokens")
    return captured.err


@pytest.fixture
def timeit(tmp_path):
    path = tmp_path / "timeit.json"
    path.write_text(json.dumps(RECORDS), encoding="utf-8")
    return path


@pytest.fixture
def durations(tmp_path):
    path = tmp_path / "durations.json"
    path.write_text('{"abc123": {"duration": 40.0}}', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ("encode 7 96", "<0><7><2><9>"),
        ("encode 7 96 --digits 2", "<0><7>"),
        ("encode 7 96 --codec index", "7"),
        ("encode --seconds 61.4 --duration-seconds 148.8", "<4><1><2><6>"),
        (
            "encode --seconds 25 61.4 --duration-seconds 148.8 --codec seconds",
            "25.0 - 61.4 seconds",
        ),
        ("encode --seconds -1 --duration-seconds 9 --clamp", "<0><0><0><0>"),
        ("decode <0><7><2><9>", "0.0729"),
        ("decode <0><7><2><9> <9><9><9><9> --length 96", "7\n96"),
        ("decode <0><7><2><9> --duration-seconds 60", "4.374"),
        ("decode 1:01.4 --codec seconds", "61.4"),
        ("decode '25.0 - 61.4 seconds' --codec seconds", "25 61.4"),
        ("decode '<1><0><0><0> - <4><0><0><0>'", "0.1 0.4"),
        ("decode '17 - 41' --codec percent --duration-seconds 200", "34 82"),
    ],
)
def test_encode_and_decode(capsys, arguments, printed):
    assert run(capsys, *shlex.split(arguments)) == f"{printed}\n"


def test_decode_reads_lines(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("<0><0><0><1>\n\n<5> <0> <0> <0>\n"))
    assert run(capsys, "decode") == "0.0001\n0.5\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run(capsys, "decode") == ""


def test_a_line_that_cannot_be_decoded_is_named(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("<5>\n\n7.5\n"))
    error = fails(capsys, "decode", "--digits", "1")
    assert "standard input, line 3: no position of rpt (such as <2>): '7.5'" in error


def test_closed_streams(capsys, monkeypatch):
    """`timetokens decode <&-` and `timetokens encode 7 96 >&-`."""
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in fails(capsys, "decode")
    monkeypatch.setattr(sys, "stdout", None)
    assert "standard output is closed" in fails(capsys, "encode", 7, 96)


@pytest.mark.parametrize("command", [["encode", "7", "96"], ["decode", "<5><0><0><0>"]])
def test_a_reader_that_has_gone(command):
    """`timetokens ... | true`: no traceback."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    program = [sys.executable, "-m", "timetokens", *command]
    run = subprocess.run(program, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert run.returncode == 1
    assert run.stderr == b""


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"timetokens {tt.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "name a command: encode, decode or convert"),
        ("encod 7 96", "'encod'"),
        ("encode", "either ITEM LENGTH or --seconds"),
        ("encode 7", "item 7 of how many"),
        ("encode 7 96 5", "unrecognized arguments: 5"),
        ("encode 0 96", "got 0"),
        ("encode -3 96", "got -3"),
        ("encode 97 96", "got 97"),
        ("encode x 96", "'x'"),
        ("encode 7.0 96", "'7.0'"),
        ("encode 7 96 --codec rtp", "did you mean 'rpt'"),
        ("encode 7 96 --digits 9", "got 9"),
        ("encode 7 96 --digits 3 --codec percent", "--digits belongs to rpt"),
        ("encode 7 96 --seconds 5", "either"),
        ("encode --seconds 5", "--duration-seconds"),
        ("encode --seconds nan --duration-seconds 5", "got nan"),
        ("encode --seconds 6 --duration-seconds 5", "got 6.0"),
        ("encode --seconds 3 2 --duration-seconds 5", "3.0 - 2.0"),
        ("encode --seconds 1 2 3 --duration-seconds 5", "got 3"),
        ("encode --seconds 1 --duration-seconds 0", "got 0.0"),
        ("encode --secs 1 --duration-seconds 5", "--secs"),
        ("encode 7 96 --clamp", "belong to --seconds"),
        ("encode 7 96 --duration-seconds 5", "belong to --seconds"),
        ("decode 0729", "no position of rpt (such as <2><5><0><0>): '0729'"),
        ("decode <0><7><2><9> --length 0", "got 0"),
        ("decode <0> --length 5 --duration-seconds 5", "not both"),
        ("decode 97 --codec index --length 96", "got 97"),
        ("convert x.json", "--from, --to"),
        ("convert --from seconds --to rtp x.json", "did you mean 'rpt'"),
        ("convert --from seconds --to rpt nowhere.json", "nowhere.json: No such file"),
        ("convert --from seconds --to rpt .", "Is a directory"),
        ("convert --from seconds --to index --digits 3 x.json", "neither"),
    ],
)
def test_mistakes(capsys, arguments, words):
    assert words in fails(capsys, *arguments.split())


def test_convert_there_and_back(capsys, timeit, durations, tmp_path):
    there = tmp_path / "rpt.json"
    arguments = ("--durations", durations)
    run(capsys, "convert", "--from", "seconds", "--to", "rpt", timeit, *arguments, "--out", there)
    records = json.loads(there.read_text(encoding="utf-8"))
    assert records[0]["QA"][0]["a"] == (
        "<0><0><0><0> - <2><2><7><5>, a man opens a jar.  "
        "<2><2><7><5> - <3><5><0><0>, he stirs <\\5>."
    )
    assert records[0]["QA"][0]["q"].startswith("Transcribed speech: <0><0><0><0> - <0><5><0><0>, ")
    assert records[1] == RECORDS[1]
    out = run(capsys, "convert", "--from", "rpt", "--to", "seconds", there, *arguments)
    assert json.loads(out) == RECORDS


def test_convert_other_shapes(capsys, tmp_path):
    path = tmp_path / "answers.jsonl"
    records = [
        {"conversations": [{"from": "gpt", "value": "1.0 - 2.0 seconds, x."}], "duration": 10},
        {"messages": [{"role": "user", "content": "1.0 - 2.0 seconds, x."}], "duration_seconds": 4},
        {
            "turns": [{"prompt": "?", "answer": "It happens in 1.0 seconds."}],
            "codec": "seconds",
        },
        {"text": "1.0 - 2.0 seconds, x.", "other": [1, 2]},
    ]
    lines = "".join(f"{json.dumps(record)}\r\n" for record in records)
    path.write_bytes(f"\n{lines}".encode())
    arguments = ("--from", "seconds", "--to", "rpt", "--duration-seconds", "20")
    out = run(capsys, "convert", *arguments, path)
    assert [json.loads(line) for line in out.split("\r\n") if line.strip()] == [
        {
            "conversations": [{"from": "gpt", "value": "<1><0><0><0> - <2><0><0><0>, x."}],
            "duration": 10,
        },
        {
            "messages": [{"role": "user", "content": "<2><5><0><0> - <5><0><0><0>, x."}],
            "duration_seconds": 4,
        },
        {
            "turns": [{"prompt": "?", "answer": "It happens in <0><5><0><0>."}],
            "codec": "rpt",
        },
        {"text": "<0><5><0><0> - <1><0><0><0>, x.", "other": [1, 2]},
    ]


def test_convert_plain_lines(capsys, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("1.0 - 2.0 seconds, x.\n\nA cat.", encoding="utf-8")
    arguments = ("--from", "seconds", "--to", "percent", "--duration-seconds", "20")
    assert run(capsys, "convert", *arguments, path) == "05 - 10, x.\n\nA cat."


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.json", b"\xff\xfe", "x.json: not UTF-8 text (byte 0)"),
        ("x.json", b"", "x.json: not JSON"),
        ("x.json", b"[{]", "line 1, column 3"),
        ("x.json", b"[1]", "record 1: expected a JSON object, got int"),
        ("x.json", b'[{"QA": [7]}]', "record 1: expected a turn with q and a"),
        ("x.json", b'[{"QA": 7}]', "record 1: QA must be a list"),
        ("x.json", b"[" * 100_000, "not JSON that can be read"),
        ("x.json", b'{"text": "1 - 2 seconds, x."}', "--durations FILE"),
        ("x.json", b'[{"text": "a"}, {"text": "1 - 2 s, x.", "duration": -1}]', "record 2"),
        ("x.json", b'[{"text": "1 - 2 seconds, x.", "duration": NaN}]', "got nan"),
        ("x.json", b'[{"text": "1 - 2 s, x.", "duration": 1%b}]' % (b"0" * 400), "record 1"),
        ("x.json", b'[{"video": "v", "text": "1 - 9 s, x.", "duration": 5}]', "(video v): '9'"),
        ("x.jsonl", b'{"text": "a"}\n{"text": 1}\n{', "x.jsonl, line 3"),
        (
            "x.jsonl",
            b'{"turns": [], "frame_codes": ["0.0"]}',
            'a recipe with codec = "rpt" (seqsynth build)',
        ),
        ("x.txt", b"a\n1.0 - 2.0 seconds, x.", "x.txt, line 2"),
    ],
)
def test_files_that_are_refused(capsys, tmp_path, monkeypatch, name, content, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "out"
    arguments = ("--from", "seconds", "--to", "rpt", name, "--out", out)
    assert words in fails(capsys, "convert", *arguments)
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "expected a JSON object"),
        ('{"a": "x"}', "'a'"),
        ('{"a": {"fps": 3}}', "'a'"),
        ('{"a": 0}', "'a'"),
        ('{"a": true}', "'a'"),
        ("", "not JSON"),
    ],
)
def test_durations_that_are_refused(capsys, timeit, tmp_path, content, words):
    path = tmp_path / "d.json"
    path.write_text(content, encoding="utf-8")
    arguments = ("--from", "seconds", "--to", "rpt", timeit, "--durations", path)
    error = fails(capsys, "convert", *arguments)
    assert words in error
    assert str(path) in error


def test_files_are_not_overwritten_by_accident(capsys, timeit, durations, tmp_path):
    out = tmp_path / "out.json"
    out.write_text("mine", encoding="utf-8")
    arguments = ("--from", "seconds", "--to", "rpt", timeit, "--durations", durations)
    assert "--force" in fails(capsys, "convert", *arguments, "--out", out)
    assert out.read_text(encoding="utf-8") == "mine"
    run(capsys, "convert", *arguments, "--out", out, "--force")
    assert len(json.loads(out.read_text(encoding="utf-8"))) == 2
    nowhere = tmp_path / "nowhere" / "out.json"
    assert "nowhere" in fails(capsys, "convert", *arguments, "--out", nowhere)


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
def test_links_are_followed_and_what_is_no_file_is_written_to(capsys, timeit, durations, tmp_path):
    arguments = ("convert", "--from", "seconds", "--to", "rpt", timeit, "--durations", durations)
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    run(capsys, *arguments, "--out", link, "--force")
    assert link.is_symlink()
    assert len(json.loads(target.read_text(encoding="utf-8"))) == 2
    read_end, write_end = os.pipe()
    run(capsys, *arguments, "--out", f"/dev/fd/{write_end}")
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        assert pipe.read() == target.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if "unfinished" in path.name) == []


def test_an_interrupt_is_no_traceback(capsys, monkeypatch, timeit):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "convert_file", interrupted)
    assert main(["convert", "--from", "seconds", "--to", "rpt", str(timeit)]) == 130
    assert capsys.readouterr() == ("", "")


def test_empty_files(capsys, tmp_path):
    arguments = ("convert", "--from", "seconds", "--to", "rpt")
    for name, content in (("a.json", "[]\n"), ("a.jsonl", ""), ("a.txt", "")):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert run(capsys, *arguments, path) == content


def test_half_characters_survive(capsys, tmp_path):
    """Lone surrogates are legal in JSON escapes and cannot be written as UTF-8."""
    path = tmp_path / "a.json"
    path.write_text('[{"text": "\\ud83d 1.0 - 2.0 seconds"}]', encoding="utf-8")
    out = run(capsys, "convert", "--from", "seconds", "--to", "index", path)
    assert json.loads(out)[0]["text"].startswith("\ud83d ")


def test_a_byte_order_mark_is_no_content(capsys, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf[]")
    assert run(capsys, "convert", "--from", "seconds", "--to", "rpt", path) == "[]\n"


@pytest.mark.parametrize("command", [[], ["encode"], ["decode"], ["convert"]])
def test_help(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert "usage: timetokens" in capsys.readouterr().out


def test_python_m():
    run = subprocess.run(
        [sys.executable, "-m", "timetokens", "encode", "7", "96"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == tt.encode(7, 96)
    assert run.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="locales are others there")
def test_names_of_all_kinds_where_the_locale_knows_ascii(timeit, tmp_path):
    """Files are UTF-8 and lines end in LF, whatever the terminal."""
    timeit.rename(tmp_path / "-in é 猫.json")
    few = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    command = [sys.executable, "-m", "timetokens", "convert", "--from", "seconds", "--to", "rpt"]
    command += ["--duration-seconds", "40"]
    run, printed = (
        subprocess.run(
            [*command, *out, "--", "-in é 猫.json"],
            env={**os.environ, **few},
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        for out in (["--out=-out é.json"], [])
    )
    content = (tmp_path / "-out é.json").read_bytes()
    assert json.loads(content.decode("utf-8"))[1] == RECORDS[1]
    assert b"\r" not in content
    assert (run.stdout, printed.stdout) == (b"", content)
