"""Time tokens in TimeChat's two vocabularies: rows of their own that learn."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

import timetokens as tt
from vidllm.adapters.random import byte_tokenizer
from vidllm.timechat.config import tiny_timechat
from vidllm.timechat.model import TimeChat
from vidllm.timechat.parts import llama
from vidllm.timechat.prompt import add_image_token
from vidllm.timechat.time_tokens import add_to_frame_text
from vidllm.timechat.weights import disk_name


def llama_with_codes(tokenizer: PreTrainedTokenizerBase) -> tuple[TimeChat, list[int]]:
    """A model on the LLaMA tokenizer, its ten tokens after the placeholder."""
    add_image_token(tokenizer)
    sizes = replace(tiny_timechat(), image_token_id=420)
    sizes = replace(sizes, llm=replace(sizes.llm, vocab_size=420))
    torch.manual_seed(1)
    base = llama(sizes.llm)
    ids = tt.add_to(tokenizer, base)
    return TimeChat.from_parts(sizes, base, code_ids=ids), ids


def test_time_tokens_follow_the_placeholder_and_learn_at_both_ends(
    llama_tokenizer: PreTrainedTokenizerBase,
) -> None:
    tokenizer: Any = llama_tokenizer
    model, ids = llama_with_codes(tokenizer)
    assert ids == list(range(421, 431))
    text = "at <0><7><2><9>."
    encoded = tokenizer.encode(text, add_special_tokens=False)
    assert [id_ for id_ in encoded if id_ in ids] == [ids[0], ids[7], ids[2], ids[9]]
    assert "<0><7><2><9>" in tokenizer.decode(encoded, skip_special_tokens=True)
    base = model.causal_lm
    digit = tokenizer.convert_tokens_to_ids("7")
    for matrix in (base.get_input_embeddings(), base.get_output_embeddings()):
        rows = matrix.token_adapter.trainable_tokens_delta["default"]
        assert rows.shape == (10, 64)
        assert rows.requires_grad
        assert not matrix.token_adapter.base_layer.weight.requires_grad
        assert torch.equal(rows[7], matrix.token_adapter.base_layer.weight[digit])
    hidden = model.decode(model.embed(torch.tensor([[1, ids[3], 5]]), [torch.zeros(0, 64)]))
    model.logits(hidden[0]).logsumexp(-1).sum().backward()
    grads = [p.grad for name, p in model.named_parameters() if "trainable_tokens_delta" in name]
    assert len(grads) == 2
    assert all(grad is not None and grad.abs().sum() > 0 for grad in grads)
    names = {disk_name(name) for name in model.state_dict()}
    assert {
        "llm.model.embed_tokens.trainable_tokens_delta",
        "llm.lm_head.trainable_tokens_delta",
    } <= names


def test_time_tokens_without_lora_are_refused() -> None:
    sizes = replace(tiny_timechat(), lora_rank=0)
    with pytest.raises(ValueError, match="would never learn"):
        TimeChat.from_parts(sizes, code_ids=[300])
    frozen = TimeChat.from_parts(sizes)
    assert not any(p.requires_grad for p in frozen.llm.parameters())


def test_frame_text_gets_rows_of_its_own() -> None:
    model = TimeChat.from_parts(tiny_timechat())
    tokenizer = byte_tokenizer()
    before = model.connector.frame_qformer.get_input_embeddings().weight.detach().clone()
    ids = add_to_frame_text(tokenizer, model.connector.frame_qformer)
    after = model.connector.frame_qformer.get_input_embeddings().weight
    assert ids == list(range(259, 269))
    digit = tokenizer.encode("4", add_special_tokens=False)[0]
    assert torch.equal(after[ids[4]], before[digit])
    assert after.requires_grad
    with pytest.raises(ValueError, match="reads no text"):
        add_to_frame_text(tokenizer, model.connector.video_qformer)
