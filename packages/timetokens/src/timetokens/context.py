"""The words around a position that say what it is: bounded patterns, one name each.

Every repetition is bounded, so matching at one place takes constant time and reading a text takes
linear time.
"""

import re
from typing import Final

WINDOW: Final = 64
"""Characters before, between and after positions that are looked at; known wording needs 40."""

TEXT_START: Final = "\0"
"""Put before what follows the start of the text or the end of the span before."""

_S: Final = r"\s{0,4}"
# What models put around a single position: quotes, brackets, bold type, `<10.0 seconds>`.
_OPEN: Final = "[\"'\u201c\u2018(\\[{*<`]{0,3}"
_CLOSE: Final = "[\"'\u201d\u2019)\\]}*>`]{0,3}"
_NEARLY: Final = r"(?:(?:about|around|approximately|roughly|exactly)\s{1,4})?"
_NAME: Final = r"(?:(?:seconds?|the)\s{1,4}|t\s?=\s?)?"
_NUMBER_FOLLOWS: Final = rf"{_NEARLY}{_NAME}{_OPEN}"
_AT: Final = rf"[\"'*]{{0,3}}(?:{_S}(?:is|are|at|of|=|:)){{0,2}}[*]{{0,2}}{_S}"
_FIELD: Final = r"(?:[\s_]{0,2}(?:time(?:stamp)?|seconds?|sec))?"
_LIST_MARKER: Final = (
    rf"(?:[-*\u2022]|\#{{1,6}}|\(?#?(?<!\d[.:])[0-9]{{1,3}}[.):]|[*]{{0,2}}"
    rf"(?:event|step|segment|scene|clip)\s?#?[0-9]{{0,3}}{_S}(?:[:.)-]|(?=[(\[])|\Z)){_S}"
)


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# Between two positions of a span.
DASH: Final = _compile(
    rf"{_CLOSE}{_S}(?:-{{1,2}}>?|=>|[\u2010-\u2015\u2212~\uff5e\u2192]|\.{{2,3}}){_S}"
    rf"{_NUMBER_FOLLOWS}"
)
TO_WORD: Final = _compile(
    rf"{_CLOSE}{_S},?{_S}(?:and{_S})?(?:it{_S})?(?:last(?:s|ing)|continu(?:es|ing))?{_S}"
    rf"(?:up to|to|until|till|through){_S}{_NUMBER_FOLLOWS}"
)
COMMA: Final = _compile(rf"{_CLOSE}{_S},{_S}{_OPEN}")
CELL: Final = _compile(rf"{_CLOSE}{_S}\|{_S}{_OPEN}")
AND_WORD: Final = _compile(rf"{_CLOSE}{_S}and{_S}{_NUMBER_FOLLOWS}")
END_LABEL: Final = _compile(
    rf"{_CLOSE}{_S}[,;.|-]?{_S}(?:and{_S})?(?:it{_S})?(?:the{_S})?[\"'*]{{0,3}}"
    rf"(?:end(?:s|ed|ing)?|finish(?:es|ed|ing)?|stop(?:s|ped|ping)?){_FIELD}{_AT}"
    rf"{_NUMBER_FOLLOWS}"
)

_NO_SHORT_WORD: Final = r"(?<!\bno)(?<!\bnos)(?<!\bfig)(?<!\bfigs)(?<!\bpp)(?<!\bvol)(?<!\bvs)"

# Right before a position. `stop` ends what came before it.
ANSWER_START: Final = _compile(
    rf"(?P<stop>(?:{TEXT_START}[)\]]{{0,2}}|\n"
    rf"|(?:[!?:;|}}]|{_NO_SHORT_WORD}\.)[\"'\u201d)\]]{{0,2}}|[)\]](?=,)"
    rf"|(?<=[\s,(])[\"'\u201c\u2018]|<[a-z_]{{1,16}}>),?)(?:(?<=[{TEXT_START}),\]])\s(?:and|or)\b)?{_S}"
    rf"(?:{_LIST_MARKER}){{0,2}}(?:(?:around|approximately|roughly)\s{{1,4}})?{_OPEN}{_S}\Z"
)
START_LABEL: Final = _compile(
    rf"\b(?:start(?:s|ed|ing)?|begin(?:s|ning)?){_FIELD}"
    rf"(?:\s(?:for|of)\s(?:this|the)\s(?:event|query))?{_AT}{_NUMBER_FOLLOWS}\Z"
)
FROM: Final = _compile(rf"\b(?:starting\s)?(?:from|between)\s{{1,4}}{_NUMBER_FOLLOWS}\Z")
HAPPENS_IN: Final = _compile(
    rf"\b(?:happen(?:s|ed|ing)?|occur(?:s|red|ring)?|takes place|located|found|shown|seen)"
    rf"\s(?:in|at|during|within|on){_S}(?:the{_S})?{_NUMBER_FOLLOWS}\Z"
)
IN: Final = _compile(
    rf"(?:\b(?:in|at|during|within|timestamps?|time|(?:time[\s-]?)?span|segment|interval|window|range|answer|"
    rf"seconds?|t(?=\s?=))[\"'*]{{0,3}}(?:{_S}(?:is|are|the|=|:)){{0,2}}{_S}{_NUMBER_FOLLOWS}"
    rf"|[(\[]{_S}[\"'<]?)\Z"
)
LASTS: Final = _compile(r"\b(?:for|about|another|every|each|additional|wait|lasts?)\s{1,4}\Z")
HALF_OPEN_BEFORE: Final = _compile(rf"\b(?:start|begin(?:ning)?){_S}(?:[-\u2013]|to){_S}\Z")
MINUS_SIGN: Final = _compile(r"(?:\0|[\s(\[:,])[-\u2212]\Z")

