"""
Rule-based questions about marked answers, by transformation of the answer's sentence.

"The fee is paid to the Director." with "the Director" marked becomes "Who is the fee paid to?" (Heilman and
Smith 2010, "Good Question! Statistical Ranking for Question Generation": remove the answer phrase, invert
subject and auxiliary, and prepend a question word). There is no parser: a sentence qualifies only if its
subject is a short sequence of words before an auxiliary, or before a verb of the language's list. Few
sentences qualify, but an unlabelled corpus still yields many correct, simple questions in its own words.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.synthesizer.mined import COPULAS, lowered

MAX_SUBJECT = 9  # words of a subject
MAX_WORDS = 22  # words of a question
MIN_CONTENT = 3  # content words of a question; shorter ones are ambiguous
STRANDED = 7  # maximum words between the verb and a preposition that ends a question
AUXILIARIES = COPULAS | {"can", "could", "may", "might", "must", "shall", "should", "will", "would"}
BE = r"(?:is|are|was|were|can|may|must|shall|will)"

WHY = ("because", "since", "so that", "in order to", "so as to")
WHEN = ("if", "unless", "when", "whenever", "until", "as long as", "as soon as", "provided that")
LEAD = re.compile(rf"(?:{'|'.join((*WHY, *WHEN))})\b[^,]*, (?:then )?", re.IGNORECASE)
COMPLEX = re.compile(r"[:;—()\[\]]|\bi\.e\.|\be\.g\.")
QUOTED = re.compile(r"[\"'`“”‘’*]+")
# Start of a part that a question omits: a remark after a comma, or a second verb.
EXTRA = re.compile(rf", (?:and|but|so|which|as|unless|except|or|even)\b| (?:and|but) (?:\w+ )?{BE}\b| – ")
SECOND_CLAUSE = re.compile(rf" and .*\b{BE}\b")  # a second main clause
JOINED = re.compile(
    r"\b(?:and|or|that|which|who|whose|where|if|when|because|but|how|of|for|than)\b.* |,|[A-Z]\w+ \w+$"
)
ENDS_IN_PREPOSITION = re.compile(
    r"(?<! as) \b(?:as|by|for|from|into|on|onto|to|with|in|over|against)$|^(?:by|with|on|to|from|in|for)$"
)
CONTINUES = re.compile(r"(?:if|when|in|for|to|by|on|at|with|from|during|after|before|until|unless)\b")
NOUN = re.compile(r"([a-z]+)(?: (?=in\b|of\b|if\b|when\b|to\b|for\b|with\b|by\b)|$)")


@dataclass(frozen=True)
class Clause:
    """The parts of a sentence: a leading condition or reason, subject, verb, and rest."""

    lead: str
    subject: str
    verb: str
    rest: str

    def question(self, word: str, rest: str) -> str:
        """Build a question about anything except the subject."""
        if self.verb in AUXILIARIES:
            return f"{word} {self.verb} {self.subject} {rest} {self.ending}"
        return f"{word} does {self.subject} {_infinitive(self.verb)} {rest} {self.ending}"

    @property
    def ending(self) -> str:
        """The leading part, to be moved to the end."""
        return f"{self.lead[0].lower()}{self.lead[1:]}" if self.lead else ""


def question_to(candidate: Candidate, passage: Passage) -> str:
    """Return a question about a marked answer; "" if no rule applies."""
    line, answer = candidate.sentence.rstrip(" .;:"), candidate.answer
    if line.count(answer) != 1 or COMPLEX.search(line):
        return ""
    clause = _parse(line, passage)
    question = ""
    if clause:
        question = next(filter(None, (ask(clause, answer, passage.words) for ask in RULES)), "")
    question_words, content = words_of(question), set(passage.words.content(question)) - {"happen"}
    if len(question_words) > MAX_WORDS or len(content) < (
        MIN_CONTENT - 1 if candidate.kind == "action" else MIN_CONTENT
    ):
        return ""
    question = " ".join(question.split()).rstrip(" ,")
    return f"{question[0].upper()}{question[1:]}?"


def _parse(line: str, passage: Passage) -> Clause | None:
    words, lead, main = passage.words, "", line
    if condition := LEAD.match(line):
        lead, main = condition[0].rstrip(", ").removesuffix(", then"), line[condition.end() :]
    parts = main.split(" ")
    for place, word in enumerate(parts[: MAX_SUBJECT + 1]):
        if word in ("and", "or", "not"):
            return None
        if place and (word in AUXILIARIES or word in words.actions):
            subject = " ".join(parts[:place])
            if not _is_simple(subject, words) or (word in words.actions and not _is_singular(subject)):
                return None
            subject = subject if condition else lowered(subject, passage.text)
            return Clause(lead, subject, word, " ".join(parts[place + 1 :])) if subject else None
    return None


def _is_simple(subject: str, words: Language) -> bool:
    subject_words = words_of(subject)
    if (
        not subject_words
        or "," in subject
        or subject_words[0] in words.pointing | words.subjectless | words.prepositions
    ):
        return False
    inner = words.relative | words.pointing | words.auxiliary - words.articles | {"to", "not", "by", "there"}
    return not set(subject_words) & inner and bool(words.content(subject))


def _is_singular(subject: str) -> bool:
    """Guess from its first word whether a subject is singular, so that a verb in -s may follow."""
    first = subject.split(" ")[0].lower()
    return first in ("the", "a", "an", "each", "every") or bool(QUOTED.match(subject)) or " " not in subject


def _infinitive(verb: str) -> str:
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    return verb[:-2] if re.search(r"(?:ss|x|zz|ch|sh)es$", verb) else verb[:-1]


def _essential(rest: str) -> str:
    """Remove a trailing remark, unless a preceding comma indicates the end of a list."""
    shortened = EXTRA.split(rest, maxsplit=1)[0]
    return rest if "either" in rest or "," in shortened else shortened


def _ask_consequence(clause: Clause, answer: str, words: Language) -> str:
    """Ask what happens under the sentence's leading condition."""
    main = f"{clause.subject} {clause.verb} {clause.rest}"
    condition = words_of(clause.lead)
    if answer != main or not condition or set(condition) & (words.pointing | {"that", "such", "so", "not"}):
        return ""
    return "" if clause.lead.lower().startswith(WHY) else f"what happens {clause.ending}"


