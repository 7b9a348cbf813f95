"""A language model from a GGUF file, dequantised once and kept beside it.

transformers needs about half a minute of CPU to dequantise SmolLM2-135M; its safetensors copy
loads in two seconds. The copy says which file it came from and what each of its files should
hash to; whatever does not match is made again. A copy that cannot be opened may be whole, and is
left alone.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from seqsynth.example_files import is_out_of_reach
from seqsynth.unpack import sha256_of
from vidllm.scratch import remove, scratch_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

RECORD_NAME = "source.json"


def load_gguf_llm(gguf_path: str | Path) -> tuple[Any, PreTrainedTokenizerBase]:
    """The model in float32 and its tokenizer; the first call writes the copy.

    Args:
        gguf_path: the GGUF file; the copy becomes a folder beside it, `NAME.float32`, or stays
            in memory when that place cannot be written.

    Raises:
        FileNotFoundError: no such file.
        OSError: the copy is there and cannot be opened.
    """
    gguf_path = Path(gguf_path)
    if not gguf_path.is_file():
        raise FileNotFoundError(f"{gguf_path}: no such file; fetch it with: seqsynth fetch default")
    _silence_progress_bars()
    copy = gguf_path.with_name(gguf_path.stem + ".float32")
    source = _identity(gguf_path)
    if _is_intact(copy, source):
        return _load_copy(copy)
    log.info("dequantising %s to float32, once", gguf_path.name)
    model, tokenizer = _load_gguf(gguf_path)
    try:
        _write_copy(copy, source, model, tokenizer)
    except (OSError, SafetensorError) as error:
        log.warning("%s cannot be written (%s): the next start dequantises again", copy, error)
    return model, tokenizer


def _silence_progress_bars() -> None:
    """Turns off the bars that transformers shows for a few seconds among our own lines."""
    from transformers.utils import logging

    bars: Any = logging
    bars.disable_progress_bar()


def _identity(path: Path) -> dict[str, object]:
    """Enough to notice another file under the same name, without hashing it at every start."""
    status = path.stat()
    return {"name": path.name, "num_bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def _is_intact(copy: Path, source: dict[str, object]) -> bool:
    try:
        record = json.loads((copy / RECORD_NAME).read_text("utf-8"))
        return bool(record["source"] == source) and all(
            sha256_of(copy / name) == digest for name, digest in record["sha256"].items()
        )
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if is_out_of_reach(error):
            raise
        return False


def _load_copy(copy: Path) -> tuple[Any, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return (
        AutoModelForCausalLM.from_pretrained(copy, local_files_only=True),
        AutoTokenizer.from_pretrained(copy, local_files_only=True),
    )


def _load_gguf(path: Path) -> tuple[Any, PreTrainedTokenizerBase]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    # It holds plain float32 weights from here on; with this mark transformers refuses to save it.
    del model.config.quantization_config
    return model, tokenizer


def _write_copy(
    copy: Path, source: dict[str, object], model: Any, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Writes to a folder of its own and renames it, so that a half-written copy is never read."""
    from safetensors.torch import save_model

    scratch = scratch_of(copy)
    try:
        scratch.mkdir()
        save_model(model, str(scratch / "model.safetensors"), metadata={"format": "pt"})
        model.config.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        files = sorted(path.name for path in scratch.iterdir())
        record = {"source": source, "sha256": {n: sha256_of(scratch / n) for n in files}}
        (scratch / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        if not _is_intact(copy, source):  # unless another process was faster: some may read it now
            remove(copy)
            scratch.rename(copy)
    finally:
        remove(scratch)
