"""
Checks that a written row must pass, shared by the stages that read what a model wrote.

Each looks at one property and raises `datagen.request.Reject` with a reason that is the same for every
row it refuses. They are rules over characters and words: fast, exact about what they say, and silent
on the rest. What passes is complete, in form and grounded in its passage; whether it is also right is
for the stages that score.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from datagen.control_tokens import control_tokens
from datagen.request import Reject
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, SENTENCE_MARKS
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import NUMBER, words_of
from datagen.stages.shared.passage import Passage, opening, overlap, phrase_in

CLOSING = " \"'”’»)]*_」』）】`"
# What templates and markup leave behind; text that the passage holds too is its subject and no leftover.
LEFTOVER = re.compile(r"\{\{|\}\}|\{%|</?[A-Za-z_]{2,20}>|\[[A-Z][A-Za-z_ ]{2,20}\]|```|\\n|<\||_{4,}")
NAMED = re.compile(r"(?<=\w )[A-Z]|[\"'`“‘*_\d]")  # a name inside a question, a quotation, a number
_SENTENCE_END = rf"[{SENTENCE_MARKS}{QUESTION_MARKS}]\s+"
ECHO = 5  # words in a row that a field may not share with the prompt
LOOP = 0.25  # share of trigrams that may have stood in the text before


def sized(text: str, least: int, most: int) -> None:
    """Refuse a text of fewer or more words."""
    count = len(words_of(text))
    if count < least:
        raise Reject("too short", text)
    if count > most:
        raise Reject("too long", text)


def clean(text: str, passage: Passage, instruction: str) -> None:
    """
    Refuse what no text of a training example may be: empty, a leftover, an echo, a loop, or a control token.

    An echo is of `instruction`: what the prompt says besides the passage.
    """
    words = words_of(text)
    if not text.strip(" \t\n.-_*"):
        raise Reject("empty", text)
    _no_control_token(text, passage)
    if " ".join(word for word in words if word not in passage.words.stop) in passage.words.placeholders:
        raise Reject("template leftover", text)
    _no_leftover(text, passage)
    _no_echo(words, passage, words_of(instruction))
    _no_loop(text, passage.words)


def _no_control_token(text: str, passage: Passage) -> None:
    for found in control_tokens().finditer(text):
        if found[0] not in passage.text:
            raise Reject("control token", f"{found[0]} in: {text}")


def _no_leftover(text: str, passage: Passage) -> None:
    for found in LEFTOVER.finditer(text):
        if found[0] not in passage.text:
            raise Reject("template leftover", f"{found[0]} in: {text}")
    label = re.match(r"\W*(\w+)(?: \d+)?\W?\s*[:：]", text)
    if label and label[1].casefold() in passage.words.labels and label[0] not in passage.text:
        raise Reject("template leftover", f"{label[0]} in: {text}")


def _no_echo(words: list[str], passage: Passage, instruction: list[str]) -> None:
    asked, given = f" {' '.join(instruction)} ", f" {' '.join(words_of(passage.text))} "
    size = min(ECHO, len(words))
    if size < 2:
        return
    for start in range(len(words) - size + 1):
        run = f" {' '.join(words[start : start + size])} "
        if run in asked and run not in given:
            raise Reject("prompt echo", run.strip())


def _no_loop(text: str, words: Language) -> None:
    said = words_of(text)
    trigrams = list(zip(said, said[1:], said[2:], strict=False))
    if len(said) >= 6 and 1 - len(set(trigrams)) / len(trigrams) > LOOP:
        raise Reject("repetition loop", text)
    if any(len(set(run)) == 1 for run in trigrams):
        raise Reject("repetition loop", text)
    sentences = [frozenset(words.content(sentence)) for sentence in _sentences(text)]
    if len(set(sentences)) < len(sentences):
        raise Reject("repetition loop", text)


def _sentences(text: str) -> list[str]:
    return re.split(_SENTENCE_END, text)


def question(text: str, words: Language) -> None:
    """Refuse what is no question: no question mark at its end, no word that asks, or no such beginning."""
    if not text.rstrip(CLOSING).endswith(tuple(QUESTION_MARKS)):
        raise Reject("not a question", text)
    said = words_of(text)
    if (words.asking and not words.asking & set(said)) or opening(said, words.malformed):
        raise Reject("not a question", text)


def particular(asked: str, words: Language, least: int = 3) -> None:
    """
    Refuse a question that many things would answer: "What may be empty?".

    It has fewer content words than `least`, and neither a name, a quotation nor a number among them.
    """
    if len(set(words.content(asked))) < least and not NAMED.search(asked):
        raise Reject("asks for nothing in particular", asked)


def finished(text: str) -> None:
    """Refuse prose that stops before its sentence does."""
    if not text.rstrip(CLOSING).endswith(tuple(SENTENCE_MARKS + QUESTION_MARKS)):
        raise Reject("unfinished sentence", text)


def stands_alone(text: str, words: Language, *, asks: bool = False) -> None:
    """
    Refuse a text that needs another one beside it, or one before it.

    With `asks` it is a question, in which a pronoun has nothing to stand for.
    """
    said = words_of(text)
    if phrase := phrase_in(said, words.outside):
        raise Reject("refers to the passage", f"{phrase!r} in: {text}")
    if not asks and (phrase := opening(said, words.dangling)):
        raise Reject("opens in the middle", f"{phrase!r} in: {text}")
    if asks:
        small = words.asking | words.modals | words.verbs
        for position, word in enumerate(said):
            # "What is a list and how is it made?" brings what its pronoun stands for.
            before = " ".join(earlier for earlier in said[:position] if earlier not in small)
            if word in words.demonstrative or (word in words.pointing and not words.content(before)):
                raise Reject("refers to the passage", f"{word!r} in: {text}")


def about(text: str, passage: Passage, least: float = 0.5) -> None:
    """Refuse a text whose content words are mostly not the passage's (a share under `least`)."""
    content = passage.words.content(text)
    share = overlap(content, passage.content)
    if share < least:
        strange = [word for word in content if word not in passage.content]
        raise Reject(
            "not about the passage", f"{share:.2f} of its words, not {' '.join(strange)}, in: {text}"
        )


