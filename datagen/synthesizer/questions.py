"""
Questions to marked answers, by turning the answer's own sentence round.

"The fee is paid to the Director." with "the Director" marked becomes "Who is the fee paid to?" (Heilman and
Smith 2010, "Good Question! Statistical Ranking for Question Generation": the answer phrase is taken out,
subject and auxiliary change places, a question word goes to the front). There is no parser: a sentence is
taken only if its subject is a short run of words before an auxiliary or before a verb of the language's
list. So few sentences give a question, and a corpus that nobody has asked about gives many that are right,
plain, and in its own words.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.synthesizer.mined import COPULAS, lowered

MOST_SUBJECT = 9  # words
MOST = 22  # words of a question
LEAST = 3  # content words of a question, so that it asks for one thing
STRANDED = 7  # words between the verb and a preposition that ends a question
AUXILIARIES = COPULAS | {"can", "could", "may", "might", "must", "shall", "should", "will", "would"}
BE = r"(?:is|are|was|were|can|may|must|shall|will)"

WHY = ("because", "since", "so that", "in order to", "so as to")
WHEN = ("if", "unless", "when", "whenever", "until", "as long as", "as soon as", "provided that")
LEAD = re.compile(rf"(?:{'|'.join((*WHY, *WHEN))})\b[^,]*, (?:then )?", re.IGNORECASE)
UNPLAIN = re.compile(r"[:;—()\[\]]|\bi\.e\.|\be\.g\.")
QUOTED = re.compile(r"[\"'`“”‘’*]+")
# What a question need not repeat of its sentence: a remark behind a comma, a second verb.
EXTRA = re.compile(rf", (?:and|but|so|which|as|unless|except|or|even)\b| (?:and|but) (?:\w+ )?{BE}\b| – ")
TWICE = re.compile(rf" and .*\b{BE}\b")  # a second main clause
JOINED = re.compile(
    r"\b(?:and|or|that|which|who|whose|where|if|when|because|but|how|of|for|than)\b.* |,|[A-Z]\w+ \w+$"
)
ENDS_WELL = re.compile(
    r"(?<! as) \b(?:as|by|for|from|into|on|onto|to|with|in|over|against)$|^(?:by|with|on|to|from|in|for)$"
)
GOES_ON = re.compile(r"(?:if|when|in|for|to|by|on|at|with|from|during|after|before|until|unless)\b")
NOUN = re.compile(r"([a-z]+)(?: (?=in\b|of\b|if\b|when\b|to\b|for\b|with\b|by\b)|$)")


@dataclass(frozen=True)
class Clause:
    """A sentence taken apart: what stands before its subject, its subject, its verb, and the rest."""

    lead: str
    subject: str
    verb: str
    rest: str

    def asked(self, word: str, rest: str) -> str:
        """Ask with a question word for something that is not the subject."""
        if self.verb in AUXILIARIES:
            return f"{word} {self.verb} {self.subject} {rest} {self.behind}"
        return f"{word} does {self.subject} {_infinitive(self.verb)} {rest} {self.behind}"

    @property
    def behind(self) -> str:
        """What stood before the subject, to stand at the end."""
        return f"{self.lead[0].lower()}{self.lead[1:]}" if self.lead else ""


def question_to(candidate: Candidate, passage: Passage) -> str:
    """Ask for a marked answer; "" where no rule can."""
    line, answer = candidate.sentence.rstrip(" .;:"), candidate.answer
    if line.count(answer) != 1 or UNPLAIN.search(line):
        return ""
    clause = _taken_apart(line, passage)
    asked = ""
    if clause:
        asked = next(filter(None, (ask(clause, answer, passage.words) for ask in WAYS)), "")
    said, content = words_of(asked), set(passage.words.content(asked)) - {"happen"}
    if len(said) > MOST or len(content) < (LEAST - 1 if candidate.kind == "action" else LEAST):
        return ""
    asked = " ".join(asked.split()).rstrip(" ,")
    return f"{asked[0].upper()}{asked[1:]}?"


def _taken_apart(line: str, passage: Passage) -> Clause | None:
    words, lead, main = passage.words, "", line
    if found := LEAD.match(line):
        lead, main = found[0].rstrip(", ").removesuffix(", then"), line[found.end() :]
    parts = main.split(" ")
    for place, word in enumerate(parts[: MOST_SUBJECT + 1]):
        if word in ("and", "or", "not"):
            return None
        if place and (word in AUXILIARIES or word in words.actions):
            subject = " ".join(parts[:place])
            if not _plain(subject, words) or (word in words.actions and not _single(subject)):
                return None
            subject = subject if found else lowered(subject, passage.text)
            return Clause(lead, subject, word, " ".join(parts[place + 1 :])) if subject else None
    return None


def _plain(subject: str, words: Language) -> bool:
    said = words_of(subject)
    if not said or "," in subject or said[0] in words.pointing | words.subjectless | words.prepositions:
        return False
    inner = words.relative | words.pointing | words.auxiliary - words.articles | {"to", "not", "by", "there"}
    return not set(said) & inner and bool(words.content(subject))


def _single(subject: str) -> bool:
    """Tell whether a subject is one thing, as far as its first words tell: a verb in -s may follow."""
    first = subject.split(" ")[0].lower()
    return first in ("the", "a", "an", "each", "every") or bool(QUOTED.match(subject)) or " " not in subject


def _infinitive(verb: str) -> str:
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    return verb[:-2] if re.search(r"(?:ss|x|zz|ch|sh)es$", verb) else verb[:-1]


def _main(rest: str) -> str:
    """Leave out what goes without saying, unless a comma before it says that it is the end of a list."""
    main = EXTRA.split(rest, maxsplit=1)[0]
    return rest if "either" in rest or "," in main else main


def _of_consequence(clause: Clause, answer: str, words: Language) -> str:
    """Ask what happens under the condition that the sentence opens with."""
    main = f"{clause.subject} {clause.verb} {clause.rest}"
    condition = words_of(clause.lead)
    if answer != main or not condition or set(condition) & (words.pointing | {"that", "such", "so", "not"}):
        return ""
    return "" if clause.lead.lower().startswith(WHY) else f"what happens {clause.behind}"


def _of_action(clause: Clause, answer: str, words: Language) -> str:
    """Ask what a thing does."""
    said = answer.split(" ")[0]
    if clause.lead or said != clause.verb or said in AUXILIARIES or len(words.content(clause.subject)) < 2:
        return ""
    return f"what does {clause.subject} do"


def _of_subject(clause: Clause, answer: str, words: Language) -> str:
    """Ask which thing it is that is so, or does so."""
    rest = _main(clause.rest)
    article, _, bare = clause.subject.partition(" ")
    bare = bare if article.lower() in words.articles else clause.subject
    if answer.casefold() in (clause.subject.casefold(), bare.casefold()):
        if re.fullmatch(r"The [a-z]+", answer) and _who(answer, words) == "what":
            return ""  # the value, the file: which one?
        if clause.verb in COPULAS and re.match(r"(?:an?|the|one|also)\b", clause.rest):
            return ""  # "What is a list?" asks for another answer
        return f"{_who(answer, words)} {clause.verb} {rest} {clause.behind}"
    before, _, noun = bare.partition(answer)
    if QUOTED.fullmatch(before or "-") and re.fullmatch(r"[a-z]+(?: [a-z]+)?", QUOTED.sub("", noun).strip()):
        return f"which {QUOTED.sub('', noun)} {clause.verb} {rest} {clause.behind}"
    return ""


def _of_clause(clause: Clause, answer: str, words: Language) -> str:
    """Ask why, or when."""
    opened = answer.casefold()
    word = "why" if opened.startswith(WHY) else "when" if opened.startswith(WHEN) else ""
    pointing = words.pointing - {"they", "it"} | {"that", "needed", "necessary"}
    if not word or opened.startswith("unless") or set(words_of(answer)[:3]) & pointing:
        return ""
    if clause.lead and clause.lead.casefold() == opened:
        rest = clause.rest
    elif not clause.lead and clause.rest.endswith(answer):
        rest = clause.rest[: -len(answer)].rstrip(" ,")
    else:
        return ""
    if not words_of(rest) or rest.startswith(("not ", "no ")) or rest.endswith(" as") or TWICE.search(rest):
        return ""
    word = "until when" if opened.startswith("until") else word
    return Clause("", clause.subject, clause.verb, "").asked(word, rest)


def _of_rest(clause: Clause, answer: str, words: Language) -> str:
    """Ask for what follows the verb, or for what a preposition ends with."""
    before, found, after = clause.rest.partition(answer)
    if not found or clause.rest.startswith(("not ", "no ")) or answer.endswith("ed"):
        return ""
    quoted = QUOTED.search(before[-1:]) is not None
    if quoted:
        before, after = QUOTED.sub("", before[-2:]).join((before[:-2], "")), QUOTED.sub("", after, count=1)
    before = re.sub(r"(?:^| )(?:the|an?)$", "", before.rstrip()).strip()
    after = _main(after).strip()
    if len(before.split()) > STRANDED or JOINED.search(before):
        return ""
    noun = NOUN.match(after) if quoted else None
    if noun and not GOES_ON.match(after):
        return clause.asked(f"which {noun[1]}", f"{before} {after[noun.end() :]}")
    if after and (before or not GOES_ON.match(after) or len(after.split()) > STRANDED):
        return ""
    when = re.search(r"(?:^| )(in|on)$", before)
    if when and re.fullmatch(r"\d{4}|[A-Z][a-z]+ \d{1,2}(?:, \d{4})?|[A-Z][a-z]+ \d{4}", answer):
        return clause.asked("when", before[: when.start()])
    if before and not ENDS_WELL.search(before):
        return ""
    if not before and clause.verb in AUXILIARIES - COPULAS:
        return ""  # what a thing must: no noun
    return clause.asked(_who(answer, words), f"{before} {after}")


WAYS: tuple[Callable[[Clause, str, Language], str], ...] = (
    _of_consequence,
    _of_action,
    _of_subject,
    _of_clause,
    _of_rest,
)


def _who(answer: str, words: Language) -> str:
    said = words_of(answer.partition(" of ")[0])
    return "who" if said and said[-1] in words.people else "what"
