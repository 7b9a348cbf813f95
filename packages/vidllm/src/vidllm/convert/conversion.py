"""Released checkpoints to a folder of ours, and back; see `vidllm.timechat.weights` for the folder.

Tensors are read one at a time and written shard by shard, so memory holds one shard. A folder or
file appears under its name when it is complete.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidllm.convert.key_maps import Format
from vidllm.convert.plan import Step, plan_to_ours
from vidllm.convert.report import Report, Row
from vidllm.convert.shards import GIB, write_shards
from vidllm.convert.sources import Source, open_source
from vidllm.scratch import built
from vidllm.timechat.config import TimeChatConfig
from vidllm.timechat.weights import CONFIG_NAME, expected_shapes, trained_names

REPORT_NAME = "conversion.json"
DEFAULT_SHARD_BYTES = GIB
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
)


def to_ours(
    checkpoints: Sequence[tuple[Format, str | Path]],
    config: TimeChatConfig,
    out_dir: str | Path,
    *,
    max_shard_bytes: int = DEFAULT_SHARD_BYTES,
) -> Report:
    """Writes a folder of ours from released checkpoints.

    Args:
        checkpoints: in the order of loading: where two have a tensor, the later one's is taken.
        config: the model they are for.
        out_dir: the folder; must not exist yet.
        max_shard_bytes: of one file, and about what memory holds.

    Raises:
        FileNotFoundError: a checkpoint is not there.
        FileExistsError: `out_dir` is.
        ValueError: a file that cannot be read, a tensor that does not fit, none that is known.
    """
    out_dir = Path(out_dir)
    _refuse_existing(out_dir)
    sources = [(form, open_source(path)) for form, path in checkpoints]
    steps, report = plan_to_ours(sources, expected_shapes(config))
    for form, source in sources:
        path = str(source.path)
        if not any(row.checkpoint == path and row.target for row in report.rows):
            raise ValueError(
                f"{path} has no tensor of the format {form.name!r} that fits the model"
            )
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with built(out_dir) as scratch:
        scratch.mkdir()
        write_shards(_values(steps), scratch, max_shard_bytes=max_shard_bytes)
        (scratch / CONFIG_NAME).write_text(config.to_json() + "\n", "utf-8")
        content = json.dumps(report.to_record(), indent=1)
        (scratch / REPORT_NAME).write_text(content + "\n", "utf-8")
        for form, checkpoint in checkpoints:
            _copy_tokenizers(form, Path(checkpoint), scratch)
    return report


def from_ours(
    folder: str | Path, form: Format, out_path: str | Path, *, trained_only: bool = False
) -> Report:
    """Writes a file in the layout of a released checkpoint from a folder of ours.

    Args:
        folder: as `to_ours` writes it.
        form: the layout.
        out_path: `.pth` (a dictionary with "model", as the originals load it) or `.safetensors`;
            must not exist yet.
        trained_only: what learns and the counting buffers, as TimeChat's own checkpoints; else all
            that has a name there.

    Raises:
        FileNotFoundError: no such folder.
        FileExistsError: `out_path` is there.
        ValueError: a bias of attention keys that is not 0, which the layout cannot hold, or nothing
            that it has a name for.
    """
    folder, out_path = Path(folder), Path(out_path)
    _refuse_existing(out_path)
    if not (folder / CONFIG_NAME).exists():
        raise FileNotFoundError(f"{folder} is not a converted checkpoint: it has no {CONFIG_NAME}")
    config = TimeChatConfig.read(folder / CONFIG_NAME)
    source = open_source(folder)
    wanted = trained_names(config) if trained_only else set(source.shapes)
    tensors: dict[str, Tensor] = {}
    rows: list[Row] = []
    for name, shape in source.shapes.items():
        if name not in wanted:
            continue
        theirs = _theirs(form, source, name)
        if not theirs:
            rows.append(Row("unexpected", str(folder), name, "", shape))
        tensors.update(theirs)
        rows += [Row("taken", str(folder), name, target, shape) for target in theirs]
    if not tensors:
        which = "that learns and " if trained_only else ""
        raise ValueError(f"{folder} has no tensor {which}that {form.name!r} has a name for")
    for counter, table in form.counters:
        if table in source.shapes:
            tensors[counter] = torch.arange(source.shapes[table][0])[None]
    expected = expected_shapes(config)
    absent = sorted(wanted - set(source.shapes))
    rows += [Row("missing", "", "", name, expected[name]) for name in absent]
    _save(tensors, out_path)
    return Report(tuple(rows))


def _theirs(form: Format, source: Source, name: str) -> dict[str, Tensor]:
    """Their tensors of one of ours: one, the two halves of a bias, or none."""
    halves = form.halves(name)
    if halves is None:
        theirs = form.theirs(name)
        return {} if theirs is None else {theirs: source.read(name)}
    queries, keys, values = source.read(name).chunk(3)
    if bool(keys.any()):
        raise ValueError(
            f"{name} has a bias of keys that is not 0, which {form.name!r} has no place for"
        )
    return {halves[0]: queries.clone(), halves[1]: values.clone()}


def _save(tensors: Mapping[str, Tensor], out_path: Path) -> None:
    """Tensors of a mapped file are written from there, without a copy of all of them."""
    out_path.parent.mkdir(parents=True, exist_ok=True)
    with built(out_path) as scratch:
        scratch.touch()  # a folder that cannot be written: PyTorch would not say why
        if out_path.suffix == ".safetensors":
            from safetensors.torch import save_file

            save_file(dict(tensors), scratch, metadata={"format": "pt"})
        else:
            content: dict[str, Any] = {"model": dict(tensors)}
            torch.save(content, scratch)


def _values(steps: Sequence[Step]) -> Iterator[tuple[str, Tensor]]:
    for step in steps:
        yield step.target, step.value()


def _copy_tokenizers(form: Format, path: Path, folder: Path) -> None:
    """The tokenizers that lie beside a checkpoint's weights: text files of a few megabytes."""
    for below, target in form.tokenizers:
        found = [path / below / name for name in TOKENIZER_FILES]
        for file in (file for file in found if path.is_dir() and file.exists()):
            (folder / target).mkdir(exist_ok=True)
            shutil.copyfile(file, folder / target / file.name)


def _refuse_existing(out_path: Path) -> None:
    if out_path.exists():
        raise FileExistsError(f"{out_path} exists already: name another place or remove it")
