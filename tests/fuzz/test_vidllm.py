"""Configurations of runs, damaged: vidllm reads them or says what is wrong."""

import json

import pytest
from hypothesis import example, given

from fuzz import FUZZED, json_bytes, value_or_error

pytest.importorskip("torch", reason="vidllm needs torch")

from vidllm.config_json import from_json, to_json
from vidllm.recipes import RECIPES

RECORDS = [json.loads(to_json(RECIPES[name]())) for name in ("tiny", "smoke")]


@FUZZED
@given(json_bytes(RECORDS))
@example(b"[" * 100_000)
@example(b'{"seed": ' + b"9" * 5000 + b"}")
def test_configurations(content: bytes) -> None:
    config = value_or_error(lambda: from_json(content.decode()), ValueError, "")
    if config is not None:
        assert from_json(to_json(config)) == config
