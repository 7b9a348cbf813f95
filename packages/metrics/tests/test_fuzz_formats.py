"""One value of a file replaced by nonsense, in every format and command: named or scored."""

import copy
import json
import math
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from vidmetrics.cli import main

ROUNDS = int(os.environ.get("VIDMETRICS_FUZZ_ROUNDS", "25"))
NONSENSE: list[Any] = [
    *(None, True, "", "x", "\ud800", "12.0 - 15.5 seconds, cut", [], {}, [[]], [None], {"x": 1}),
    *(0, -1, 1.5, 1e308, -1e308, 10**400, float("nan"), float("inf"), 1e12, [1, 2], [[1, 2, 3]]),
]
OWN = {"id": "a", "task": "dvc", "benchmark": "b", "events": [[0, 9, "cut"]], "duration_seconds": 9}
SPAN = {"id": "a", "task": "tvg", "benchmark": "b", "events": [[0, 9, ""]]}
RATED = {"qid": 1, "duration": 8, "relevant_clip_ids": [0, 2], "saliency_scores": [[4, 1], [3, 4]]}
COCO = {"image_id": "v/a", "duration": 9, "segments": [[0, 9]], "pure_cap": "cut"}
YOUCOOK2 = {"duration": 9, "subset": "validation"}
YOUCOOK2 |= {"annotations": [{"segment": [0, 9], "sentence": "cut"}]}
ACTIVITYNET = {"a": {"duration": 9, "timestamps": [[0, 9]], "sentences": ["cut"]}}
PLAIN = {"a": [[0, 9, "cut"], [9, 12, "fry"]]}
ANSWER = {"video_id": "a", "task": "captioning"}
ANSWER |= {"answer": '[{"event": "cut", "timestamps": "from 1 to 9"}]'}
GROUNDED = {
    "video_id": "a",
    "task": "grounding",
    "answer": "from 1 to 9",
    "info": {"sentence_id": 0},
}
BENCH = {"task": "dvc", "video": "a", "duration": 9, "tgt": [[0, 9]], "g": ["cut"]}
BENCH |= {"a": "0 - 9 seconds, cut"}
WINDOW = {"qid": 1, "query": "cut", "vid": "a", "duration": 9, "relevant_windows": [[0, 9]]}
QUERY = {"id": 1, "image_id": "a", "caption": "cut", "timestamp": [0, 9]}

FILES = {  # command, references, predictions
    "plain": ("dvc", PLAIN, PLAIN),
    "own": ("dvc", [OWN], [{**OWN, "system": "s", "malformed": 1}]),
    "timechat": (
        "dvc",
        {"annotations": [COCO, {**COCO, "image_id": "b"}]},
        {"a": [{"timestamp": [0, 9], "caption": "cut"}]},
    ),
    "youcook2": ("dvc", {"database": {"a": YOUCOOK2, "b": YOUCOOK2}}, PLAIN),
    "activitynet": (
        "dvc",
        ACTIVITYNET,
        {"results": {"a": [{"timestamp": [0, 9], "sentence": "cut"}]}},
    ),
    "vtimellm": ("dvc", ACTIVITYNET, [ANSWER, {**ANSWER, "video_id": "b", "task": "other"}]),
    "etbench": ("dvc", [BENCH, {**BENCH, "video": "b"}], [BENCH, {**BENCH, "video": "b"}]),
    "tvg plain": ("tvg", {"q": [[0, 9]], "r": [1, 2]}, {"q": [[0, 9, 0.5]], "r": None}),
    "tvg own": ("tvg", [SPAN], [SPAN]),
    "tvg timechat": ("tvg", {"annotations": [QUERY]}, {"1": {"timestamp": [[0, 9]]}}),
    "tvg qvhighlights": ("tvg", [WINDOW], [{"qid": 1, "pred_relevant_windows": [[0, 9, 0.5]]}]),
    "tvg vtimellm": ("tvg", ACTIVITYNET, [GROUNDED]),
    "tvg etbench": (
        "tvg",
        [BENCH | {"task": "tvg", "idx": 1, "q": "cut"}],
        [BENCH | {"task": "tvg", "idx": 1}],
    ),
    "highlights timechat": (
        "highlights",
        [RATED],
        [{"id": 1, "vname": "v", "generated_cap": "The 0, 4 second. Their score: 1.3, 1.7."}],
    ),
    "highlights": ("highlights", [RATED], [{"qid": 1, "pred_saliency_scores": [0, 1.5, 2, 1]}]),
    "report": ("report", PLAIN, PLAIN),
    "tvg report": ("report tvg", {"q": [[0, 9]]}, {"q": [[0, 9]]}),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each value of a JSON document."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def spoilt(rng: random.Random, document: Any) -> Any:
    """A copy with one value replaced or, in an object, left out."""
    document = copy.deepcopy(document)
    path = rng.choice(list(places(document))[1:])
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    if rng.random() < 0.15:
        del holder[path[-1]]
    else:
        holder[path[-1]] = copy.deepcopy(rng.choice(NONSENSE))
    return document


def finite(value: Any) -> bool:
    """Whether all numbers of a JSON document are."""
    if isinstance(value, dict | list):
        return all(map(finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("name", FILES)
def test_one_value_replaced_by_nonsense(name: str, tmp_path, capsys) -> None:
    rng = random.Random(name)
    command, references, predictions = FILES[name]
    suffix = "jsonl" if "own" in name else "json"
    paths = [tmp_path / f"{side}.{suffix}" for side in ("references", "predictions")]
    verb, _, task = command.partition(" ")
    options = ["--moments", "--json", "-"] if verb == "tvg" else ["--json", "-"]
    if verb == "report":
        options = ["--out", str(tmp_path / "page.html"), "--task", task or "dvc"]
    for number in range(ROUNDS):
        changed = [references, predictions]
        side = 0 if number == 0 else rng.randrange(2)
        if number:  # the first round checks that the files are good as they are
            changed[side] = spoilt(rng, changed[side])
        for path, content in zip(paths, changed, strict=True):
            lines = content if suffix == "jsonl" else [content]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        code = main([verb, *map(str, paths), "--resamples", "20", *options])
        out, err = capsys.readouterr()
        assert code in ((0,) if number == 0 else (0, 2)), changed
        if code == 2:
            assert f".{suffix}" in err or "prediction" in err, err
        elif verb != "report":
            assert finite(json.loads(out)), changed


def test_damaged_results_are_never_compared(tmp_path, capsys) -> None:
    rng = random.Random(0)
    (tmp_path / "r.json").write_text(json.dumps({"q": [[0, 9]], "r": [[5, 9]]}))
    (tmp_path / "p.json").write_text(json.dumps({"q": [[0, 8]], "r": [[1, 2]]}))
    files = [str(tmp_path / name) for name in ("r.json", "p.json", "a.json", "b.json")]
    assert main(["tvg", *files[:2], "--json", files[2]]) == 0
    whole = json.loads((tmp_path / "a.json").read_text())
    for _ in range(4 * ROUNDS):
        (tmp_path / "b.json").write_text(json.dumps(spoilt(rng, whole)))
        capsys.readouterr()
        code = main(["compare", *files[2:], "--resamples", "20", "--json", "-"])
        out, err = capsys.readouterr()
        assert code in (0, 2)
        if code == 0:
            assert finite(json.loads(out))
        else:
            named = (".json", "comparison", "A and B", "no benchmark in common")
            assert any(what in err for what in named), err
