"""
Checks of generated rows, shared by the stages that parse completions.

Each checks one property and raises `datagen.request.Reject` with a fixed reason. They are rules over
characters and words: fast and precise, but limited. A row that passes is complete, well-formed and grounded
in its passage; the scoring stages decide whether it is also correct.
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
# Leftovers of templates and markup; not if the passage contains the same text.
LEFTOVER = re.compile(r"\{\{|\}\}|\{%|</?[A-Za-z_]{2,20}>|\[[A-Z][A-Za-z_ ]{2,20}\]|```|\\n|<\||_{4,}")
NAMED = re.compile(r"(?<=\w )[A-Z]|[\"'`“‘*_\d]")  # a name inside a question, a quotation, a number
_SENTENCE_END = rf"[{SENTENCE_MARKS}{QUESTION_MARKS}]\s+"
ECHO = 5  # consecutive words that a field must not share with the prompt
LOOP = 0.25  # maximum share of repeated trigrams


def sized(text: str, least: int, most: int) -> None:
    """Reject a text with fewer or more words."""
    count = len(words_of(text))
    if count < least:
        raise Reject("too short", text)
    if count > most:
        raise Reject("too long", text)


def clean(text: str, passage: Passage, instruction: str) -> None:
    """
    Reject a text that is empty, a template leftover, an echo, a loop, or contains a control token.

    An echo repeats `instruction`, the prompt without the passage.
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
    for match in LEFTOVER.finditer(text):
        if match[0] not in passage.text:
            raise Reject("template leftover", f"{match[0]} in: {text}")
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
    text_words = words_of(text)
    trigrams = list(zip(text_words, text_words[1:], text_words[2:], strict=False))
    if len(text_words) >= 6 and 1 - len(set(trigrams)) / len(trigrams) > LOOP:
        raise Reject("repetition loop", text)
    if any(len(set(run)) == 1 for run in trigrams):
        raise Reject("repetition loop", text)
    sentences = [frozenset(words.content(sentence)) for sentence in _sentences(text)]
    if len(set(sentences)) < len(sentences):
        raise Reject("repetition loop", text)


def _sentences(text: str) -> list[str]:
    return re.split(_SENTENCE_END, text)


def question(text: str, words: Language) -> None:
    """Reject a text without a final question mark or a question word, or with a malformed beginning."""
    if not text.rstrip(CLOSING).endswith(tuple(QUESTION_MARKS)):
        raise Reject("not a question", text)
    text_words = words_of(text)
    if (words.asking and not words.asking & set(text_words)) or opening(text_words, words.malformed):
        raise Reject("not a question", text)


def particular(asked: str, words: Language, least: int = 3) -> None:
    """
    Reject a question with many possible answers: "What may be empty?".

    Such a question has fewer than `least` content words, and neither a name, a quotation nor a number.
    """
    if len(set(words.content(asked))) < least and not NAMED.search(asked):
        raise Reject("asks for nothing in particular", asked)


def finished(text: str) -> None:
    """Reject prose that ends before its sentence does."""
    if not text.rstrip(CLOSING).endswith(tuple(SENTENCE_MARKS + QUESTION_MARKS)):
        raise Reject("unfinished sentence", text)


def stands_alone(text: str, words: Language, *, asks: bool = False) -> None:
    """
    Reject a text that is not self-contained.

    With `asks` it is a question, in which a pronoun needs an antecedent.
    """
    text_words = words_of(text)
    if phrase := phrase_in(text_words, words.outside):
        raise Reject("refers to the passage", f"{phrase!r} in: {text}")
    if not asks and (phrase := opening(text_words, words.dangling)):
        raise Reject("opens in the middle", f"{phrase!r} in: {text}")
    if asks:
        small = words.asking | words.modals | words.verbs
        for position, word in enumerate(text_words):
            # "What is a list and how is it made?" contains the pronoun's antecedent.
            before = " ".join(earlier for earlier in text_words[:position] if earlier not in small)
            if word in words.demonstrative or (word in words.pointing and not words.content(before)):
                raise Reject("refers to the passage", f"{word!r} in: {text}")


