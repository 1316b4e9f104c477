"""
Write new instructions from a few seed instructions, k of them in each prompt.

Follows Self-Instruct (arXiv 2212.10560) and BioInstruct (arXiv 2310.19975: 3 of 80 seeds in a prompt).
Prompts show only seeds, never generated instructions, so errors do not spread. `novelty` removes instructions
too similar to a seed or to another instruction, `retrieve` finds passages, and `answer_questions` answers
from them (Self-Specialization, arXiv 2310.00160). BioInstruct's categories are `categories`; its number of
instructions is `novelty.target`.
"""

import re

from datagen.request import Reject
from datagen.stages.generate.expansion import Expansion, expansion
from datagen.stages.shared.checks import stands_alone
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, SENTENCE_MARKS
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import opening

CLAUSE = re.compile(rf"[{SENTENCE_MARKS}{QUESTION_MARKS},;:，；：]\s*|\s[-–—]\s")


class Options(Expansion):
    """How many instructions are written."""


def check(text: str, language: Language) -> None:
    """Reject a text that refers to one that is not shown, or asks for nothing."""
    stands_alone(text, language)
    asks = any(mark in text for mark in QUESTION_MARKS) or any(
        opening(words_of(clause), language.requesting) for clause in CLAUSE.split(text)
    )
    if language.requesting and not asks:
        raise Reject("not an instruction", text)


stage = expansion(
    "from_seeds",
    "write new instructions from seed instructions",
    "seeds/instructions",
    Options,
    check,
)