def _ask_action(clause: Clause, answer: str, words: Language) -> str:
    """Ask what a thing does."""
    verb = answer.split(" ")[0]
    if clause.lead or verb != clause.verb or verb in AUXILIARIES or len(words.content(clause.subject)) < 2:
        return ""
    return f"what does {clause.subject} do"


def _ask_subject(clause: Clause, answer: str, words: Language) -> str:
    """Ask for the subject."""
    rest = _essential(clause.rest)
    article, _, subject = clause.subject.partition(" ")
    subject = subject if article.lower() in words.articles else clause.subject
    if answer.casefold() in (clause.subject.casefold(), subject.casefold()):
        if re.fullmatch(r"The [a-z]+", answer) and _who(answer, words) == "what":
            return ""  # "the value", "the file": ambiguous
        if clause.verb in COPULAS and re.match(r"(?:an?|the|one|also)\b", clause.rest):
            return ""  # "What is a list?" has another answer
        return f"{_who(answer, words)} {clause.verb} {rest} {clause.ending}"
    before, _, noun = subject.partition(answer)
    if QUOTED.fullmatch(before or "-") and re.fullmatch(r"[a-z]+(?: [a-z]+)?", QUOTED.sub("", noun).strip()):
        return f"which {QUOTED.sub('', noun)} {clause.verb} {rest} {clause.ending}"
    return ""


def _ask_clause(clause: Clause, answer: str, words: Language) -> str:
    """Ask why, or when."""
    phrase = answer.casefold()
    word = "why" if phrase.startswith(WHY) else "when" if phrase.startswith(WHEN) else ""
    pointing = words.pointing - {"they", "it"} | {"that", "needed", "necessary"}
    if not word or phrase.startswith("unless") or set(words_of(answer)[:3]) & pointing:
        return ""
    if clause.lead and clause.lead.casefold() == phrase:
        rest = clause.rest
    elif not clause.lead and clause.rest.endswith(answer):
        rest = clause.rest[: -len(answer)].rstrip(" ,")
    else:
        return ""
    if (
        not words_of(rest)
        or rest.startswith(("not ", "no "))
        or rest.endswith(" as")
        or SECOND_CLAUSE.search(rest)
    ):
        return ""
    word = "until when" if phrase.startswith("until") else word
    return Clause("", clause.subject, clause.verb, "").question(word, rest)


def _ask_rest(clause: Clause, answer: str, words: Language) -> str:
    """Ask for the object of the verb or of a preposition."""
    before, match, after = clause.rest.partition(answer)
    if not match or clause.rest.startswith(("not ", "no ")) or answer.endswith("ed"):
        return ""
    quoted = QUOTED.search(before[-1:]) is not None
    if quoted:
        before, after = QUOTED.sub("", before[-2:]).join((before[:-2], "")), QUOTED.sub("", after, count=1)
    before = re.sub(r"(?:^| )(?:the|an?)$", "", before.rstrip()).strip()
    after = _essential(after).strip()
    if len(before.split()) > STRANDED or JOINED.search(before):
        return ""
    noun = NOUN.match(after) if quoted else None
    if noun and not CONTINUES.match(after):
        return clause.question(f"which {noun[1]}", f"{before} {after[noun.end() :]}")
    if after and (before or not CONTINUES.match(after) or len(after.split()) > STRANDED):
        return ""
    when = re.search(r"(?:^| )(in|on)$", before)
    if when and re.fullmatch(r"\d{4}|[A-Z][a-z]+ \d{1,2}(?:, \d{4})?|[A-Z][a-z]+ \d{4}", answer):
        return clause.question("when", before[: when.start()])
    if before and not ENDS_IN_PREPOSITION.search(before):
        return ""
    if not before and clause.verb in AUXILIARIES - COPULAS:
        return ""  # the answer would be a verb, not a noun
    return clause.question(_who(answer, words), f"{before} {after}")


RULES: tuple[Callable[[Clause, str, Language], str], ...] = (
    _ask_consequence,
    _ask_action,
    _ask_subject,
    _ask_clause,
    _ask_rest,
)


def _who(answer: str, words: Language) -> str:
    words_before_of = words_of(answer.partition(" of ")[0])
    return "who" if words_before_of and words_before_of[-1] in words.people else "what"
