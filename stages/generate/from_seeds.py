"""
Write new instructions from a few seed instructions, k of them in each prompt.

Follows Self-Instruct (arXiv 2212.10560) and BioInstruct (arXiv 2310.19975: 3 of 80 seeds in a prompt).
Prompts show only seeds, never generated instructions, so errors do not spread. `novelty` removes instructions
too similar to a seed or to another instruction, `retrieve` finds passages, and `answer_questions` answers
from them (Self-Specialization, arXiv 2310.00160). BioInstruct's categories are `categories`; its number of
instructions is `novelty.target`.
"""

from datagen.stages.generate.expansion import Expansion, expansion
from datagen.stages.shared.checks import stands_alone
from datagen.stages.shared.language.rules import Language


class Options(Expansion):
    """How many instructions are written."""


def check(text: str, language: Language) -> None:
    """Reject an instruction that refers to a text that is not shown."""
    stands_alone(text, language)


stage = expansion(
    "from_seeds",
    "write new instructions from seed instructions",
    "seeds/instructions",
    Options,
    check,
)
