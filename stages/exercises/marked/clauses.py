"""Rules for clauses and their parts: definitions, reasons, consequences, actions, subjects and phrases."""

import re
from collections.abc import Iterator

from datagen.stages.exercises.marked.sentence import LONGEST_WHOLE, MOST, PAUSE, PHRASE, Sentence, Span
from datagen.stages.shared.language.rules import words_pattern
from datagen.stages.shared.language.words import words_of


def definitions(sentence: Sentence) -> Iterator[Span]:
    """Find the predicate of a definition: from the defining phrase to the next pause or "that"."""
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


def clauses(sentence: Sentence) -> Iterator[Span]:
    """
    Find a reason, a purpose or a condition: from its connective to the next pause.

    A clause after a second main clause is left out: it belongs to that one, and the question would be about
    the first.
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


def subjects(sentence: Sentence) -> Iterator[Span]:
    """Find the subject of a sentence: all words before its first auxiliary verb."""
    first = _main_clause(sentence)
    places = range(first + 1, min(first + PHRASE + 1, len(sentence)))
    verb = next((place for place in places if sentence.word(place) in sentence.auxiliaries), 0)
    if (
        verb
        and sentence.adjoins(verb)
        and not sentence.small(verb - 1)
        and _plain_subject(sentence, first, verb)
    ):
        yield sentence.span(first, verb - 1, "subject")


def _main_clause(sentence: Sentence) -> int:
    """Return the first word of the main clause, after the comma of an opening such as "For mappings, "."""
    if sentence.word(0) not in sentence.words.prepositions and not sentence.opens(
        0, sentence.words.connectives
    ):
        return 0
    comma = sentence.pause(0)
    after = (place for place, (start, _) in enumerate(sentence.spans) if start > comma)
    first = next(after, 0) if sentence.line[comma : comma + 2] == ", " else 0
    return first + (sentence.word(first) in sentence.words.consequent)


def _plain_subject(sentence: Sentence, first: int, verb: int) -> bool:
    """Check whether the words before a verb are a plain subject, without a clause or a pause."""
    words, before = sentence.words, sentence.folded[first:verb]
    if (
        before[0] in words.prepositions
        or sentence.opens(first, words.connectives)
        or words.relative & set(before)
    ):
        return False
    return not PAUSE.search(sentence.line[sentence.spans[first][0] : sentence.spans[verb - 1][1]])


def consequences(sentence: Sentence) -> Iterator[Span]:
    """Find the consequence of an opening condition: all words after the comma of the condition."""
    if sentence.opens(0, sentence.words.connectives):
        comma = sentence.line.find(", ")
        start, end = comma + 2, len(sentence.line.rstrip(" .!?;:"))
        opened = next(
            (word for word in sentence.words.consequent if sentence.line.startswith(f"{word} ", start)), ""
        )
        start += len(opened) + 1 if opened else 0
        length = len(words_of(sentence.line[start:end]))
        if comma >= 0 and sentence.pause(0) == comma and 3 <= length <= LONGEST_WHOLE:
            yield start, end, "consequence"


def actions(sentence: Sentence) -> Iterator[Span]:
    """Find the predicate of a full verb, from the verb to the next pause, and the verb's object."""
    words, first = sentence.words, _main_clause(sentence)
    if sentence.opens(0, words.connectives):  # a consequence
        return
    places = range(first + 1, min(first + PHRASE + 2, len(sentence)))
    verb = next((place for place in places if _is_action(sentence, place)), 0)
    if not verb or not sentence.adjoins(verb) or verb + 2 >= len(sentence):
        return
    subject_end = verb - (sentence.word(verb - 1) in words.modals)
    unplain = words.joining | sentence.auxiliaries | words.unplain
    if (
        subject_end == first
        or unplain & set(sentence.folded[first:subject_end])
        or not _plain_subject(sentence, first, subject_end)
    ):
        return
    start, end = sentence.spans[verb][0], sentence.pause(verb)
    if sentence.line[end : end + 1] in tuple("(—"):
        return
    if subject_end == verb and sentence.word(verb) not in words.states:
        yield start, end, "action"
    ends = words.relative | words.prepositions - words.genitive
    for place in range(verb + 2, len(sentence)):
        second = sentence.word(place) in words.joining and _is_verb(sentence, place + 1)
        if second or sentence.opens(place, words.connectives) or sentence.word(place) in ends:
            end = min(end, sentence.spans[place - 1][1])
    if sentence.word(verb + 1) not in ends:
        yield sentence.spans[verb + 1][0], end, "object"


def _is_verb(sentence: Sentence, place: int) -> bool:
    """Check whether a word is a verb in the lists of the language."""
    return sentence.word(place) in sentence.words.actions | sentence.auxiliaries


def _is_action(sentence: Sentence, place: int) -> bool:
    """Check whether a word is a full verb in the list of the language, or follows a modal verb."""
    if sentence.word(place) in sentence.words.actions:
        return True
    return sentence.word(place - 1) in sentence.words.modals and not sentence.small(place)


def phrases(sentence: Sentence) -> Iterator[Span]:
    """Find the end of a clause: the words after its last preposition."""
    last = 0
    for pause in PAUSE.finditer(sentence.line):
        begin = last
        while last < len(sentence) and sentence.spans[last][1] <= pause.start():
            last += 1
        if last == begin or not _ends_phrase(sentence, pause, last):
            continue
        for place in range(last - 1, max(begin, last - PHRASE - 1) - 1, -1):
            word, first = sentence.word(place), place + 1
            if word in sentence.words.prepositions:
                infinitive = word in sentence.words.infinitive and not (
                    sentence.small(first) or sentence.capital(first)
                )
                if first < last and not infinitive:
                    yield sentence.span(first, last - 1, "phrase")
                break
            if word in sentence.auxiliaries or word in sentence.words.relative:
                break


def _ends_phrase(sentence: Sentence, pause: re.Match[str], after: int) -> bool:
    """Check whether a phrase ends at a pause: not within "f(n)", and not at the comma of a list."""
    if pause[0] == "(":
        return sentence.line[pause.start() - 1 : pause.start()] == " "
    return pause[0] != "," or (sentence.small(after) and sentence.word(after) not in sentence.words.joining)
