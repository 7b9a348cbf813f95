"""What a text says about each of its spans: the caption behind it, around it or before it."""

import bisect
import re
import string
from collections.abc import Sequence
from typing import Final

from timetokens import context
from timetokens.escaping import unescape
from timetokens.found import CUT_OFF, HALF_READ, Found
from timetokens.spans import Malformed

_ASCII_SIGNS: Final = string.punctuation + string.whitespace
_BETWEEN: Final = " \t\r\n|"


def captions_of(text: str, found: list[Found], malformed: Sequence[Malformed]) -> list[str]:
    """One caption per span, unescaped; empty where the text says nothing."""
    stops = [*(item.lead for item in found[1:]), _end_without_debris(text, malformed)]
    stand_behind = _stand_behind(text, found)
    sentence_ends = [match.end() for match in context.SENTENCE_END.finditer(text)]
    captions = []
    previous_end = 0
    for item, stop in zip(found, stops, strict=False):
        caption = _of_object(text, previous_end, item)
        if caption is None and stand_behind:
            caption = _in_front(text[previous_end : item.start])
        elif caption is None and item.is_inside:
            caption = _around(text, item, stop, sentence_ends)
        elif caption is None:
            caption = _behind(text, item, max(stop, item.end))
        captions.append(unescape(_cleaned(caption)))
        previous_end = item.end
    return captions


def _end_without_debris(text: str, malformed: Sequence[Malformed]) -> int:
    """Where the last caption ends: before the half position that an answer was cut off in."""
    end = len(text)
    for piece in reversed(malformed):
        run = context.TOKEN_RUN.match(text, piece.offset, end)  # to `end`: linear in all
        piece_end = max(piece.offset + len(piece.text), run.end() if run else 0)
        is_debris = "<" in piece.text or piece.reason in (CUT_OFF, HALF_READ)
        if not is_debris or any(map(str.isalnum, text[piece_end:end])):
            break
        end = piece.offset
    return end


def _stand_behind(text: str, found: list[Found]) -> bool:
    """Whether the spans stand behind their captions: "A man walks. (1.0 - 2.0 seconds)".

    They do when there are words before each and none after the last, and each stands at the end of
    its caption's line or in brackets of its own behind a sentence.
    """
    if not found or found[0].is_inside or context.WORD.search(text, found[-1].end):
        return False
    previous_end = 0
    end_lines, end_sentences = len(found) > 1, True
    for item in found:
        before = text[previous_end : item.start].strip()
        if not previous_end:
            before = before.rpartition("\n")[2]
        if not context.WORD.search(_in_front(before)):
            return False
        end_lines = end_lines and "\n" not in before
        end_lines = end_lines and context.LINE_END.match(text, item.end) is not None
        before = before.rstrip(" ([")
        end_sentences = end_sentences and item.is_bracketed and before.endswith((".", "!", "?"))
        previous_end = item.end
    return end_lines or end_sentences


def _in_front(text: str) -> str:
    """The last line of what stands before a span, without its number in a list."""
    line = text.strip().rpartition("\n")[2].lstrip(")]* ")
    marker = context.LEADING_MARKER.match(line)
    return line[0 if marker is None else marker.end() :].rstrip(" \t:,;-\u2013\u2014([*|")


def _of_object(text: str, previous_end: int, item: Found) -> str | None:
    """The caption of a JSON object that names it before the times, None where there is none."""
    brace = text.rfind("{", previous_end, item.start)
    label = None if brace < 0 else context.CAPTION_LABEL.search(text, brace, item.start)
    if label is None or not (label["key"] and label["quote"]):
        return None
    return _quoted(text, label, item.start)


def _quoted(text: str, label: re.Match[str], stop: int) -> str:
    """A JSON string up to its closing quote."""
    quote = label["quote"]
    end = context.STRING_END[quote].search(text, label.end(), stop)
    if end is not None:
        return text[label.end() : end.start()].replace(f"\\{quote}", quote)
    return text[label.end() : stop].strip().rstrip(f"{quote}}}],")


def _behind(text: str, item: Found, stop: int) -> str:
    separator = context.CAPTION_SEPARATOR.match(text, item.end, stop)
    start = item.end if separator is None else separator.end()
    label = context.CAPTION_LABEL.match(text, start, stop)
    if label is None:
        is_row = item.is_bracketed and context.CLOSING.match(text, item.end) is None
        is_key = text[item.end : item.end + 3].startswith(('":', "':", '" :'))
        label = context.QUOTE.match(text, start, stop) if is_row or is_key else None
    if label is None:
        return text[start:stop]
    return _quoted(text, label, stop) if label["quote"] else text[label.end() : stop]


def _around(text: str, item: Found, stop: int, sentence_ends: list[int]) -> str:
    """The sentence without the span: "A man opens a jar from 0.0 to 9.1 seconds."."""
    index = bisect.bisect_left(sentence_ends, item.end)
    end = max(stop, item.end)
    stop = min(stop, sentence_ends[index] if index < len(sentence_ends) else stop)
    marker = context.LEADING_MARKER.match(text, item.lead, item.start)
    before = text[item.lead if marker is None else marker.end() : item.start]
    before = before.strip(" \t\n,;)](")
    if context.HEADING.match(text, item.lead) and context.LINE_END.match(text, item.end):
        body = text[item.end : end].strip(" \t\n)]*:-")  # "**Intro (0:00 - 0:15)**", then lines
        return body or before.strip("*# ")
    after = text[item.end : max(stop, item.end)].strip().lstrip(")]>")
    joint = " " if before and after[:1].isalnum() else ""
    return f"{before}{joint}{after}"


def _cleaned(caption: str) -> str:
    """Without the tags of a chat format at its ends; empty when no more than signs is left."""
    caption = caption.strip(_BETWEEN)
    start, end = context.MARKUP_START.match(caption), context.MARKUP_END.search(caption)
    caption = caption[start.end() if start else 0 : end.start() if end else None].strip(_BETWEEN)
    return caption if caption.strip(_ASCII_SIGNS) else ""
