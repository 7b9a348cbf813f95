"""Checkpoint files that `vidllm convert` reads and writes: one shard at a time, no code run."""

import json
import pickle
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vidllm.cli import main
from vidllm.convert.conversion import to_ours
from vidllm.convert.key_maps import EVA
from vidllm.convert.shards import write_shards
from vidllm.convert.sources import open_source
from vidllm.timechat import tiny_timechat
from vidllm.timechat.weights import read_folder


class _Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("harm-done"),)


def test_pickles_run_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"a": torch.zeros(1)}, "config": _Harmful()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="holds Python objects besides tensors"):
        open_source(tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(_Harmful(), protocol=2))
    with pytest.raises(ValueError, match=r"plain\.pth"):
        open_source(tmp_path / "plain.pth")
    assert not (tmp_path / "harm-done").exists()


def test_old_files_are_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    tensors = {"cls_token": torch.ones(1, 1, 32)}
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    source = open_source(path)
    assert not source.streams
    report = to_ours([(EVA, path)], tiny_timechat(), tmp_path / "ours")
    assert report.read_whole == (str(path),)
    assert str(path) in report.table()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"<html>not found</html>", "is not a PyTorch checkpoint, but begins with b'<html>no'"),
    ],
)
def test_files_that_are_no_checkpoints_are_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "eva_vit_g.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_source(path)
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        open_source(bad)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds a list, not named tensors"):
        open_source(tmp_path / "list.pth")


def test_folder_of_shards_is_one_source(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2), "b": torch.zeros(3, dtype=torch.bfloat16)}
    for number, (name, tensor) in enumerate(tensors.items()):
        torch.save({name: tensor}, tmp_path / f"pytorch_model-{number}.bin")
    weight_map = {name: f"pytorch_model-{n}.bin" for n, name in enumerate(tensors)}
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    source = open_source(tmp_path)
    assert dict(source.shapes) == {"a": (2,), "b": (3,)}
    assert all(torch.equal(source.read(name), tensor) for name, tensor in tensors.items())
    index.unlink()
    with pytest.raises(FileNotFoundError, match="has no weights"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [('{"weight_map": {"a"', "JSONDecodeError"), ("{}", "KeyError"), ("[1]", "TypeError"),
     ('{"weight_map": [1]}', "AttributeError"), (b"\xff\xfe", "UnicodeDecodeError")],
)  # fmt: skip
def test_a_damaged_index_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | bytes, what: str
) -> None:
    folder = tmp_path / "llama"
    folder.mkdir()
    index = folder / "model.safetensors.index.json"
    index.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["convert", f"llama={folder}", "--out", str(tmp_path / "ours")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{index} is no index of shards, or a damaged one ({what}" in said[0]
    with pytest.raises(ValueError, match="fetch it again"):
        next(read_folder(folder))


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    write_shards([("a", torch.ones(8))], tmp_path, max_shard_bytes=100)
    shard = tmp_path / "model-00001-of-00001.safetensors"
    assert [name for name, _ in read_folder(str(tmp_path))] == ["a"]
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(ValueError, match=rf"{shard.name} is damaged .*: convert again"):
        next(read_folder(tmp_path))


def test_only_one_shard_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the tensors that were read nor those that wait to be written pile up."""
    alive: list[weakref.ref[Tensor]] = []
    held: list[int] = []
    sizes = [100, 50, 400, 30, 30, 30, 200, 60]

    def read() -> Iterator[tuple[str, Tensor]]:
        for number, size in enumerate(sizes):
            tensor = torch.full((size,), float(number))
            alive.append(weakref.ref(tensor))
            yield f"t{number}", tensor
            del tensor
            held.append(sum(ref() is not None for ref in alive))

    write_shards(read(), tmp_path, max_shard_bytes=4 * 160)
    assert max(held) <= 1
    shards = sorted(tmp_path.glob("*.safetensors"))
    written = [sum(len(t) for t in load_file(shard).values()) for shard in shards]
    assert written == [150, 400, 90, 200, 60]
    assert all(size <= 160 or size in sizes for size in written)
    total = json.loads((tmp_path / "model.safetensors.index.json").read_text())["metadata"]
    assert total == {"total_size": 4 * sum(sizes)}
