"""
Rule-based answer candidates of a passage, for questions written to a marked answer.

For a small model, choosing what to ask about is the harder half of writing a question. Rules do it well, and
an answer taken from the passage is in the passage whatever the model writes. (PAQ, arXiv 2102.07033, also
selects answers first.) `datagen.stages.exercises.marked.rules` finds spans; this module discards those that
no reader would give as an answer, and selects a few per passage.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from datagen.schema import content_id
from datagen.stages.exercises.marked.rules import find
from datagen.stages.exercises.marked.sentence import INITIALS, LONGEST_WHOLE, MARKED, MOST, YEAR, Sentence
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, opening, phrase_in
from datagen.stages.shared.segment.sentences import is_closed

SHORTEST, LONGEST = 6, 80  # words of a sentence with candidates
REMAINING = 3  # fewest content words of the sentence outside the answer, for the question to use
REMAINING_BY_WHOLE = 2
PREFERRED = ("clause", "consequence", "action", "object", "subject", "definition", "quantity", "date")
WHOLE = ("action", "consequence")  # cover most of a sentence

CODE = re.compile(r"[=<>{}\[\]|\\]|::|\.\.\.|https?:|www\.")
LABEL = re.compile(r"\(?\w{1,2}\)|\W*")  # (a), 1)
NUMBERED = re.compile(r"[IVXLC]+\. ")  # I. The first of a list
MARKUP = re.compile(r"[\"*`“”]")
TRIM = " \t,;:.—–"


@dataclass(frozen=True)
class Candidate:
    """
    An answer with the sentence that contains it.

    Parameters
    ----------
    answer
        A few words, verbatim from the sentence.
    sentence
        A whole sentence of the passage, on one line.
    kind
        The rule that found it: definition, term, date, quantity, name, clause, consequence, action, object,
        subject or phrase.
    """

    answer: str
    sentence: str
    kind: str

    def dump(self) -> str:
        """Serialise the candidate for the ``about`` of a request."""
        return json.dumps(astuple(self), ensure_ascii=False)

    @classmethod
    def load(cls, text: str) -> "Candidate":
        """Parse the text that `dump` returns."""
        return cls(*json.loads(text))


def candidates(passage: Passage, most: int) -> list[Candidate]:
    """
    Select at most `most` answer candidates of a passage.

    The selection is spread over sentences and kinds: every sentence gets one candidate before any gets a
    second, the kinds that make good questions (`PREFERRED`) come before bare terms and phrases, and a hash
    breaks ties. The result is deterministic.
    """
    remaining = list(passage.once(offered))
    lot = {
        candidate: content_id(passage.row["id"], candidate.sentence, candidate.answer)
        for candidate in remaining
    }
    sentences: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    selected: list[Candidate] = []

    def cost(candidate: Candidate) -> tuple[int, bool, int, str]:
        kind = candidate.kind
        return sentences[candidate.sentence], kind not in PREFERRED, kinds[kind], lot[candidate]

    while remaining and len(selected) < most:
        best = min(remaining, key=cost)
        remaining.remove(best)
        if passage.find(best.answer) is not None:
            selected.append(best)
            sentences[best.sentence] += 1
            kinds[best.kind] += 1
            remaining = [candidate for candidate in remaining if not _overlap(candidate, best)]
    return selected


def _overlap(left: Candidate, right: Candidate) -> bool:
    """Check whether answers to one sentence contain each other, or answers to two sentences are equal."""
    words, others = f" {' '.join(words_of(left.answer))} ", f" {' '.join(words_of(right.answer))} "
    if left.sentence != right.sentence or (left.kind in WHOLE) != (right.kind in WHOLE):
        return words == others
    return words in others or others in words


def offered(passage: Passage) -> list[Candidate]:
    """List all candidates of a passage, sentence by sentence."""
    return list(_offered(passage))


def _offered(passage: Passage) -> Iterator[Candidate]:
    words, seen = passage.words, set[tuple[str, str]]()
    for _, line in passage.sentences:
        tokens = words_of(line)
        if not SHORTEST <= len(tokens) <= LONGEST or CODE.search(line) or phrase_in(tokens, words.apparatus):
            continue
        if NUMBERED.match(line) or tokens[0] in words.subjectless or opening(tokens, words.dangling):
            continue
        for start, end, kind in find(Sentence(line, words)):
            answer = trim(line[start:end])
            if (line, answer) not in seen and _askable(answer, kind, line, passage):
                seen.add((line, answer))
                yield Candidate(answer, line, kind)


def trim(answer: str) -> str:
    """Strip blanks, punctuation and one pair of quotes or asterisks around an answer."""
    answer = answer.strip(TRIM.replace(".", "") if INITIALS.search(answer[-4:]) else TRIM)
    marked = MARKED.fullmatch(answer)
    return marked[marked.lastindex or 1].strip() if marked else answer


def _askable(answer: str, kind: str, line: str, passage: Passage) -> bool:
    """Check whether a reader could give this answer to a question about the sentence."""
    if MARKUP.search(answer) or not is_answer(answer, kind, passage):
        return False
    content = passage.words.content(answer)
    remaining = {word for word in passage.words.content(line) if word not in content}
    return len(remaining) >= (REMAINING_BY_WHOLE if kind in WHOLE else REMAINING)


def is_answer(answer: str, kind: str, passage: Passage, *, depends: bool = False) -> bool:
    """
    Tell whether a span could be an answer: neither code nor a label, complete, and with content words.

    With `depends` it is a clause that may begin or end with a pronoun, because its question names what the
    pronoun stands for.
    """
    words, tokens = passage.words, words_of(answer)
    longest = LONGEST_WHOLE if kind in WHOLE else MOST
    if len(answer) < 2 or not 1 <= len(tokens) <= longest or not words.content(answer):
        return False
    if LABEL.fullmatch(answer) or CODE.search(answer) or not is_closed(answer):
        return False
    if phrase_in(tokens, words.outside):
        return False
    if not depends and (opening(tokens, words.dangling) or tokens[0] in words.pointing):
        return False
    trailing = words.prepositions | words.relative | words.stop
    if not depends and tokens[-1] in trailing and answer[-1].islower():  # not World War I
        return False
    if kind not in WHOLE and tokens[-1] in words.pointing:
        return False
    if tokens[0] in words.negations | words.numbered or (YEAR.fullmatch(tokens[0]) and len(tokens) == 2):
        return False
    small = words.modals | words.verbs | words.vague | words.stop | words.months
    return not all(word in small for word in tokens)
