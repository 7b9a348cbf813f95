"""Seq2Time data for a VLM of your own, with transformers, timetokens and seqsynth alone.

    seqsynth index image_folder PICTURES --out pictures.arrow
    python examples/own_model.py Qwen/Qwen3-VL-2B-Instruct pictures.arrow trained

PICTURES holds images, each with its caption in a .txt of the same name. Every picture goes in as
one image, its place before it as text; the loss falls on the answer alone. Change the loop as you
like: LoRA wants trainable_token_indices for the ten rows, see docs/time_representations.md. Some
processors, Qwen's among them, want torchvision.
"""

import sys

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

import seqsynth
import timetokens as tt


def conversation(example, turn):
    """A question about a sequence, and its answer, as a chat template takes them."""
    content = []
    frames = seqsynth.load_frames(example.frames, size=224)
    for code, frame in zip(example.frame_codes, frames, strict=True):
        content.append({"type": "text", "text": f"{code}: "})
        content.append({"type": "image", "image": Image.fromarray(frame)})
    content.append({"type": "text", "text": turn.prompt})
    answer = [{"type": "text", "text": turn.answer}]
    return [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]


def encode(processor, messages):
    """Inputs of the model, labels on the answer."""
    settings = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
    asked = processor.apply_chat_template(messages[:1], add_generation_prompt=True, **settings)
    inputs = processor.apply_chat_template(messages, **settings)
    labels = inputs["input_ids"].clone()
    labels[:, : asked["input_ids"].shape[1]] = -100
    return {**inputs, "labels": labels}


def main(base, manifest, out, num_steps=1000):
    """Trains all weights on image sequences, one example a step."""
    processor = AutoProcessor.from_pretrained(base)
    model = AutoModelForImageTextToText.from_pretrained(base)
    tt.add_to(processor.tokenizer, model)  # <0> ... <9>, their rows started as the digits
    recipe = seqsynth.SequenceRecipe(
        tasks={"iig": 1, "iic": 1, "alr": 1}, min_images=4, max_images=8, num_examples=100_000
    )
    dataset = seqsynth.SequenceDataset(seqsynth.open_corpus([manifest]), recipe, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    for step in range(int(num_steps)):
        example = dataset[step]
        loss = model(**encode(processor, conversation(example, example.turns[0]))).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        print(f"step {step + 1}: loss {loss.item():.3f}")  # noqa: T201
    model.save_pretrained(out)
    processor.save_pretrained(out)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(f"{__doc__}\nusage: own_model.py BASE MANIFEST.arrow OUT [STEPS, 1000]")
    main(*sys.argv[1:])
