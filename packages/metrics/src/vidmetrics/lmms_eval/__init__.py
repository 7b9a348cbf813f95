"""Tasks for lmms-eval that it lacks: dense captioning of YouCook2, grounding of Charades-STA.

The harness runs the model, this package reads its answers and scores them:

    export YOUCOOK2_REFERENCES=youcookii_annotations_trainval.json YOUCOOK2_VIDEOS=videos/
    lmms-eval --include_path "$(python -m vidmetrics.lmms_eval)" --tasks youcook2_dvc ...

`LMMS_EVAL_PLUGINS` is not a way in: lmms-eval 0.7 looks at it after it has made its list of tasks.
"""

from pathlib import Path

TASKS_DIR = Path(__file__).parent / "tasks"
"""The folder to pass to `--include_path`."""
