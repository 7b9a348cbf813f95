"""The original programs, run as black boxes: text in, text out."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# As the caption scorers list it; their names of brackets never match a lower-case line.
PUNCTUATION = {*".?!,:;-'`", "--", "...", "''", "``"}


def without_punctuation(line: str) -> str:
    """A line of `Jars.ptb_lines` as the caption scorers take it."""
    return " ".join(token for token in line.rstrip(" ").split(" ") if token not in PUNCTUATION)


@dataclass(frozen=True)
class Jars:
    """The folder of an installed pycocoevalcap 1.2; none of its code is imported."""

    folder: Path

    def ptb_lines(self, lines: Sequence[str]) -> list[str]:
        """Tokens of each line, as the tokenizer prints them."""
        with tempfile.NamedTemporaryFile(suffix=".txt") as file:
            file.write("\n".join(lines).encode())
            file.flush()
            output = self._java(
                *("-cp", "tokenizer/stanford-corenlp-3.4.1.jar"),
                "edu.stanford.nlp.process.PTBTokenizer",
                *("-preserveLines", "-lowerCase", file.name),
            )
        printed = output.split("\n")
        return printed[: len(lines)] + [""] * (len(lines) - len(printed))

    def stems(self, words: Sequence[str]) -> list[str]:
        """Stems of lower-case words."""
        output = self._java("-cp", "meteor/meteor-1.5.jar", "Stemmer", "en", text=words)
        return output.split("\n")[:-1]

    def normalized(self, lines: Sequence[str]) -> list[str]:
        """What `-norm` makes of each line, case untouched."""
        main = "edu.cmu.meteor.util.Normalizer"
        output = self._java("-cp", "meteor/meteor-1.5.jar", main, "en", "true", text=lines)
        return output.split("\n")[:-1]

    def statistics(
        self, cases: Sequence[tuple[str, Sequence[str]]], own_words: Path | None = None
    ) -> list[str]:
        """The statistics of each case: a hypothesis and its references, of which the best counts.

        Args:
            cases: (hypothesis, references).
            own_words: a folder with word data to take in place of METEOR's own.
        """
        lines = [" ||| ".join(["SCORE", *references, caption]) for caption, references in cases]
        return self._meteor(lines, own_words)

    def scores(
        self, blocks: Sequence[Sequence[str]], own_words: Path | None = None
    ) -> list[list[float]]:
        """For each block of statistics their scores, and last that of their sum."""
        lines = [" ||| ".join(["EVAL", *block]) for block in blocks]
        numbers = iter(self._meteor(lines, own_words))
        return [[float(next(numbers)) for _ in range(len(block) + 1)] for block in blocks]

    def _meteor(self, lines: Sequence[str], own_words: Path | None) -> list[str]:
        command = ["-Xmx2G", "-jar", "meteor/meteor-1.5.jar", "-", "-"]
        command += ["-stdio", "-l", "en", "-norm"]
        if own_words is not None:
            command += ["-d", str(own_words), "-a", str(own_words / "paraphrase.gz")]
        return self._java(*command, text=lines).split("\n")[:-1]

    def _java(self, *arguments: str, text: Sequence[str] = ()) -> str:
        settings = ("-XX:+UseSerialGC", "-Dfile.encoding=UTF-8", "-Duser.language=en")
        done = subprocess.run(
            ["java", *settings, *arguments],
            input="".join(f"{line}\n" for line in text).encode(),
            capture_output=True,
            cwd=self.folder,
            check=True,
        )
        return done.stdout.decode()


def find_jars() -> Jars | str:
    """The jars, or why they cannot be used."""
    if shutil.which("java") is None:
        return "java is not installed"
    spec = importlib.util.find_spec("pycocoevalcap")
    if spec is None or not spec.submodule_search_locations:
        return "pycocoevalcap is not installed"
    return Jars(Path(spec.submodule_search_locations[0]))
