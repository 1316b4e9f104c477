"""The requests of the families of instructions (docs/families.md), about one pair or one subject."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from datagen.engines.scripted import completion_of
from datagen.recipe.model import Recipe
from datagen.report.chatml import chatml
from datagen.request import Answer, Answers, Identity, Request
from datagen.schema import TABLES, chat, content_id, table_of
from datagen.stage import ModelStage

NOBODY = Identity("", "")

ANSWER = "A standard lease lasts 12 years and ends in autumn."
BETTER = "How long does a standard lease last, and when does it end?"
PATH = ["Law", "Private law", "Property law"]
SESSIONS = [
    {"title": "What a lease is", "concepts": ["exclusive possession", "term"]},
    {"title": "How a lease ends", "concepts": ["notice", "forfeiture"]},
]
FORMATTED = '{"summary": "A standard lease lasts 12 years.", "explanation": "It ends in autumn."}'
FORMAT = {"format": "json", "names": ["summary", "explanation"], "count": 0, "shown": "demand", "demand": ""}
PROPOSAL = {"critique": "", "question": BETTER, "answer": ANSWER, "reason": None, "lineage": None}
REPLY = {"answer": ANSWER}

# Stage -> its options, and what the model says to the requests that others follow.
STAGES: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
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


def markdown(text: str, question: str) -> Iterator[str]:
    """Write the section; `text` is the passage and `question` what is asked about it."""
    yield from ("", "## Families of instructions", "")
    yield "The requests of the stages in [families.md](families.md), with their default options."
    for name in STAGES:
        for request in requests_of(name, text, question):
            yield from ("", f"### {name}: {request.task}", "", *shown(request))


def shown(request: Request) -> Iterator[str]:
    """Write a request: its messages, and what is decoded or scored."""
    yield from ("````text", chatml(request), "````", "")
    if request.choices:
        yield f"The probabilities of {' and '.join(request.choices)} are read."
    elif request.given:
        yield f"The probability of this answer is read: `{request.given}`"
    else:
        sampling = request.sampling
        yield f"At most {sampling.max_tokens} tokens, temperature {sampling.temperature:g}."
    if request.schema is not None:
        schema = json.dumps(request.schema, ensure_ascii=False)
        yield from ("", "Schema:", "", "````json", schema, "````")


def requests_of(name: str, text: str, question: str) -> list[Request]:
    """Return one request of each task of a stage, those that follow among them."""
    given, said = STAGES[name]
    model = {"engine": "scripted", "model": "datagen:none"}
    recipe = Recipe.model_validate(
        {
            "name": "prompts",
            "corpus": [{"path": "docs"}],
            "models": {"generator": model},
            "stages": {name: given},
        }
    )
    stage, options = recipe.step(name)
    assert isinstance(stage, ModelStage)
    context = recipe.context(name, Path())
    rows = _rows(stage.takes, name, text, question)
    asked = list(stage.ask(rows, options, context))
    if stage.follow is not None:
        answers = Answers(Answer(one, _completion(one, said)) for one in asked)
        asked += stage.follow(rows, answers, options, context)
    first: dict[str, Request] = {}
    for request in asked:
        first.setdefault(request.task, request)
    return list(first.values())


def _completion(request: Request, said: Mapping[str, Any]) -> Any:
    text = json.dumps(said.get(request.task, REPLY))
    fields: dict[str, Any] = {"text": text, "choices": [-math.log(2)] * len(request.choices)}
    return completion_of(fields, request, "", NOBODY)


def _rows(kind: str, stage: str, text: str, question: str) -> pa.Table:
    lineage = {"title": "Land leases", "language": "en", "requests": [], "parents": [], "source": ""}
    if kind in ("nodes", "syllabi"):
        subject = {"id": content_id(kind), "language": "en", "lineage": lineage}
        own = {"path": PATH, "level": "discipline"} if kind == "nodes" else {"path": [*PATH, "Leases"]}
        return table_of(TABLES[kind], [subject | own | {"sessions": SESSIONS}])
    row: dict[str, Any] = {
        "id": content_id("prompts", stage),
        "kind": "instruction",
        "task": "open_question",
        "question": question,
        "context": text,
        "answer": FORMATTED if stage == "describe_formats" else ANSWER,
        "evidence": text,
        "prompt": chat(question, text),
        "metadata": json.dumps(FORMAT) if stage == "describe_formats" else None,
        "lineage": lineage,
    }
    schema = TABLES["examples"]
    part = stage.removeprefix("accept_").removesuffix("s")
    if stage.startswith("accept_"):
        names = ("critique", "question", "answer", "reason")
        proposal = pa.struct([*((name, pa.string()) for name in names), schema.field("lineage")])
        schema = schema.append(pa.field(f"{part}_proposal", proposal))
        row[f"{part}_proposal"] = PROPOSAL | {"question": BETTER if part == "question" else question}
    return table_of(schema, [row])
