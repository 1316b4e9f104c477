"""
Checks of generated rows, shared by the stages that parse completions.

Each checks one property and raises `datagen.request.Reject` with a fixed reason. They are rules over
characters and words: fast and precise, but limited. A row that passes is complete, well-formed and grounded
in its passage; the scoring stages decide whether it is also correct.
"""

from datagen.stages.shared.checks.alone import names_its_subject, needs_no_passage
from datagen.stages.shared.checks.entailment import verdict
from datagen.stages.shared.checks.form import (
    begun,
    clean,
    finished,
    of_a_kind,
    particular,
    question,
    sized,
    stands_alone,
    withholds,
)
from datagen.stages.shared.checks.grounding import (
    about,
    defined,
    fits,
    grounded,
    located,
    numbers,
    original,
    related,
    spelled,
    supported,
    supported_by,
    verbatim,
)
from datagen.stages.shared.checks.restated import denies_no_more, keeps, not_reversed

__all__ = [
    "about",
    "begun",
    "clean",
    "defined",
    "denies_no_more",
    "finished",
    "fits",
    "grounded",
    "keeps",
    "located",
    "names_its_subject",
    "needs_no_passage",
    "not_reversed",
    "numbers",
    "of_a_kind",
    "original",
    "particular",
    "question",
    "related",
    "sized",
    "spelled",
    "stands_alone",
    "supported",
    "supported_by",
    "verbatim",
    "verdict",
    "withholds",
]
