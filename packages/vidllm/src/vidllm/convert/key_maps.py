"""Which tensor of a released checkpoint is which of ours: tables of names, read both ways.

A rule is a pair of templates, theirs and ours; `{n}` stands for a layer's number, `{p}` for
"weight" or "bias". Ours are the names of `vidllm.timechat.weights`. One thing is not a renaming:
of the biases of the vision transformer's attention, theirs are two vectors, of queries and of
values, and ours is one with zeros for the keys in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vidllm.timechat.weights import FRAME_TOKENIZER

_PLACEHOLDERS = {"{n}": r"(?P<n>\d+)", "{p}": r"(?P<p>weight|bias)"}

Rule = tuple[str, str]

# Rules whose tensor of ours is put together from several of theirs, in this order.
QUERY_BIAS, VALUE_BIAS = "attn.q_bias", "attn.v_bias"
OUR_QKV_BIAS = "vision.encoder.layers.{n}.self_attn.qkv.bias"


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of released checkpoint.

    Attributes:
        name: as the command line calls it.
        what: one line for the help text.
        rules: renamings.
        dropped: patterns of tensors that say nothing (counting buffers).
        vision_prefix: where the vision transformer's blocks stand; None: in no released form.
        counters: tensors that are 0, 1, 2, ... and belong to files of this format: their name, and
            our table whose length they have.
        tokenizers: folders beside the weights, and those of ours that their files go to.
    """

    name: str
    what: str
    rules: tuple[Rule, ...]
    dropped: tuple[str, ...] = ()
    vision_prefix: str | None = None
    counters: tuple[Rule, ...] = ()
    tokenizers: tuple[Rule, ...] = ()

    def ours(self, name: str) -> str | None:
        """Our name of one of their tensors; None when it has none, joined biases included."""
        return _translate(name, self.rules)

    def theirs(self, name: str) -> str | None:
        """Their name of one of our tensors; None when it has none, joined biases included."""
        return _translate(name, [(ours, theirs) for theirs, ours in self.rules])

    def is_dropped(self, name: str) -> bool:
        """Whether the tensor says nothing and is left out on purpose."""
        return any(re.fullmatch(pattern, name) for pattern in self.dropped)

    def joined_bias(self, name: str) -> tuple[str, str] | None:
        """For a half of a vision bias: our joined tensor, and the name of the query's half."""
        if self.vision_prefix is None:
            return None
        match = re.fullmatch(
            rf"{re.escape(self.vision_prefix)}blocks\.(\d+)\.attn\.(q|v)_bias", name
        )
        if match is None:
            return None
        prefix = f"{self.vision_prefix}blocks.{match[1]}."
        return OUR_QKV_BIAS.replace("{n}", match[1]), f"{prefix}{QUERY_BIAS}"

    def halves(self, name: str) -> tuple[str, str] | None:
        """Their names of a joined vision bias of ours: the queries' and the values'."""
        match = re.fullmatch(_pattern(OUR_QKV_BIAS), name)
        if match is None or self.vision_prefix is None:
            return None
        prefix = f"{self.vision_prefix}blocks.{match['n']}."
        return f"{prefix}{QUERY_BIAS}", f"{prefix}{VALUE_BIAS}"


def _pattern(template: str) -> str:
    pattern = re.escape(template)
    for placeholder, group in _PLACEHOLDERS.items():
        pattern = pattern.replace(re.escape(placeholder), group)
    return pattern


def _translate(name: str, rules: Iterable[Rule]) -> str | None:
    for source, target in rules:
        match = re.fullmatch(_pattern(source), name)
        if match is not None:
            found = target
            for key, value in match.groupdict().items():
                found = found.replace(f"{{{key}}}", value)
            return found
    return None


