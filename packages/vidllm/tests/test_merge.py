"""Merged runs: what plain transformers makes of them, and the command."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import (
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
)

from seqsynth import Corpus, Example
from vidllm import checkpoint, run_folder
from vidllm.assembly import Assembly, assemble, load_features
from vidllm.cli import main
from vidllm.config import TrainConfig
from vidllm.families import FAMILIES
from vidllm.features import FeatureStore
from vidllm.merge import merge
from vidllm.prompt_script import IGNORED, VISUAL_TOKEN
from vidllm.testing import IMAGE_TOKEN

TIED = [*((family, False) for family in FAMILIES), ("qwen3_vl", True), ("smolvlm", True)]


def moved_run(parts: Assembly, config: TrainConfig, run_dir: Path) -> None:
    """A run folder with one checkpoint, in which everything that learns has moved."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in parts.model.parameters():  # type: ignore[attr-defined]
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    run_folder.create(config, run_dir)
    scratch = checkpoint.scratch_path(run_dir, 7)
    scratch.mkdir()
    checkpoint.save_weights(parts.model, scratch)
    checkpoint.publish(run_dir, 7)


@pytest.mark.parametrize(("family", "tied"), TIED)
def test_plain_transformers_loads_a_merged_vlm(
    family: str,
    tied: bool,
    vlm_config: Callable[..., TrainConfig],
    corpus: Corpus,
    example: Example,
    tmp_path: Path,
) -> None:
    config = vlm_config(family, tied=tied, connector_learns=not tied)
    source = load_features(config, corpus, [])
    parts = assemble(config, 0)
    encoded = parts.prompter.encode(replace(example, turns=example.turns[:1], targets=()))
    ids, labels = torch.tensor([encoded.input_ids]), torch.tensor([encoded.labels])
    inputs = source.inputs([encoded])
    moved_run(parts, config, tmp_path / "run")
    parts.model.eval()
    ours = parts.model(input_ids=ids, labels=labels, **inputs)["loss"]
    length = len(parts.prompter.prefix(example).input_ids)
    with torch.no_grad():
        cache, following = parts.model.begin(ids[:, :length], inputs)
        positions = following[:, None] + torch.arange(ids.shape[1] - length)
        logits = parts.model.go_on(
            ids[:, length:], mask_RT=torch.ones_like(ids), positions_RT=positions, cache=cache
        )

    assert merge(tmp_path / "run", tmp_path / "out").step == 7
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "out").eval()
    visual = ids == VISUAL_TOKEN
    theirs = dict(inputs)
    if "image_grid_thw" in theirs:
        theirs["mm_token_type_ids"] = visual.int()
    if theirs.pop("pooled", None) is not None:
        theirs |= {
            "pixel_values": theirs["pixel_values"][:, None],
            "batch_num_images": torch.tensor([3]),
        }
    image_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN[family])
    with torch.no_grad():
        told = merged(input_ids=ids.masked_fill(visual, image_id), labels=labels, **theirs)
    torch.testing.assert_close(told.loss, ours, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(told.logits[:, -1], logits, rtol=1e-5, atol=1e-5)

    head, table = merged.get_output_embeddings().weight, merged.get_input_embeddings().weight
    assert (head is table) == tied
    with safe_open(tmp_path / "out" / "model.safetensors", "pt") as handle:
        names = set(handle.keys())
    with safe_open(Path(config.model.base) / "model.safetensors", "pt") as handle:
        assert names == set(handle.keys())
    answer = [label for label in encoded.labels if label != IGNORED]
    assert tokenizer.decode(answer, skip_special_tokens=True) == "<6><6><6><7>"
    AutoImageProcessor.from_pretrained(tmp_path / "out", backend="pil")
    record = json.loads((tmp_path / "out" / "merged.json").read_text())
    assert record["format_version"] == 1
    assert record["time_tokens"] == {f"<{n}>": answer[0] - 6 + n for n in range(10)}


def test_plain_transformers_loads_the_language_model_of_a_pooled_base(
    assembly: Assembly, config: TrainConfig, features: FeatureStore, tmp_path: Path
) -> None:
    moved_run(assembly, config, tmp_path / "run")
    assembly.model.eval()
    embeds = assembly.model.embed(
        torch.tensor([[5, 6, *range(259, 269)]]), features.features_NC[:0]
    )
    ours = assembly.model.logits(assembly.model.decode(embeds)[0])
    merge(tmp_path / "run", tmp_path / "out")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        theirs = merged(torch.tensor([[5, 6, *range(259, 269)]])).logits[0]
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5)
    beside = tmp_path / "out" / "projector.safetensors"
    assert beside.read_bytes() == (tmp_path / "run/checkpoint-7/projector.safetensors").read_bytes()


def test_a_vlm_is_trained_and_merged_by_command(
    bases: Callable[..., Path], cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir, out = tmp_path / "run", tmp_path / "out"
    flags = [
        "--model.adapter",
        "vlm",
        "--model.base",
        str(bases("qwen3_vl")),
        "--out",
        str(run_dir),
    ]
    flags += ["--prompt.template", "chat", "--data.cache-dir", str(cache_dir)]
    assert main(["merge", str(run_dir), "--out", str(out)]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["train", "smoke", "--optim.max-steps", "3", *flags]) == 0
    rows = run_folder.read_metrics(run_dir)
    assert [row["stage"] for row in rows] == ["align", "images", "clips"]
    assert main(["merge", str(run_dir)]) == 2
    assert main(["merge", str(run_dir), "--out", str(out)]) == 0
    assert (out / "model.safetensors").exists()
    assert main(["merge", str(run_dir), "--out", str(out)]) == 2
    assert "is not empty" in capsys.readouterr().err
