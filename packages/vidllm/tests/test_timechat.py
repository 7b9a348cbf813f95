"""TimeChat against recorded tensors of the original, and each switch between the two."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from vidllm.convert.key_maps import TIMECHAT
from vidllm.timechat import (
    Differences,
    QFormerSizes,
    TimeChatConfig,
    compat,
    tiny_timechat,
    videollama,
)
from vidllm.timechat.model import TimeChat, Video, packed
from vidllm.timechat.prompt import attention_mask, encode_question
from vidllm.timechat.weights import disk_name, expected_shapes, load_tensors, trained_names

GOLDEN = Path(__file__).parent / "golden" / "timechat"
TOLERANCE = 1e-5

CONFIG = TimeChatConfig.read(GOLDEN / "timechat.json")


@pytest.fixture(scope="module")
def original() -> dict[str, Tensor]:
    return load_file(GOLDEN / "state_dict.safetensors")


@pytest.fixture(scope="module")
def recorded() -> dict[str, Tensor]:
    return load_file(GOLDEN / "tensors.safetensors")


def renamed(original: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The original's tensors under our names."""
    for name, tensor in original.items():
        if TIMECHAT.is_dropped(name):
            continue
        joined = TIMECHAT.joined_bias(name)
        if joined is None:
            ours = TIMECHAT.ours(name)
            assert ours is not None, name
            yield ours, tensor
        elif joined[1] == name:
            values = original[name.replace("q_bias", "v_bias")]
            yield joined[0], torch.cat([tensor, torch.zeros_like(tensor), values])


@pytest.fixture(scope="module")
def build(original: dict[str, Tensor]) -> Callable[[TimeChatConfig], TimeChat]:
    """Makes a model of the recorded weights."""
    weights = list(renamed(original))

    def make(config: TimeChatConfig) -> TimeChat:
        model = TimeChat.from_parts(config).eval()
        assert load_tensors(model, weights) == set()
        return model

    return make


@pytest.fixture(scope="module")
def model(build: Callable[[TimeChatConfig], TimeChat]) -> TimeChat:
    return build(CONFIG)


def case_a(recorded: dict[str, Tensor]) -> list[Video]:
    frames = recorded["A.frames"].transpose(1, 2)
    texts = recorded["A.ts_input_ids"].split(6), recorded["A.ts_attention_mask"].split(6)
    return [Video(*parts) for parts in zip(frames, *texts, strict=True)]


def case_b(recorded: dict[str, Tensor]) -> list[Video]:
    frames = [recorded["A.frames"][0].transpose(0, 1), recorded["B.frames_1"].transpose(0, 1)]
    return [
        Video(own, recorded[f"B.ts{i}_input_ids"], recorded[f"B.ts{i}_attention_mask"])
        for i, own in enumerate(frames)
    ]


def near(found: Tensor, expected: Tensor) -> bool:
    assert found.shape == expected.shape
    return float((found - expected).detach().abs().max()) < TOLERANCE


def watch(model: TimeChat) -> tuple[dict[str, list[Tensor]], list[Any]]:
    """Collects what the parts return, under the names of the recording."""
    seen: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            hidden = getattr(output, "last_hidden_state", output)
            seen.setdefault(name, []).append(hidden.detach())

        return hook

    parts = {
        "vit_out": model.vision.encoder,
        "ln_vision_out": model.vision.post_layernorm,
        "image_qformer_out": model.connector.frame_qformer,
        "video_qformer_out": model.connector.video_qformer,
    }
    return seen, [part.register_forward_hook(keep(name)) for name, part in parts.items()]


def logits_of(model: TimeChat, videos: list[Video], ids: Tensor, mask: Tensor) -> Tensor:
    hidden = model.decode(model.embed(ids, model.encode(videos)), attention_mask=mask)
    return model.logits(hidden.flatten(0, 1)).unflatten(0, ids.shape)


def check_logits(recorded: dict[str, Tensor], case: str, logits: Tensor, mask: Tensor) -> None:
    shown = mask.bool()  # what stands at padding cannot be compared
    assert near(logits[..., ::8][shown], recorded[f"{case}.logits_every_8th"][shown])
    total = logits.double().logsumexp(-1)
    assert near(total[shown], recorded[f"{case}.logits_logsumexp"][shown])


def test_two_videos_equal_the_original(model: TimeChat, recorded: dict[str, Tensor]) -> None:
    seen, hooks = watch(model)
    mask = recorded["A.attention_mask"]
    logits = logits_of(model, case_a(recorded), recorded["A.input_ids"], mask)
    for hook in hooks:
        hook.remove()
    for name in ("vit_out", "ln_vision_out", "image_qformer_out"):
        assert near(seen[name][0], recorded[f"A.{name}"]), name
    for window in range(2):
        expected = recorded[f"A.video_qformer_out.{window}"]
        assert near(seen["video_qformer_out"][window], expected)
    check_logits(recorded, "A", logits, mask)


