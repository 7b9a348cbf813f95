import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from seqsynth import Corpus, SequenceDataset, SequenceRecipe, Turn
from seqsynth.html_sheet import sheet_html
from seqsynth.records import FrameRef

RECIPE = SequenceRecipe(tasks={"iig": 1}, min_images=6, max_images=6, max_targets=1, num_examples=1)


class Page(HTMLParser):
    """Collects what a browser would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_text_of_strangers_is_text(corpus: Corpus) -> None:
    example = SequenceDataset(corpus, RECIPE, 0)[0]
    evil = "<script>alert('x')</script> & \"q\" <img src=x onerror=y>"
    (target,) = example.targets[0]
    example = replace(
        example,
        id=f"{evil}",
        turns=(Turn(evil, f"at {example.frame_codes[2]} {evil}"),),
        targets=((replace(target, caption=evil),),),
        frames=(FrameRef(f"/a/{evil}.png", 0), *example.frames[1:]),
    )
    page = Page(sheet_html(example, np.zeros((6, 4, 4, 3), dtype=np.uint8)))
    assert "script" not in page.tags
    assert page.tags.count("img") == 6
    assert page.text.count(evil) == 4  # title, heading, question, target
    assert f"at {example.frame_codes[2]} {evil}" in page.text
    assert all(f"{k + 1}: {code}" in page.text for k, code in enumerate(example.frame_codes))


def test_pictures_stand_in_the_page_and_targets_have_their_colour(corpus: Corpus) -> None:
    example = SequenceDataset(corpus, RECIPE, 0)[0]
    frames = np.stack([np.full((8, 8, 3), 40 * k, dtype=np.uint8) for k in range(6)])
    text = sheet_html(example, frames)
    assert not re.search(r'(src|href)="(?!data:)', text), "nothing is loaded from elsewhere"
    page = Page(text)
    for number, image in enumerate(page.images):
        content = base64.b64decode(str(image["src"]).partition("base64,")[2])
        with Image.open(io.BytesIO(content)) as picture:
            assert abs(np.asarray(picture).mean() - 40 * number) < 3
    coloured = [number for number, image in enumerate(page.images) if image.get("style")]
    assert coloured == [round(example.targets[0][0].start * 6)]
