"""Real classes of transformers with random weights and a small vocabulary, saved to a folder."""

import string
from pathlib import Path

import tokenizers
import torch
import transformers

_MARKS = ("<pad>", "<unk>", "<s>", "</s>", "<image>")
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def _tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Letters, and a few marks."""
    letters = [*_MARKS, *string.printable]
    model = tokenizers.models.WordLevel({c: k for k, c in enumerate(letters)}, unk_token="<unk>")
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    backend.decoder = tokenizers.decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<image>"],
    )


def _vision(kind: type[transformers.PretrainedConfig]) -> transformers.PretrainedConfig:
    return kind(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
        projection_dim=16,
    )


def save_llava(folder: Path) -> Path:
    """A model that answers questions about pictures."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    config = transformers.LlavaConfig(
        vision_config=_vision(transformers.CLIPVisionConfig),
        text_config=transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            initializer_range=0.6,  # else every word is as likely as any other
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    model = transformers.LlavaForConditionalGeneration(config)
    pictures = transformers.CLIPImageProcessorPil(
        size={"height": 16, "width": 16}, do_center_crop=False
    )
    processor = transformers.LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_TEMPLATE,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_clip(folder: Path) -> Path:
    """A model that compares pictures with texts, which it reads at their end mark."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    end = tokenizer.eos_token_id
    tokenizer.backend_tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", end)]
    )
    config = transformers.CLIPConfig(
        text_config=transformers.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=20,
            projection_dim=16,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ).to_dict(),
        vision_config=_vision(transformers.CLIPVisionConfig).to_dict(),
        projection_dim=16,
    )
    model = transformers.CLIPModel(config)
    pictures = transformers.CLIPImageProcessorPil(
        size={"height": 16, "width": 16}, do_center_crop=False
    )
    model.save_pretrained(folder)
    transformers.CLIPProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder
