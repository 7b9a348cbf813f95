"""TimeChat and Video-LLaMA behind the seam: trained, saved, resumed, asked."""

import importlib
import json
import multiprocessing
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import timetokens as tt
from seqsynth import Corpus, Example
from vidllm import checkpoint
from vidllm.adapters.random import byte_tokenizer
from vidllm.adapters.timechat import LLAMA_SPECIAL, TimedFrames, wording_of
from vidllm.assembly import Assembly, adapter_of, assemble, load_features
from vidllm.batching import Collator
from vidllm.cli import main
from vidllm.config import TrainConfig
from vidllm.constraints import answer_form
from vidllm.generation import Question, answers
from vidllm.prompt_script import IGNORED, VISUAL_TOKEN
from vidllm.recipes import RECIPES
from vidllm.timechat.config import LlamaSizes, tiny_timechat
from vidllm.timechat.model import TimeChat
from vidllm.timechat.parts import cast_parameters, llama
from vidllm.timechat.weights import FRAME_TOKENIZER, tensors_of

KINDS = ("timechat", "videollama")


def recipe(kind: str, cache_dir: Path) -> TrainConfig:
    base = RECIPES[f"smoke_{kind}"]()
    return replace(base, data=replace(base.data, cache_dir=str(cache_dir)))


def opened(config: TrainConfig, corpus: Corpus) -> tuple[Assembly, TimedFrames]:
    source = load_features(config, corpus, [])
    assert isinstance(source, TimedFrames)
    return assemble(config, source.width), source


def batch_of(parts: Assembly, source: TimedFrames, *examples: Example) -> dict[str, torch.Tensor]:
    batch = Collator(source, 0)([parts.prompter.encode(example) for example in examples])
    return {name: batch[name] for name in batch if name not in ("tasks", "num_tokens")}


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, cache_dir: Path, corpus: Corpus) -> Any:
    return opened(recipe(request.param, cache_dir), corpus)


def test_sequence_is_a_video_then_its_places(
    cache_dir: Path, corpus: Corpus, example: Example
) -> None:
    parts, _ = opened(recipe("timechat", cache_dir), corpus)
    encoded = parts.prompter.encode(example)
    assert encoded.input_ids.count(VISUAL_TOKEN) == 4  # one window of three frames
    text = parts.tokenizer.decode([id_ for id_ in encoded.input_ids if id_ != VISUAL_TOKEN])
    places = "<3><3><3><3>, <6><6><6><7>, <9><9><9><9>"
    assert text == (
        "<s>[INST] <<SYS>>\n \n<</SYS>>\n\n<Video></Video> The video contains 3 frames sampled at "
        f"{places}. Where is a cat? [/INST] <6><6><6><7> </s>"
        "<s>[INST] Where is a dog? [/INST] The index is<3><3><3><3>. </s>"
    )
    learned = parts.tokenizer.decode([label for label in encoded.labels if label != IGNORED])
    assert learned == " <6><6><6><7> </s> The index is<3><3><3><3>. </s>"


def test_a_constrained_answer_may_end_as_training_answers_do(
    cache_dir: Path, corpus: Corpus
) -> None:
    """A space stands before the end: where it were not allowed, an answer would never end."""
    parts, _ = opened(recipe("timechat", cache_dir), corpus)
    form = answer_form(parts.prompter, tt.CODECS["rpt"], "dvc", templates="paper")
    assert form is not None
    event = "<0><0><0><0> - <1><0><0><0>, a cat."
    written = list(parts.prompter.answer_ids(event))[len(form.lead) :]
    [space], [end] = parts.prompter.closing_ids, parts.prompter.end_ids
    allowed = form.allowed(written)
    assert allowed is not None
    assert {space, end} < allowed
    assert form.allowed([*written, space]) == {end}
    assert space not in (form.allowed(written[:-1]) or ())


def test_everything_but_the_eye_learns(made: Any, example: Example) -> None:
    parts, source = made
    model: TimeChat = parts.model
    out = model(**batch_of(parts, source, example, replace(example, frames=example.frames[:])))
    out["loss"].backward()
    learned = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name for name, p in model.named_parameters() if p.grad is not None} == learned
    has_text = model.settings.has_frame_text
    assert not any(name.startswith("vision") for name in learned)
    assert any("frame_qformer" in name for name in learned) is has_text
    assert any("trainable_tokens_delta" in name for name in learned) is has_text
    groups = model.parameter_groups()
    assert sum(len(group) for group in groups.values()) == len(learned)
    assert groups["projector"]


def test_saved_weights_come_back(
    made: Any, corpus: Corpus, example: Example, tmp_path: Path, cache_dir: Path
) -> None:
    parts, source = made
    model: TimeChat = parts.model
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    checkpoint.save_weights(model, tmp_path)
    kind = "timechat" if model.settings.has_frame_text else "videollama"
    other, _ = opened(recipe(kind, cache_dir), corpus)
    batch = batch_of(parts, source, example)
    model.eval()
    other.model.eval()
    with torch.no_grad():
        wanted = model(**batch)["loss"]
        assert other.model(**batch)["loss"] != wanted
        checkpoint.load_weights(other.model, tmp_path)
        assert other.model(**batch)["loss"] == wanted


def test_questions_are_answered_from_one_encoding(made: Any, example: Example) -> None:
    parts, source = made
    parts.model.eval()
    prefix = parts.prompter.prefix(example)
    questions = [
        Question(str(number), parts.prompter.question(text), 5)
        for number, text in enumerate(("Where is a cat?", "Where?"))
    ]
    end_id = parts.prompter.end_ids[0]
    [found] = answers(parts.model, source, [(prefix, questions)], end_id=end_id)
    for question, answer in zip(questions, found, strict=True):
        ids = [*prefix.input_ids, *question.input_ids]
        for _ in range(len(answer.ids)):
            text = torch.tensor([ids])
            cache, _ = parts.model.begin(text[:, :-1], source.inputs([prefix]))
            length = text.shape[1]
            scores = parts.model.go_on(
                text[:, -1:],
                mask_RT=torch.ones(1, length, dtype=torch.long),
                positions_RT=torch.tensor([[length - 1]]),
                cache=cache,
            )
            ids.append(int(scores.argmax()))
        assert tuple(ids[-len(answer.ids) :]) == answer.ids


def test_time_text_says_the_place(cache_dir: Path, corpus: Corpus, example: Example) -> None:
    config = recipe("timechat", cache_dir)
    parts, source = opened(config, corpus)
    inputs = source.inputs([parts.prompter.prefix(example)])
    tokenizer = byte_tokenizer()
    tt.add_to(tokenizer, codec="rpt")
    texts = [
        tokenizer.decode(ids[mask.bool()])
        for ids, mask in zip(inputs["text_ids"], inputs["text_mask"], strict=True)
    ]
    assert texts[0] == "This frame is sampled at <3><3><3><3>."
    assert inputs["num_frames"].tolist() == [3]
    assert parts.model.connector.frame_qformer.get_input_embeddings().weight.shape[0] >= 269
    assert wording_of("seconds", ["1.0", "2.5"]) == "seconds"
    captions = parts.prompter.encode_captions([(example.frames[0], "a cat")])
    assert not source.inputs([captions])["text_mask"].any()


def test_a_codec_of_ones_own_is_spoken_of_in_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds: Any = tt.CODECS["seconds"]
    monkeypatch.setitem(tt.CODECS, "clock", replace(seconds, name="clock"))
    assert wording_of("clock", ["1.0", "2.5"]) == "seconds"
    assert wording_of("percent", ["1", "2"]) == "frames"


def test_images_without_rpt_are_indexed_and_videos_sampled(
    cache_dir: Path, corpus: Corpus, example: Example
) -> None:
    """Image sequences of `paper_without_rpt` have plain indices, which are no seconds."""
    config = recipe("timechat", cache_dir)
    parts, _ = opened(replace(config, model=replace(config.model, codec="seconds")), corpus)
    for codec, codes, said in (
        ("index", ("1", "2", "3"), "3 images indexed at 1, 2, 3. "),
        ("seconds", ("1.0", "2.0", "3.0"), "3 frames sampled at 1.0, 2.0, 3.0 seconds. "),
    ):
        shown = parts.prompter.prefix(replace(example, codec=codec, frame_codes=codes))
        text = parts.tokenizer.decode([id_ for id_ in shown.input_ids if id_ != VISUAL_TOKEN])
        assert text.endswith(f"The video contains {said.rstrip()}")


