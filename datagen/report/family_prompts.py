"""
The part of docs/prompts.md about stages that are off by default (docs/families.md).

Shows one request of each task, about a small example.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from datagen.engines.scripted import completion_of
from datagen.json_types import JsonObject
from datagen.recipe.model import Recipe
from datagen.request import Answer, Completion, Identity, Request
from datagen.rows import Fields, Row
from datagen.schema import TABLES, chat, content_id, table_of
from datagen.stage import ModelStage

UNNAMED = Identity("", "")

PASSAGE = "A standard lease lasts 12 years and ends in autumn. To renew it, the tenant files a notice."
QUESTION = "How long does a standard lease last?"
ANSWER = "A standard lease lasts 12 years and ends in autumn."
BETTER = "How long does a standard lease last, and when does it end?"
SEEDS = (QUESTION, "Which notices does the registrar record?")
FIRST = "The Halvorsen bridge was built in 1871 by Anna Weidlich. It spans the river Tann near the mill."
SECOND = "Anna Weidlich was born in the village of Corby. She founded a school of engineers there."
ACROSS = {
    "first": "The Halvorsen bridge was built in 1871 by Anna Weidlich.",
    "second": "Anna Weidlich was born in the village of Corby.",
    "question": "In which village was the builder of the Halvorsen bridge born?",
    "answer": "Corby",
}
CODE = "```python\ndef area(width, height):\n    return width * height\n```"
PATH = ["Law", "Private law", "Property law"]
SESSIONS = [
    {"title": "What a lease is", "concepts": ["exclusive possession", "term"]},
    {"title": "How a lease ends", "concepts": ["notice", "forfeiture"]},
]
FORMATTED = '{"summary": "A standard lease lasts 12 years.", "explanation": "It ends in autumn."}'
FORMAT = {"format": "json", "names": ["summary", "explanation"], "count": 0, "shown": "demand", "demand": ""}
PROPOSAL = {"critique": "", "question": BETTER, "answer": ANSWER, "reason": None, "lineage": None}
REPLY = {"answer": ANSWER}
LINEAGE = {"title": "Land leases", "language": "en", "requests": [], "parents": [], "source": ""}

# Stage -> its options, and the replies to its first requests by task, on which the others depend.
STAGES: Mapping[str, tuple[JsonObject, JsonObject]] = {
    "from_seeds": ({}, {}),
    "from_search": ({}, {}),
    "answer_questions": ({}, {}),
    "across_passages": ({}, {"across_passages": ACROSS}),
    "functions": ({}, {}),
    "expand": ({}, {"expand": {"questions": ["Who records the notice of a tenant?"]}}),
    "refine": ({}, {"refine": {"question": BETTER}}),
    "expand_pairs": ({}, {}),
    "chain": ({}, {}),
    "formats": ({"formats": ["json"]}, {}),
    "describe_formats": ({}, {"describe": {"layout": "One object.", "instruction": "Answer as one object."}}),
    "assess": ({}, {}),
    "another_output": ({}, {}),
    "reflect_questions": ({}, {}),
    "accept_questions": ({}, {}),
    "reflect_answers": ({}, {}),
    "accept_answers": ({}, {}),
    "syllabus": ({}, {"complete": {"names": ["Leases"]}}),
    "coursework": (
        {"double": 0},
        {"question": {"question": "What do a term and exclusive possession require?"}},
    ),
}


def sections() -> Iterator[tuple[str, str, list[Request]]]:
    """Yield each stage's name, its summary and one request of each of its tasks."""
    model = {"engine": "scripted", "model": "datagen:none"}
    for name, (settings, replies) in STAGES.items():
        recipe = Recipe.model_validate(
            {
                "name": "prompts",
                "corpus": [{"path": "docs"}],
                "models": {"generator": model},
                "stages": {name: settings},
            }
        )
        stage, options = recipe.step(name)
        assert isinstance(stage, ModelStage)
        context = recipe.context(name, Path())
        rows = _rows(stage.takes, name)
        answer = partial(_answers, replies=replies)
        first: dict[str, Request] = {}
        for answered in stage.converse(rows, options, context, answer):
            first.setdefault(answered.request.task, answered.request)
        yield name, stage.summary, list(first.values())


def _answers(requests: Sequence[Request], replies: JsonObject) -> list[Answer]:
    return [Answer(request, _reply(request, replies)) for request in requests]


def _reply(request: Request, replies: JsonObject) -> Completion:
    text = json.dumps(replies.get(request.task, REPLY))
    fields: JsonObject = {"text": text, "choices": [-math.log(2)] * len(request.choices)}
    return completion_of(fields, request, "", UNNAMED)


def _rows(kind: str, stage: str) -> pa.Table:
    """Return the example rows of a kind of table."""
    if kind in ("examples", "candidates"):
        return _pair(stage)
    passages = [_passage("bridges.md", "Bridges", FIRST), _passage("people.md", "People", SECOND)]
    code = {"id": "area.py", "source": "area.py", "text": CODE, "language": "und"}
    question = {"id": "q", "task": "from_search", "question": ACROSS["question"], "answered": True}
    subject = {"id": content_id(kind), "language": "en", "lineage": LINEAGE, "sessions": SESSIONS}
    rows: dict[str, list[Row]] = {
        "seeds": [{"id": str(number), "question": text} for number, text in enumerate(SEEDS)],
        "documents": [code | {"metadata": json.dumps({"programming_language": "python"})}],
        "passages": passages,
        "questions": [question | {"passages": passages}],
        "nodes": [subject | {"path": PATH, "level": "discipline"}],
        "syllabi": [subject | {"path": [*PATH, "Leases"]}],
    }
    return table_of(TABLES[kind], rows[kind])


def _passage(source: str, title: str, text: str) -> Row:
    row = {"id": source, "document_id": source, "source": source, "title": title, "text": text}
    return row | {"section": [], "start": 0, "end": len(text), "index": 0, "language": "en"}


def _pair(stage: str) -> pa.Table:
    """Return a pair; for a stage that accepts a proposal, with one."""
    formatted = stage == "describe_formats"
    row: Fields = {
        "id": content_id("prompts", stage),
        "kind": "instruction",
        "task": "open_question",
        "question": QUESTION,
        "context": PASSAGE,
        "answer": FORMATTED if formatted else ANSWER,
        "evidence": PASSAGE,
        "prompt": chat(QUESTION, PASSAGE),
        "metadata": json.dumps(FORMAT) if formatted else None,
        "lineage": LINEAGE,
    }
    schema = TABLES["examples"]
    if stage.startswith("accept_"):
        part = stage.removeprefix("accept_").removesuffix("s")
        names = ("critique", "question", "answer", "reason")
        proposal = pa.struct([*((name, pa.string()) for name in names), schema.field("lineage")])
        schema = schema.append(pa.field(f"{part}_proposal", proposal))
        row[f"{part}_proposal"] = PROPOSAL | {"question": BETTER if part == "question" else QUESTION}
    return table_of(schema, [row])
