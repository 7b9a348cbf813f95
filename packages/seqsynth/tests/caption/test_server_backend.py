"""The server backend against a server that misbehaves on command."""

import base64
import io
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from seqsynth import Manifest
from seqsynth.caption import http_client
from seqsynth.caption.backends import Answer, BackendError, BackendOptions, NoAnswer, Question
from seqsynth.caption.run import CaptionPlan, caption_manifest
from seqsynth.caption.server_backend import ServerBackend
from seqsynth.caption.settings import CaptionSettings, Generation
from seqsynth.caption.shards import shard_paths

from .conftest import StubServer

Settings = Callable[..., CaptionSettings]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def question() -> Question:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[1, ..., 0] = 255
    return Question('The action is "flying kites".', frames, seed=5)


@pytest.fixture
def connect(server: StubServer, make_settings: Settings) -> Callable[..., ServerBackend]:
    def make(**changes: object) -> ServerBackend:
        generation = Generation(max_new_tokens=7, temperature=0.5, top_p=0.9)
        settings = make_settings(backend="server", model="tiny", generation=generation)
        options = {"server": server.url, "timeout_seconds": 120.0, "num_retries": 2, **changes}
        return ServerBackend(settings, BackendOptions(**options))

    return make


def test_a_request_holds_the_frames_the_question_and_how_to_write(
    server: StubServer, connect: Callable[..., ServerBackend], question: Question
) -> None:
    (answer,) = connect().answer([question])
    assert isinstance(answer, Answer)
    assert answer.text.startswith("Someone is flying kites.")
    assert answer.finish_reason == "stop"
    (body,) = server.bodies
    how = {"model": "tiny", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": 5}
    assert {name: body[name] for name in how} == how
    *images, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": question.text}
    shown = []
    for image in images:
        head, _, data = image["image_url"]["url"].partition(",")
        assert head == "data:image/jpeg;base64"
        shown.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))))
    assert np.abs(np.stack(shown).astype(int) - question.frames).max() < 8
    assert server.keys == [None, None]


@pytest.mark.parametrize(
    "ill", ["408", "429", "500", "502", "503", "garbage", "no choices", "drop", "cut"]
)
def test_what_may_pass_is_tried_again(
    server: StubServer, connect: Callable[..., ServerBackend], question: Question, ill: str
) -> None:
    server.ills = [ill, ill]
    (answer,) = connect().answer([question])
    assert isinstance(answer, Answer)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("ill", "reason"),
    [
        ("429", "status 429 Too Many Requests: told to say 429 (3 times)"),
        ("500", "status 500 Internal Server Error: told to say 500 (3 times)"),
        ("garbage", "the answer cannot be read"),
        ("no choices", "holds no choices[0].message.content"),
        ("drop", "the connection broke"),
        ("cut", "the connection broke"),
    ],
)
def test_what_does_not_pass_costs_that_clip(
    server: StubServer,
    connect: Callable[..., ServerBackend],
    question: Question,
    ill: str,
    reason: str,
) -> None:
    server.ills = [ill] * 3
    failed, answered = connect().answer([question, question])
    assert isinstance(failed, NoAnswer)
    assert reason in failed.reason
    assert isinstance(answered, Answer)


@pytest.mark.parametrize(
    ("ill", "status", "reason"),
    [
        ("400", "400 Bad Request", "told to say 400"),
        ("413", "413 ", "told to say 413"),
        ("old 400", "400 Bad Request", "too long"),
        ("422", "422 ", "told"),
    ],
)
def test_a_request_that_is_at_fault_is_not_sent_again(
    server: StubServer,
    connect: Callable[..., ServerBackend],
    question: Question,
    ill: str,
    status: str,
    reason: str,
) -> None:
    server.ills = [ill]
    (answer,) = connect().answer([question])
    assert isinstance(answer, NoAnswer)
    assert answer.reason.startswith(f"status {status}")
    assert answer.reason.endswith(f": {reason}")
    assert len(server.keys) == 2, "one for the list of models, one for the question"


