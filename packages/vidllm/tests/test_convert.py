"""`vidllm convert`: released names and shapes, exact round trips, refusals."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from vidllm.cli import main
from vidllm.convert.conversion import from_ours, to_ours
from vidllm.convert.key_maps import (
    EVA,
    FORMATS,
    INSTRUCTBLIP,
    INSTRUCTBLIP_HF,
    LLAMA,
    TIMECHAT,
    VIDEOLLAMA,
    Format,
)
from vidllm.convert.plan import plan_to_ours, reshaped
from vidllm.convert.report import KINDS
from vidllm.convert.sources import Source, open_source
from vidllm.timechat import TimeChatConfig, tiny_timechat, videollama
from vidllm.timechat.model import TimeChat
from vidllm.timechat.weights import (
    FRAME_TOKENIZER,
    expected_shapes,
    load_tensors,
    read_folder,
    tensors_of,
)

GOLDEN = Path(__file__).parent / "golden" / "timechat"


@pytest.fixture(scope="module")
def tiny() -> dict[str, Tensor]:
    """Random tensors of a whole small model, by our names."""
    torch.manual_seed(0)
    tensors = tensors_of(TimeChat.from_parts(tiny_timechat()))
    found = {name: torch.randn_like(tensor) for name, tensor in tensors.items()}
    width = tiny_timechat().vision.width
    for name, tensor in found.items():
        if name.endswith("qkv.bias"):
            tensor[width : 2 * width] = 0
    return found


def as_released(form: Format, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those that the format has a name for, under it."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        halves, theirs = form.halves(name), form.theirs(name)
        if halves is not None:
            queries, _, values = tensor.chunk(3)
            found.update(zip(halves, (queries.clone(), values.clone()), strict=True))
        elif theirs is not None:
            found[theirs] = tensor
    return found


def test_full_size_file_of_timechat_is_understood(tmp_path: Path) -> None:
    saved = json.loads((GOLDEN / "full_size_saved_keys.json").read_text("utf-8"))
    # Full shapes over a single number each: a file of kilobytes.
    tensors = {
        name: torch.zeros((), dtype=getattr(torch, kind)).expand(shape)
        for name, (shape, kind) in saved.items()
    }
    path = tmp_path / "timechat_7b.pth"
    torch.save({"model": tensors, "epoch": 2, "optimizer": {}}, path)
    expected = expected_shapes(TimeChatConfig())
    source = open_source(path)
    steps, report = plan_to_ours([(TIMECHAT, source)], expected)
    assert source.streams
    assert len(steps) == len(report.of("taken")) == 643
    assert [row.source for row in report.of("dropped")] == [
        name for name in saved if name.endswith("position_ids")
    ]
    assert not report.of("unexpected")
    assert {row.target.partition(".")[0] for row in report.of("missing")} == {"vision", "llm"}
    assert all(".lora_" not in row.target for row in report.of("missing"))
    assert {step.target: step.shape for step in steps}.items() <= expected.items()


def test_golden_checkpoint_comes_back_exactly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = load_file(GOLDEN / "state_dict.safetensors")
    torch.save({"model": original}, tmp_path / "released.pth")
    ours, back = tmp_path / "ours", tmp_path / "back.pth"
    there = ["convert", f"timechat={tmp_path / 'released.pth'}", "--out", str(ours)]
    assert main([*there, "--model", str(GOLDEN / "timechat.json"), "--shard-gib", "0.0002"]) == 0
    table = capsys.readouterr().out
    heading, counts = table.splitlines()[:2]
    assert heading.split() == [*KINDS[:-1], "checkpoint"]
    assert counts.split() == ["240", "0", "0", "2", "0", str(tmp_path / "released.pth")]
    assert len(list(ours.glob("model-*.safetensors"))) > 5
    assert not list(tmp_path.glob(".*"))
    told = tmp_path / "told.json"
    again = ["convert", str(ours), "--to", "timechat"]
    assert main([*again, "--out", str(back), "--json", str(told)]) == 0
    assert json.loads(told.read_text("utf-8"))["counts"]["taken"] == 240
    assert capsys.readouterr().out.split()[:5] == [*KINDS[:-1]]
    found = torch.load(back, weights_only=True)["model"]
    assert sorted(found) == sorted(original)
    for name, tensor in original.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    trained = tmp_path / "trained.pth"
    assert main([*again, "--out", str(trained), "--trained-only", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["taken"] == 187
    names = set(torch.load(trained, weights_only=True)["model"])
    assert len(names) == 187 + 2
    assert not any(name.startswith("visual_encoder") for name in names)


def test_parts_are_laid_over_one_another(tmp_path: Path, tiny: dict[str, Tensor]) -> None:
    stale = {name: tensor + 1 for name, tensor in tiny.items()}
    files = {
        EVA: {**as_released(EVA, tiny), "head.weight": torch.zeros(3), "norm.bias": torch.zeros(3)},
        INSTRUCTBLIP: {
            **as_released(
                INSTRUCTBLIP, {n: t for n, t in stale.items() if "encoder.layers" not in n}
            ),
            "llm_proj.weight": torch.zeros(2, 2),
        },
        LLAMA: as_released(LLAMA, tiny),
    }
    trained = {
        n: t for n, t in tiny.items() if not n.startswith("vision.") and "llm.model" not in n
    }
    lora = {name: tensor for name, tensor in tiny.items() if ".lora_" in name}
    norm = {name: tensor for name, tensor in tiny.items() if "post_layernorm" in name}
    files[TIMECHAT] = as_released(TIMECHAT, {**trained, **lora, **norm})
    checkpoints = []
    for form, tensors in files.items():
        path = tmp_path / f"{form.name}.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
        checkpoints.append((form, path))
    # EVA after InstructBLIP: what both have is EVA's.
    checkpoints.insert(1, checkpoints.pop(0))
    report = to_ours(checkpoints, tiny_timechat(), tmp_path / "ours")
    assert not report.of("missing")
    assert {row.source for row in report.of("unexpected")} == {
        "head.weight",
        "norm.bias",
        "llm_proj.weight",
    }
    overridden = {row.target for row in report.of("overridden")}
    assert "frame_queries" in overridden
    assert "vision.embeddings.class_embedding" in overridden
    model = TimeChat.from_parts(tiny_timechat())
    assert load_tensors(model, read_folder(tmp_path / "ours")) == set()
    loaded = tensors_of(model)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tiny.items())
    kept = json.loads((tmp_path / "ours" / "conversion.json").read_text())
    assert kept["counts"]["overridden"] == len(overridden)
    assert len(kept["tensors"]) == len(report.rows)


@pytest.mark.parametrize("form", list(FORMATS.values()), ids=list(FORMATS))
def test_every_format_comes_back_exactly(
    tmp_path: Path, tiny: dict[str, Tensor], form: Format
) -> None:
    config = tiny_timechat()
    if form is VIDEOLLAMA:
        config = replace(videollama(), vision=config.vision, qformer=config.qformer, llm=config.llm)
        torch.manual_seed(0)
        shapes = expected_shapes(config)
        tiny = {n: torch.zeros(s) if "qkv.bias" in n else torch.randn(s) for n, s in shapes.items()}
    released = as_released(form, tiny)
    assert len(released) > 10
    save_file({n: t.contiguous() for n, t in released.items()}, tmp_path / "released.safetensors")
    to_ours([(form, tmp_path / "released.safetensors")], config, tmp_path / "ours")
    from_ours(tmp_path / "ours", form, tmp_path / "back.safetensors")
    found = load_file(tmp_path / "back.safetensors")
    counters = {name for name, _ in form.counters}
    assert set(found) - counters == set(released)
    assert all(torch.equal(found[name], tensor) for name, tensor in released.items())


def test_real_instructblip_has_the_names_of_the_table() -> None:
    config = tiny_timechat()
    vision, qformer, llm = config.vision, config.qformer, config.llm
    theirs = InstructBlipConfig(
        vision_config={
            "hidden_size": vision.width,
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "num_hidden_layers": vision.num_layers,
            "num_attention_heads": 4,
            "intermediate_size": vision.mlp_width,
        },
        qformer_config={
            "vocab_size": qformer.vocab_size,
            "hidden_size": qformer.width,
            "num_hidden_layers": qformer.num_frame_layers,
            "num_attention_heads": 4,
            "intermediate_size": qformer.mlp_width,
            "max_position_embeddings": qformer.num_positions,
            "encoder_hidden_size": vision.width,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": 300,
            "hidden_size": llm.hidden_size,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "intermediate_size": 64,
        },
        num_query_tokens=qformer.num_frame_queries,
    )
    with torch.device("meta"):
        state = InstructBlipForConditionalGeneration(theirs).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    source = Source(Path("instructblip"), shapes, state.__getitem__)
    _, report = plan_to_ours([(INSTRUCTBLIP_HF, source)], expected_shapes(config))
    unexpected = {row.source.partition(".")[0] for row in report.of("unexpected")}
    assert unexpected == {"language_model", "language_projection"}
    missing = {row.target.partition(".")[0] for row in report.of("missing")}
    assert missing == {"llm", "video_queries", "video_qformer", "frame_positions", "projector"}


def test_tokenizers_come_along(tmp_path: Path, tiny: dict[str, Tensor]) -> None:
    for form, below in ((LLAMA, "."), (INSTRUCTBLIP_HF, "qformer_tokenizer")):
        folder = tmp_path / form.name
        (folder / below).mkdir(parents=True)
        released = as_released(form, tiny)
        save_file({n: t.contiguous() for n, t in released.items()}, folder / "model.safetensors")
        (folder / below / "tokenizer.json").write_text(form.name)
    (tmp_path / "llama" / "notes.txt").write_text("stays")
    checkpoints = [(form, tmp_path / form.name) for form in (INSTRUCTBLIP_HF, LLAMA)]
    to_ours(checkpoints, tiny_timechat(), tmp_path / "ours")
    assert (tmp_path / "ours" / "tokenizer.json").read_text() == "llama"
    assert (tmp_path / "ours" / FRAME_TOKENIZER / "tokenizer.json").read_text() == "instructblip_hf"
    assert not (tmp_path / "ours" / "notes.txt").exists()


def test_tables_of_positions_are_interpolated(tmp_path: Path, tiny: dict[str, Tensor]) -> None:
    table = torch.arange(32 * 48.0).view(32, 48)
    patches = torch.randn(1, 10, 32)  # a grid of 3 x 3, the model's is 2 x 2
    path = tmp_path / "released.safetensors"
    save_file(
        {"video_frame_position_embedding.weight": table, "visual_encoder.pos_embed": patches}, path
    )
    report = to_ours([(TIMECHAT, path)], tiny_timechat(), tmp_path / "ours")
    found = dict(read_folder(tmp_path / "ours"))
    assert torch.equal(found["frame_positions.weight"], table.repeat_interleave(3, 0))
    grid = patches[:, 1:].view(1, 3, 3, 32).permute(0, 3, 1, 2)
    smaller = functional.interpolate(grid, (2, 2), mode="bicubic", align_corners=False)
    position = found["vision.embeddings.position_embedding"]
    assert torch.equal(position[:, 0], patches[:, 0])
    assert torch.equal(position[0, 1:], smaller[0].flatten(1).T)
    assert [(row.shape, row.target_shape) for row in report.of("reshaped")] == [
        ((32, 48), (96, 48)),
        ((1, 10, 32), (1, 5, 32)),
    ]
    half = reshaped("frame_positions.weight", table.half(), (96, 48))
    assert half.dtype == torch.float16


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (
            "llama_proj.weight",
            torch.zeros(64, 50),
            r"llama_proj.weight of .* is \(64, 50\), but projector.weight of .* is \(64, 48\)",
        ),
        (
            "video_frame_position_embedding.weight",
            torch.zeros(32, 50),
            r"is \(32, 50\), but frame_positions.weight of the model is \(96, 48\)",
        ),
        ("visual_encoder.pos_embed", torch.zeros(1, 8, 32), r"is \(1, 8, 32\)"),
        ("something.else", torch.zeros(2), "has no tensor of the format 'timechat'"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, name: str, tensor: Tensor, message: str
) -> None:
    path = tmp_path / "released.safetensors"
    save_file({name: tensor}, path)
    with pytest.raises(ValueError, match=message):
        to_ours([(TIMECHAT, path)], tiny_timechat(), tmp_path / "ours")
    assert list(tmp_path.iterdir()) == [path]


def test_both_halves_of_a_bias_are_overridden(tmp_path: Path, tiny: dict[str, Tensor]) -> None:
    released = {name: tensor.contiguous() for name, tensor in as_released(EVA, tiny).items()}
    paths = [tmp_path / f"{name}.safetensors" for name in ("first", "second")]
    for path in paths:
        save_file(released, path)
    report = to_ours([(EVA, path) for path in paths], tiny_timechat(), tmp_path / "ours")
    for kind, path in zip(("overridden", "taken"), paths, strict=True):
        rows = [row for row in report.rows if row.kind == kind]
        assert {(row.checkpoint, row.source) for row in rows} == {(str(path), n) for n in released}


def test_nothing_to_write_is_an_error(tmp_path: Path, tiny: dict[str, Tensor]) -> None:
    released = {name: tensor.contiguous() for name, tensor in as_released(EVA, tiny).items()}
    save_file(released, tmp_path / "eva.safetensors")
    to_ours([(EVA, tmp_path / "eva.safetensors")], tiny_timechat(), tmp_path / "ours")
    for form, trained_only in ((LLAMA, False), (EVA, True)):
        with pytest.raises(ValueError, match=f"has no tensor .*that '{form.name}' has a name for"):
            from_ours(tmp_path / "ours", form, tmp_path / "back.pth", trained_only=trained_only)
    assert not (tmp_path / "back.pth").exists()


def test_half_a_bias_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "released.safetensors"
    save_file({"blocks.0.attn.q_bias": torch.ones(32), "blocks.0.norm1.bias": torch.ones(32)}, path)
    report = to_ours([(EVA, path)], tiny_timechat(), tmp_path / "ours")
    assert [row.source for row in report.of("unexpected")] == ["blocks.0.attn.q_bias"]


def test_bias_of_keys_cannot_go_back(tmp_path: Path, tiny: dict[str, Tensor]) -> None:
    path, name = tmp_path / "hf.safetensors", "vision_model.encoder.layers.0.self_attn.qkv.bias"
    save_file({name: torch.ones(96)}, path)
    to_ours([(INSTRUCTBLIP_HF, path)], tiny_timechat(), tmp_path / "ours")
    with pytest.raises(ValueError, match="has a bias of keys that is not 0"):
        from_ours(tmp_path / "ours", TIMECHAT, tmp_path / "back.pth")
    assert not (tmp_path / "back.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a checkpoint"),
        (["eva=x.pth"], "say where to write"),
        (["x.pth", "--out", "y"], "x.pth names no format"),
        (["evo=x.pth", "--out", "y"], "no format 'evo'; did you mean eva?"),
        (["eva=absent.pth", "--out", "y"], "absent.pth: no such file"),
        (["eva=x.pth", "--out", "y", "--model", "timechap"], "did you mean timechat?"),
        (["eva=x.pth", "--out", "y", "--trained-only"], "--trained-only goes with --to"),
        (["eva=x.pth", "--out", "y", "--shard-gib", "inf"], "--shard-gib is inf"),
        (["eva=x.pth", "--out", "y", "--shard-gib", "nan"], "--shard-gib is nan"),
        (["a", "b", "--to", "eva", "--out", "y"], "--to takes one folder"),
        (["absent", "--to", "eva", "--out", "y"], "absent is not a converted checkpoint"),
        (["eva=x.pth", "--out", "."], ". exists already"),
    ],
)
def test_requests_that_cannot_be_met(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["convert", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