@pytest.mark.parametrize("kind", KINDS)
def test_recipe_trains_resumes_and_merges(
    kind: str, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, *flags: str) -> list[float]:
        out = tmp_path / name
        begin = ["--resume", str(out)] if out.exists() else ["--out", str(out)]
        begin += ["--data.cache-dir", str(cache_dir), *flags] if not out.exists() else []
        assert main(["train", f"smoke_{kind}", *begin]) == 0
        lines = (out / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines]

    few = ("--optim.max-steps", "4", "--checkpoint-every", "2")
    whole = run("whole", *few)
    assert len(whole) == 4
    assert run("again", *few) == whole
    newest = checkpoint.newest_good(tmp_path / "again")
    assert newest is not None
    assert newest.step == 4
    for path in sorted(newest.path.iterdir()):  # as if killed before the last checkpoint
        path.unlink()
    newest.path.rmdir()
    assert run("again") == whole
    for name in ("connector.safetensors", "adapter_model.safetensors"):
        ours, theirs = (
            load_file(tmp_path / run / "checkpoint-4" / name) for run in ("whole", "again")
        )
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)

    def ask_the_hub(*args: object, **settings: object) -> None:
        raise AssertionError("random parts have no files to look for")

    monkeypatch.setattr("transformers.utils.hub.cached_file", ask_the_hub)
    assert main(["merge", str(tmp_path / "whole"), "--out", str(tmp_path / "merged")]) == 0
    assert (tmp_path / "merged" / "connector.safetensors").exists()


def folder_of(config: TrainConfig, path: Path) -> dict[str, torch.Tensor]:
    """A converted checkpoint with tokenizers, of random values; returns these."""
    sizes = replace(tiny_timechat(), lora_rank=config.model.lora_rank)
    torch.manual_seed(7)
    values = {
        name: torch.randn_like(tensor) * 0.05
        for name, tensor in tensors_of(TimeChat.from_parts(sizes)).items()
    }
    path.mkdir()
    save_file(values, path / "model.safetensors")
    index = {"weight_map": dict.fromkeys(values, "model.safetensors")}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    (path / "timechat.json").write_text(sizes.to_json())
    byte_tokenizer(LLAMA_SPECIAL, begins_texts=True).save_pretrained(path)
    byte_tokenizer().save_pretrained(path / FRAME_TOKENIZER)
    return values


def test_converted_folder_is_a_base(cache_dir: Path, corpus: Corpus, tmp_path: Path) -> None:
    config = recipe("timechat", cache_dir)
    values = folder_of(config, tmp_path / "base")
    config = replace(config, model=replace(config.model, base=str(tmp_path / "base")))
    parts, _ = opened(config, corpus)
    loaded = tensors_of(parts.model)
    tables = {
        "frame_qformer.embeddings.word_embeddings.weight",
        "llm.model.embed_tokens.weight",
        "llm.lm_head.weight",
    }
    for name, expected in values.items():
        rows = 259 if name in tables else None  # after these stand the time tokens'
        assert torch.equal(loaded[name][:rows], expected[:rows]), name
    bfloat16 = replace(config, model=replace(config.model, weights="bfloat16"))
    small, _ = opened(bfloat16, corpus)
    types = {name: p.dtype for name, p in small.model.named_parameters() if not p.requires_grad}
    assert types["vision.post_layernorm.weight"] == torch.float32
    assert types["vision.encoder.layers.0.mlp.fc1.weight"] == torch.bfloat16
    rotary = small.model.causal_lm.get_decoder().rotary_emb
    assert rotary.inv_freq.dtype == torch.float32
    (tmp_path / "base" / FRAME_TOKENIZER / "tokenizer_config.json").unlink()
    with pytest.raises(FileNotFoundError, match="frame_tokenizer has no tokenizer"):
        opened(config, corpus)


