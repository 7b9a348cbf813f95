"""Writes the two pictures of the front page from a page of `nox -s reproduce` (`nox -s pictures`).

The scores of held-out pictures and emoji, and the first timelines, as Chromium draws them.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from exit_status import exit_status
from reproduction.page import PARTS

ROOT = Path(__file__).resolve().parents[1]
WIDTH, TALLEST = 1000, 3000  # pixels
NUM_TIMELINES = 3
NUM_COLOURS = 64


def main() -> int:
    """Runs the command and returns the exit status."""
    parser = argparse.ArgumentParser(prog="report_pictures", description=__doc__)
    parser.add_argument("page", type=Path, nargs="?", help="default: Table 2 at size tiny")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    options = parser.parse_args()
    page = options.page or ROOT / "runs" / "reproduce" / "tiny" / "2.html"

    def work() -> None:
        if not page.exists():
            raise FileNotFoundError(f"{page} is not there: nox -s reproduce -- 2 writes it")
        options.out.mkdir(parents=True, exist_ok=True)
        for name, section in sections(page.read_text("utf-8")).items():
            path = options.out / f"{name}.png"
            draw(section, path)
            print(path)

    return exit_status("report_pictures", work)


def sections(page: str) -> dict[str, str]:
    """Two pages of one part each, by the names of their pictures."""
    head, body_tag, body = page.partition("<body><main>")
    body = body.partition("</main>")[0]
    scores = body.partition("<h2>How far")[0]
    _, heading, timelines = body.partition(f"<h2>{PARTS['']}</h2>")
    if not (body_tag and scores != body and heading):
        raise ValueError("not a page of nox -s reproduce: a part that is drawn is missing")
    of_default = scores.partition(f"<h3>{PARTS['generated']}")[0]
    first = "<h3>".join(timelines.partition("<h2>")[0].split("<h3>")[: NUM_TIMELINES + 1])
    return {
        "report_scores": f"{head}{body_tag}{of_default}</main></body></html>",
        "report_timelines": f"{head}{body_tag}{first}</main></body></html>",
    }


def draw(section: str, path: Path) -> None:
    """What Chromium shows of a page, without the empty end.

    Raises:
        FileNotFoundError: there is no chromium on the PATH.
        RuntimeError: it failed, or took too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        page.write_text(section, "utf-8")
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={folder}", f"--window-size={WIDTH},{TALLEST}",
            f"--screenshot={shot}", page.as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=180)
        except FileNotFoundError:
            raise FileNotFoundError("there is no chromium on the PATH: install it") from None
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().rpartition("\n")[2]
            raise RuntimeError(f"chromium could not draw {path.name}: {reason}") from None
        except subprocess.TimeoutExpired as error:
            late = f"chromium has not drawn {path.name} after {error.timeout:.0f} s"
            raise RuntimeError(late) from None
        with Image.open(shot) as image:
            drawn = image.convert("RGB")
    empty = Image.new("RGB", drawn.size, drawn.getpixel((0, drawn.height - 1)))
    found = ImageChops.difference(drawn, empty).getbbox()
    lowest = min(found[3] + 16, drawn.height) if found else drawn.height
    cut = drawn.crop((0, 0, drawn.width, lowest))
    cut.quantize(NUM_COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
