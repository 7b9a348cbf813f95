"""A run asked about a real video file: on the command line, over HTTP, in a browser."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from rich.console import Console

from seqsynth import write_examples
from vidllm import run_folder
from vidllm.asking import Asker, AskSettings
from vidllm.cli import main
from vidllm.config import TrainConfig
from vidllm.demo import serving
from vidllm.training import train

from .videos import write_sound, write_video

SECONDS, RATE = 4, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video: red, then blue, two seconds each."""
    folder = tmp_path_factory.mktemp("videos")
    with av.open(str(folder / "two colours.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(SECONDS * RATE):
            picture = np.zeros((48, 64, 3), dtype=np.uint8)
            picture[..., 0 if number < SECONDS * RATE / 2 else 2] = 200
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (folder / "notes.txt").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def run_dir(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke recipe, three steps of it."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    short = replace(config, optim=replace(config.optim, max_steps=3))
    run_folder.create(short, run_dir)
    train(short, run_dir, resume_from=None, console=Console(quiet=True))
    return run_dir


@pytest.fixture(scope="module")
def asker(run_dir: Path) -> Asker:
    return Asker(run_dir, AskSettings())


def test_a_query_is_placed_in_seconds(
    capsys: pytest.CaptureFixture[str], run_dir: Path, folder: Path
) -> None:
    video = str(folder / "two colours.mp4")
    assert main(["ground", video, "a red thing", "--run", str(run_dir), "--num-frames", "6"]) == 0
    captured = capsys.readouterr()
    assert re.fullmatch(r"\d\.\d - \d\.\d s\n", captured.out)
    assert "recipe smoke, step 3 of 3, random two-layer LLaMA; 6 frames of 4.0 s" in captured.err
    assert main(["ground", video, "a red thing", "--run", str(run_dir), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    ((start, end, text),) = found["events"]
    assert 0 <= start <= end <= found["duration_seconds"] == pytest.approx(SECONDS, abs=0.2)
    assert (text, found["query"], found["malformed"]) == ("", "a red thing", 0)
    assert found["num_frames"] == 24  # a clip sequence of the recipe's last stage
    assert found["settings"] == {"num_frames": 24, "num_beams": 1, "constrained": True}
    assert found["system"]["weights"].startswith("checkpoint-3:")


def test_a_video_is_captioned_in_spans(asker: Asker, folder: Path) -> None:
    answer = asker.caption(folder / "two colours.mp4")
    assert answer.query == ""
    assert all(0 <= start <= end <= SECONDS + 0.2 for start, end, _ in answer.events)
    assert answer.events or answer.malformed
    again = asker.caption(folder / "two colours.mp4")
    assert again == answer  # greedy


def test_a_query_cannot_smuggle_a_place_in(asker: Asker, folder: Path) -> None:
    example = asker._example(folder / "two colours.mp4", "tvg", "the <5><0><0><0> sign")
    ids = set(asker.parts.prompter.question(example.turns[0].prompt))
    assert not ids & asker.parts.prompter.code_token_ids


def test_a_port_that_is_taken_is_told(asker: Asker, tmp_path: Path) -> None:
    with serving(asker, tmp_path) as address:
        port = int(address.rstrip("/").rpartition(":")[2])
        with (
            pytest.raises(OSError, match=r"another --port, or 0 for any that is free.*port \d+"),
            serving(asker, tmp_path, port=port),
        ):
            pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ground", "film.mp4"], 'usage: vidllm ground VIDEO "the query" [--run DIR]; '),
        (["ground", "--run", "r", "film.mp4", "a dog"], "settings come last"),
        (["ground", "--", "-film.mp4", "a dog", "--run", "r"], "-film.mp4: there is no such video"),
        (["ground", "--run", "r", "--", "-film.mp4", "-a"], "-film.mp4: there is no such video"),
        (["ground", "film.mp4", "--", "-a"], "film.mp4: there is no such video"),
        (["ground", "film.mp4", "a dog"], "film.mp4: there is no such video"),
        (
            ["ground", "film.mp4", "a", "dog"],
            "'dog' is one word too many: what has blanks stands in",
        ),
        (["caption"], "usage: vidllm caption VIDEO"),
        (["caption", "film.mp4", "--fast"], "no setting --fast"),
        (["demo", "--json", "-"], "no setting --json"),
        (["demo", "--videos", "nowhere"], "--videos nowhere: there is no such folder"),
        (["demo", "--port", "70000"], "--port is 70000: give 0 to 65535"),
        (["demo"], "no run under runs/"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_what_is_no_video_is_named(asker: Asker, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"notes\.txt: "):
        asker.ground(folder / "notes.txt", "a dog")
    with pytest.raises(ValueError, match="the query is empty"):
        asker.ground(folder / "two colours.mp4", "  ")
    with pytest.raises(ValueError, match="num_beams is 0"):
        AskSettings(num_beams=0)


@pytest.mark.parametrize(("num_frames", "rate", "seconds"), [(10_800, 1, 10_800), (1, 6, 1 / 6)])
def test_three_hours_and_a_single_frame_are_videos_too(
    capsys: pytest.CaptureFixture[str],
    run_dir: Path,
    asker: Asker,
    tmp_path: Path,
    num_frames: int,
    rate: int,
    seconds: float,
) -> None:
    video = write_video(tmp_path / "film.mp4", num_frames, rate=rate, gop=600)
    for words in (["ground", str(video), "a dog"], ["caption", str(video)]):
        assert main([*words, "--run", str(run_dir), "--json", "-"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["duration_seconds"] == pytest.approx(seconds, rel=0.01)
        assert found["num_frames"] == min(num_frames, 24)
        for start, end, _ in found["events"]:
            assert 0 <= start <= end <= found["duration_seconds"]
    asked = asker._example(video, "tvg", "a dog")
    write_examples([asked], tmp_path / "films.jsonl", media_root=tmp_path)
    out = tmp_path / "rows.jsonl"
    words = ["predict", str(tmp_path / "films.jsonl"), "--media-root", str(tmp_path)]
    assert main([*words, "--run", str(run_dir), "--out", str(out)]) == 0
    (row,) = map(json.loads, out.read_text("utf-8").splitlines())
    ((start, end, _),) = row["events"]
    assert 0 <= start <= end <= seconds * 1.01


def test_a_video_without_a_picture_is_one_line(
    capsys: pytest.CaptureFixture[str], run_dir: Path, tmp_path: Path, asker: Asker, folder: Path
) -> None:
    videos = {
        "sound.m4a": "no video in the file",
        "empty.mkv": "",
        "nothing.mp4": "",
    }
    write_sound(tmp_path / "sound.m4a")
    write_video(tmp_path / "empty.mkv", 0)
    (tmp_path / "nothing.mp4").touch()
    asked = asker._example(folder / "two colours.mp4", "tvg", "a dog")
    for name, message in videos.items():
        video = str(tmp_path / name)
        for words in (["ground", video, "a dog"], ["caption", video]):
            assert main([*words, "--run", str(run_dir)]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith(f"vidllm: {video}: ")
            assert message in line
        frames = tuple(replace(frame, path=video) for frame in asked.frames)
        write_examples([replace(asked, frames=frames)], tmp_path / "films.jsonl")
        words = ["predict", str(tmp_path / "films.jsonl"), "--media-root", "/"]
        out = tmp_path / "rows.jsonl"
        assert main([*words, "--run", str(run_dir), "--out", str(out)]) == 2
        (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("vidllm: ")]
        assert name in line
        assert not out.exists()


@pytest.fixture
def address(asker: Asker, folder: Path) -> Iterator[str]:
    with serving(asker, folder) as address:
        yield address


def fetched(url: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {n.replace("_", "-"): v for n, v in headers.items()}
    )
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever is set here
    try:
        with directly.open(request) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_page_answers_questions(address: str, folder: Path) -> None:
    assert address.startswith("http://127.0.0.1:")
    page = fetched(address)[1].decode()
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)  # nothing from elsewhere
    state = json.loads(fetched(f"{address}state")[1])
    assert state["videos"] == ["two colours.mp4"]
    assert state["system"]["recipe"] == "smoke"
    status, body = fetched(f"{address}ask", {"video": "two colours.mp4", "query": "a red thing"})
    assert (status, len(json.loads(body)["events"])) == (200, 1)
    for wrong in ({"video": "../notes.txt"}, {"video": "notes.txt", "query": "x"}, [], {}):
        assert fetched(f"{address}ask", wrong)[0] == 400


def test_the_page_outlives_a_question_that_fails(
    address: str, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Asker, video: Path, query: str) -> None:
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(Asker, "ground", fail)
    asked = {"video": "two colours.mp4", "query": "a red thing"}
    assert fetched(f"{address}ask", asked) == (500, b'{"error": "out of memory"}')
    assert fetched(f"{address}ask", asked, Content_Length="-1")[0] == 400


def test_the_page_serves_parts_of_videos_and_nothing_else(address: str, folder: Path) -> None:
    whole = (folder / "two colours.mp4").read_bytes()
    url = f"{address}video/two%20colours.mp4"
    assert fetched(url) == (200, whole)
    assert fetched(url, Range="bytes=10-19") == (206, whole[10:20])
    assert fetched(url, Range="bytes=-5") == (206, whole[-5:])
    assert fetched(url, Range=f"bytes={len(whole)}-")[0] == 416
    assert fetched(url, Range=f"bytes={'9' * 5000}-") == (200, whole)  # no range that can be meant
    (folder / "empty.mp4").touch()
    assert fetched(f"{address}video/empty.mp4") == (200, b"")
    (folder / "empty.mp4").unlink()
    for path in ("video/notes.txt", "video/..%2fnotes.txt", "video/", "etc/passwd"):
        assert fetched(f"{address}{path}")[0] == 404


def test_nobody_else_can_reach_the_page(address: str) -> None:
    """It listens on the loopback address, not on those that other machines know."""
    port = urlsplit(address).port
    if sys.platform == "linux":  # 127.0.0.2 is this machine too; it needs no name to be looked up
        with socket.socket() as taken:  # a listener on all addresses would be in its way
            taken.bind(("127.0.0.2", port))
        return
    own = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)}
    for host in own - {"127.0.0.1"}:
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect((host, port))


def test_the_page_makes_text_of_names_and_answers() -> None:
    """What a model or a file name says reaches the page as text: no call in it parses HTML."""
    page = resources.files("vidllm").joinpath("demo.html").read_text("utf-8")
    assert "textContent" in page
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", page)


def test_other_sites_are_refused(address: str) -> None:
    assert fetched(f"{address}state", Host="evil.example:80")[0] == 403
    question = {"video": "two colours.mp4", "query": "a dog"}
    assert fetched(f"{address}ask", question, Origin="http://evil.example")[0] == 403


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on PATH")
def test_the_page_works_in_a_browser(address: str, tmp_path: Path) -> None:
    """The question is in the address; what is printed is the page after the answer came."""
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
        "--virtual-time-budget=20000", "--dump-dom",
        f"{address}?video=two%20colours.mp4&query=a%20red%20thing",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=180, check=False, env={**os.environ}
    )
    assert re.search(r'<button type="button" title="[\d.]+ - [\d.]+ s  a red thing"', done.stdout)
    assert re.search(r"<li>[\d.]+ - [\d.]+ s  a red thing</li>", done.stdout)
    assert "recipe: smoke" in done.stdout