def _prefixed(theirs: str, ours: str, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple((theirs + left, ours + right) for left, right in rules)


_VISION: tuple[Rule, ...] = (
    ("cls_token", "embeddings.class_embedding"),
    ("pos_embed", "embeddings.position_embedding"),
    ("patch_embed.proj.{p}", "embeddings.patch_embedding.{p}"),
    ("blocks.{n}.norm1.{p}", "encoder.layers.{n}.layer_norm1.{p}"),
    ("blocks.{n}.norm2.{p}", "encoder.layers.{n}.layer_norm2.{p}"),
    ("blocks.{n}.attn.qkv.weight", "encoder.layers.{n}.self_attn.qkv.weight"),
    ("blocks.{n}.attn.proj.{p}", "encoder.layers.{n}.self_attn.projection.{p}"),
    ("blocks.{n}.mlp.fc1.{p}", "encoder.layers.{n}.mlp.fc1.{p}"),
    ("blocks.{n}.mlp.fc2.{p}", "encoder.layers.{n}.mlp.fc2.{p}"),
)
_LAYER = "encoder.layer.{n}."
_BERT: tuple[Rule, ...] = (
    ("embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight"),
    ("embeddings.position_embeddings.weight", "embeddings.position_embeddings.weight"),
    ("embeddings.LayerNorm.{p}", "embeddings.layernorm.{p}"),
    *(
        (f"{_LAYER}{kind}.self.{part}.{{p}}", f"{_LAYER}{kind}.attention.{part}.{{p}}")
        for kind in ("attention", "crossattention")
        for part in ("query", "key", "value")
    ),
    *(
        (f"{_LAYER}{part}.{{p}}", f"{_LAYER}{part}.{{p}}")
        for part in (
            "attention.output.dense",
            "attention.output.LayerNorm",
            "crossattention.output.dense",
            "crossattention.output.LayerNorm",
            "intermediate.dense",
            "output.dense",
            "output.LayerNorm",
            "intermediate_query.dense",
            "output_query.dense",
            "output_query.LayerNorm",
        )
    ),
)
_LLAMA: tuple[Rule, ...] = (
    ("model.embed_tokens.weight", "model.embed_tokens.weight"),
    ("model.norm.weight", "model.norm.weight"),
    ("lm_head.weight", "lm_head.weight"),
    *(
        (f"model.layers.{{n}}.{part}.weight", f"model.layers.{{n}}.{part}.weight")
        for part in (
            "input_layernorm",
            "post_attention_layernorm",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.o_proj",
        )
    ),
)
_LORA: tuple[Rule, ...] = tuple(
    (
        f"model.layers.{{n}}.self_attn.{part}_proj.lora_{half}.default.weight",
        f"model.layers.{{n}}.self_attn.{part}_proj.lora_{half}.weight",
    )
    for part in "qkvo"
    for half in "AB"
)
_FRAME_QFORMER = (
    *_prefixed("Qformer.bert.", "frame_qformer.", _BERT),
    ("query_tokens", "frame_queries"),
    ("ln_vision.{p}", "vision.post_layernorm.{p}"),
)
_VIDEO = (
    *_prefixed("video_Qformer.bert.", "video_qformer.", _BERT),
    ("video_query_tokens", "video_queries"),
    ("video_frame_position_embedding.weight", "frame_positions.weight"),
    ("llama_proj.{p}", "projector.{p}"),
)
_POSITION_IDS = (r"(.*\.)?embeddings\.position_ids",)
_ROTARY = (r".*\.rotary_emb\.inv_freq",)

TIMECHAT = Format(
    name="timechat",
    what="TimeChat's own checkpoints (timechat_7b.pth)",
    rules=(
        *_prefixed("visual_encoder.", "vision.", _VISION),
        *_FRAME_QFORMER,
        *_VIDEO,
        *_prefixed("llama_model.base_model.model.", "llm.", (*_LLAMA, *_LORA)),
    ),
    dropped=(*_POSITION_IDS, *_ROTARY),
    vision_prefix="visual_encoder.",
    # Both as long as the one table of positions that there is: the video Q-Former has none.
    counters=tuple(
        (
            f"{qformer}.bert.embeddings.position_ids",
            "frame_qformer.embeddings.position_embeddings.weight",
        )
        for qformer in ("Qformer", "video_Qformer")
    ),
)
VIDEOLLAMA = Format(
    name="videollama",
    what="Video-LLaMA's own checkpoints (VL_LLaMA_2_7B_Finetuned.pth)",
    rules=(
        *_prefixed("visual_encoder.", "vision.", _VISION),
        *_FRAME_QFORMER,
        *_VIDEO,
        *_prefixed("llama_model.", "llm.", _LLAMA),
    ),
    dropped=(*_POSITION_IDS, *_ROTARY),
    vision_prefix="visual_encoder.",
)
INSTRUCTBLIP = Format(
    name="instructblip",
    what="InstructBLIP as LAVIS saves it (instruct_blip_vicuna7b_trimmed.pth)",
    rules=(*_prefixed("visual_encoder.", "vision.", _VISION), *_FRAME_QFORMER),
    dropped=_POSITION_IDS,
    vision_prefix="visual_encoder.",
)
_HF_VISION: tuple[Rule, ...] = tuple((ours, ours) for _, ours in _VISION)
_HF_BERT: tuple[Rule, ...] = tuple((ours, ours) for _, ours in _BERT)
INSTRUCTBLIP_HF = Format(
    name="instructblip_hf",
    what="InstructBLIP in the layout of transformers (a folder of safetensors)",
    rules=(
        *_prefixed("vision_model.", "vision.", _HF_VISION),
        ("vision_model.encoder.layers.{n}.self_attn.qkv.bias", OUR_QKV_BIAS),
        ("vision_model.post_layernorm.{p}", "vision.post_layernorm.{p}"),
        *_prefixed("qformer.", "frame_qformer.", _HF_BERT),
        ("query_tokens", "frame_queries"),
    ),
    dropped=_POSITION_IDS,
    tokenizers=(("qformer_tokenizer", FRAME_TOKENIZER),),
)
EVA = Format(
    name="eva",
    what="EVA-ViT-g (eva_vit_g.pth)",
    rules=_prefixed("", "vision.", _VISION),
    vision_prefix="",
)
LLAMA = Format(
    name="llama",
    what="LLaMA-2 in the layout of transformers (a folder of shards)",
    rules=_prefixed("", "llm.", _LLAMA),
    dropped=_ROTARY,
    tokenizers=(("", ""),),
)
FORMATS = {
    form.name: form for form in (TIMECHAT, VIDEOLLAMA, INSTRUCTBLIP, INSTRUCTBLIP_HF, EVA, LLAMA)
}
