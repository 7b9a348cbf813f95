"""Who writes captions: backends behind one small interface, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqsynth.caption.settings import CaptionSettings


@dataclass(frozen=True, slots=True)
class Question:
    """What a model gets to see.

    Attributes:
        text: what it is asked.
        frames: (F, size, size, 3) uint8, RGB, in showing order.
        seed: for the draws of this answer, in [0, 2**31).
    """

    text: str
    frames: NDArray[np.uint8]
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        text: what the model wrote.
        finish_reason: "stop", "length", or another word of the backend.
    """

    text: str
    finish_reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why this one question got no answer."""

    reason: str


class BackendError(RuntimeError):
    """No question can be answered: no server, no model, no library. The message says what to do."""


class CaptionBackend(Protocol):
    """Answers questions; an answer depends on its question alone."""

    @property
    def revision(self) -> str:
        """Of the model, "" where it is not known."""

    def answer(self, questions: Sequence[Question]) -> list[Answer | NoAnswer]:
        """One answer for each question.

        Raises:
            BackendError: none of them can be answered.
        """

    def close(self) -> None:
        """Ends what is under way, also from another thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """How a backend is run; none of this changes what is written.

    Attributes:
        device: of `transformers`: "auto", "cpu", "cuda", "cuda:1", ...
        server: address of an OpenAI-compatible server, up to and with `/v1`.
        key_variable: environment variable with the key for the server; "": none is sent.
        concurrency: questions that are at the server at the same time.
        timeout_seconds: how long one answer may take.
        num_retries: how often a question is asked again.
        tensor_parallel: of `vllm`: GPUs that share one copy of the model.
    """

    device: str = "auto"
    server: str = "http://localhost:8000/v1"
    key_variable: str = ""
    concurrency: int = 16
    timeout_seconds: float = 300.0
    num_retries: int = 5
    tensor_parallel: int = 1

    def __post_init__(self) -> None:
        for name in ("concurrency", "tensor_parallel"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be positive, got {self.timeout_seconds}")
        if self.num_retries < 0:
            raise ValueError(f"num_retries must not be negative, got {self.num_retries}")


MakeBackend = Callable[[CaptionSettings, BackendOptions], CaptionBackend]


@dataclass(frozen=True, slots=True)
class BackendKind:
    """One way to get answers.

    Attributes:
        make: loads it; this is where its libraries are imported.
        holds: what it is, for the help.
        batch_size: questions that it is given at once, unless told otherwise.
        holds_model: it computes where it is made; else it asks somebody and waits.
    """

    make: MakeBackend
    holds: str
    batch_size: int
    holds_model: bool


def _transformers(settings: CaptionSettings, options: BackendOptions) -> CaptionBackend:
    from seqsynth.caption.transformers_backend import TransformersBackend

    return TransformersBackend(settings, options)


def _server(settings: CaptionSettings, options: BackendOptions) -> CaptionBackend:
    from seqsynth.caption.server_backend import ServerBackend

    return ServerBackend(settings, options)


def _vllm(settings: CaptionSettings, options: BackendOptions) -> CaptionBackend:
    from seqsynth.caption.vllm_backend import VllmBackend

    return VllmBackend(settings, options)


BACKENDS: dict[str, BackendKind] = {
    "transformers": BackendKind(
        _transformers, "any image-text-to-text model, in this process", 1, True
    ),
    "server": BackendKind(_server, "an OpenAI-compatible server such as vllm serve", 1, False),
    "vllm": BackendKind(_vllm, "vLLM in this process", 64, True),
}
