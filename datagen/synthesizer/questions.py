"""
Rule-based questions about marked answers, by transformation of the answer's sentence.

"The fee is paid to the Director." with "the Director" marked becomes "Who is the fee paid to?" (Heilman and
Smith 2010, "Good Question! Statistical Ranking for Question Generation": remove the answer phrase, invert
subject and auxiliary, and prepend a question word). There is no parser: a sentence qualifies only if its
subject is a short sequence of words before an auxiliary, or before a verb of the language's list. Few
sentences qualify, but an unlabelled corpus still yields many correct, simple questions in its own words.

The words are those of the language (`inversion` in ``prompts/languages/en.yaml``). A language without
them yields no questions.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.shared.language.inversion import Inversion
from datagen.stages.shared.language.rules import NEVER, Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.synthesizer.mined import lowered

MAX_SUBJECT = 9  # words of a subject
MAX_WORDS = 22  # words of a question
MIN_CONTENT = 3  # content words of a question; shorter ones are ambiguous
STRANDED = 7  # maximum words between the verb and a preposition that ends a question
QUOTED = re.compile(r"[\"'`“”‘’*]+")
DATE = re.compile(r"\d{4}|[A-Z][a-z]+ \d{1,2}(?:, \d{4})?|[A-Z][a-z]+ \d{4}")


class Grammar:
    """The rules of a language (`Inversion`) as patterns."""

    def __init__(self, language: Language, rules: Inversion) -> None:
        self.words, self.rules = language, rules
        self.auxiliaries = rules.copulas | rules.movable
        predicates, consequent = _any(rules.predicates), _any(sorted(language.consequent))
        articles = _any(sorted(language.articles))
        self.complex = re.compile(rf"[:;—()\[\]]|\b{_any(map(re.escape, rules.clarifying))}")
        self.lead = re.compile(
            rf"{_any((*rules.reasons, *rules.times))}\b[^,]*, (?:{consequent} )?", re.IGNORECASE
        )
        self.after_lead = tuple(f", {word}" for word in language.consequent)
        # Start of a part that a question omits: a remark after a comma, or a second verb.
        self.extra = re.compile(
            rf", {_any(rules.remarks)}\b| {_any(rules.second)} (?:\w+ )?{predicates}\b| – "
        )
        self.second_clause = re.compile(rf" {_any(rules.second[:1])} .*\b{predicates}\b")
        self.joined = re.compile(rf"\b{_any(rules.joined)}\b.* |,|[A-Z]\w+ \w+$")
        compared = "".join(f"(?<! {word})" for word in rules.comparing)
        self.ends_in_preposition = re.compile(rf"{compared} \b{_any(rules.stranded)}$|^{_any(rules.alone)}$")
        self.continues = re.compile(rf"{_any(rules.continuing)}\b")
        self.noun = re.compile(rf"([a-z]+)(?: (?={_any(rules.after_noun)}\b)|$)")
        self.ambiguous = re.compile(
            rf"{_any(sorted(map(str.capitalize, language.definite & language.articles)))} [a-z]+"
        )
        self.identified = re.compile(rf"{_any(rules.identifying)}\b")
        self.article = re.compile(rf"(?:^| ){articles}$")
        self.dated = re.compile(rf"(?:^| ){_any(rules.dated)}$")
        self.of = re.compile(rf" {_any(sorted(language.genitive))} ")


@cache
def _grammar(language: Language) -> Grammar | None:
    return Grammar(language, language.inversion) if language.inversion else None


def _any(words: Iterable[str]) -> str:
    return rf"(?:{'|'.join(words) or NEVER})"


@dataclass(frozen=True)
class Clause:
    """The parts of a sentence: a leading condition or reason, subject, verb, and rest."""

    lead: str
    subject: str
    verb: str
    rest: str

    def question(self, word: str, rest: str, grammar: Grammar) -> str:
        """Build a question about anything except the subject."""
        if self.verb in grammar.auxiliaries:
            return f"{word} {self.verb} {self.subject} {rest} {self.ending}"
        verb = _infinitive(self.verb, grammar.rules)
        return f"{word} {grammar.rules.support} {self.subject} {verb} {rest} {self.ending}"

    @property
    def ending(self) -> str:
        """The leading part, to be moved to the end."""
        return f"{self.lead[0].lower()}{self.lead[1:]}" if self.lead else ""


def question_to(candidate: Candidate, passage: Passage) -> str:
    """Return a question about a marked answer; "" if no rule applies, or there are none for its language."""
    grammar = _grammar(passage.words)
    line, answer = candidate.sentence.rstrip(" .;:"), candidate.answer
    if not grammar or line.count(answer) != 1 or grammar.complex.search(line):
        return ""
    clause = _parse(line, passage, grammar)
    question = ""
    if clause:
        question = next(filter(None, (ask(clause, answer, grammar) for ask in RULES)), "")
    happening = passage.words.content(grammar.rules.consequence)
    question_words, content = words_of(question), set(passage.words.content(question)) - set(happening)
    if len(question_words) > MAX_WORDS or len(content) < (
        MIN_CONTENT - 1 if candidate.kind == "action" else MIN_CONTENT
    ):
        return ""
    question = " ".join(question.split()).rstrip(" ,")
    return f"{question[0].upper()}{question[1:]}?"


def _parse(line: str, passage: Passage, grammar: Grammar) -> Clause | None:
    words, lead, main = passage.words, "", line
    if condition := grammar.lead.match(line):
        lead, main = condition[0].rstrip(", "), line[condition.end() :]
        lead = next((lead.removesuffix(end) for end in grammar.after_lead if lead.endswith(end)), lead)
    parts = main.split(" ")
    for place, word in enumerate(parts[: MAX_SUBJECT + 1]):
        if word in grammar.rules.joints:
            return None
        if place and (word in grammar.auxiliaries or word in words.actions):
            subject = " ".join(parts[:place])
            plural = word in words.actions and not _is_singular(subject, grammar.rules)
            if plural or not _is_simple(subject, words, grammar.rules):
                return None
            subject = subject if condition else lowered(subject, passage.text, grammar.rules)
            return Clause(lead, subject, word, " ".join(parts[place + 1 :])) if subject else None
    return None


def _is_simple(subject: str, language: Language, rules: Inversion) -> bool:
    subject_words = words_of(subject)
    if (
        not subject_words
        or "," in subject
        or subject_words[0] in language.pointing | language.subjectless | language.prepositions
    ):
        return False
    inner = language.relative | language.pointing | language.auxiliary - language.articles | rules.inner
    return not set(subject_words) & inner and bool(language.content(subject))


def _is_singular(subject: str, rules: Inversion) -> bool:
    """Guess from its first word whether a subject is singular, so that a verb in -s may follow."""
    first = subject.split(" ")[0].lower()
    return first in rules.singular or bool(QUOTED.match(subject)) or " " not in subject


def _infinitive(verb: str, rules: Inversion) -> str:
    endings = ((re.search(ending, verb), replacement) for ending, replacement in rules.infinitive.items())
    return next((verb[: end.start()] + end.expand(replacement) for end, replacement in endings if end), verb)


def _essential(rest: str, grammar: Grammar) -> str:
    """Remove a trailing remark, unless a preceding comma indicates the end of a list."""
    shortened = grammar.extra.split(rest, maxsplit=1)[0]
    is_paired = any(word in rest for word in grammar.rules.paired)
    return rest if is_paired or "," in shortened else shortened


def _ask_consequence(clause: Clause, answer: str, grammar: Grammar) -> str:
    """Ask what happens under the sentence's leading condition."""
    main = f"{clause.subject} {clause.verb} {clause.rest}"
    condition = words_of(clause.lead)
    vague = grammar.words.pointing | grammar.rules.vague
    if answer != main or not condition or set(condition) & vague:
        return ""
    if clause.lead.lower().startswith(grammar.rules.reasons):
        return ""
    return f"{grammar.rules.consequence} {clause.ending}"