SAMPLED_AT: Final = _compile(
    rf"(?:\b(?:sampled|indexed) at|\b(?:timestamps?|moments?)(?:\s(?:is|are))? in(?: the)?){_S}\Z"
)

EXAMPLE_WINDOW: Final = 120
# An open quotation mark tells a form that is shown from "for example" in a caption.
EXAMPLE: Final = _compile(
    r"\b(?:should be like\b[^.!?\n]{0,100}"
    r"|example\b[^.!?\n]{0,100}(?<!\w)[\"'\u201c\u2018]"
    r"(?:[^.!?\n\"'\u201d\u2019]|(?<=\w)['\u2019](?=\w)){0,100})\Z"
)

# Right behind a position.
FOLLOW: Final = _compile(
    rf"{_S}(?:[,:;)\]\"'*|\n>`\uff0c\uff1a]|[.!?](?:\s|\Z)|[-\u2013\u2014]\s|</|\Z)"
)
OPENING: Final = _compile(rf"[(\[]{_S}[\"'<]?\Z")
CLOSING: Final = _compile(rf"[\"'>]?{_S}[)\]]")
CAPTION_FOLLOWS: Final = _compile(rf"{_S}[,:]{_S}[^\s]")
DASH_FOLLOWS: Final = _compile(rf"(?:[)\]*]{{1,3}}|{_S}[-\u2013\u2014])\s{{1,4}}[^\W\d]")
CHAPTER_FOLLOWS: Final = _compile(
    rf"(?:[)\]*]{{1,3}}|{_S}[-\u2013\u2014])?\s{{1,4}}(?![ap]\.?m\b)[^\W\d]"
)
NOTHING_FOLLOWS: Final = _compile(rf"{_CLOSE}{_S}[.]?{_S}(?:\n|\Z)")
TEXT_END: Final = _compile(rf"\W{{0,{WINDOW}}}\Z")
OTHER_CELL: Final = _compile(rf"{_CLOSE}{_S}[,|]{_S}[^\s\d<|]")
"""What follows the second of two values in a row of a table: not a third one."""

HALF_OPEN_AFTER: Final = _compile(rf"{_S}(?:[-\u2013]|to){_S}(?:(?:the{_S})?end\b|\Z)")
MEASURE: Final = _compile(
    rf"{_S}-?(?:min(?:ute)?s?|h(?:ou)?rs?|days?|weeks?|years?|cups?|tablespoons?|teaspoons?|tbsp|"
    r"tsp|inch(?:es)?|[ckm]?m|met(?:er|re)s?|feet|ft|k?g|grams?|ml|l|lit(?:er|re)s?|oz|ounces?|"
    r"bars?|mph|km/?h|dollars?|euros?|reps?|sets?|points?|players|"
    r"lbs?|pounds?|degrees?|times|people|pieces|slices|percent|frames?)\b"
)

# In captions.
SENTENCE_END: Final = _compile(r"[.!?][\"')\]]{0,2}(?=\s|\Z)|\n")
CAPTION_SEPARATOR: Final = _compile(
    rf"{_S}[)\]*\"'|>`]{{0,3}}{_S}\.?{_S}(?:[,:;|\uff0c\uff1a]|[-\u2013\u2014](?=\s))?[*]{{0,2}}{_S}"
)
CAPTION_LABEL: Final = _compile(
    rf"(?P<key>[\"']?)[*]{{0,2}}(?:brief )?(?:description|caption|event|text|action)"
    rf"[*]{{0,2}}[\"']?{_S}[:=]{_S}[*]{{0,2}}(?P<quote>[\"']?){_S}"
)
QUOTE: Final = re.compile("(?P<quote>[\"'])")
STRING_END: Final = {mark: re.compile(rf"(?<!\\){mark}\s{{0,4}}[,}}\])]") for mark in "\"'"}
_MARKUP: Final = r"<\|[a-z_]{1,20}\|>|</[a-z_]{1,16}>|<(?:s|eos|bos|pad|unk|answer|time|event)>"
MARKUP_START: Final = _compile(rf"(?:{_S}(?:{_MARKUP})){{1,4}}")
MARKUP_END: Final = _compile(rf"(?:{_S}(?:{_MARKUP})){{1,4}}\Z")
HEADING: Final = _compile(rf"{_S}(?:[*]{{2}}|\#{{1,6}}\s)")
TOKEN_RUN: Final = _compile(r"(?:<\s?\w{1,10}\s?>\s{0,2})*")
WORD: Final = _compile(r"(?<!</)(?<![</<|\w])[^\W\d_]{2,}")
LINE_END: Final = _compile(r"[^\w\n]{0,16}(?:\n|\Z)")
LEADING_MARKER: Final = _compile(rf"{_LIST_MARKER}")

# Around an item number.
ITEM_WORD: Final = _compile(
    r"\b(?:index|indices|indexes|indexed|images?|numbers?|numbered|items?)"
    r"(?:\s(?:is|are|of|at|as|numbers?|index|indices|numbered)){0,3}\s?[:=#]?\s?\Z"
)
FIRST_ITEM_FOLLOWS: Final = _compile(
    rf"{_S}(?:[^\w\s]|\n|\Z|(?:is|are|and|or|has|shows?|(?:out )?of \d+)\b)"
)
LIST_GAP: Final = _compile(rf"{_S}(?:[,;&]|,?{_S}and\b){_S}")
