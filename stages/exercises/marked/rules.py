"""
Rules that find answers in one sentence: what it is, how many, when, who, which term, why, what about.

A sentence is seen as words with their places in it (`Sentence`). What must be known of a language is data:
the fields of ``prompts/languages/en.yaml``. Each rule yields spans that may be answers; which of
them are, `datagen.stages.exercises.marked.candidates` decides.
"""

import re
from collections.abc import Collection, Iterator

from datagen.stages.shared.language.rules import Language, words_pattern
from datagen.stages.shared.language.words import COMPOUND, NUMBER, case_folded, words_of

MOST, LONGEST_WHOLE = 15, 24  # words of an answer, and of one that takes most of its sentence
PHRASE = 6  # words of a term, of a subject, or of what a sentence or a clause ends with

INITIALS = re.compile(r"(?:\w\.)+\w")  # U.S, with a full stop of its own behind it
MARKED = re.compile(r"(?<!\w)(?:“([^“”]+)”|\"([^\"]+)\"|`+([^`]+)`+|\*+(?! )([^*]+)(?<! )\*+)(?!\w)")
YEAR = re.compile(r"1\d{3}|20\d{2}")
ROMAN = re.compile(r"[ivxlc]+")
PAUSE = re.compile(r"[,;:\[\]—–]|\((?!\))|(?<!\()\)| - |[.!?。！？]+[\"”’)]*\Z")

Found = tuple[int, int, str]  # start and end in the sentence, in code points, and kind


class Sentence:
    """A sentence as the rules see it: its line, its words, and where each of them stands."""

    def __init__(self, line: str, words: Language) -> None:
        self.line, self.words = line, words
        self.spans = COMPOUND.spans(line)
        self.tokens = [line[start:end] for start, end in self.spans]
        self.folded = [case_folded(token) for token in self.tokens]
        self.auxiliaries = words.verbs | words.modals
        self._small = words.stop | words.modals | words.prepositions

    def __len__(self) -> int:
        return len(self.tokens)

    def word(self, place: int) -> str:
        """Return a word, case-folded; "" where there is none."""
        return self.folded[place] if 0 <= place < len(self) else ""

    def adjoins(self, place: int) -> bool:
        """Tell whether nothing but a blank stands between this word and the one before it."""
        return 0 < place < len(self) and self.line[self.spans[place - 1][1] : self.spans[place][0]] == " "

    def small(self, place: int) -> bool:
        """Tell whether a word is one that a noun phrase ends before, or opens with."""
        return self.word(place) in self._small

    def capital(self, place: int) -> bool:
        """Tell whether a word is written with a capital."""
        return place < len(self) and self.tokens[place][0].isupper()

    def number(self, place: int) -> bool:
        """Tell whether a word is a number, in figures or letters."""
        word = self.word(place)
        return bool(NUMBER.fullmatch(word)) or (word in self.words.numerals and word not in self.words.vague)

    def opens(self, place: int, phrases: Collection[str]) -> int:
        """Return how many words the longest of the phrases has that begins with this word; 0 for none."""
        here = " ".join(self.folded[place : place + 6]) + " "
        return max((phrase.count(" ") + 1 for phrase in phrases if here.startswith(f"{phrase} ")), default=0)

    def pause(self, place: int) -> int:
        """Return where the clause that a word stands in ends, in code points."""
        found = PAUSE.search(self.line, self.spans[min(place, len(self) - 1)][1])
        return found.start() if found else len(self.line)

    def span(self, first: int, last: int, kind: str) -> Found:
        """Return the span from one word to another, which belongs to it."""
        return self.spans[first][0], self.spans[last][1], kind


def find(sentence: Sentence) -> Iterator[Found]:
    """Apply all rules to a sentence; a part of a term, date, quantity or name is nothing by itself."""
    whole: list[Found] = []
    for rule in RULES:
        for start, end, kind in rule(sentence):
            if any(first <= start and end <= last and end - start < last - first for first, last, _ in whole):
                continue
            if kind in ("term", "date", "quantity", "name"):
                whole.append((start, end, kind))
            yield start, end, kind


def definitions(sentence: Sentence) -> Iterator[Found]:
    """Find what something is said to be: from the defining phrase to the next pause or "that"."""
    words = sentence.words
    for place in range(1, len(sentence)):
        size = sentence.opens(place, words.defining)
        if not size or sentence.small(place - 1) or sentence.word(place + size) in words.prepositions:
            continue
        if place + size >= len(sentence):
            return
        first = place + size - (sentence.word(place + size - 1) in words.articles)
        start, end = sentence.spans[first][0], sentence.pause(first)
        if len(words_of(sentence.line[start:end])) > MOST:
            relative = (
                spot
                for (spot, _), word in zip(sentence.spans, sentence.folded, strict=True)
                if word in words.relative and start < spot < end
            )
            end = next(relative, end)
        if sentence.line[end : end + 1] != "(":
            yield start, end, "definition"
        return


