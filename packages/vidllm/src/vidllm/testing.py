"""Random bases of a few thousand parameters, in the files that real ones come in: for tests.

`write_tiny_vlm` writes configuration, weights, tokenizer and image processor of one of
`vidllm.families` into a folder; `model.base` of the `vlm` adapter takes it like any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

VOCABULARY = 352  # rows: 259 bytes and special tokens, those of the family, and some to spare
SIDE = 32  # pixels of a frame
QWEN_TOKENS = (
    "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
TOKENS: dict[str, tuple[str, ...]] = {
    "qwen3_vl": QWEN_TOKENS,
    "qwen2_5_vl": QWEN_TOKENS,
    "smolvlm": ("<fake_token_around_image>", "<global-img>", "<image>", "<end_of_utterance>"),
    "internvl": ("<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
    "llava_onevision": ("<image>", "<video>"),
}
IMAGE_TOKEN = {
    "qwen3_vl": "<|image_pad|>",
    "qwen2_5_vl": "<|image_pad|>",
    "smolvlm": "<image>",
    "internvl": "<IMG_CONTEXT>",
    "llava_onevision": "<image>",
}
_TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 4096,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
_MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
_TOWER = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_QWEN_TOWER = {
    "depth": 2,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_heads": 2,
    "out_hidden_size": 32,
    "patch_size": 8,
}


def tiny_config(model_type: str, token_ids: dict[str, int], *, tied: bool) -> Any:
    """The configuration of a tiny base.

    Args:
        model_type: a key of vidllm.families.FAMILIES.
        token_ids: of the family's special tokens.
        tied: input and output embeddings are one matrix.
    """
    from transformers import AutoConfig

    image_id = token_ids[IMAGE_TOKEN[model_type]]
    text = _TEXT
    settings: dict[str, dict[str, Any]] = {
        "qwen3_vl": {
            "text_config": {**text, "rope_parameters": {**_MROPE, "mrope_interleaved": True}},
            "vision_config": {
                **_QWEN_TOWER,
                "deepstack_visual_indexes": [0, 1],
                "num_position_embeddings": 16,
            },
            "video_token_id": token_ids.get("<|video_pad|>"),
            "vision_start_token_id": token_ids.get("<|vision_start|>"),
            "vision_end_token_id": token_ids.get("<|vision_end|>"),
        },
        "qwen2_5_vl": {
            "text_config": {**text, "rope_parameters": _MROPE},
            "vision_config": {**_QWEN_TOWER, "fullatt_block_indexes": [1], "window_size": 32},
            "video_token_id": token_ids.get("<|video_pad|>"),
            "vision_start_token_id": token_ids.get("<|vision_start|>"),
            "vision_end_token_id": token_ids.get("<|vision_end|>"),
        },
        "smolvlm": {
            "text_config": {**text, "model_type": "llama"},
            "vision_config": {**_TOWER, "image_size": SIDE, "patch_size": 8},
            "scale_factor": 2,
        },
        "internvl": {
            "text_config": {**text, "model_type": "qwen3"},
            "vision_config": {**_TOWER, "image_size": [SIDE, SIDE], "patch_size": [8, 8]},
            "image_seq_length": 4,
        },
        "llava_onevision": {
            "text_config": {**text, "model_type": "qwen2"},
            "vision_config": {
                **_TOWER,
                "model_type": "siglip_vision_model",
                "image_size": SIDE,
                "patch_size": 8,
                "vision_use_head": False,
            },
            "image_grid_pinpoints": [[SIDE, SIDE], [SIDE, 2 * SIDE]],
            "video_token_index": token_ids.get("<video>"),
        },
    }
    name = "image_token_index" if model_type == "llava_onevision" else "image_token_id"
    build: Any = AutoConfig
    return build.for_model(
        model_type, tie_word_embeddings=tied, **{name: image_id}, **settings[model_type]
    )


def write_tiny_vlm(
    model_type: str, directory: str | Path, *, tied: bool = False, seed: int = 0
) -> Path:
    """Writes a random base and returns its folder; for the rest see `tiny_config`."""
    import torch
    from transformers import AutoModelForImageTextToText

    from vidllm.adapters.random import byte_tokenizer

    tokenizer: Any = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(TOKENS[model_type])})
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in TOKENS[model_type]}
    build: Any = AutoModelForImageTextToText
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build.from_config(tiny_config(model_type, ids, tied=tied))
        for parameter in model.parameters():  # far from zero, or logits would hardly differ
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.15)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    _image_processor(model_type).save_pretrained(directory)
    return directory


def _image_processor(model_type: str) -> Any:
    """The family's image processor, for pictures of `SIDE` pixels."""
    square = {"height": SIDE, "width": SIDE}
    if model_type in ("qwen3_vl", "qwen2_5_vl"):
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
            Qwen2VLImageProcessorPil,
        )

        return Qwen2VLImageProcessorPil(patch_size=8)
    if model_type == "smolvlm":
        from transformers.models.smolvlm.image_processing_pil_smolvlm import (
            SmolVLMImageProcessorPil,
        )

        edge = {"longest_edge": SIDE}
        return SmolVLMImageProcessorPil(size={"longest_edge": 4 * SIDE}, max_image_size=edge)
    if model_type == "internvl":
        from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import (
            GotOcr2ImageProcessorPil,
        )

        return GotOcr2ImageProcessorPil(size=square, crop_to_patches=True)
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
        LlavaOnevisionImageProcessorPil,
    )

    return LlavaOnevisionImageProcessorPil(
        size=square, image_grid_pinpoints=[[SIDE, SIDE], [SIDE, 2 * SIDE]]
    )
