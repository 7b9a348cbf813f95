"""The model's parts against plain PEFT and transformers, which they must equal."""

from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from seqsynth import Example, Turn
from vidllm.adapters.base import truncate_layers
from vidllm.adapters.random import RANDOM_LLAMA, RandomAdapter
from vidllm.assembly import Assembly, adapter_of, assemble
from vidllm.batching import Collator
from vidllm.config import ModelConfig, TrainConfig
from vidllm.features import FeatureStore
from vidllm.model.projector import Projector
from vidllm.model.token_rows import embed_tokens, output_logits
from vidllm.model.video_llm import VideoLLM
from vidllm.prompt_script import IGNORED, VISUAL_TOKEN
from vidllm.prompting import Encoded

TIME_IDS = [40, 41, 250]


def peft_llama(*, tied: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    llm = LlamaForCausalLM(LlamaConfig(**{**RANDOM_LLAMA, "tie_word_embeddings": tied}))
    rows = {"embed_tokens": TIME_IDS} | ({} if tied else {"lm_head": TIME_IDS})
    model = get_peft_model(
        llm, LoraConfig(r=4, target_modules=["q_proj"], trainable_token_indices=rows)
    )
    with torch.no_grad():  # away from the base rows, or a mix-up would not show
        for name, parameter in model.named_parameters():
            if "trainable_tokens_delta" in name:
                parameter.add_(torch.randn_like(parameter))
    return model


def row_gradients(model: torch.nn.Module) -> list[torch.Tensor]:
    return [
        p.grad.clone()
        for name, p in model.named_parameters()
        if "trainable_tokens_delta" in name and p.grad is not None
    ]


@pytest.mark.parametrize("tied", [True, False])
def test_rows_of_time_tokens_equal_pefts_own(tied: bool) -> None:
    model = peft_llama(tied=tied)
    base = model.get_base_model()
    ids_BT = torch.tensor([[1, 40, 7, 41], [250, 250, 3, 0]])
    hidden_ND = torch.randn(5, RANDOM_LLAMA["hidden_size"], generator=torch.manual_seed(1))
    weights = torch.randn(5, RANDOM_LLAMA["vocab_size"], generator=torch.manual_seed(2))
    found = []
    for embed, logits in (
        (lambda m, x: m(x), lambda m, x: m(x)),
        (embed_tokens, output_logits),
    ):
        model.zero_grad()
        embedded = embed(base.get_input_embeddings(), ids_BT)
        scored = logits(base.get_output_embeddings(), hidden_ND)
        ((embedded**2).sum() + (scored * weights).sum()).backward()
        found.append((embedded.detach(), scored.detach(), row_gradients(model)))
    (embedded, scored, gradients), (ours_embedded, ours_scored, ours_gradients) = found
    assert torch.equal(embedded, ours_embedded)
    torch.testing.assert_close(scored, ours_scored, rtol=1e-5, atol=1e-5)
    assert len(gradients) == len(ours_gradients) == (1 if tied else 2)
    for gradient, ours in zip(gradients, ours_gradients, strict=True):
        torch.testing.assert_close(gradient, ours, rtol=1e-5, atol=1e-5)


def test_rows_that_nothing_asks_for_get_a_gradient_of_nothing() -> None:
    model = peft_llama(tied=False)  # where the output's rows are others, DDP waits for these
    embedding = model.get_base_model().get_input_embeddings()
    ids_BT = torch.tensor([[1, 7, 3]])
    embedded = embed_tokens(embedding, ids_BT)
    assert torch.equal(embedded, embedding(ids_BT))
    embedded.sum().backward()
    (gradient,) = row_gradients(model)
    assert not gradient.any()


def test_rows_without_peft_are_the_layers_own() -> None:
    layer = torch.nn.Embedding(10, 4)
    head = torch.nn.Linear(4, 10, bias=False)
    assert torch.equal(embed_tokens(layer, torch.tensor([[3]])), layer(torch.tensor([[3]])))
    hidden = torch.ones(1, 4)
    assert torch.equal(output_logits(head, hidden), head(hidden))


def batch_of(assembly: Assembly, features: FeatureStore) -> dict[str, torch.Tensor]:
    """Two rows of unequal length, two frames each."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 250, (2, 12), generator=generator)
    ids[:, [1, 4]] = VISUAL_TOKEN
    ids[0, 6] = assembly.prompter.ids("<7>")[0]
    labels = torch.full_like(ids, IGNORED)
    labels[0, 6:9] = ids[0, 6:9]
    labels[1, 9:] = ids[1, 9:]
    return {"input_ids": ids, "labels": labels, "features": features.features_NC[:4]}


def test_loss_equals_that_of_the_whole_sequence(assembly: Assembly, features: FeatureStore) -> None:
    model, batch = assembly.model, batch_of(assembly, features)
    outputs = model(**batch)
    embeds = model.causal_lm.get_input_embeddings()(batch["input_ids"].clamp(min=0)).clone()
    embeds[batch["input_ids"] == VISUAL_TOKEN] = model.projector(batch["features"])[:, 0]
    logits = model.causal_lm(inputs_embeds=embeds).logits
    expected = functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]),
        batch["labels"][:, 1:].reshape(-1),
        ignore_index=IGNORED,
    )
    torch.testing.assert_close(outputs["loss"], expected)
    assert outputs["example_labels"].tolist() == [3, 3]
    torch.testing.assert_close(outputs["example_losses"].sum() / 6, expected)
    shared = model(**batch, num_items_in_batch=24)
    torch.testing.assert_close(shared["loss"], expected / 4)


def test_what_a_batch_has_no_use_for_gets_a_gradient_of_zero(
    assembly: Assembly, features: FeatureStore
) -> None:
    """None would keep DDP waiting: here text alone, without pictures and time tokens."""
    model, batch = assembly.model, batch_of(assembly, features)
    batch["input_ids"] = batch["input_ids"].clamp(min=3, max=250)
    batch["features"] = batch["features"][:0]
    model(**batch)["loss"].backward()
    learned = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert all(grad is not None for grad in learned.values())
    projector = [grad for name, grad in learned.items() if name.startswith("projector")]
    assert projector
    assert not any(grad.any() for grad in projector)
    with torch.inference_mode():
        embedded = model.embed(batch["input_ids"], batch["features"])
    table = model.causal_lm.get_input_embeddings().weight
    assert torch.equal(embedded, table[batch["input_ids"]])


def test_padding_changes_nothing(assembly: Assembly, features: FeatureStore) -> None:
    model, batch = assembly.model, batch_of(assembly, features)
    alone = model(**batch)["example_losses"]
    padded = {
        "input_ids": functional.pad(batch["input_ids"], (0, 5), value=9),
        "labels": functional.pad(batch["labels"], (0, 5), value=IGNORED),
        "features": batch["features"],
    }
    torch.testing.assert_close(model(**padded)["example_losses"], alone)


def test_turns_that_stand_apart_cost_what_each_costs_alone(
    assembly: Assembly, features: FeatureStore, example: Example
) -> None:
    def encoded(*turns: Turn) -> Encoded:
        return assembly.prompter.encode(replace(example, turns=turns, targets=()))

    def losses(*turns: Turn) -> torch.Tensor:
        return losses_of(encoded(*turns))

    def losses_of(*examples: Encoded) -> torch.Tensor:
        batch = Collator(features, 0)(examples)
        inputs = {name: batch[name] for name in batch if name not in ("tasks", "num_tokens")}
        return assembly.model(**inputs)["example_losses"]

    first, second = example.turns
    torch.testing.assert_close(losses(first, second), losses(first) + losses(second))
    padded = losses_of(encoded(first), encoded(first, second), encoded(second))
    alone = torch.cat([losses(first), losses(first, second), losses(second)])
    torch.testing.assert_close(padded, alone)
    assembly.prompter.config = replace(assembly.prompter.config, turns="dialogue")
    assert not torch.allclose(losses(first, second), losses(first) + losses(second))


def test_a_picture_is_seen(assembly: Assembly, features: FeatureStore) -> None:
    model, batch = assembly.model, batch_of(assembly, features)
    before = model(**batch)["example_losses"]
    batch["features"] = batch["features"].clone()
    batch["features"][2] += 1.0  # a frame of the second example
    after = model(**batch)["example_losses"]
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


def test_only_projector_lora_and_token_rows_learn(
    assembly: Assembly, features: FeatureStore
) -> None:
    model = assembly.model
    model(**batch_of(assembly, features))["loss"].backward()
    with_gradient = {n for n, p in model.named_parameters() if p.grad is not None}
    groups = model.parameter_groups()
    ids = {id(p) for group in groups.values() for p in group}
    assert with_gradient == {n for n, p in model.named_parameters() if id(p) in ids}
    assert {name: len(group) for name, group in groups.items()} == {
        "projector": 2,
        "lora": 2 * 4 * 2,
        "tokens": 1,
    }


def test_frames_and_visual_tokens_have_to_match(assembly: Assembly, features: FeatureStore) -> None:
    batch = batch_of(assembly, features)
    batch["features"] = batch["features"][:3]
    with pytest.raises(ValueError, match="4 visual tokens in the text, but 3 frames of 1"):
        assembly.model(**batch)


def test_text_alone_needs_no_frames(assembly: Assembly) -> None:
    ids = torch.tensor([[5, 6, 7]])
    outputs = assembly.model(ids, ids, torch.zeros(0, 64))
    assert torch.isfinite(outputs["loss"])


def test_several_visual_tokens_stand_in_order(config: TrainConfig, features: FeatureStore) -> None:
    changed = replace(config, model=replace(config.model, num_visual_tokens=2))
    model = assemble(changed, features.width).model
    ids = torch.tensor([[VISUAL_TOKEN, VISUAL_TOKEN, 9, VISUAL_TOKEN, VISUAL_TOKEN]])
    embeds = model.embed(ids, features.features_NC[:2])
    projected = model.projector(features.features_NC[:2])
    assert torch.equal(embeds[0, :2], projected[0])
    assert torch.equal(embeds[0, 3:], projected[1])


def test_the_scale_makes_features_standard(features: FeatureStore) -> None:
    projector = Projector(ModelConfig(), features.width, 6)
    projector.fit_scale(features.features_NC)
    standard_NC = projector.standardised(features.features_NC)
    torch.testing.assert_close(standard_NC.mean(0), torch.zeros(64), atol=1e-4, rtol=0)
    assert (standard_NC.std(0) < 1).all()  # the floor under the spread
    assert (standard_NC.std(0) > 0.9).all()


@pytest.mark.parametrize("count", [0, 1])
def test_a_scale_needs_two_pictures(count: int) -> None:
    with pytest.raises(ValueError, match=f"there is {count}: give it two at least"):
        Projector(ModelConfig(), 64, 6).fit_scale(torch.ones(count, 64))


def test_a_map_is_given_to_every_visual_token() -> None:
    generator = torch.Generator().manual_seed(0)
    x_NC, map_CD, bias_D = (
        torch.randn(shape, generator=generator) for shape in ((20, 10), (10, 6), (6,))
    )
    for kind in ("linear", "mlp"):  # the hidden layer adds nothing at the start
        projector = Projector(ModelConfig(num_visual_tokens=2, projector=kind), 10, 6)
        projector.set_map(map_CD, bias_D)
        for token in range(2):
            torch.testing.assert_close(projector(x_NC)[:, token], x_NC @ map_CD + bias_D)


def test_layers_can_be_cut() -> None:
    llm = RandomAdapter().load_language(ModelConfig(adapter="random", num_layers=1), None).llm
    assert len(llm.get_decoder().layers) == llm.config.num_hidden_layers == 1
    with pytest.raises(ValueError, match=r"model\.num_layers is 9, but the base has 1 layers"):
        truncate_layers(llm, 9)


def test_description_counts_what_is_built(config: TrainConfig, assembly: Assembly) -> None:
    description = adapter_of(config.model).describe(config.model)
    model = assembly.model
    groups = model.parameter_groups()
    assert description.lora_parameters == sum(p.numel() for p in groups["lora"])
    frozen = sum(p.numel() for p in model.llm.parameters() if not p.requires_grad)
    added_rows = 320 - RANDOM_LLAMA["vocab_size"]  # grown to a multiple of 64
    assert description.llm_parameters == frozen - added_rows * RANDOM_LLAMA["hidden_size"]
    assert description.hidden_size == model.projector.hidden_size


def test_unknown_names_are_refused(config: TrainConfig) -> None:
    with pytest.raises(ValueError, match=r"model\.adapter is 'qwen': choose one of tiny, random"):
        adapter_of(replace(config.model, adapter="qwen"))
    with pytest.raises(ValueError, match=r"'qproj': choose from .*q_proj"):
        RandomAdapter().describe(replace(config.model, lora_targets=("qproj",)))


def test_the_same_seed_gives_the_same_model(config: TrainConfig, features: FeatureStore) -> None:
    def make(seed: int) -> VideoLLM:
        return assemble(replace(config, seed=seed), features.width).model

    made = []
    for seed in (0, 0, 1):
        torch.rand(1)  # whatever happened before must not matter
        made.append(make(seed).state_dict())
    one, same, other = made
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
