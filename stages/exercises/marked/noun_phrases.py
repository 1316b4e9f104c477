"""Rules for noun phrases in a sentence: terms, dates, quantities and names."""

from collections.abc import Iterator

from datagen.stages.exercises.marked.sentence import (
    INITIALS,
    MARKED,
    PHRASE,
    ROMAN,
    YEAR,
    Sentence,
    Span,
    runs_on,
)
from datagen.stages.shared.language.words import words_of


def terms(sentence: Sentence) -> Iterator[Span]:
    """Find quoted and emphasised words and inline code."""
    for match in MARKED.finditer(sentence.line):
        group = match.lastindex or 1
        if len(words_of(match[group])) <= PHRASE:
            yield match.start(group), match.end(group), "term"


def dates(sentence: Sentence) -> Iterator[Span]:
    """Find a month with its day, its year or both, or a year alone."""
    taken = -1
    for place, word in enumerate(sentence.folded):
        if place <= taken:
            continue
        if word in sentence.words.months:
            first, last = place - sentence.word(place - 1).isdigit(), place
            while last < place + 2 and _continues_date(sentence, last + 1):
                last += 1
            if last > first:
                taken = last
                yield sentence.span(first, last, "date")
        elif YEAR.fullmatch(word) and _counts(sentence, place) and not runs_on(sentence, place):
            yield sentence.span(place, place, "date")


def _continues_date(sentence: Sentence, place: int) -> bool:
    if not sentence.word(place).isdigit():
        return False
    return sentence.line[sentence.spans[place - 1][1] : sentence.spans[place][0]] in (" ", ", ", ". ")


def quantities(sentence: Sentence) -> Iterator[Span]:
    """Find a number with what it counts: "79 columns", "three years", "$300", "20%"."""
    line, last = sentence.line, -1
    for place in range(len(sentence)):
        if place <= last or not sentence.number(place) or not _counts(sentence, place):
            continue
        last = place
        while last < place + 2 and runs_on(sentence, last):
            last += 1
            if not sentence.number(last):
                break
        if last > place and runs_on(sentence, last):  # "four consecutive years": which word is counted?
            continue
        start, end, kind = sentence.span(place, last, "quantity")
        start -= line[start - 1 : start] in tuple("$€£¥")
        end += line[end : end + 1] == "%"
        word = sentence.word(place)
        # A single digit or a spelled-out number alone makes a poor answer; a year is a date.
        poor = len(word) < 2 or word.isalpha() or YEAR.fullmatch(word)
        if not poor or line[start:end].casefold() != word:
            yield start, end, kind


def _counts(sentence: Sentence, place: int) -> bool:
    """Check whether a number is a count, not part of a word or formula, "section 4" or "(2)"."""
    numbered = sentence.words.numbered | sentence.words.months
    start, end = sentence.spans[place]
    before = place - 1  # skips "1, 2 and" in "sections 1, 2 and 3"
    while sentence.word(before)[:1].isdigit() or sentence.word(before) in sentence.words.joining:
        before -= 1
    return (
        sentence.word(before) not in numbered
        and sentence.word(place + 1) not in sentence.words.numbered
        and sentence.line[start - 1 : start] not in tuple("([{§/#–^+-\u202f")
        and sentence.line[end : end + 1] not in tuple(")](–/^")
    )


def names(sentence: Sentence) -> Iterator[Span]:
    """Find runs of capitalised words; the first word of the sentence only counts within a longer run."""
    place = 0
    while place < len(sentence):
        first = last = place
        if sentence.capital(place):
            last = _run(sentence, place)
            while first < last and sentence.small(first):
                first += 1
            while first < last and sentence.small(last) and not ROMAN.fullmatch(sentence.word(last)):
                last -= 1
            start, end, kind = sentence.span(first, last, "name")
            end += bool(INITIALS.fullmatch(sentence.tokens[last])) and sentence.line[end : end + 1] == "."
            if (first < last or _is_name(sentence, first)) and sentence.line[:start].count('"') % 2 == 0:
                yield start, end, kind
        place = max(place, last) + 1


def _run(sentence: Sentence, place: int) -> int:
    """Return the last word of a run of capitalised words, which may include numbers and particles."""
    last = place
    while sentence.adjoins(last + 1):
        if sentence.capital(last + 1) or (last > place and sentence.number(last + 1)):
            last += 1
        elif (
            sentence.word(last + 1) in sentence.words.particles
            and sentence.adjoins(last + 2)
            and sentence.capital(last + 2)
        ):
            last += 2
        else:
            break
    return last


def _is_name(sentence: Sentence, place: int) -> bool:
    """Check whether a single capitalised word is a name: not the first word, and not a modifier."""
    word, words = sentence.word(place), sentence.words
    if not sentence.adjoins(place) or len(word) < 2 or ROMAN.fullmatch(word):
        return False
    return word not in words.numbered | words.months and not runs_on(sentence, place)