def grounded(text: str, passage: Passage, least: int = 3) -> None:
    """Refuse a text with a sentence of at least `least` content words none of which is the passage's."""
    for sentence in re.split(r"\n|" + _SENTENCE_END, text):
        content = passage.words.content(sentence)
        if len(content) >= least and not passage.content.intersection(content):
            raise Reject("not about the passage", f"nothing of: {sentence}")


def withholds(asked: str, answer: str, words: Language) -> None:
    """Refuse a question that holds its answer, and an answer that only says the question again."""
    said = words_of(answer)
    if said and phrase_in(words_of(asked), [" ".join(said)]):
        raise Reject("question gives its answer away", f"{answer} in: {asked}")
    known, new = set(words.content(asked)), words.content(answer)
    if new and all(word in known for word in new):
        raise Reject("answer repeats the question", f"{asked} {answer}")


def verbatim(quote: str, passage: Passage, name: str = "evidence") -> str:
    """Return a quote as it stands in the passage; refuse one that does not."""
    found = passage.find(quote)
    if found is None:
        raise Reject(f"{name} not in passage", quote)
    return found


def defined(term: str, evidence: str, words: Language) -> None:
    """Refuse a term that its evidence does not define: a phrase such as "is a" must stand right after it."""
    name = " ".join(words_of(term))
    if not name or not phrase_in(words_of(evidence), [f"{name} {phrase}" for phrase in words.defining]):
        raise Reject("evidence does not define the term", f"{term} by: {evidence}")


def numbers(text: str, source: str) -> None:
    """Refuse a number that the source does not have."""
    known = set(NUMBER.findall(source))
    for number in NUMBER.findall(text):
        if number not in known:
            raise Reject("number not in passage", f"{number} in: {text}")


def supported(asked: str, answer: str, passage: Passage) -> str:
    """
    Return the sentence of the passage that bears out an answer; refuse an answer that has none.

    It is the one with most of what the answer adds to the question.
    """
    if not passage.sentences:
        raise Reject("not supported by the passage", "it has no whole sentence")
    new = _added(asked, answer, passage.words)
    found = [overlap(new, set(passage.words.content(line))) for _, line in passage.sentences]
    holding = [place for place, share in enumerate(found) if share == max(found)]
    borne_out(asked, answer, passage.sentences[holding[0]][0], passage.words)
    return passage.sentences[fits(asked, holding, passage)][0]


def borne_out(asked: str, answer: str, evidence: str, words: Language, least: float = 0.75) -> None:
    """
    Refuse an answer that its evidence does not bear out.

    Of what the answer adds to the question, a share of `least` of the content words must stand in the
    evidence, and every number.
    """
    numbers(answer, f"{evidence} {asked}")
    share = overlap(_added(asked, answer, words), set(words.content(evidence)))
    if share < least:
        raise Reject("not supported by the passage", f"{share:.2f} of: {answer}, by: {evidence}")


def _added(asked: str, answer: str, words: Language) -> list[str]:
    known = set(words.content(asked))
    return [word for word in dict.fromkeys(words.content(answer)) if word not in known]


def located(asked: str, answer: str, passage: Passage) -> str:
    """Return the sentence that holds an answer and that the question is about; refuse where none does."""
    said = f" {' '.join(words_of(answer))} "
    holding = [
        place for place, (_, line) in enumerate(passage.sentences) if said in f" {' '.join(words_of(line))} "
    ]
    if not holding:
        raise Reject("answer not in a sentence", answer)
    return passage.sentences[fits(asked, holding, passage)][0]


def fits(asked: str, holding: Sequence[int], passage: Passage, least: float = 0.4) -> int:
    """
    Return which of the sentences that hold the answer the question is about.

    Refuse a question of whose content words (weighed as in `Passage.shares`) less than a share of
    `least` is in it, and one that points as much to a sentence that does not hold the answer. Of 1,148
    pairs that people wrote (XQuAD, English) three in four pass; with the answer of another question
    about the same passage, fewer than one in four.
    """
    shares = passage.shares(passage.words.content(asked))
    best = max(holding, key=lambda place: shares[place])
    rival = max((share for place, share in enumerate(shares) if place not in holding), default=0.0)
    if shares[best] < least or shares[best] <= rival:
        seen = f"{shares[best]:.2f}, another sentence {rival:.2f} of: {asked}"
        raise Reject("question is not about its evidence", f"{seen}, by: {passage.sentences[best][1]}")
    return best


