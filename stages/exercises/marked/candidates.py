"""
Answers that a passage offers, found by rule, for questions that are written to a marked answer.

Choosing what to ask about is the harder half of writing a question for a small model, and rules do it well:
an answer that is taken from the passage stands there whatever the model writes. (PAQ, arXiv 2102.07033,
chooses answers first, too.) `datagen.stages.exercises.marked.rules` finds what may be answers; here those are
left out that no reader would give, and a few are chosen for each passage.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from datagen.schema import content_id
from datagen.stages.exercises.marked.rules import INITIALS, LONGEST_WHOLE, MARKED, MOST, YEAR, Sentence, find
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, opening, phrase_in
from datagen.stages.shared.segment.sentences import is_closed

SHORTEST, LONGEST = 6, 80  # words of a sentence that is asked about
LEFT = 3  # content words of the sentence that must be left to ask with
LEFT_BY_WHOLE = 2
SOUND = ("clause", "consequence", "action", "object", "subject", "definition", "quantity", "date")
WHOLE = ("action", "consequence")  # take most of a sentence

CODE = re.compile(r"[=<>{}\[\]|\\]|::|\.\.\.|https?:|www\.")
LABEL = re.compile(r"\(?\w{1,2}\)|\W*")  # (a), 1)
NUMBERED = re.compile(r"[IVXLC]+\. ")  # I. The first of a list
MARKUP = re.compile(r"[\"*`“”]")
TRIM = " \t,;:.—–"


@dataclass(frozen=True)
class Candidate:
    """
    An answer with the sentence that holds it.

    Parameters
    ----------
    answer
        A few words, as they stand in the sentence.
    sentence
        A whole sentence of the passage, on one line.
    kind
        Which rule found it: definition, term, date, quantity, name, clause, consequence, action, object,
        subject or phrase.
    """

    answer: str
    sentence: str
    kind: str

    def dump(self) -> str:
        """Write it as the text that a request carries in ``about``."""
        return json.dumps(astuple(self), ensure_ascii=False)

    @classmethod
    def load(cls, text: str) -> "Candidate":
        """Read what `dump` has written."""
        return cls(*json.loads(text))


def candidates(passage: Passage, most: int) -> list[Candidate]:
    """
    List answers that a passage offers, at most so many.

    They are spread over its sentences and over the kinds: one for each sentence comes before a second
    for any, what good questions are asked for (`SOUND`) before a bare term or phrase, and of equal ones
    the hash decides. The same passage gives the same answers.
    """
    found = list(passage.once(offered))
    lot = {one: content_id(passage.row["id"], one.sentence, one.answer) for one in found}
    sentences: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    taken: list[Candidate] = []

    def price(one: Candidate) -> tuple[int, bool, int, str]:
        return sentences[one.sentence], one.kind not in SOUND, kinds[one.kind], lot[one]

    while found and len(taken) < most:
        best = min(found, key=price)
        found.remove(best)
        if passage.find(best.answer) is not None:
            taken.append(best)
            sentences[best.sentence] += 1
            kinds[best.kind] += 1
            found = [one for one in found if not _same(one, best)]
    return taken


def _same(one: Candidate, other: Candidate) -> bool:
    """Tell whether an answer is part of the other in the same sentence, or the same in another one."""
    some, others = f" {' '.join(words_of(one.answer))} ", f" {' '.join(words_of(other.answer))} "
    if one.sentence != other.sentence or (one.kind in WHOLE) != (other.kind in WHOLE):
        return some == others
    return some in others or others in some


def offered(passage: Passage) -> list[Candidate]:
    """List all that the rules find in a passage, sentence by sentence."""
    return list(_offered(passage))


def _offered(passage: Passage) -> Iterator[Candidate]:
    words, seen = passage.words, set[tuple[str, str]]()
    for _, line in passage.sentences:
        said = words_of(line)
        if not SHORTEST <= len(said) <= LONGEST or CODE.search(line) or phrase_in(said, words.apparatus):
            continue
        if NUMBERED.match(line) or said[0] in words.subjectless or opening(said, words.dangling):
            continue
        for start, end, kind in find(Sentence(line, words)):
            answer = _tidy(line[start:end])
            if (line, answer) not in seen and _askable(answer, kind, line, passage):
                seen.add((line, answer))
                yield Candidate(answer, line, kind)


def _tidy(answer: str) -> str:
    """Leave out what stands around an answer: blanks, stops, and one pair of quotes or stars."""
    answer = answer.strip(TRIM.replace(".", "") if INITIALS.search(answer[-4:]) else TRIM)
    marked = MARKED.fullmatch(answer)
    return marked[marked.lastindex or 1].strip() if marked else answer


def _askable(answer: str, kind: str, line: str, passage: Passage) -> bool:
    """Tell whether a reader could give this answer to a question about the sentence."""
    words, said, content = passage.words, words_of(answer), passage.words.content(answer)
    longest = LONGEST_WHOLE if kind in WHOLE else MOST
    if len(answer) < 2 or not 1 <= len(said) <= longest or not content or LABEL.fullmatch(answer):
        return False
    if CODE.search(answer) or MARKUP.search(answer) or not is_closed(answer):
        return False
    if phrase_in(said, words.outside) or opening(said, words.dangling) or said[0] in words.pointing:
        return False
    if said[-1] in words.prepositions | words.relative | words.stop and answer[-1].islower():  # World War I
        return False
    if kind not in WHOLE and said[-1] in words.pointing:
        return False
    if said[0] in words.negations | words.numbered or (YEAR.fullmatch(said[0]) and len(said) == 2):
        return False
    if all(word in words.modals | words.verbs | words.vague | words.stop | words.months for word in said):
        return False
    left = {word for word in words.content(line) if word not in content}
    return len(left) >= (LEFT_BY_WHOLE if kind in WHOLE else LEFT)