def about(text: str, passage: Passage, least: float = 0.5) -> None:
    """Reject a text if less than a share of `least` of its content words is from the passage."""
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
    """Reject a question that contains its answer, and an answer that only repeats the question."""
    answer_words = words_of(answer)
    if answer_words and phrase_in(words_of(asked), [" ".join(answer_words)]):
        raise Reject("question gives its answer away", f"{answer} in: {asked}")
    known, new = set(words.content(asked)), words.content(answer)
    if new and all(word in known for word in new):
        raise Reject("answer repeats the question", f"{asked} {answer}")


def verbatim(quote: str, passage: Passage, name: str = "evidence") -> str:
    """Return a quote as written in the passage; reject one that is not in it."""
    original_quote = passage.find(quote)
    if original_quote is None:
        raise Reject(f"{name} not in passage", quote)
    return original_quote


def defined(term: str, evidence: str, words: Language) -> None:
    """Reject a term that its evidence does not define with a directly following phrase such as "is a"."""
    name = " ".join(words_of(term))
    if not name or not phrase_in(words_of(evidence), [f"{name} {phrase}" for phrase in words.defining]):
        raise Reject("evidence does not define the term", f"{term} by: {evidence}")


def numbers(text: str, source: str) -> None:
    """Reject a text with a number that is not in the source."""
    known = set(NUMBER.findall(source))
    for number in NUMBER.findall(text):
        if number not in known:
            raise Reject("number not in passage", f"{number} in: {text}")


def supported(asked: str, answer: str, passage: Passage) -> str:
    """
    Return the sentence of the passage that supports an answer; reject an answer without one.

    It is the sentence that contains most of the words that the answer adds to the question.
    """
    if not passage.sentences:
        raise Reject("not supported by the passage", "it has no whole sentence")
    new = _added(asked, answer, passage.words)
    shares = [overlap(new, set(passage.words.content(line))) for _, line in passage.sentences]
    holding = [place for place, share in enumerate(shares) if share == max(shares)]
    borne_out(asked, answer, passage.sentences[holding[0]][0], passage.words)
    return passage.sentences[fits(asked, holding, passage)][0]


def borne_out(asked: str, answer: str, evidence: str, words: Language, least: float = 0.75) -> None:
    """
    Reject an answer that its evidence does not support.

    The evidence must contain every number of the answer, and a share of `least` of the content words that the
    answer adds to the question.
    """
    numbers(answer, f"{evidence} {asked}")
    share = overlap(_added(asked, answer, words), set(words.content(evidence)))
    if share < least:
        raise Reject("not supported by the passage", f"{share:.2f} of: {answer}, by: {evidence}")


def _added(asked: str, answer: str, words: Language) -> list[str]:
    known = set(words.content(asked))
    return [word for word in dict.fromkeys(words.content(answer)) if word not in known]


def located(asked: str, answer: str, passage: Passage) -> str:
    """Return the sentence that contains an answer and that the question is about; reject if there is none."""
    answer_line = f" {' '.join(words_of(answer))} "
    holding = [
        place
        for place, (_, line) in enumerate(passage.sentences)
        if answer_line in f" {' '.join(words_of(line))} "
    ]
    if not holding:
        raise Reject("answer not in a sentence", answer)
    return passage.sentences[fits(asked, holding, passage)][0]


def fits(asked: str, holding: Sequence[int], passage: Passage, least: float = 0.4) -> int:
    """
    Return the sentence that the question is about, among those that contain the answer.

    Reject a question if less than a share of `least` of its content words (weighted as in `Passage.shares`)
    is in that sentence, or if a sentence without the answer matches as well. Three in four of 1,148 human
    pairs (XQuAD, English) pass; with the answer of another question about the same passage, fewer than one in
    four.
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
    Reject an answer of the wrong type for its question.

    Such answers lack the number that the question asks for, answer who, where or why with a bare number, or
    what or who with a condition or a reason.
    """
    question, answer_words = words_of(asked), words_of(answer)
    numeric = [bool(NUMBER.search(word)) or word in words.numerals for word in answer_words]
    if (phrase := phrase_in(question, words.counting)) and not any(numeric):
        raise Reject("answer of another kind", f"{phrase!r}: {asked} {answer}")
    if question and question[0] in words.naming and numeric and all(numeric):
        raise Reject("answer of another kind", f"{question[0]!r}: {asked} {answer}")
    condition, happens = opening(answer_words, words.connectives), phrase_in(question, words.happening)
    if condition and opening(question, words.things) and not happens:
        raise Reject("answer of another kind", f"{condition!r}: {asked} {answer}")


