"""The scripts below examples/, run as a user runs them, on a tiny random VLM."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "black", "white")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A LLaVA of a few thousand weights with its processor files."""
    import torch
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    from vidllm.adapters.random import byte_tokenizer

    tokenizer: Any = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=CHAT_TEMPLATE,
    )
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(
                **sizes, num_attention_heads=2, image_size=32, patch_size=8
            ),
            text_config=LlamaConfig(
                **sizes, num_attention_heads=2, vocab_size=len(tokenizer), pad_token_id=2
            ),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )
    folder = tmp_path / "base"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_seq2time_data_goes_into_an_own_model(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for colour in COLOURS:
        Image.new("RGB", (40, 30), colour).save(pictures / f"{colour}.png")
        (pictures / f"{colour}.txt").write_text(f"the {colour} card")
    manifest, out = tmp_path / "pictures.arrow", tmp_path / "trained"
    index = ["-m", "seqsynth", "index", "image_folder", str(pictures), "--out", str(manifest)]
    run(index)
    told = run(["examples/own_model.py", str(base), str(manifest), str(out), "2"])
    losses = [float(line.rpartition(" ")[2]) for line in told.splitlines() if "loss" in line]
    assert len(losses) == 2
    assert all(0 < loss < 20 for loss in losses)
    tokenizer = AutoTokenizer.from_pretrained(out)
    ids = tokenizer("<0><7><2><9>", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<0><7><2><9>"
    trained = AutoModelForImageTextToText.from_pretrained(out)
    start = AutoModelForImageTextToText.from_pretrained(base)
    rows, digits = trained.get_output_embeddings().weight, tokenizer.convert_tokens_to_ids(["7"])
    assert rows.shape[0] >= max(ids) + 1 > start.get_output_embeddings().weight.shape[0]
    assert not rows[ids[1]].equal(start.get_output_embeddings().weight[digits[0]]), "it learned"


def test_the_script_of_an_own_model_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["own_model.py"])
    with pytest.raises(SystemExit, match=r"own_model\.py BASE MANIFEST\.arrow OUT"):
        runpy.run_path(str(ROOT / "examples" / "own_model.py"), run_name="__main__")


def test_an_own_codec_trains_and_answers(tmp_path: Path) -> None:
    out, video = tmp_path / "run", tmp_path / "a video.webp"
    pictures = [Image.new("RGB", (32, 32), colour) for colour in COLOURS]
    pictures[0].save(video, save_all=True, append_images=pictures[1:], duration=8000)
    train = ["train", "smoke", "--model.codec", "clock", "--optim.max-steps", "3"]
    run(["examples/own_codec.py", *train, "--out", str(out), "--data.cache-dir", str(tmp_path)])
    assert json.loads((out / "config.json").read_text())["model"]["codec"] == "clock"
    asked = ["ground", str(video), "the red card", "--run", str(out), "--json", "-"]
    answer = json.loads(run(["examples/own_codec.py", *asked]))
    assert answer["duration_seconds"] == 72.0
    assert answer["events"] or answer["malformed"], "it was asked"
    clock = "import own_codec, timetokens as tt; p = tt.TimePosition(65, duration_seconds=72); "
    clock += "c = tt.CODECS['clock']; print(c.format_point(p), c.parse_point('1:05'))"
    assert run(["-c", f"import sys; sys.path.insert(0, 'examples'); {clock}"]) == "1:05 65.0\n"


def run(arguments: list[str]) -> str:
    """The output of a Python command, which must succeed."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
