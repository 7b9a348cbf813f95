"""What vLLM is told, by a stand-in with its interface: the real one needs a GPU."""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from seqsynth.caption.backends import Answer, BackendError, BackendOptions, Question
from seqsynth.caption.settings import CaptionSettings, Generation
from seqsynth.caption.vllm_backend import VllmBackend

Settings = Callable[..., CaptionSettings]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Puts the stand-in in place; what it is told, in order."""
    calls: list[Any] = []

    class Engine:
        def __init__(self, **arguments: Any) -> None:
            calls.append(arguments)
            if arguments["model"] == "none":
                raise ValueError("no such\nmodel")

        def chat(self, chats: list[Any], sampling: list[Any], use_tqdm: bool) -> list[Any]:
            calls.append((chats, sampling, use_tqdm))
            texts = [chat[0]["content"][-1]["text"] for chat in chats]
            outputs = [SimpleNamespace(text=text, finish_reason="length") for text in texts]
            return [SimpleNamespace(outputs=[output]) for output in outputs]

    module = ModuleType("vllm")
    module.LLM = Engine  # type: ignore[attr-defined]
    module.SamplingParams = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    return calls


def test_a_batch_is_one_call_with_a_seed_for_each_clip(
    told: list[Any], make_settings: Settings
) -> None:
    generation = Generation(max_new_tokens=9, temperature=0.7, top_p=0.8)
    settings = make_settings(backend="vllm", model="m", revision="r2", generation=generation)
    backend = VllmBackend(settings, BackendOptions(tensor_parallel=2))
    assert backend.revision == "r2"
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    answers = backend.answer([Question("one", frames, 5), Question("two", frames[:2], 6)])
    assert answers == [Answer("one", "length"), Answer("two", "length")]
    loaded, (chats, sampling, use_tqdm) = told
    assert loaded == {
        "model": "m",
        "revision": "r2",
        "tensor_parallel_size": 2,
        "limit_mm_per_prompt": {"image": 3},
    }
    how = {"max_tokens": 9, "temperature": 0.7, "top_p": 0.8}
    assert sampling == [{**how, "seed": 5}, {**how, "seed": 6}]
    kinds = [[part["type"] for part in chat[0]["content"]] for chat in chats]
    assert kinds == [["image_url"] * 3 + ["text"], ["image_url"] * 2 + ["text"]]
    assert not use_tqdm


def test_a_model_that_it_cannot_load_is_one_line(told: list[Any], make_settings: Settings) -> None:
    with pytest.raises(BackendError, match=r"^vLLM cannot load none: no such model$"):
        VllmBackend(make_settings(backend="vllm", model="none"), BackendOptions())
