"""The dequantised copy: made once, checked, made again when it is not what it says."""

import errno
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from vidllm.adapters.random import RandomAdapter
from vidllm.config import ModelConfig
from vidllm.model import gguf_cache
from vidllm.model.gguf_cache import load_gguf_llm


@pytest.fixture
def gguf_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for a GGUF, and a loader that counts how often it is read."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    reads: list[Path] = []

    def load(source: Path) -> tuple[Any, Any]:
        reads.append(source)
        language = RandomAdapter().load_language(ModelConfig(), None)
        return language.llm, language.tokenizer

    monkeypatch.setattr(gguf_cache, "_load_gguf", load)
    monkeypatch.setattr(gguf_cache, "reads", reads, raising=False)
    return path


def num_reads() -> int:
    return len(gguf_cache.reads)  # type: ignore[attr-defined]


def test_the_second_start_reads_the_copy(gguf_path: Path) -> None:
    first, first_tokenizer = load_gguf_llm(gguf_path)
    again, tokenizer = load_gguf_llm(gguf_path)
    assert num_reads() == 1
    assert again.dtype == torch.float32
    expected = first.state_dict()
    assert all(torch.equal(expected[name], value) for name, value in again.state_dict().items())
    assert again.get_output_embeddings().weight is again.get_input_embeddings().weight
    assert tokenizer("a cat is")["input_ids"] == first_tokenizer("a cat is")["input_ids"]


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "source.json"])
def test_a_damaged_copy_is_made_again(gguf_path: Path, name: str) -> None:
    load_gguf_llm(gguf_path)
    damaged = gguf_path.with_name("model.float32") / name
    damaged.write_bytes(damaged.read_bytes()[:-3] + b"???")
    load_gguf_llm(gguf_path)
    assert num_reads() == 2
    load_gguf_llm(gguf_path)
    assert num_reads() == 2


def test_another_file_under_the_name_is_noticed(gguf_path: Path) -> None:
    load_gguf_llm(gguf_path)
    gguf_path.write_bytes(b"other weights")
    load_gguf_llm(gguf_path)
    assert num_reads() == 2


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="seqsynth fetch default"):
        load_gguf_llm(tmp_path / "absent.gguf")


@pytest.mark.parametrize(
    "place", ["vidllm.model.gguf_cache.scratch_of", "safetensors.torch.save_model"]
)
def test_an_unwritable_place_costs_the_copy_only(
    gguf_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        if place.endswith("scratch_of"):
            raise PermissionError(13, "Permission denied")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(place, refuse)
    model, _ = load_gguf_llm(gguf_path)
    assert model.config.hidden_size == 64
    assert "cannot be written" in caplog.text
    assert list(gguf_path.parent.iterdir()) == [gguf_path]


def test_a_copy_that_cannot_be_opened_is_left_alone(
    gguf_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(path: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    load_gguf_llm(gguf_path)
    with monkeypatch.context() as patched:
        patched.setattr(gguf_cache, "sha256_of", busy)
        with pytest.raises(OSError, match="Too many open files"):
            load_gguf_llm(gguf_path)
    load_gguf_llm(gguf_path)
    assert num_reads() == 1


def test_what_a_killed_process_had_begun_is_removed(gguf_path: Path) -> None:
    left = gguf_path.with_name(f".{socket.gethostname()}-{2**22 + 1}-model.float32")  # no such pid
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    load_gguf_llm(gguf_path)
    assert {path.name for path in gguf_path.parent.iterdir()} == {"model.gguf", "model.float32"}


def test_the_copy_of_a_faster_process_stays(
    gguf_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may be reading it."""
    read = gguf_cache._load_gguf
    weights = gguf_path.with_name("model.float32") / "model.safetensors"
    written: list[int] = []

    def overtaken(path: Path) -> tuple[Any, Any]:
        monkeypatch.setattr(gguf_cache, "_load_gguf", read)
        load_gguf_llm(path)
        written.append(weights.stat().st_ino)
        return read(path)

    monkeypatch.setattr(gguf_cache, "_load_gguf", overtaken)
    load_gguf_llm(gguf_path)
    assert num_reads() == 2
    assert written == [weights.stat().st_ino]