def test_loss_and_gradients_equal_the_original(
    model: TimeChat, recorded: dict[str, Tensor], timechat_notes: dict[str, Any]
) -> None:
    model.zero_grad()
    ids, mask = recorded["A.input_ids"], recorded["A.attention_mask"]
    out = model(ids, recorded["A.labels"], attention_mask=mask, **packed(case_a(recorded)))
    out["loss"].backward()
    assert near(out["loss"][None], recorded["A.loss"])
    found = {disk_name(n): p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert len(found) == len(timechat_notes["grad_norms"]) == 187
    for theirs, expected in timechat_notes["grad_norms"].items():
        ours = TIMECHAT.ours(theirs)
        assert ours is not None
        gradient = found[ours]
        assert gradient is not None, theirs
        assert abs(float(gradient.norm()) - expected) < TOLERANCE, theirs


def test_ragged_videos_equal_the_original(model: TimeChat, recorded: dict[str, Tensor]) -> None:
    seen, hooks = watch(model)
    ids = recorded["B.input_ids"]
    mask = attention_mask(ids, [0, 0], differences=model.settings.differences)
    with torch.no_grad():
        out = model(ids, recorded["B.labels"], attention_mask=mask, **packed(case_b(recorded)))
        for hook in hooks:
            hook.remove()
        logits = logits_of(model, case_b(recorded), ids, mask)
    assert near(out["loss"][None], recorded["B.loss"])
    assert near(seen["vit_out"][0][6:], recorded["B.vit_out"])
    assert near(seen["ln_vision_out"][0][6:], recorded["B.ln_vision_out"])
    assert near(seen["image_qformer_out"][0][6:, :17], recorded["B.image_qformer_out"])
    for number in range(3):
        expected = recorded[f"B.video_qformer_out.{number}"]
        assert near(seen["video_qformer_out"][number], expected)
    check_logits(recorded, "B", logits, mask)


def test_one_window_equals_the_original(
    build: Callable[[TimeChatConfig], TimeChat], recorded: dict[str, Tensor]
) -> None:
    model = build(replace(CONFIG, window=0))
    seen, _ = watch(model)
    ids, video = recorded["C.input_ids"], case_a(recorded)[:1]
    with torch.no_grad():
        out = model(ids, recorded["C.labels"], **packed(video))
        check_logits(
            recorded, "C", logits_of(model, video, ids, torch.ones_like(ids)), torch.ones_like(ids)
        )
    assert near(out["loss"][None], recorded["C.loss"])
    assert near(seen["vit_out"][0], recorded["C.vit_out"])
    assert near(seen["ln_vision_out"][0], recorded["C.ln_vision_out"])
    assert near(seen["image_qformer_out"][0], recorded["C.image_qformer_out"])
    assert near(seen["video_qformer_out"][0], recorded["C.video_qformer_out.0"])


def test_answer_equals_the_original(
    build: Callable[[TimeChatConfig], TimeChat],
    recorded: dict[str, Tensor],
    timechat_notes: dict[str, Any],
    llama_tokenizer: PreTrainedTokenizerBase,
) -> None:
    greedy = replace(CONFIG.differences, sampled_answers=False)
    model = build(replace(CONFIG, differences=greedy))
    video = case_a(recorded)[:1]
    ids = encode_question(
        llama_tokenizer,
        timechat_notes["text"]["conversations"][0]["msg"],
        "When does the dog walk?",
        num_video_tokens=model.settings.num_video_tokens(6),
        system="You are able to see the video.",
        differences=greedy,
    )
    with torch.no_grad():
        tokens = model.encode(video)
        embeds = model.embed(torch.tensor([ids]), tokens)
    assert near(tokens[0], recorded["D.video_tokens"][0])
    assert near(embeds, recorded["D.inputs_embeds"])
    written = model.generate(video, [ids], max_new_tokens=12)
    assert written == [recorded["D.generated"][0, 1:].tolist()]  # the recording begins with BOS


def test_answers_in_a_batch_are_those_alone(model: TimeChat, recorded: dict[str, Tensor]) -> None:
    greedy = replace(model.settings, differences=Differences())
    model = TimeChat(greedy, model.llm).eval()
    videos = case_b(recorded)
    prompts = [[1, 300, *[420] * 6, 310, 311, 312], [1, *[420] * 3, 310]]
    together = model.generate(videos, prompts, max_new_tokens=6)
    apart = [
        model.generate([video], [prompt], max_new_tokens=6)[0]
        for video, prompt in zip(videos, prompts, strict=True)
    ]
    assert together == apart


def test_default_encoding_does_not_depend_on_the_batch(
    build: Callable[[TimeChatConfig], TimeChat], recorded: dict[str, Tensor]
) -> None:
    """The switch `text_outputs_reach_video`."""
    video = case_b(recorded)[1]
    assert video.text_ids_FS is not None
    assert video.text_mask_FS is not None
    padded = replace(
        video,
        text_ids_FS=nn.functional.pad(video.text_ids_FS, (0, 3)),
        text_mask_FS=nn.functional.pad(video.text_mask_FS, (0, 3)),
    )
    for differences, is_same in ((Differences(), True), (compat("timechat"), False)):
        model = build(replace(CONFIG, differences=differences))
        with torch.no_grad():
            alone, batched = model.encode([video])[0], model.encode([padded])[0]
        assert near(alone, batched) is is_same


def test_time_text_is_read_and_videollama_has_none(recorded: dict[str, Tensor]) -> None:
    video = case_b(recorded)[1]
    assert video.text_ids_FS is not None
    other = replace(video, text_ids_FS=video.text_ids_FS.roll(1, 0))
    model = TimeChat.from_parts(
        replace(tiny_timechat(), vision=CONFIG.vision, qformer=CONFIG.qformer)
    ).eval()
    with torch.no_grad():
        assert not torch.equal(model.encode([video])[0], model.encode([other])[0])
    sizes: dict[str, Any] = {
        "vision": CONFIG.vision,
        "qformer": CONFIG.qformer,
        "llm": CONFIG.llm,
    }
    small = replace(videollama(), **sizes)
    llama = TimeChat.from_parts(small).eval()
    with torch.no_grad():
        tokens = llama.encode([Video(video.frames_FCHW)])[0]
    assert tokens.shape == (3, 64)  # one window, three queries
    learns = {name.partition(".")[0] for name in trained_names(small)}
    assert learns == {"frame_positions", "video_queries", "video_qformer", "projector"}
    with pytest.raises(ValueError, match="video 0 has no time text"):
        model.encode([Video(video.frames_FCHW)])


def test_sampled_answers_are_the_originals(model: TimeChat, recorded: dict[str, Tensor]) -> None:
    video, prompt = case_a(recorded)[:1], [[1, *[420] * 6, 310]]
    drawn = {
        tuple(model.generate(video, prompt, max_new_tokens=4, generator_seed=seed)[0])
        for seed in range(4)
    }
    assert len(drawn) > 1
    greedy = TimeChat(replace(model.settings, differences=Differences()), model.llm).eval()
    assert len({tuple(greedy.generate(video, prompt, max_new_tokens=4)[0]) for _ in range(2)}) == 1


def test_full_size_has_the_originals_tensors() -> None:
    saved = json.loads((GOLDEN / "full_size_saved_keys.json").read_text("utf-8"))
    shapes, learned = expected_shapes(TimeChatConfig()), trained_names(TimeChatConfig())
    theirs = {TIMECHAT.ours(name): tuple(shape) for name, (shape, _) in saved.items()}
    del theirs[None]  # the two counting buffers
    assert len(theirs) == 643
    assert theirs == {name: shapes[name] for name in learned}
    total = sum(math.prod(shape) for shape in shapes.values())
    assert total == 7_965_705_344 + 39 * 1408  # the zeros for the biases of keys
    assert sum(math.prod(shapes[name]) for name in learned) == 241_392_384


@pytest.mark.parametrize(
    ("count", "message"), [(13, "video 0 has 13 frames: give 1 to 12"), (0, "video 0 has 0 frames")]
)
def test_too_many_frames_are_refused(model: TimeChat, count: int, message: str) -> None:
    text = torch.zeros(count, 3, dtype=torch.long)
    with pytest.raises(ValueError, match=message):
        model.encode([Video(torch.zeros(count, 3, 28, 28), text, text)])


def test_places_that_do_not_fit_are_refused(model: TimeChat) -> None:
    tokens = [torch.zeros(3, 64)]
    with pytest.raises(ValueError, match=r"example 0 has 2 places .* 3 tokens"):
        model.embed(torch.tensor([[1, 420, 420]]), tokens)
    with pytest.raises(ValueError, match="example 0 has its video tokens' places apart"):
        model.embed(torch.tensor([[420, 1, 420, 420]]), tokens)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 4, "stride": 5}, "stride is 5: give 1 to 4"),
        ({"window": -1}, "window is -1"),
        ({"max_frames": 0}, "max_frames is 0"),
        ({"qformer": QFormerSizes(num_heads=0)}, r"qformer\.num_heads is 0"),
    ],
)
def test_sizes_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TimeChatConfig(), **values)


def test_configuration_survives_json(tmp_path: Path) -> None:
    assert TimeChatConfig.from_json(CONFIG.to_json()) == CONFIG
    for text in ("", "[]", '"timechat"', '{"format_version": 1}'):
        with pytest.raises(ValueError, match="not a TimeChat configuration"):
            TimeChatConfig.from_json(text)
    path = tmp_path / "timechat.json"
    for version in (None, 2):
        path.write_text(json.dumps({**json.loads(CONFIG.to_json()), "format_version": version}))
        with pytest.raises(ValueError, match=rf"timechat\.json: .* {version}, this vidllm reads 1"):
            TimeChatConfig.read(path)


def test_an_unknown_original_is_refused() -> None:
    with pytest.raises(ValueError, match="no switches for 'timechar'"):
        compat("timechar")