def _ask_action(clause: Clause, answer: str, grammar: Grammar) -> str:
    """Ask what a thing does."""
    verb = answer.split(" ")[0]
    rules, content = grammar.rules, grammar.words.content(clause.subject)
    if clause.lead or verb != clause.verb or verb in grammar.auxiliaries or len(content) < 2:
        return ""
    return f"{rules.thing} {rules.support} {clause.subject} {rules.act}"


def _ask_subject(clause: Clause, answer: str, grammar: Grammar) -> str:
    """Ask for the subject."""
    rules, rest = grammar.rules, _essential(clause.rest, grammar)
    article, _, subject = clause.subject.partition(" ")
    subject = subject if article.lower() in grammar.words.articles else clause.subject
    if answer.casefold() in (clause.subject.casefold(), subject.casefold()):
        if grammar.ambiguous.fullmatch(answer) and _who(answer, grammar) == rules.thing:
            return ""  # "the value", "the file": ambiguous
        if clause.verb in rules.copulas and grammar.identified.match(clause.rest):
            return ""  # "What is a list?" has another answer
        return f"{_who(answer, grammar)} {clause.verb} {rest} {clause.ending}"
    before, _, noun = subject.partition(answer)
    if QUOTED.fullmatch(before or "-") and re.fullmatch(r"[a-z]+(?: [a-z]+)?", QUOTED.sub("", noun).strip()):
        return f"{rules.choice} {QUOTED.sub('', noun)} {clause.verb} {rest} {clause.ending}"
    return ""


