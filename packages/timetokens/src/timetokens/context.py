"""The words around a position that say what it is: bounded patterns, one name each.

English as TimeChat's data, its prompts and the models trained on them write it. Every repetition is
bounded, so matching at one place takes constant time and reading a text takes linear time.
"""

import re
from typing import Final

WINDOW: Final = 64
"""Characters before, between and after positions that are looked at; known wording needs 40."""

TEXT_START: Final = "\0"
"""Put before what follows the start of the text or the end of the span before."""

_S: Final = r"\s{0,4}"
_AT: Final = rf"[\"']?(?:{_S}(?:is|are|at|of|=|:)){{0,2}}{_S}"
_LIST_MARKER: Final = (
    rf"(?:[-*\u2022]|\(?#?[0-9]{{1,3}}[.):]|"
    rf"(?:event|step|segment|scene|clip)\s?#?[0-9]{{0,3}}{_S}[:.)-]){_S}"
)
_OPENING_QUOTES: Final = "[\"'\u201c(\\[{*]{0,3}"


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# Between two positions of a span.
DASH: Final = _compile(rf"{_S}(?:-{{1,2}}>?|[\u2010-\u2015\u2212~\u2192]|\.{{2,3}}){_S}")
TO_WORD: Final = _compile(rf"{_S},?{_S}(?:up to|to|until|till|through){_S}")
COMMA: Final = _compile(rf"{_S},{_S}")
AND_WORD: Final = _compile(rf"{_S}and{_S}")
END_LABEL: Final = _compile(
    rf"{_S}[,;.]?{_S}(?:and{_S})?(?:it{_S})?(?:the{_S})?[\"']?"
    rf"(?:end(?:s|ed|ing)?|finish(?:es|ed|ing)?|stop(?:s|ped|ping)?)(?:[\s_]{{0,2}}time)?{_AT}"
)

# Right before a position. `stop` ends what came before it.
ANSWER_START: Final = _compile(
    rf"(?P<stop>(?:{TEXT_START}[)\]]{{0,2}}|\n|[.!?;:|}}][\"'\u201d)\]]{{0,2}}"
    rf"|(?<=[\s,(])[\"'\u201c\u2018]),?){_S}"
    rf"(?:{_LIST_MARKER}){{0,2}}{_OPENING_QUOTES}{_S}\Z"
)
START_LABEL: Final = _compile(
    rf"\b(?:start(?:s|ed|ing)?|begin(?:s|ning)?)(?:[\s_]{{0,2}}time)?"
    rf"(?:\s(?:for|of)\s(?:this|the)\s(?:event|query))?{_AT}\Z"
)
FROM: Final = _compile(r"\b(?:from|between)\s{1,4}\Z")
HAPPENS_IN: Final = _compile(
    rf"\b(?:happen(?:s|ed|ing)?|occur(?:s|red|ring)?|takes place|located|found|shown|seen)"
    rf"\s(?:in|at|during|within|on){_S}(?:the{_S})?\Z"
)
IN: Final = _compile(
    rf"(?:\b(?:in|at|during|within|timestamps?|time|span|segment|interval|window)"
    rf"(?:{_S}|{_S}the\s{{1,4}}):?{_S}|[(\[]{_S})\Z"
)
LASTS: Final = _compile(r"\b(?:for|about|another|every|each|additional|wait|lasts?)\s{1,4}\Z")
HALF_OPEN_BEFORE: Final = _compile(rf"\b(?:start|begin(?:ning)?){_S}(?:[-\u2013]|to){_S}\Z")
MINUS_SIGN: Final = _compile(r"(?:\0|[\s(\[:,])[-\u2212]\Z")

SAMPLED_AT: Final = _compile(
    rf"(?:\b(?:sampled|indexed) at|\b(?:timestamps?|moments?)(?:\s(?:is|are))? in(?: the)?){_S}\Z"
)

EXAMPLE_WINDOW: Final = 120
EXAMPLE: Final = _compile(r"\b(?:example|should be like)\b[^.!?\n]{0,100}\Z")

# Right behind a position.
FOLLOW: Final = _compile(rf"{_S}(?:[,:;)\]\"'*|\n]|[.!?](?:\s|\Z)|[-\u2013\u2014]\s|\Z)")
OPENING: Final = _compile(rf"[(\[]{_S}\Z")
CLOSING: Final = _compile(rf"{_S}[)\]]")
CAPTION_FOLLOWS: Final = _compile(rf"{_S}[,:]{_S}[^\s]")
HALF_OPEN_AFTER: Final = _compile(rf"{_S}(?:[-\u2013]|to){_S}(?:the{_S})?end\b")
MEASURE: Final = _compile(
    rf"{_S}-?(?:min(?:ute)?s?|h(?:ou)?rs?|days?|weeks?|years?|cups?|tablespoons?|teaspoons?|tbsp|"
    r"tsp|inch(?:es)?|[ckm]?m|met(?:er|re)s?|feet|ft|k?g|grams?|ml|l|lit(?:er|re)s?|oz|ounces?|"
    r"lbs?|pounds?|degrees?|times|people|pieces|slices|percent|frames?)\b"
)

# In captions.
SENTENCE_END: Final = _compile(r"[.!?][\"')\]]{0,2}(?=\s|\Z)|\n")
CAPTION_SEPARATOR: Final = _compile(
    rf"{_S}[)\]*\"'|]{{0,3}}{_S}\.?{_S}(?:[,:;|]|[-\u2013\u2014](?=\s))?{_S}"
)
CAPTION_LABEL: Final = _compile(
    rf"(?P<quote>[\"']?)(?:brief )?(?:description|caption|event|text)[\"']?{_S}[:=]{_S}[\"']?"
)
LEADING_MARKER: Final = _compile(rf"{_LIST_MARKER}")

# Before an item number.
ITEM_WORD: Final = _compile(
    r"\b(?:index|indices|indexes|indexed|images?|numbers?|numbered|items?)"
    r"(?:\s(?:is|are|of|at|as|numbers?|index|indices|numbered)){0,3}\s?[:=#]?\s?\Z"
)
LIST_GAP: Final = _compile(rf"{_S}(?:[,;&]|,?{_S}and\b){_S}")