def related(text: str, passage: Passage, least: float = 0.85) -> None:
    """
    Reject a text that recombines the passage's words.

    A share of `least` of its pairs of adjacent content words must occur together in a sentence of the
    passage. A summary that uses only words of the passage can still state anything; one in other words may be
    correct, but rules over words cannot decide that, so it is rejected too.
    """
    pairs = [pair for sentence in _sentences(text) for pair in pairwise(passage.words.content(sentence))]
    apart = [pair for pair in pairs if not any(unit.issuperset(pair) for unit in passage.units)]
    if len(apart) > (1 - least) * len(pairs):
        raise Reject("not what the passage says", f"{'; '.join(map(' '.join, apart))}, in: {text}")


def original(text: str, passage: Passage, most: float = 0.7) -> None:
    """Reject a text of which more than a share of `most` is copied in runs of four words, or the heading."""
    heading = set(passage.words.content(passage.heading))
    if heading.issuperset(passage.words.content(text)):
        raise Reject("copies the passage", text)
    text_words, passage_words = words_of(text), words_of(passage.text)
    blocks = SequenceMatcher(None, text_words, passage_words, autojunk=False).get_matching_blocks()
    if sum(block.size for block in blocks if block.size >= 4) > most * len(text_words):
        raise Reject("copies the passage", text)


def verdict(claim: str, evidence: str, words: Language) -> bool | None:
    """
    Decide by rule whether evidence states a claim, its opposite, or neither for certain.

    The claim must follow the evidence from its first word; it may omit words at the end and one in four in
    between, and must not add an auxiliary verb. It is true if nothing is reversed, and false if exactly one
    thing is: a negation, a word replaced by its opposite, or a number. A condition that only one of them has,
    or a negation in the omitted part of the evidence, leaves it undecided.

    Returns
    -------
    bool or None
        None if undecided.
    """
    spelled = words.spelled(claim), words.spelled(evidence)
    if any(spelled[0].count(verb) > spelled[1].count(verb) for verb in words.verbs):
        return None
    if any(
        bool(phrase_in(spelled[0], [condition])) != bool(phrase_in(spelled[1], [condition]))
        for condition in words.conditions
    ):
        return None
    claimed, given = words.said(claim), words.said(evidence)
    if claimed and claimed[0] in words.conditions and claimed[0] in given:  # Can names be bound?
        given.remove(claimed.pop(0))
    swaps = dict(_swaps(words, set(claimed), set(given)))
    changed = [word for word in claimed if NUMBER.fullmatch(word) and word not in given]
    known = [word for word in given if NUMBER.fullmatch(word) and word not in claimed]
    if len(changed) == 1 and known:
        swaps[changed[0]] = known[0]
    negations = {words.stem(word) for word in words.negations}
    kept = [swaps.get(word, word) for word in claimed if word not in negations]
    span = _span(kept, given, negations)
    if not kept or not span or any(word in negations for word in given[span:]):
        return None
    if len(kept) < 0.75 * sum(word not in negations for word in given[:span]):
        return None
    count = sum(word in negations for word in claimed), sum(word in negations for word in given)
    return {0: True, 1: False}.get(len(swaps) + abs(count[0] - count[1]))


def _span(claimed: list[str], given: list[str], negations: set[str]) -> int:
    """Return where the claimed words end in the given ones, in order from the first; 0 if they do not."""
    matched = 0
    for position, word in enumerate(given):
        if matched < len(claimed) and word == claimed[matched]:
            matched += 1
            if matched == len(claimed):
                return position + 1
        elif not matched and word not in negations:
            return 0
    return 0


def _swaps(words: Language, claimed: set[str], given: set[str]) -> Iterator[tuple[str, str]]:
    for pair in words.opposites:
        first, second = (words.stem(word) for word in pair)
        for word, opposite in ((first, second), (second, first)):
            if word in claimed and word not in given and opposite in given and opposite not in claimed:
                yield word, opposite