def _ask_clause(clause: Clause, answer: str, grammar: Grammar) -> str:
    """Ask why, or when."""
    rules, phrase = grammar.rules, answer.casefold()
    word = rules.reason if phrase.startswith(rules.reasons) else ""
    word = word or (rules.time if phrase.startswith(rules.times) else "")
    pointing = grammar.words.pointing - rules.allowed | rules.unclear
    if not word or phrase.startswith(rules.unasked) or set(words_of(answer)[:3]) & pointing:
        return ""
    if clause.lead and clause.lead.casefold() == phrase:
        rest = clause.rest
    elif not clause.lead and clause.rest.endswith(answer):
        rest = clause.rest[: -len(answer)].rstrip(" ,")
    else:
        return ""
    if (
        not words_of(rest)
        or rest.startswith(tuple(f"{word} " for word in rules.denying))
        or rest.endswith(tuple(f" {word}" for word in rules.comparing))
        or grammar.second_clause.search(rest)
    ):
        return ""
    word = rules.end if phrase.startswith(rules.ends) else word
    return Clause("", clause.subject, clause.verb, "").question(word, rest, grammar)


def _ask_rest(clause: Clause, answer: str, grammar: Grammar) -> str:
    """Ask for the object of the verb or of a preposition."""
    rules = grammar.rules
    before, match, after = clause.rest.partition(answer)
    denied = clause.rest.startswith(tuple(f"{word} " for word in rules.denying))
    if not match or denied or answer.endswith(grammar.words.participle_endings):
        return ""
    quoted = QUOTED.search(before[-1:]) is not None
    if quoted:
        before, after = QUOTED.sub("", before[-2:]).join((before[:-2], "")), QUOTED.sub("", after, count=1)
    before = grammar.article.sub("", before.rstrip()).strip()
    after = _essential(after, grammar).strip()
    if len(before.split()) > STRANDED or grammar.joined.search(before):
        return ""
    noun = grammar.noun.match(after) if quoted else None
    if noun and not grammar.continues.match(after):
        return clause.question(f"{rules.choice} {noun[1]}", f"{before} {after[noun.end() :]}", grammar)
    if after and (before or not grammar.continues.match(after) or len(after.split()) > STRANDED):
        return ""
    when = grammar.dated.search(before)
    if when and DATE.fullmatch(answer):
        return clause.question(rules.time, before[: when.start()], grammar)
    if before and not grammar.ends_in_preposition.search(before):
        return ""
    if not before and clause.verb in grammar.auxiliaries - rules.copulas:
        return ""  # the answer would be a verb, not a noun
    return clause.question(_who(answer, grammar), f"{before} {after}", grammar)


RULES: tuple[Callable[[Clause, str, Grammar], str], ...] = (
    _ask_consequence,
    _ask_action,
    _ask_subject,
    _ask_clause,
    _ask_rest,
)


def _who(answer: str, grammar: Grammar) -> str:
    words_before_of = words_of(grammar.of.split(answer, maxsplit=1)[0])
    is_person = bool(words_before_of) and words_before_of[-1] in grammar.words.people
    return grammar.rules.person if is_person else grammar.rules.thing
