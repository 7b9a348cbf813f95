"""Fresh hostile input for the original programs and ours."""

from __future__ import annotations

from random import Random


def _words(lines: str) -> list[str]:
    return lines.split()


CAPTION_WORDS = _words(
    "place cut add stir the a some onions onion eggs egg pan pot bowl water into with and until "
    "golden brown slices slicing sliced chop chopped good better best man person people is was "
    "take took taken cook cooks cooking knife knives leaf leaves on in of to for it he she"
)
ODD = [
    "\u00a0",
    "\u2003",
    "soft\u00adhyphen",
    *_words(
        "it's don't can't I'm he'd you'll they're ' \" ` `` '' “ ” \u2018 ’ « » ... .. . , ; "
        ": ! ? ?! -- --- – — ( ) [ ] { } < > <b> </b> <br/> <a_href> & &amp; &lt; &quot; "
        "&nbsp; &#39; &eacute; @ # $ % ^ * + = | \\ / ~ _ ## ** __ \\/ 1 2 5 350 1,000 1.5 "
        ".5 1/2 3/4-inch 2-3 10:30 1e3 555-1234 (555) '90s 90's 12/25/2010 1st $5.99 US$ €3 "
        "½ 1½ ° °C × § • → é ü fraîche ﬂour 寿司 борщ 😀 h2o http://a.b/c?d=e www.cook.com "
        "a@b.com foo.bar cook.com x.txt #tag @name A.B. U.S. u.s. a.m. e.g. Ph.D. Mr. Dr. "
        "St. vs. etc. inc. Inc. Jan. No. no. fig. tbsp. oz. min. wash. ill. b. C. AT&T R&B "
        "mac&cheese and/or w/o C++ c# cannot gonna wanna 'tis 'em 'til 'n' rock'n'roll "
        "o'clock y'all O'Brien half-baked x-ray :) :-( ;D <3 ^_^ (^_^) xD"
    ),
]
MARKS = ["", "", ".", ",", "!", "?", "...", "'s", "'", '"', ")", "-", ":", ";", ".,", ".;"]
PRINTABLE = "".join(map(chr, range(32, 127)))
CHARACTERS = "abAB.',-/&@1 2:;=!?\"`()<>_#*$%+\u2019\u00e9\u00ad\u00a0"


def line(rng: Random) -> str:
    """A caption with odd tokens between, glued to words, or nothing but odd characters."""
    kind = rng.random()
    if kind < 0.2:
        return "".join(rng.choices(rng.choice((CHARACTERS, PRINTABLE)), k=rng.randint(1, 15)))
    words = rng.choices(CAPTION_WORDS, k=rng.randint(0, 10))
    for _ in range(rng.randint(0, 5)):
        words.insert(rng.randint(0, len(words)), rng.choice(ODD))
    if rng.random() < 0.3:
        words = [rng.choice((word, word.upper(), word.capitalize())) for word in words]
    if kind < 0.4:
        return " ".join(word + rng.choice(MARKS) for word in words)
    if kind < 0.7:
        return " ".join(words)
    text = "".join(word + rng.choice(("", " ", " ")) for word in words)
    for _ in range(rng.randint(0, 3)):
        place = rng.randint(0, len(text))
        text = f"{text[:place]}{rng.choice(PRINTABLE)}{text[place + rng.randint(0, 1) :]}"
    return text


def edited(rng: Random, words: list[str], phrases: list[tuple[str, str]]) -> list[str]:
    """The words with some gone, doubled, moved, inflected or paraphrased."""
    result = list(words)
    for _ in range(rng.randint(0, 6)):
        place = rng.randint(0, len(result))
        kind = rng.randrange(6)
        if kind == 0:
            result[place : place + 1] = []
        elif kind == 1:
            result.insert(place, rng.choice(CAPTION_WORDS))
        elif kind == 2 and place < len(result):
            result.insert(rng.randint(0, len(result)), result[place])
        elif kind == 3 and place < len(result):
            result[place] += rng.choice(("s", "ed", "ing", "er"))
        elif kind == 4:
            moved = result[place : place + rng.randint(1, 4)]
            result[place : place + len(moved)] = []
            target = rng.randint(0, len(result))
            result[target:target] = moved
        else:
            result[place:place] = rng.choice(phrases)[rng.randrange(2)].split()
    return result


def pair(rng: Random, phrases: list[tuple[str, str]]) -> tuple[str, str]:
    """Two captions that have much in common, ambiguously; the phrases paraphrase each other."""
    words: list[str] = []
    other: list[str] = []
    for _ in range(rng.randint(1, 4)):
        kind = rng.random()
        if kind < 0.5:
            one, two = rng.choice(phrases)
            words += one.split()
            other += (two if rng.random() < 0.7 else one).split()
        elif kind < 0.9:
            run = rng.choices(CAPTION_WORDS, k=rng.randint(1, 6))
            words += run
            other += run
        else:
            words += rng.choices(ODD, k=2)
    other = edited(rng, other, phrases)
    captions = [" ".join(words), " ".join(other)]
    rng.shuffle(captions)
    return captions[0], captions[1]
