"""The line of progress, and how much of a GPU a run uses."""

import io
import time

import pytest
import torch
from rich.console import Console

from vidllm import utilisation
from vidllm.progress import CountLine, ProgressLine
from vidllm.utilisation import operations_per_token, peak_operations, share_per_rate

ROW = {"step": 3, "stage": "images", "loss": 1.25, "tokens": 5000, "seconds": 2.0}


def shown(peak_share_per_rate: float) -> str:
    progress = ProgressLine(Console(quiet=True), 10, peak_share_per_rate=peak_share_per_rate)
    progress.step(ROW)
    return progress.line(ROW)


def test_the_line_says_loss_rate_and_time_left_and_mfu_where_it_is_known() -> None:
    assert shown(0) == "step 3/10  images  loss 1.250  2500 tokens/s  14 s left"
    assert shown(0.41 / 2500) == (
        "step 3/10  images  loss 1.250  2500 tokens/s  MFU 41.0%  14 s left"
    )


def test_a_count_says_what_is_left_now_and_then_and_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    written = io.StringIO()
    count = CountLine(Console(file=written, width=100), "features", "frames")
    for done in (10, 20, 30, 40):
        count(done, 40)
        now[0] += 6
    now[0] += 1000
    for done in (10, 30, 40):  # those of another picture size: their own rate, not the pause's
        count(done, 40)
        now[0] += 12
    assert written.getvalue().splitlines() == [
        "features: 30 of 40 frames, 6 s left",
        "features: 40 of 40 frames",
        "features: 30 of 40 frames, 6 s left",
        "features: 40 of 40 frames",
    ]


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("Tesla T4", None),
        ("", None),
    ],
)
def test_peaks_are_found_by_the_whole_words_of_a_name(name: str, peak: float | None) -> None:
    assert peak_operations(name) == peak


def llama() -> torch.nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=64, num_attention_heads=2, **sizes))


def test_a_token_costs_four_operations_a_parameter_and_two_more_where_it_learns() -> None:
    from peft import LoraConfig, get_peft_model

    layer = 4 * 16 * 16 + 3 * 16 * 32 + 2 * 16
    decoder = 2 * layer + 16
    model = llama()
    assert operations_per_token(model) == 6 * decoder
    lora = 2 * 2 * 16 * 4  # rank 4 on q_proj of two layers
    frozen = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj"]))
    assert operations_per_token(frozen) == 4 * (decoder + lora) + 2 * lora


def test_the_share_counts_all_gpus_and_is_unknown_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = llama()
    assert share_per_rate(model, bf16=True, num_processes=1) == 0 or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    share = operations_per_token(model) / 989e12
    assert share_per_rate(model, bf16=True, num_processes=8) == pytest.approx(share / 8)
    assert share_per_rate(model, bf16=False, num_processes=8) == 0
    monkeypatch.setattr(utilisation, "PEAK_OPERATIONS", {})
    assert share_per_rate(model, bf16=True, num_processes=8) == 0
