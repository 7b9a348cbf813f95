"""An example as one HTML page that needs nothing beside it: its frames with their places, its text.

Frames that the first question asks for have a coloured frame, as in the picture of
contact_sheet.py. All text is escaped: captions are strangers' text.
"""

import base64
import html

import numpy as np
from numpy.typing import NDArray

from seqsynth.contact_sheet import facts_of, frame_colours
from seqsynth.frame_tar import jpeg_of
from seqsynth.records import Example

_QUALITY = 85

_STYLE = """
:root { color-scheme: light dark; --faint: #555 }
@media (prefers-color-scheme: dark) { :root { --faint: #aaa } }
body { font: 14px/1.5 system-ui, sans-serif; margin: 1.5rem; max-width: 90rem }
h1 { font-size: 1.3rem; overflow-wrap: anywhere }
.frames { display: grid; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)) }
.frames { gap: .5rem; margin: 0 0 1.5rem; padding: 0 }
figure { margin: 0; font-size: 11px; overflow-wrap: anywhere }
img { display: block; width: 100%; aspect-ratio: 1; box-sizing: border-box }
img { border: 4px solid transparent }
dt { font-weight: 600; margin-top: 1rem }
dd { margin: 0 0 0 1.5rem; white-space: pre-wrap; overflow-wrap: anywhere }
table { border-collapse: collapse; margin: .3rem 0 0 }
td { padding: 0 .8rem 0 0; vertical-align: top; color: var(--faint) }
@media (max-width: 30rem) { body { margin: 1rem } dd { margin: 0 } figure { font-size: 10px } }
"""


def sheet_html(example: Example, frames: NDArray[np.uint8]) -> str:
    """The page.

    Args:
        example: what to show.
        frames: (len(example.frames), height, width, 3) uint8, its pictures.
    """
    title = html.escape(example.id)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1><p>{html.escape(facts_of(example))}</p>",
        '<div class="frames">',
    ]
    for number, (frame, colour) in enumerate(zip(frames, frame_colours(example), strict=True)):
        ref = example.frames[number]
        label = html.escape(f"{number + 1}: {example.frame_codes[number]}")
        source = html.escape(f"{ref.path} frame {ref.frame_index}", quote=True)
        border = f' style="border-color:{colour}"' if colour else ""
        parts.append(
            f'<figure title="{source}"><img alt="frame {number + 1}"{border} '
            f'src="data:image/jpeg;base64,{_encoded(frame)}"><figcaption>{label}</figcaption></figure>'
        )
    parts.append("</div><dl>")
    for turn, targets in zip(example.turns, example.targets, strict=True):
        rows = "".join(
            f"<tr><td>{t.start:.4f}</td><td>{t.end:.4f}</td><td>{html.escape(t.caption)}</td></tr>"
            for t in targets
        )
        table = f"<table>{rows}</table>" if rows else ""
        parts.append(f"<dt>Question</dt><dd>{html.escape(turn.prompt)}</dd>")
        parts.append(f"<dt>Answer</dt><dd>{html.escape(turn.answer)}{table}</dd>")
    parts.append("</dl></body></html>")
    return "\n".join(parts) + "\n"


def _encoded(frame: NDArray[np.uint8]) -> str:
    return base64.b64encode(jpeg_of(frame, _QUALITY)).decode()