def terms(sentence: Sentence) -> Iterator[Found]:
    """Find what is quoted, starred or set as code."""
    for match in MARKED.finditer(sentence.line):
        group = match.lastindex or 1
        if len(words_of(match[group])) <= PHRASE:
            yield match.start(group), match.end(group), "term"


def dates(sentence: Sentence) -> Iterator[Found]:
    """Find a month with its day or year or both, or a year alone."""
    taken = -1
    for place, word in enumerate(sentence.folded):
        if place <= taken:
            continue
        if word in sentence.words.months:
            first, last = place - sentence.word(place - 1).isdigit(), place
            while last < place + 2 and _dated(sentence, last + 1):
                last += 1
            if last > first:
                taken = last
                yield sentence.span(first, last, "date")
        elif YEAR.fullmatch(word) and _counts(sentence, place) and not _runs_on(sentence, place):
            yield sentence.span(place, place, "date")


def _dated(sentence: Sentence, place: int) -> bool:
    if not sentence.word(place).isdigit():
        return False
    return sentence.line[sentence.spans[place - 1][1] : sentence.spans[place][0]] in (" ", ", ", ". ")


def quantities(sentence: Sentence) -> Iterator[Found]:
    """Find a number with what it counts: "79 columns", "three years", "$300", "20%"."""
    line, last = sentence.line, -1
    for place in range(len(sentence)):
        if place <= last or not sentence.number(place) or not _counts(sentence, place):
            continue
        last = place
        while last < place + 2 and _runs_on(sentence, last):
            last += 1
            if not sentence.number(last):
                break
        if last > place and _runs_on(sentence, last):  # "four consecutive years": which word is counted?
            continue
        start, end, kind = sentence.span(place, last, "quantity")
        start -= line[start - 1 : start] in tuple("$€£¥")
        end += line[end : end + 1] == "%"
        word = sentence.word(place)
        # A digit or a number in letters alone is a quantity that no question asks for well; a year is a date.
        poor = len(word) < 2 or word.isalpha() or YEAR.fullmatch(word)
        if not poor or line[start:end].casefold() != word:
            yield start, end, kind


def _counts(sentence: Sentence, place: int) -> bool:
    """Tell whether a number counts something: no part of a word, no sign, no "section 4", no "(2)"."""
    numbered = sentence.words.numbered | sentence.words.months
    start, end = sentence.spans[place]
    before = place - 1  # over "1, 2 and" in "sections 1, 2 and 3"
    while sentence.word(before)[:1].isdigit() or sentence.word(before) in sentence.words.joining:
        before -= 1
    return (
        sentence.word(before) not in numbered
        and sentence.word(place + 1) not in sentence.words.numbered
        and sentence.line[start - 1 : start] not in tuple("([{§/#–^+-\u202f")
        and sentence.line[end : end + 1] not in tuple(")](–/^")
    )


def _runs_on(sentence: Sentence, place: int) -> bool:
    """Tell whether the next word belongs to the same noun phrase, as far as small words tell."""
    after = place + 1
    return (
        sentence.adjoins(after)
        and not sentence.small(after)
        and sentence.word(after) not in sentence.words.verbs | sentence.words.relative
    )


def names(sentence: Sentence) -> Iterator[Found]:
    """Find runs of capitalised words; the sentence's first word belongs to one only with another one."""
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
            if (first < last or _alone(sentence, first)) and sentence.line[:start].count('"') % 2 == 0:
                yield start, end, kind
        place = max(place, last) + 1


def _run(sentence: Sentence, place: int) -> int:
    """Return the last word of a run of capitalised words, with numbers and particles inside it."""
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


def _alone(sentence: Sentence, place: int) -> bool:
    """Tell whether one capitalised word is a name: it opens no sentence and describes no other word."""
    word, words = sentence.word(place), sentence.words
    if not sentence.adjoins(place) or len(word) < 2 or ROMAN.fullmatch(word):
        return False
    return word not in words.numbered | words.months and not _runs_on(sentence, place)


def clauses(sentence: Sentence) -> Iterator[Found]:
    """
    Find a reason, a purpose or a condition: from its connective to the next pause.

    One behind a second main clause belongs to that, and a question would be asked about the first.
    """
    taken = -1
    for place in range(len(sentence)):
        start = sentence.spans[place][0]
        size = sentence.opens(place, sentence.words.connectives)
        if size and start > taken:
            end = taken = sentence.pause(place + size)
            long = len(words_of(sentence.line[start:end])) >= size + 3
            joints = words_pattern(map(re.escape, sentence.words.coordinating))
            second = re.search(rf", {joints} ", sentence.line[:start])
            if long and not second and sentence.line[end : end + 1] not in tuple("(—"):
                yield start, end, "clause"


def subjects(sentence: Sentence) -> Iterator[Found]:
    """Find whom or what a sentence is about: all before its first auxiliary verb."""
    first = _main(sentence)
    places = range(first + 1, min(first + PHRASE + 1, len(sentence)))
    verb = next((place for place in places if sentence.word(place) in sentence.auxiliaries), 0)
    if verb and sentence.adjoins(verb) and not sentence.small(verb - 1) and _subject(sentence, first, verb):
        yield sentence.span(first, verb - 1, "subject")