def test_a_busy_server_is_given_the_time_that_it_asks_for(
    server: StubServer,
    connect: Callable[..., ServerBackend],
    question: Question,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = connect(num_retries=4)
    waited: list[float] = []
    monkeypatch.setattr(backend._client._closed, "wait", waited.append)
    server.ills = ["429 after 7", "429 after 9999", "429 after soon", "500"]
    (answer,) = backend.answer([question])
    assert isinstance(answer, Answer)
    assert waited[:2] == [7.0, 30.0], "as asked, but never longer than half a minute"
    assert waited[2] == pytest.approx(0.004, rel=0.25), "else twice as long each time"
    assert waited[3] == pytest.approx(0.008, rel=0.25)


def test_an_answer_that_was_cut_off_before_it_began_is_empty(
    server: StubServer, connect: Callable[..., ServerBackend], question: Question
) -> None:
    server.ills = ["null"]
    assert connect().answer([question]) == [Answer("", "length")]


def test_a_server_that_hangs_costs_the_timeout(
    server: StubServer, connect: Callable[..., ServerBackend], question: Question
) -> None:
    server.ills = ["hang"]
    backend = connect(num_retries=0)
    backend._client._timeout_seconds = 0.3  # now that it is connected
    assert backend.answer([question]) == [NoAnswer("no answer within 0.3 seconds")]


def test_closing_wakes_those_who_wait(
    server: StubServer, connect: Callable[..., ServerBackend], question: Question
) -> None:
    server.ills = ["hang"] * 9
    backend = connect(num_retries=8)
    ended = []

    def ask() -> None:
        try:
            backend.answer([question])
        except BackendError as error:
            ended.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    while len(server.ills) == 9:
        time.sleep(0.005)
    backend.close()
    thread.join(60)  # half as long as it would wait for the answer
    assert ended == ["stopped"]


def test_without_a_server_the_error_says_so(
    manifest: Manifest, connect: Callable[..., ServerBackend], question: Question
) -> None:
    with socket.socket() as silent:  # its port is taken, and nobody answers there
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(BackendError, match=rf"no server answers at {url} .*vllm serve MODEL"):
            connect(server=url)
    for wrong in ("http://localhost:999999/v1", "http://[::1/v1"):
        with pytest.raises(BackendError, match=r"http://.*v1' is no address of a server"):
            connect(server=wrong)
    with pytest.raises(BackendError, match="is no address of a server"):
        connect(server="localhost:8000")


def test_the_wrong_model_key_or_address_is_said(
    server: StubServer,
    connect: Callable[..., ServerBackend],
    make_settings: Settings,
    question: Question,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = make_settings(backend="server", model="large")
    with pytest.raises(BackendError, match="does not serve 'large'; --model tiny is what"):
        ServerBackend(settings, BackendOptions(server=server.url))
    with pytest.raises(BackendError, match=r"\$CAPTION_KEY is not set"):
        connect(key_variable="CAPTION_KEY")
    monkeypatch.setenv("CAPTION_KEY", "secret")
    backend = connect(key_variable="CAPTION_KEY")
    assert server.keys[-1] == "Bearer secret"
    server.ills = ["401", "404"]
    with pytest.raises(BackendError, match="refuses the key") as caught:
        backend.answer([question])
    assert "secret" not in str(caught.value)
    with pytest.raises(BackendError, match="the address mostly ends in /v1"):
        backend.answer([question])


def test_rows_come_in_order_however_many_are_asked_at_once(
    server: StubServer, manifest: Manifest, tmp_path: Path, make_settings: Settings
) -> None:
    settings = make_settings(backend="server", model="tiny")

    tables = []
    for concurrency in (1, 4):
        server.ills = ["500"] if concurrency == 4 else []
        options = BackendOptions(server=server.url, concurrency=concurrency)
        out = tmp_path / str(concurrency)
        report = caption_manifest(manifest, out, settings, plan=CaptionPlan(options=options))
        assert report.num_captioned == 9
        (path,) = shard_paths(out)
        tables.append(pq.read_table(path))
    assert tables[0].equals(tables[1])


def test_a_server_that_goes_away_ends_the_run_and_what_is_done_is_kept(
    server: StubServer, manifest: Manifest, tmp_path: Path, make_settings: Settings
) -> None:
    settings = make_settings(backend="server", model="tiny")
    options = BackendOptions(server=server.url, concurrency=1, num_retries=0)
    out = tmp_path / "out"
    plan = CaptionPlan(options=options)

    def refuse(_: int) -> None:
        if len(server.bodies) == 4:
            server.ills = ["403"] * 99

    with pytest.raises(BackendError, match="refuses the key"):
        caption_manifest(manifest, out, settings, plan=plan, on_done=refuse)
    server.ills = []
    report = caption_manifest(manifest, out, settings, plan=plan)
    assert (report.num_before, report.num_captioned) == (4, 5)
