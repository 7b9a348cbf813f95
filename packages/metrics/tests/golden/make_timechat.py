"""Ask TimeChat's scorers anew for what the files here expect of them.

    python make_timechat.py CHECKOUT [--check]

CHECKOUT is a clone of RenShuhuai-Andy/TimeChat (c60b332), of which `metrics/` is run: it needs
Java, NumPy, scikit-learn and six. `make.py` has the other files. What VidChapters said
(`vidchapters` in `dense_*.json`), the single steps of SODA_c (`soda_*`) and the scores of captions
at one threshold stay as they are.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from make import Content, make_all

THRESHOLDS = (0.3, 0.5, 0.7, 0.9)
NAMES = {"cider": "CIDER", "meteor": "METEOR", "f1": "F1_Score", "soda_c": "SODA_c_2"}
NAMES |= {"precision": "Precision_Mean", "recall": "Recall_Mean"}
NAMES |= {
    f"{name.lower()}@{t}": f"{name}@{t}" for name in ("Precision", "Recall") for t in THRESHOLDS
}


def imported(folder: Path, name: str) -> Any:
    """A module of the checkout, with its folder as the current one."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    return importlib.import_module(name)


def dense(metrics: Path, old: Content) -> Content:
    """Scores of dense captions; the loader appends the full stop."""
    scorer = imported(metrics / "dvc", "eval_dvc")
    videos = list(old["references"])
    truth = [old["references"][video] for video in videos]
    guessed = [old["predictions"].get(video) or [] for video in videos]
    found = scorer.evaluate_dense_captions(
        [np.array([event[:2] for event in events]) for events in guessed],
        [np.array([event[:2] for event in events]) for events in truth],
        [np.array([event[2] for event in events]) for events in guessed],
        [np.array([event[2] + "." for event in events]) for events in truth],
        [np.array([2] * len(events)) for events in truth],
        videos,
        soda=True,
    )
    columns = {name: list(map(float, found[theirs])) for name, theirs in NAMES.items()}
    before = old["timechat"]
    per_video = {
        video: before["per_video"][video] | {name: column[k] for name, column in columns.items()}
        for k, video in enumerate(found["key"])
    }
    corpus = {name: float(np.mean(column)) for name, column in columns.items()}
    return old | {"timechat": {"corpus": before["corpus"] | corpus, "per_video": per_video}}


def grounding(metrics: Path, old: Content) -> Content:
    """R@1 and IoU of each query."""
    scorer = imported(metrics / "tvg", "eval_tvg")
    iou = {
        query: float(scorer.iou(windows[0], old["predictions"][query][0]))
        if old["predictions"].get(query)
        else 0.0
        for query, windows in old["references"].items()
    }
    percent = {
        f"R@1_IoU{t}": 100 * sum(one >= t for one in iou.values()) / len(iou)
        for t in THRESHOLDS[:3]
    }
    percent["mIoU"] = 100 * sum(iou.values()) / len(iou)
    return old | {"percent": percent, "iou": iou}


def qvhighlights(metrics: Path, old: Content) -> Content:
    """Average precision of highlights and of moments, and HIT@1."""
    scorer = imported(metrics / "vhd", "eval_vhd")
    return {
        "highlights": [case | highlight(scorer, case) for case in old["highlights"]],
        "moments": [case | {"average_precision": moment(scorer, case)} for case in old["moments"]],
    }


def highlight(scorer: Any, case: Content) -> dict[str, float]:
    """Mean over the annotators, and whether the best clip is one."""
    truth = {"duration": case["duration"], "relevant_clip_ids": case["clips"]}
    truth["saliency_scores"] = case["ratings"]
    positive = (scorer.mk_gt_scores(truth) >= 4).astype(float)
    said = np.array(case["prediction"])
    precision = [
        scorer.compute_ap_from_tuple((0, k, positive[:, k], said))[2]
        for k in range(positive.shape[1])
    ]
    best = int(np.argmax(said))
    hit = float(positive[best].max()) if best < len(positive) else 0.0
    return {"map": float(np.mean(precision)), "hit_at_1": hit}


def moment(scorer: Any, case: Content) -> list[float]:
    """Average precision at each threshold."""
    truth = [{"video-id": "q", "t-start": s, "t-end": e} for s, e in case["windows"]]
    said = [
        {"video-id": "q", "t-start": s, "t-end": e, "score": score}
        for s, e, score in case["predictions"][:10]
    ]
    thresholds = [float(f"{t:.2f}") for t in np.linspace(0.5, 0.95, 10)]
    found = scorer.compute_average_precision_detection(truth, said, tiou_thresholds=thresholds)
    return list(map(float, found))


def highlight_answers(metrics: Path, old: list[Content]) -> list[Content]:
    """Saliency of clips in answers, and whether the script says that it could read one."""
    script = imported(metrics.parent / "utils", "format_vhd")
    found = []
    for case in old:
        read, scores = script.format_vhd_output(case["text"], {"duration": case["duration"]})
        found.append(case | {"clip_scores": list(map(float, scores)), "is_read": bool(read)})
    return found


FILES: dict[str, Callable[[Path, Any], Any]] = {
    "grounding.json": grounding,
    "qvhighlights.json": qvhighlights,
    "highlight_answers.json": highlight_answers,
    "dense_main.json": dense,
    "dense_edge.json": dense,
}


def main() -> int:
    """Run TimeChat's scorers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])  # type: ignore[union-attr]
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a change")
    arguments = parser.parse_args()
    metrics = arguments.checkout.resolve() / "metrics"
    if not (metrics / "tvg" / "eval_tvg.py").exists():
        raise SystemExit(f"{metrics} holds no scorers: is this a clone of TimeChat?")
    changed = make_all(FILES, lambda name, old: FILES[name](metrics, old), check=arguments.check)
    return int(changed > 0 and arguments.check)


if __name__ == "__main__":
    sys.exit(main())