def _main(sentence: Sentence) -> int:
    """Return the first word of the main clause: behind the comma of a lead such as "For mappings, "."""
    if sentence.word(0) not in sentence.words.prepositions and not sentence.opens(
        0, sentence.words.connectives
    ):
        return 0
    comma = sentence.pause(0)
    behind = (place for place, (start, _) in enumerate(sentence.spans) if start > comma)
    first = next(behind, 0) if sentence.line[comma : comma + 2] == ", " else 0
    return first + (sentence.word(first) in sentence.words.consequent)


def _subject(sentence: Sentence, first: int, verb: int) -> bool:
    """Tell whether the words before a verb are its subject, and plain: no clause, no pause among them."""
    words, before = sentence.words, sentence.folded[first:verb]
    if (
        before[0] in words.prepositions
        or sentence.opens(first, words.connectives)
        or words.relative & set(before)
    ):
        return False
    return not PAUSE.search(sentence.line[sentence.spans[first][0] : sentence.spans[verb - 1][1]])


def consequences(sentence: Sentence) -> Iterator[Found]:
    """Find what happens under a condition that the sentence opens with: all behind the condition's comma."""
    if sentence.opens(0, sentence.words.connectives):
        comma = sentence.line.find(", ")
        start, end = comma + 2, len(sentence.line.rstrip(" .!?;:"))
        opened = next(
            (word for word in sentence.words.consequent if sentence.line.startswith(f"{word} ", start)), ""
        )
        start += len(opened) + 1 if opened else 0
        said = words_of(sentence.line[start:end])
        if comma >= 0 and sentence.pause(0) == comma and 3 <= len(said) <= LONGEST_WHOLE:
            yield start, end, "consequence"


def actions(sentence: Sentence) -> Iterator[Found]:
    """Find what a thing does, from its verb to the next pause, and what it does that to, or shall."""
    words, first = sentence.words, _main(sentence)
    if sentence.opens(0, words.connectives):  # all of it is what happens
        return
    places = range(first + 1, min(first + PHRASE + 2, len(sentence)))
    verb = next((place for place in places if _acts(sentence, place)), 0)
    if not verb or not sentence.adjoins(verb) or verb + 2 >= len(sentence):
        return
    behind = verb - (sentence.word(verb - 1) in words.modals)  # the word behind the subject
    unplain = words.joining | sentence.auxiliaries | words.unplain
    if (
        behind == first
        or unplain & set(sentence.folded[first:behind])
        or not _subject(sentence, first, behind)
    ):
        return
    start, end = sentence.spans[verb][0], sentence.pause(verb)
    if sentence.line[end : end + 1] in tuple("(—"):
        return
    if behind == verb and sentence.word(verb) not in words.states:
        yield start, end, "action"
    ends = words.relative | words.prepositions - {"of"}
    for place in range(verb + 2, len(sentence)):
        second = sentence.word(place) in words.joining and _verb(sentence, place + 1)
        if second or sentence.opens(place, words.connectives) or sentence.word(place) in ends:
            end = min(end, sentence.spans[place - 1][1])
    if sentence.word(verb + 1) not in ends:
        yield sentence.spans[verb + 1][0], end, "object"


def _verb(sentence: Sentence, place: int) -> bool:
    """Tell whether a word is a verb of the language's lists."""
    return sentence.word(place) in sentence.words.actions | sentence.auxiliaries


def _acts(sentence: Sentence, place: int) -> bool:
    """Tell whether a word is a verb of the language's list, or stands behind a modal one."""
    if sentence.word(place) in sentence.words.actions:
        return True
    return sentence.word(place - 1) in sentence.words.modals and not sentence.small(place)


def phrases(sentence: Sentence) -> Iterator[Found]:
    """Find what a clause ends with: the words behind its last preposition."""
    last = 0
    for pause in PAUSE.finditer(sentence.line):
        begin = last
        while last < len(sentence) and sentence.spans[last][1] <= pause.start():
            last += 1
        if last == begin or not _closes(sentence, pause, last):
            continue
        for place in range(last - 1, max(begin, last - PHRASE - 1) - 1, -1):
            word, first = sentence.word(place), place + 1
            if word in sentence.words.prepositions:
                infinitive = word == "to" and not (sentence.small(first) or sentence.capital(first))
                if first < last and not infinitive:
                    yield sentence.span(first, last - 1, "phrase")
                break
            if word in sentence.auxiliaries or word in sentence.words.relative:
                break


def _closes(sentence: Sentence, pause: re.Match[str], after: int) -> bool:
    """Tell whether a phrase ends at a pause: not in "f(n)", and not at a comma of a list."""
    if pause[0] == "(":
        return sentence.line[pause.start() - 1 : pause.start()] == " "
    return pause[0] != "," or (sentence.small(after) and sentence.word(after) not in sentence.words.joining)


RULES = (definitions, terms, dates, quantities, names, clauses, consequences, actions, subjects, phrases)
