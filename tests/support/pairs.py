"""Parent rows for operators, and models that answer their requests: well, subtly wrong, or maliciously."""

import json

from datagen.schema import content_id
from tests.support.generators import TEXT
from tests.support.rows import example

QUESTION = "How long does a standard lease last?"
ANSWER = "A standard lease lasts 12 years and ends in autumn."
OTHER_QUESTION = "How long does a seasonal lease last?"
OTHER_ANSWER = "A seasonal lease lasts 6 months."
LONG_ANSWER = (
    "To renew a standard lease, the tenant files a notice with the registrar. The registrar records the notice in the "
    "land register and sends a copy to the owner. The owner may object within 30 days."
)
RENEWAL = "How does a tenant renew a standard lease?"


def parent(question=QUESTION, answer=ANSWER, **fields):
    """Build a row that an operator starts from."""
    known = {"document_id": "d", "title": "Leases", "language": "en", "requests": ["r0"], "parents": ["p"]}
    known |= {
        "model": "writer",
        "revision": "1",
        "models": [{"model": "writer", "revision": "1", "licence": "MIT"}],
    }
    row = {"context": TEXT, "evidence": ANSWER, "task": "extractive_question", "lineage": known} | fields
    return example(question=question, answer=answer, **row) | {
        "id": content_id(question, answer, *map(str, fields))
    }


def reply_text(value):
    """Return a model's reply: a text, or a value as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def labels(row):
    """Return a row's metadata."""
    return json.loads(row["metadata"])


def says_yes(request):
    """Choose the judge's first option ("Yes") with certainty, under any letter."""
    asked = request.messages[-1]["content"]
    letter = next(c for c in request.choices if f"({c}) Yes" in asked)
    return {"text": letter, "choices": [-0.01 if c == letter else -6.0 for c in request.choices]}


def says_no(request):
    """Choose the other option."""
    asked = request.messages[-1]["content"]
    letter = next(c for c in request.choices if f"({c}) No" in asked)
    return {"text": letter, "choices": [-0.01 if c == letter else -6.0 for c in request.choices]}
