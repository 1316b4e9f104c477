"""
Expand seed questions into questions to be answered by search over the corpus.

Follows SearchInstruct (arXiv 2509.10708): a model expands a few human-written questions into rephrased and
new ones; `retrieve` finds passages for each, and `answer_questions` answers from them. A question without
passages is never answered: `open_questions` passes it to the refusals.
"""

from pydantic import Field

from datagen.stages.generate.expansion import Expansion, expansion
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language


class Options(Expansion):
    """How far each seed question is expanded."""

    shown: int = Field(2, ge=1, description="Seeds in a prompt, drawn by hash")
    temperature: float = Field(0.2, ge=0, description="0: always the likeliest answer")


def check(text: str, language: Language) -> None:
    """Reject text that is not a question, is unclear without the seeds, or asks for nothing specific."""
    checks.question(text, language)
    checks.stands_alone(text, language, asks=True)
    checks.particular(text, language)


stage = expansion(
    "from_search",
    "expand seed questions, to be answered from retrieved passages",
    "seeds/questions",
    Options,
    check,
)
