"""Today's VLMs behind the `vlm` adapter: what they compute is what transformers itself does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from seqsynth import Corpus, Example, FrameRef, Turn
from vidllm.adapters.vlm import FramePixels
from vidllm.assembly import Assembly, adapter_of
from vidllm.config import ModelConfig, TrainConfig
from vidllm.families import FAMILIES
from vidllm.generation import Question, answers
from vidllm.model.mrope import mrope_positions
from vidllm.prompt_script import IGNORED, VISUAL_TOKEN
from vidllm.prompting import grouped, mean_code
from vidllm.testing import IMAGE_TOKEN, SIDE

from .family_models import QWEN, batch_of, every_family, opened, shake


def clip_example(corpus: Corpus, example: Example, places: list[tuple[int, int]]) -> Example:
    """Frames of clips, given as (clip, frame), at places in seconds of eight."""
    frames = tuple(FrameRef(corpus.train_clips[clip].path, frame) for clip, frame in places)
    codes = tuple(f"<{n}><0><0><0>" for n in range(len(frames)))
    return replace(example, frames=frames, frame_codes=codes, duration_seconds=10.0)


def their_inputs(family: str, ids: torch.Tensor, source: FramePixels, inputs: Any) -> Any:
    """What transformers' own forward takes of our batch."""
    tokenizer = AutoTokenizer.from_pretrained(source.config.base)
    image_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN[family])
    visual = ids == VISUAL_TOKEN
    theirs = {"input_ids": ids.masked_fill(visual, image_id), **inputs}
    if family in QWEN:
        theirs["mm_token_type_ids"] = visual.int()
    if family == "llava_onevision":
        theirs.pop("pooled")
        pixels = theirs["pixel_values"]
        theirs |= {"pixel_values": pixels[:, None], "batch_num_images": torch.tensor([len(pixels)])}
    return theirs


@every_family
def test_loss_is_that_of_transformers(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    config = vlm_config(family, turns="dialogue")
    parts, source = opened(config, corpus)
    long = parts.prompter.encode(example)
    short = parts.prompter.encode(replace(example, turns=example.turns[:1], targets=()))
    batch = batch_of(source, long, short)
    ours = parts.model(**batch)["loss"]
    ids, labels = batch.pop("input_ids"), batch.pop("labels")
    plain = AutoModelForImageTextToText.from_pretrained(config.model.base).eval()
    assembled = parts.model.vlm.get_input_embeddings().weight.shape
    assert plain.get_input_embeddings().weight.shape == assembled  # spare rows: nothing grew
    with torch.no_grad():
        for code in parts.prompter.code_token_ids:  # rows start as the digits
            for matrix in (plain.get_input_embeddings(), plain.get_output_embeddings()):
                name = parts.tokenizer.convert_ids_to_tokens(code).strip("<>")
                matrix.weight[code] = matrix.weight[parts.tokenizer.convert_tokens_to_ids(name)]
        theirs = plain(**their_inputs(family, ids, source, batch), labels=labels).loss
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@every_family
def test_questions_that_stand_apart_cost_what_each_costs_alone(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    parts, source = opened(vlm_config(family), corpus)

    def losses(*examples: tuple[Turn, ...]) -> torch.Tensor:
        encoded = [
            parts.prompter.encode(replace(example, turns=turns, targets=())) for turns in examples
        ]
        found: torch.Tensor = parts.model(**batch_of(source, *encoded))["example_losses"]
        return found

    first, second = example.turns
    alone = torch.cat([losses((first,)), losses((second,))])
    torch.testing.assert_close(losses((first, second))[0], alone.sum(), rtol=1e-4, atol=1e-4)
    padded = losses((first,), (first, second), (second,))
    torch.testing.assert_close(padded[[0, 2]], alone, rtol=1e-4, atol=1e-4)


@every_family
def test_labels_stand_on_answers_only(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    parts, _ = opened(vlm_config(family), corpus)
    encoded = parts.prompter.encode(example)
    learned = [label for label in encoded.labels if label != IGNORED]
    end = FAMILIES[family].chat.end
    space = " " if FAMILIES[family].chat.spaced_answers else ""
    answers_only = f"<6><6><6><7>{end}{space}The index is<3><3><3><3>.{end}"
    assert parts.tokenizer.decode(learned) == answers_only
    per_picture = encoded.input_ids.count(VISUAL_TOKEN) // 3
    assert per_picture == FAMILIES[family].num_tokens(
        AutoConfig.from_pretrained(parts_base(parts)), ModelConfig(image_sizes=(SIDE,))
    )


def parts_base(parts: Assembly) -> str:
    return str(parts.model.vlm.config._name_or_path)


@every_family
def test_an_image_is_an_item_of_its_own(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    """A picture changes its own tokens and no other's: no temporal patch fuses two."""
    parts, source = opened(vlm_config(family), corpus)
    model, other = parts.model, FrameRef(corpus.train_images[9].path, 0)
    before = parts.prompter.encode(example)
    frames = (example.frames[0], other, example.frames[2])
    after = parts.prompter.encode(replace(example, frames=frames))
    assert before.input_ids == after.input_ids
    seen = [model.family.visual(model.vlm, source.inputs([one])).tokens for one in (before, after)]
    places = torch.tensor(before.input_ids).eq(VISUAL_TOKEN)
    assert len(seen[0]) == int(places.sum())
    first, second, third = (seen[0] != seen[1]).any(1).chunk(3)
    num_constant = 1 if family == "llava_onevision" else 0  # its line break
    assert int(second.sum()) == len(second) - num_constant
    assert not first.any()
    assert not third.any()


@every_family
def test_a_single_image_is_seen_as_one_of_several(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    """No tiles for one picture, as LLaVA's and others' processors cut them."""
    parts, source = opened(vlm_config(family), corpus)
    model = parts.model
    alone = replace(example, frames=example.frames[:1], frame_codes=example.frame_codes[:1])
    one, three = (parts.prompter.encode(shown) for shown in (alone, example))
    seen = [model.family.visual(model.vlm, source.inputs([shown])).tokens for shown in (one, three)]
    assert one.input_ids.count(VISUAL_TOKEN) == len(seen[0]) == len(seen[1]) // 3
    torch.testing.assert_close(seen[0], seen[1][: len(seen[0])], rtol=1e-5, atol=1e-5)


@every_family
def test_frames_are_normalised_by_the_bases_own_processor(
    family: str, vlm_config: Callable[..., TrainConfig], tmp_path: Path, corpus: Corpus
) -> None:
    _, source = opened(vlm_config(family), corpus)
    path = tmp_path / "white.png"
    Image.fromarray(np.full((SIDE, SIDE, 3), 255, np.uint8)).save(path)
    shown = SimpleNamespace(frames=(FrameRef(str(path), 0),), codes=("",))
    pixels = source.inputs([shown])["pixel_values"]
    processor = AutoImageProcessor.from_pretrained(source.config.base, backend="pil")
    mean, std = torch.tensor(processor.image_mean), torch.tensor(processor.image_std)
    values = torch.unique(pixels.flatten().round(decimals=4))
    torch.testing.assert_close(values, torch.unique(((1 - mean) / std).round(decimals=4)))


@every_family
def test_answers_are_those_of_transformers_generate(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    """Frames encoded once, questions of unequal length beside each other, on the left padded."""
    config = vlm_config(family)
    parts, source = opened(config, corpus)
    shake(parts)
    parts.model.eval()
    prefix = parts.prompter.prefix(example)
    texts = ("Where is a cat?", "Where in the sequence is a dog, if there is one?")
    questions = [Question(text, parts.prompter.question(text), 5) for text in texts]
    found = next(answers(parts.model, source, [(prefix, questions)], end_id=-5))
    merged = parts.model.llm.merge_and_unload()
    for question, answer in zip(questions, found, strict=True):
        ids = torch.tensor([[*prefix.input_ids, *question.input_ids]])
        inputs = their_inputs(family, ids, source, source.inputs([prefix]))
        told = merged.generate(
            **inputs, max_new_tokens=5, min_new_tokens=5, do_sample=False, pad_token_id=0
        )
        assert answer.ids == tuple(told[0, ids.shape[1] :].tolist())


def test_wrapping_is_what_the_processors_write(
    vlm_config: Callable[..., TrainConfig], corpus: Corpus
) -> None:
    from transformers.models.internvl.processing_internvl import InternVLProcessor
    from transformers.models.llava_onevision.processing_llava_onevision import (
        LlavaOnevisionProcessor,
    )
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
    from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor

    grid = {"image_grid_thw": torch.tensor([[1, 4, 4]])}
    qwen = SimpleNamespace(image_token="<V>", image_processor=SimpleNamespace(merge_size=2))
    smol = SimpleNamespace(
        image_seq_len=4,
        fake_image_token="<fake_token_around_image>",
        image_token="<V>",
        global_image_token="<global-img>",
    )
    intern = SimpleNamespace(
        start_image_token="<img>", end_image_token="</img>", image_token="<V>", image_seq_length=4
    )
    llava = SimpleNamespace(
        image_token="<V>", num_image_tokens=16, vision_feature_select_strategy="full"
    )
    expected = {
        # The template of Qwen-VL puts the two tokens around the processor's.
        "qwen3_vl": "<|vision_start|>"
        f"{Qwen3VLProcessor.replace_image_token(qwen, grid, 0)}<|vision_end|>",
        "smolvlm": SmolVLMProcessor.replace_image_token(smol, {"rows": [[0]], "cols": [[0]]}, 0),
        "internvl": InternVLProcessor.replace_image_token(intern, {"num_patches": [1]}, 0),
        "llava_onevision": LlavaOnevisionProcessor.replace_image_token(
            llava, {"batch_num_images": [3]}, 0
        ),
    }
    expected["qwen2_5_vl"] = expected["qwen3_vl"]
    for family in FAMILIES:
        parts, _ = opened(vlm_config(family), corpus)
        written = "".join(
            "<V>" if id_ == VISUAL_TOKEN else parts.tokenizer.convert_ids_to_tokens(id_)
            for id_ in parts.prompter.script.picture
        )
        assert written == expected[family]


@pytest.mark.parametrize("family", QWEN)
def test_rotary_positions_are_those_of_transformers(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus
) -> None:
    """Pictures of several shapes, also at the end of a row, and padding on the right."""
    parts, _ = opened(vlm_config(family), corpus)
    grids = torch.tensor([[2, 3], [1, 1], [3, 2]])
    rows = [[5, 5, *[VISUAL_TOKEN] * 6, 5, VISUAL_TOKEN, 5, 5], [5, *[VISUAL_TOKEN] * 6, 0, 0, 0]]
    rows[1] += [0] * (len(rows[0]) - len(rows[1]))
    ids = torch.tensor(rows)
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    theirs, _ = parts.model.vlm.model.get_rope_index(
        ids.clamp(min=0),
        mm_token_type_ids=(ids == VISUAL_TOKEN).int(),
        image_grid_thw=torch.cat([torch.ones(3, 1, dtype=torch.long), 2 * grids], 1),
    )
    assert torch.equal(mrope_positions(positions, ids == VISUAL_TOKEN, grids), theirs)
    with pytest.raises(ValueError, match="13 visual tokens in the text, but the pictures have 12"):
        mrope_positions(positions, ids == VISUAL_TOKEN, torch.tensor([[2, 3], [3, 2]]))


@pytest.mark.parametrize("family", QWEN)
def test_the_video_route_puts_two_frames_of_a_file_into_a_picture(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    parts, source = opened(vlm_config(family, visual_route="video"), corpus)
    model = parts.model
    # The clip of three frames leaves one over, which must not be joined with the next clip's.
    places = [(0, 0), (0, 2), (0, 4), (3, 0), (3, 2)]
    shown = clip_example(corpus, example, places)
    assert grouped(shown.frames, 2) == [(0, 1), (2,), (3, 4)]
    assert mean_code(shown, (0, 1)) == "<0><5><0><0>"
    encoded = parts.prompter.encode(shown)
    text = parts.tokenizer.decode([id_ for id_ in encoded.input_ids if id_ >= 0])
    assert [code in text for code in ("<0><5><0><0>:", "<2><0><0><0>:", "<3><5><0><0>:")] == [
        True
    ] * 3
    inputs = source.inputs([encoded])
    assert inputs["image_grid_thw"].tolist() == [[1, 4, 4]] * 3
    before = model.family.visual(model.vlm, inputs).tokens
    changed = clip_example(corpus, example, [(0, 0), (0, 8), *places[2:]])
    after = model.family.visual(model.vlm, source.inputs([parts.prompter.encode(changed)])).tokens
    pairs = (before != after).any(1).chunk(3)
    assert [bool(pair.any()) for pair in pairs] == [True, False, False]
    assert parts.model(**batch_of(source, encoded))["loss"].isfinite()


def test_the_video_route_of_llava_pools_each_frame(
    vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    whole, _ = opened(vlm_config("llava_onevision"), corpus)
    pooled, source = opened(vlm_config("llava_onevision", visual_route="video"), corpus)
    counts = [
        parts.prompter.encode(example).input_ids.count(VISUAL_TOKEN) for parts in (whole, pooled)
    ]
    assert counts == [3 * (16 + 1), 3 * (4 + 1)]
    assert pooled.model(**batch_of(source, pooled.prompter.encode(example)))["loss"].isfinite()


@pytest.mark.parametrize("family", QWEN)
def test_pixels_set_the_number_of_visual_tokens(
    family: str, vlm_config: Callable[..., TrainConfig], corpus: Corpus, example: Example
) -> None:
    def count(**model: Any) -> int:
        parts, source = opened(vlm_config(family, **model), corpus)
        encoded = parts.prompter.encode(example)
        assert parts.model(**batch_of(source, encoded))["loss"].isfinite()
        return encoded.input_ids.count(VISUAL_TOKEN) // 3

    assert count() == 4  # 32 pixels, 16 a token
    assert count(image_sizes=(64,)) == 16
    assert count(image_sizes=(64,), max_pixels=48 * 48) == 9
    assert count(min_pixels=64 * 64) == 16


def test_settings_that_a_base_lacks_are_refused(
    vlm_config: Callable[..., TrainConfig], tmp_path: Path, corpus: Corpus
) -> None:
    def describe(config: TrainConfig) -> Any:
        return adapter_of(config.model).describe(config.model)

    for family in ("smolvlm", "internvl"):
        with pytest.raises(ValueError, match=r"visual_route is 'video': .* has images"):
            describe(vlm_config(family, visual_route="video"))
    with pytest.raises(ValueError, match="takes one size"):
        describe(vlm_config("qwen3_vl", image_sizes=(32, 64)))
    with pytest.raises(ValueError, match=r"lora_targets names 'w_proj': choose from .*q_proj"):
        describe(vlm_config("qwen3_vl", lora_targets=("w_proj",)))
    with pytest.raises(ValueError, match="base is empty"):
        describe(vlm_config("qwen3_vl", base=""))
    with pytest.raises(FileNotFoundError, match="neither a folder with a model"):
        opened(vlm_config("qwen3_vl", base=str(tmp_path / "nothing")), corpus)
    with pytest.raises(ValueError, match="num_layers"):
        opened(vlm_config("qwen3_vl", num_layers=1), corpus)
    AutoConfig.for_model("llama", num_hidden_layers=1).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a 'llama': the vlm adapter has qwen3_vl"):
        describe(vlm_config("qwen3_vl", base=str(tmp_path)))
