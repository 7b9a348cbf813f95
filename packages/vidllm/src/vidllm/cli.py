"""The command line: reads arguments, calls the library, turns errors into one line and a status.

Exit status: 0 done, 1 the outside world failed or training diverged, 2 the request was wrong,
130 interrupted (a checkpoint is there if training had begun), 143 the same by SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version

from vidllm.arguments import UsageError, near_names
from vidllm.terminal import prepare_streams

COMMANDS = {
    "train": "train a recipe, or continue a run",
    "predict": "answer a benchmark's questions with a trained run",
    "ground": "say where in a video something happens",
    "caption": "say what happens in a video, and when",
    "demo": "a page on this machine with a video, a question and a timeline",
    "merge": "write a run as a full model, its adapter folded in",
    "convert": "turn released checkpoints of TimeChat and its parts into ours, or back",
    "report": "render a run's report.html",
}
_USAGE = """usage: vidllm COMMAND ...
       vidllm --version

A video LLM that says where things are.

commands:
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        return 1
    except UsageError as error:  # a slip of the hand is told before anything heavy is imported
        return _fail(error, 2)
    except Exception as error:
        status = _status_of(error)
        if status is None:
            raise
        return _fail("interrupted" if status == 130 else _reason(error), status)


def _run(arguments: list[str]) -> int:
    prepare_streams()
    quiet_libraries()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        lines = "".join(f"  {name:<10}{text}\n" for name, text in COMMANDS.items())
        print(f"{_USAGE}{lines}\nvidllm COMMAND --help is the manual of a command.")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"vidllm {version('seq2time-vidllm')}")
        return 0
    return _command(arguments[0])(arguments[1:])


def quiet_libraries() -> None:
    """Our own log goes to stderr as plain lines; that of the libraries only from errors on."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")  # a log would hold hundreds of states of a bar
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # PEFT asks transformers for attributes under their old names; nothing a user could change.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\.")
    for noisy in ("transformers", "accelerate", "peft", "torch", "httpx"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _command(name: str) -> Callable[[Sequence[str]], int]:
    if name == "train":
        from vidllm.train_cli import main as train_main

        return train_main
    if name == "predict":
        from vidllm.predict_cli import main as predict_main

        return predict_main
    if name in ("ground", "caption", "demo"):
        from vidllm import ask_cli

        commands = {"ground": ask_cli.ground, "caption": ask_cli.caption, "demo": ask_cli.demo}
        return commands[name]
    if name == "merge":
        from vidllm.merge_cli import main as merge_main

        return merge_main
    if name == "convert":
        from vidllm.convert_cli import main as convert_main

        return convert_main
    if name == "report":
        from vidllm.report_cli import main as report_main

        return report_main
    raise UsageError(f"no command {name!r}{near_names(name, COMMANDS)}")


def _status_of(error: Exception) -> int | None:
    """The exit status that an error ends the command with; None: a fault of ours."""
    from seqsynth.interrupts import was_interrupted
    from vidllm.checkpoint import CheckpointError

    if was_interrupted(error):
        return 130
    if isinstance(error, (ValueError, FileNotFoundError, CheckpointError)):
        return 2
    return 1 if isinstance(error, (OSError, RuntimeError)) else None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _fail(error: object, status: int) -> int:
    text = " ".join(str(error).split())
    print(f"vidllm: {text}", file=sys.stderr)
    return status


def status_of_signal(number: int) -> int:
    """The exit status that says a process ended on a signal: 130 for Ctrl-C."""
    return 128 + signal.Signals(number)
