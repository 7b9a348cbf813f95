"""What learns in today's VLMs, in which types, and what a checkpoint of it keeps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText

from seqsynth import Corpus, Example
from vidllm import checkpoint
from vidllm.assembly import adapter_of
from vidllm.config import TrainConfig
from vidllm.families import FAMILIES

from .family_models import batch_of, every_family, opened, shake


@every_family
def test_only_lora_and_both_rows_learn(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    parts, source = opened(vlm_config(family), corpus)
    groups = parts.model.parameter_groups()
    assert {name: len(found) for name, found in groups.items()} == {
        "projector": 0,
        "lora": 16,  # two factors on four matrices of two layers
        "tokens": 2,
    }
    names = [name for name, p in parts.model.named_parameters() if p.requires_grad]
    assert not [name for name in names if "visual" in name or "vision" in name]
    parts.model(**batch_of(source, parts.prompter.encode(example)))["loss"].backward()
    assert all(row.grad is not None and row.grad.abs().sum() > 0 for row in groups["tokens"])
    assert all(p.grad is None for p in parts.model.parameters() if not p.requires_grad)
    lora_b = [p for n, p in parts.model.named_parameters() if "lora_B" in n]
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in lora_b)


@every_family
def test_a_tied_base_learns_one_set_of_rows(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus
) -> None:
    parts, _ = opened(vlm_config(family, tied=True), corpus)
    assert len(parts.model.parameter_groups()["tokens"]) == 1


@every_family
def test_a_connector_can_learn(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    parts, source = opened(vlm_config(family, connector_learns=True), corpus)
    parts.model(**batch_of(source, parts.prompter.encode(example)))["loss"].backward()
    learning = {n: p for n, p in parts.model.named_parameters() if "modules_to_save" in n}
    assert len(learning) == len(parts.model.parameter_groups()["projector"]) > 0
    still = {name for name, p in learning.items() if p.grad is None or not p.grad.any()}
    # What DeepStack adds after the last layer reaches no text.
    assert all("deepstack_merger_list.1" in name for name in still)


@every_family
def test_a_connector_gets_a_gradient_of_zero_from_text_alone(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    """Not None, which DDP would wait for."""
    parts, source = opened(vlm_config(family, connector_learns=True), corpus)
    encoded = parts.prompter.encode(example, captions=["a cat", "a dog", "a cow"])
    batch = batch_of(source, encoded)
    assert set(batch) == {"input_ids", "labels", "position_ids", "attention_mask"}
    parts.model(**batch)["loss"].backward()
    learned = [p for p in parts.model.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in learned)
    connector = parts.model.parameter_groups()["projector"]
    assert connector
    assert not any(p.grad.any() for p in connector)


@every_family
def test_vision_runs_in_the_types_of_the_step_around_it(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    """A step in bfloat16 is one in vision too; the connector's own mix ends with it."""
    for learns in (False, True):
        parts, source = opened(vlm_config(family, connector_learns=learns), corpus)
        batch = batch_of(source, parts.prompter.encode(example))
        tower = next(
            module
            for name, module in parts.model.vlm.named_modules()
            if isinstance(module, torch.nn.Linear) and "vis" in name
        )
        seen: list[torch.dtype] = []
        tower.register_forward_hook(lambda _, __, output, seen=seen: seen.append(output.dtype))
        with torch.autocast("cpu", torch.bfloat16):
            parts.model(**batch)
        parts.model(**batch)
        assert seen == [torch.bfloat16, torch.float32]


@every_family
def test_a_checkpoint_brings_everything_back(
    family: str,
    vlm_config: Callable[..., TrainConfig],
    corpus: Corpus,
    example: Example,
    tmp_path: Path,
) -> None:
    config = vlm_config(family, connector_learns=True)
    parts, source = opened(config, corpus)
    shake(parts)
    batch = batch_of(source, parts.prompter.encode(example))
    expected = parts.model(**batch)["loss"]
    checkpoint.save_weights(parts.model, tmp_path)
    size = (tmp_path / checkpoint.ADAPTER_NAME).stat().st_size
    assert size < (Path(config.model.base) / "model.safetensors").stat().st_size
    fresh, _ = opened(config, corpus)
    assert not torch.equal(fresh.model(**batch)["loss"], expected)
    checkpoint.load_weights(fresh.model, tmp_path)
    assert torch.equal(fresh.model(**batch)["loss"], expected)


def test_sizes_are_counted_without_weights(
    vlm_config: Callable[..., TrainConfig], corpus: Corpus
) -> None:
    for family in FAMILIES:
        for learns in (False, True):
            config = vlm_config(family, connector_learns=learns, tied=learns)
            described = adapter_of(config.model).describe(config.model)
            parts, _ = opened(config, corpus)
            groups = parts.model.parameter_groups()
            assert described.lora_parameters == sum(p.numel() for p in groups["lora"])
            assert described.connector_parameters == sum(p.numel() for p in groups["projector"])
            plain = AutoModelForImageTextToText.from_pretrained(config.model.base)
            assert plain.num_parameters() == (
                described.eye_parameters + described.llm_parameters + described.connector_parameters
            )
            assert described.visual_tokens_per_frame == len(parts.prompter.script.picture)


@every_family
def test_what_learns_beside_weights_in_bfloat16_is_kept_in_float32(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    config = vlm_config(family, weights="bfloat16", connector_learns=True)
    parts, source = opened(config, corpus)
    assert parts.model.vlm.get_input_embeddings().weight.dtype == torch.bfloat16
    loss = parts.model(**batch_of(source, parts.prompter.encode(example)))["loss"]
    loss.backward()
    exact, _ = opened(replace(config, model=replace(config.model, weights="float32")), corpus)
    expected = exact.model(**batch_of(source, exact.prompter.encode(example)))["loss"]
    torch.testing.assert_close(loss, expected, rtol=0.05, atol=0.05)
    learning = [p for p in parts.model.parameters() if p.requires_grad]
    assert {p.dtype for p in learning} == {torch.float32}
    assert all(p.grad.isfinite().all() for p in learning if p.grad is not None)


@every_family
def test_activations_can_be_computed_twice(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    def gradients(*, twice: bool) -> list[torch.Tensor]:
        parts, source = opened(vlm_config(family, connector_learns=True), corpus)
        shake(parts)
        parts.model.train()
        if twice:
            parts.model.vlm.gradient_checkpointing_enable({"use_reentrant": False})
            assert parts.model.decoder.layers[0].gradient_checkpointing
        parts.model(**batch_of(source, parts.prompter.encode(example)))["loss"].backward()
        return [p.grad for p in parts.model.parameters() if p.grad is not None]

    for once, again in zip(gradients(twice=False), gradients(twice=True), strict=True):
        torch.testing.assert_close(once, again)
