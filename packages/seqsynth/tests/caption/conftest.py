"""Clips made up on the spot, a backend that answers without a model, and a server that does."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seqsynth import Manifest, index_corpus
from seqsynth.caption import backends
from seqsynth.caption.backends import Answer, BackendKind, BackendOptions, NoAnswer, Question
from seqsynth.caption.prompts import load_prompt
from seqsynth.caption.settings import CaptionSettings

from .wire import completion, request_fault

LABELS = ("juggling balls", "riding a bike", "peeling apples")


def words_about(text: str, picture_bytes: bytes) -> str:
    """What the stubs answer: it names the label, and depends on the question and nothing else."""
    action = text.split('"')[1] if '"' in text else "something"
    digest = hashlib.sha256(text.encode() + picture_bytes).hexdigest()[:8]
    return f"Someone is {action}. It is number {digest}."


class StubBackend:
    """Answers at once; counts what it was asked."""

    def __init__(self, settings: CaptionSettings, options: BackendOptions) -> None:
        self.revision = settings.revision or "r1"
        self.num_asked = 0
        self.is_closed = False
        MADE.append(self)

    def answer(self, questions: Sequence[Question]) -> list[Answer | NoAnswer]:
        self.num_asked += len(questions)
        return [
            Answer(words_about(q.text, q.frames.tobytes() + str(q.seed).encode()), "stop")
            for q in questions
        ]

    def close(self) -> None:
        self.is_closed = True


MADE: list[StubBackend] = []


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> list[StubBackend]:
    """Adds the backend `stub`; the list of all that were made."""
    MADE.clear()
    monkeypatch.setitem(backends.BACKENDS, "stub", BackendKind(StubBackend, "no model", 2, True))
    return MADE


@pytest.fixture
def clip_folder(tmp_path: Path, write_animation: Callable[..., Path]) -> Path:
    """Nine clips of three labels."""
    root = tmp_path / "clips"
    for number in range(9):
        folder = root / LABELS[number % 3].replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        colours = [(25 * number, 20 * k, 250 - 20 * k) for k in range(5 + number)]
        write_animation(folder / f"{number}.webp", colours)
    return root


@pytest.fixture
def manifest(clip_folder: Path, tmp_path: Path) -> Manifest:
    path = tmp_path / "clips.arrow"
    index_corpus("clip_folder", clip_folder, path)
    return Manifest.open(path)


@pytest.fixture
def make_settings() -> Callable[..., CaptionSettings]:
    def make(**changes: Any) -> CaptionSettings:
        values = {
            "backend": "stub",
            "model": "m",
            "prompt": load_prompt("factual"),
            "num_frames": 3,
            "frame_size": 8,
        }
        return CaptionSettings(**{**values, **changes})

    return make


@dataclass
class StubServer:
    """An OpenAI-compatible server that refuses requests which are not as the protocol says.

    Attributes:
        url: its address.
        ills: what goes wrong with the next requests: a status such as "429", "429 after 2" with
            seconds to wait, "old 400" in an older form of vLLM, "422" in FastAPI's,
            "garbage", "null", "no choices", "hang", "drop", "cut"; then all goes well.
        pause_seconds: how long each answer takes.
        bodies: the requests that were answered.
        keys: the authorization of every request.
        faults: what was wrong with requests.
    """

    url: str = ""
    ills: list[str] = field(default_factory=list)
    pause_seconds: float = 0.0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def next_ill(self) -> str:
        with self.lock:
            return self.ills.pop(0) if self.ills else ""


ODD_ANSWERS = {
    "garbage": None,
    "null": completion(None, "length", "tiny"),
    "no choices": {"choices": []},
}


def told(status: int) -> dict[str, Any]:
    """The body of an error."""
    if status == 422:
        return {"detail": [{"msg": "told"}]}
    return {"error": {"message": f"told to say {status}", "type": "Told", "code": status}}


def handler_of(state: StubServer) -> type[BaseHTTPRequestHandler]:
    """Answers, or does what the state says that goes wrong."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            state.keys.append(self.headers.get("Authorization"))
            self.reply(200, {"data": [{"id": "tiny"}]})

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            content = self.rfile.read(length)
            if len(content) < length:  # whoever asks was killed on the way
                self.close_connection = True
                return
            state.keys.append(self.headers.get("Authorization"))
            if fault := request_fault(self.path, self.headers, content):
                state.faults.append(fault)
                self.reply(400, {"error": {"message": fault, "type": "BadRequestError"}})
                return
            body = json.loads(content)
            ill = state.next_ill()
            status, _, pause = ill.partition(" after ")
            if status.isdecimal():
                self.reply(int(status), told(int(status)), pause)
            elif ill == "old 400":
                self.reply(400, {"object": "error", "message": "too long", "code": 400})
            elif ill in ("hang", "drop"):
                state.stopping.wait(600 if ill == "hang" else 0)
                self.close_connection = True
            elif ill == "cut":
                self.send_response(200)
                self.send_header("Content-Length", "900")
                self.end_headers()
                self.wfile.write(b'{"id": "chatcmpl')
                self.close_connection = True
            elif ill in ODD_ANSWERS:
                self.reply(200, ODD_ANSWERS[ill])
            else:
                time.sleep(state.pause_seconds)
                state.bodies.append(body)
                *images, text = body["messages"][0]["content"]
                urls = "".join(image["image_url"]["url"] for image in images).encode()
                self.reply(200, completion(words_about(text["text"], urls), "stop", body["model"]))

        def reply(self, status: int, record: Any, pause: str = "") -> None:
            content = b"<html>" if record is None else json.dumps(record).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", pause or "0")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


@pytest.fixture
def server() -> Iterator[StubServer]:
    state = StubServer()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(state))
    httpd.daemon_threads = True
    state.url = f"http://127.0.0.1:{httpd.server_address[1]}/v1"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    state.stopping.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()
    assert state.faults == []
