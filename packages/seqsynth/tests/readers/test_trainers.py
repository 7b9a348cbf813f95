"""What `export` writes, read by the trainers' own readers (nox session `readers`).

Qwen's fine-tuning code is no package; test_export.py reads its form by the rules of that code.
"""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seqsynth import Example
from seqsynth.export import DATASET_NAME, export_examples, frames_text

from .strangers import library

# They import for minutes where the disk is busy.
pytestmark = [
    pytest.mark.filterwarnings("ignore"), pytest.mark.slow, pytest.mark.timeout(1200)
]  # fmt: skip


def texts_of(example: Example) -> list[str]:
    """What a trainer has to show: question and answer in turn, the frames before the first."""
    texts = [text for turn in example.turns for text in (turn.prompt, turn.answer)]
    texts = [text.replace("<image>", "< image >").replace("<video>", "< video >") for text in texts]
    texts = [text.replace("<bbox>", "< bbox >") for text in texts]
    return [f"{frames_text(example)}\n{texts[0]}", *texts[1:]]


def check_pictures(example: Example, paths: list[str]) -> None:
    assert len(paths) == len(example.frames)
    for path in paths:
        with Image.open(path) as picture:
            assert np.asarray(picture.convert("RGB")).ndim == 3


def test_llamafactory_reads_what_is_written_for_it(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It reads sound with torchaudio, which has to fit the torch; there is none here.
    torchaudio = ModuleType("torchaudio")
    torchaudio.__spec__ = ModuleSpec("torchaudio", None)
    monkeypatch.setitem(sys.modules, "torchaudio", torchaudio)
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")  # of libraries for training
    parser, loader = library("llamafactory.data.parser"), library("llamafactory.data.loader")
    hparams, plugins = library("llamafactory.hparams"), library("llamafactory.data.mm_plugin")
    export_examples(examples, tmp_path / "out", "llamafactory")
    folder = str(tmp_path / "out")
    data = hparams.DataArguments(
        dataset=DATASET_NAME, dataset_dir=folder, media_dir=folder, template="qwen2_vl"
    )
    model = SimpleNamespace(cache_dir=str(tmp_path / "cache"), hf_hub_token=None)
    training = SimpleNamespace(local_process_index=0)
    (attributes,) = parser.get_dataset_list([DATASET_NAME], folder)
    rows = loader._load_single_dataset(attributes, model, data, training)
    assert len(rows) == len(examples)
    plugin = plugins.get_mm_plugin("base", image_token="<|image_pad|>")
    for example, row in zip(examples, rows, strict=True):
        messages = [*row["_prompt"], *row["_response"]]
        assert [m["role"] for m in messages] == ["user", "assistant"] * len(example.turns)
        assert [m["content"] for m in messages] == texts_of(example)
        check_pictures(example, row["_images"])
        plugin._validate_messages(messages, row["_images"], [], [])


def test_ms_swift_reads_what_is_written_for_it(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
    swift, template = library("swift.dataset"), library("swift.template.template_inputs")
    export_examples(examples, tmp_path / "out", "ms-swift")
    rows, _ = swift.load_dataset([str(tmp_path / "out" / "train.jsonl")], strict=True)
    assert len(rows) == len(examples)
    for example, row in zip(examples, rows, strict=True):
        inputs: Any = template.StdTemplateInputs.from_dict(dict(row))
        assert [m["role"] for m in inputs.messages] == ["user", "assistant"] * len(example.turns)
        assert [m["content"] for m in inputs.messages] == texts_of(example)
        check_pictures(example, [image["path"] for image in row["images"]])
