"""`python -m vidmetrics.lmms_eval` prints the folder for `lmms-eval --include_path`."""

from vidmetrics.lmms_eval import TASKS_DIR

if __name__ == "__main__":
    print(TASKS_DIR)