def test_bases_that_cannot_work_are_refused(cache_dir: Path, tmp_path: Path) -> None:
    config = recipe("timechat", cache_dir)

    def changed(**values: Any) -> TrainConfig:
        return replace(config, model=replace(config.model, **values))

    with pytest.raises(FileNotFoundError, match="give the folder of a converted checkpoint"):
        assemble(changed(base="", image_sizes=(224,)), 0)
    with pytest.raises(ValueError, match="this base sees 32 pixels"):
        assemble(changed(image_sizes=(64,)), 0)
    with pytest.raises(ValueError, match="num_layers cannot be set"):
        assemble(changed(num_layers=1), 0)
    with pytest.raises(ValueError, match=r"prompt\.layout is 'interleaved'"):
        assemble(replace(config, prompt=replace(config.prompt, layout="interleaved")), 0)
    folder_of(config, tmp_path / "base")
    byte_tokenizer().save_pretrained(tmp_path / "base")
    with pytest.raises(ValueError, match="has no <s> and </s>: is it LLaMA-2's"):
        assemble(changed(base=str(tmp_path / "base")), 0)
    byte_tokenizer(LLAMA_SPECIAL, begins_texts=True).save_pretrained(tmp_path / "base")
    other = changed(adapter="videollama", base=str(tmp_path / "base"))
    with pytest.raises(ValueError, match="is not of the kind 'videollama'"):
        assemble(other, 0)
    with pytest.raises(ValueError, match="set lora_rank and lora_targets to what it was trained"):
        assemble(changed(base=str(tmp_path / "base"), lora_rank=config.model.lora_rank + 1), 0)
    values = load_file(tmp_path / "base" / "model.safetensors")
    for lost, message in (("llm.lm_head.weight", "llama=FOLDER"), ("projector.bias", "projector")):
        kept = {name: lost for name in values if name != lost}
        index = {"weight_map": dict.fromkeys(kept, "model.safetensors")}
        save_file({n: values[n] for n in kept}, tmp_path / "base" / "model.safetensors")
        (tmp_path / "base" / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(FileNotFoundError, match=message):
            assemble(changed(base=str(tmp_path / "base")), 0)


def test_paper_size_is_described() -> None:
    described = adapter_of(RECIPES["paper"]().model).describe(RECIPES["paper"]().model)
    assert described.lora_parameters == 33_554_432
    assert described.llm_parameters == 6_738_415_616
    assert described.lora_parameters + described.connector_parameters == 241_392_384
    assert described.visual_tokens_per_frame == 1.0
    assert (described.token_matrices, described.frozen_bytes) == (2, 4)
    model = replace(RECIPES["paper"]().model, weights="bfloat16")
    assert adapter_of(model).describe(model).frozen_bytes == 2


def test_rotary_frequencies_stay_float32() -> None:
    torch.manual_seed(0)
    sizes = LlamaSizes(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    exact, rounded, cast = llama(sizes), llama(sizes), llama(sizes, torch.bfloat16)
    assert cast.model.rotary_emb.inv_freq.dtype == torch.float32
    cast_parameters(exact, torch.bfloat16)
    assert exact.model.rotary_emb.inv_freq.dtype == torch.float32
    assert exact.lm_head.weight.dtype == torch.bfloat16
    rounded.to(torch.bfloat16)
    assert rounded.model.rotary_emb.inv_freq.dtype == torch.bfloat16  # what the function avoids


def import_adapters_anew() -> None:
    """Ends with status 1 where the network's modules come with the adapters."""
    for name in [name for name in sys.modules if name.startswith("vidllm.")]:
        del sys.modules[name]
    importlib.import_module("vidllm.adapters.timechat")
    sys.exit("vidllm.timechat.parts" in sys.modules)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_runs_of_other_bases_do_not_load_this_network() -> None:
    child = multiprocessing.get_context("fork").Process(target=import_adapters_anew)
    child.start()
    child.join(60)
    assert child.exitcode == 0