def of_a_kind(asked: str, answer: str, words: Language) -> None:
    """
    Refuse an answer of another kind than was asked for.

    That is one without the number that a question asks for, a bare number to who, where or why, a
    condition or a reason to what or who.
    """
    question, said = words_of(asked), words_of(answer)
    numeric = [bool(NUMBER.search(word)) or word in words.numerals for word in said]
    if (phrase := phrase_in(question, words.counting)) and not any(numeric):
        raise Reject("answer of another kind", f"{phrase!r}: {asked} {answer}")
    if question and question[0] in words.naming and numeric and all(numeric):
        raise Reject("answer of another kind", f"{question[0]!r}: {asked} {answer}")
    condition, happens = opening(said, words.connectives), phrase_in(question, words.happening)
    if condition and opening(question, words.things) and not happens:
        raise Reject("answer of another kind", f"{condition!r}: {asked} {answer}")


def related(text: str, passage: Passage, least: float = 0.85) -> None:
    """
    Refuse a text that puts the passage's words together in its own way.

    Of its pairs of neighbouring content words, a share of `least` must stand together in a sentence of
    the passage too. A summary in a passage's words alone can say anything; one in other words may be
    right, but no rule over words can tell: it is refused too.
    """
    pairs = [pair for sentence in _sentences(text) for pair in pairwise(passage.words.content(sentence))]
    apart = [pair for pair in pairs if not any(unit.issuperset(pair) for unit in passage.units)]
    if len(apart) > (1 - least) * len(pairs):
        raise Reject("not what the passage says", f"{'; '.join(map(' '.join, apart))}, in: {text}")


def original(text: str, passage: Passage, most: float = 0.7) -> None:
    """Refuse a text that is for more than a share of `most` copied in runs of four words, or its heading."""
    heading = set(passage.words.content(passage.heading))
    if heading.issuperset(passage.words.content(text)):
        raise Reject("copies the passage", text)
    said, given = words_of(text), words_of(passage.text)
    blocks = SequenceMatcher(None, said, given, autojunk=False).get_matching_blocks()
    if sum(block.size for block in blocks if block.size >= 4) > most * len(said):
        raise Reject("copies the passage", text)


def verdict(claim: str, evidence: str, words: Language) -> bool | None:
    """
    Judge by rule whether evidence says a claim, says its opposite, or neither for certain.

    The claim must be the evidence from its first word on, up to words left out at its end or one in
    four in between, and bring no auxiliary verb of its own. Then it is true when nothing turns it
    round, and false when exactly one thing does: a negation, a word's opposite, or a number. A
    condition that only one of them has, or a negation in the part of the evidence that the claim
    leaves out, leaves it open.

    Returns
    -------
    bool or None
        None where the rule cannot tell.
    """
    spoken = words.spelled(claim), words.spelled(evidence)
    if any(spoken[0].count(verb) > spoken[1].count(verb) for verb in words.verbs):
        return None
    if any(
        bool(phrase_in(spoken[0], [one])) != bool(phrase_in(spoken[1], [one])) for one in words.conditions
    ):
        return None
    said, given = words.said(claim), words.said(evidence)
    if said and said[0] in words.conditions and said[0] in given:  # Can names be bound? Names can be bound.
        given.remove(said.pop(0))
    swaps = dict(_swaps(words, set(said), set(given)))
    changed = [word for word in said if NUMBER.fullmatch(word) and word not in given]
    known = [word for word in given if NUMBER.fullmatch(word) and word not in said]
    if len(changed) == 1 and known:
        swaps[changed[0]] = known[0]
    negations = {words.stem(word) for word in words.negations}
    kept = [swaps.get(word, word) for word in said if word not in negations]
    span = _span(kept, given, negations)
    if not kept or not span or any(word in negations for word in given[span:]):
        return None
    if len(kept) < 0.75 * sum(word not in negations for word in given[:span]):
        return None
    count = sum(word in negations for word in said), sum(word in negations for word in given)
    return {0: True, 1: False}.get(len(swaps) + abs(count[0] - count[1]))


def _span(said: list[str], given: list[str], negations: set[str]) -> int:
    """Return where in the given words the said ones end, all in their order from the first; 0 if nowhere."""
    met = 0
    for position, word in enumerate(given):
        if met < len(said) and word == said[met]:
            met += 1
            if met == len(said):
                return position + 1
        elif not met and word not in negations:
            return 0
    return 0


def _swaps(words: Language, said: set[str], given: set[str]) -> Iterator[tuple[str, str]]:
    for pair in words.opposites:
        one, other = (words.stem(word) for word in pair)
        for claimed, known in ((one, other), (other, one)):
            if claimed in said and claimed not in given and known in given and known not in said:
                yield claimed, known
