"""No stage of the families fails or loses a row for any reply of a model."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.stages.confidence.recycle import reflect
from datagen.stages.generate.ensemble.outputs import stage as another_output
from datagen.stages.generate.format_control.describe import stage as describe_formats
from datagen.stages.generate.format_control.rewrite import stage as formats
from datagen.stages.generate.operators.chain import stage as chain
from datagen.stages.generate.operators.expand import expand, refine
from datagen.stages.generate.operators.expand_pairs import stage as expand_pairs
from datagen.stages.generate.subjects.coursework import stage as coursework
from datagen.stages.generate.subjects.syllabus import stage as syllabus
from tests.support.asked import ask
from tests.support.pairs import LONG_ANSWER, RENEWAL, parent

LINEAGE = parent()["lineage"]
PATH = ["Law", "Private law", "Property law"]
SESSIONS = [
    {"title": "Basics", "concepts": ["term", "notice"]},
    {"title": "Ends", "concepts": ["forfeiture"]},
]
FORMAT = {
    "format": "json",
    "names": ["answer", "details"],
    "count": 0,
    "shown": "demand",
    "demand": "As JSON.",
}
ROW = parent(RENEWAL, LONG_ANSWER)

CASES = {
    "expand": (expand, [ROW]),
    "refine": (refine, [ROW]),
    "expand_pairs": (expand_pairs, [ROW, parent()]),
    "chain": (chain, [ROW]),
    "formats": (formats, [ROW]),
    "describe_formats": (describe_formats, [ROW | {"answer": '{"answer": "a", "details": "b"}', "metadata": json.dumps(FORMAT)}]),
    "another_output": (another_output, [ROW]),
    "reflect_questions": (reflect.questions, [ROW]),
    "reflect_answers": (reflect.answers_, [ROW]),
    "syllabus": (syllabus, [{"id": "n", "path": PATH, "level": "discipline", "language": "en", "lineage": LINEAGE}]),
    "coursework": (
        coursework,
        [{"id": "s", "path": [*PATH, "Leases"], "language": "en", "sessions": SESSIONS, "lineage": LINEAGE}],
    ),
}  # fmt: skip
FIELDS = ("question", "questions", "answer", "pairs", "critique", "layout", "instruction", "names", "parts")
FIELDS = (*FIELDS, "name", "below", "sessions", "title", "concepts")
TEXTS = st.text(max_size=40) | st.sampled_from(
    [RENEWAL, LONG_ANSWER, "{", "~~~", "<|im_end|>", "- x\n- y", "a: b"]
)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), part, max_size=4),
    max_leaves=8,
)
REPLIES = TEXTS | VALUES.map(json.dumps)
COMPLETION = REPLIES | st.fixed_dictionaries(
    {"text": REPLIES, "finish": st.sampled_from(["stop", "length", "error"])},
    optional={"error": st.just("x"), "choices": st.lists(st.floats(-9, 0), max_size=3)},
)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_answer_is_kept_or_dropped(name, data):
    stage, rows = CASES[name]
    answers: dict[str, object] = {}

    def model(request):
        key = json.dumps([request.messages, request.choices, request.about])
        return answers.setdefault(key, data.draw(COMPLETION))  # the same request has the same answer

    kept, dropped, _ = ask(stage, rows, model)  # checks that no row is lost
    assert kept or dropped
    for row in kept:
        for field in ("question", "answer"):
            if row.get(field) is not None and stage.gives == "candidates" and stage.takes != "candidates":
                assert "<|im_end|>" not in row[field] and row[field].strip()
