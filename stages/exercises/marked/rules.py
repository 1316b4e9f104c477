"""
Rules that find possible answers in a sentence: terms, dates, quantities, names, clauses and their parts.

Each rule yields spans; `datagen.stages.exercises.marked.candidates` selects from them. The words that a rule
needs to know are data: the fields of ``prompts/languages/en.yaml``.
"""

from collections.abc import Iterator

from datagen.stages.exercises.marked.clauses import (
    actions,
    clauses,
    consequences,
    definitions,
    phrases,
    subjects,
)
from datagen.stages.exercises.marked.noun_phrases import dates, names, quantities, terms
from datagen.stages.exercises.marked.sentence import Sentence, Span

RULES = (definitions, terms, dates, quantities, names, clauses, consequences, actions, subjects, phrases)


def find(sentence: Sentence) -> Iterator[Span]:
    """Apply all rules to a sentence; parts of a term, date, quantity or name are left out."""
    outermost: list[Span] = []
    for rule in RULES:
        for start, end, kind in rule(sentence):
            if any(
                first <= start and end <= last and end - start < last - first for first, last, _ in outermost
            ):
                continue
            if kind in ("term", "date", "quantity", "name"):
                outermost.append((start, end, kind))
            yield start, end, kind
