"""The part of docs/prompts.md about stages that are off by default: their requests about a small example."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datagen.recipe.model import Recipe
from datagen.request import Answer, Answers, Completion, Request
from datagen.schema import TABLES, table_of
from datagen.stage import ModelStage

SEEDS = ("How long does a standard lease last?", "Which notices does the registrar record?")
FIRST = "The Halvorsen bridge was built in 1871 by Anna Weidlich. It spans the river Tann near the mill."
SECOND = "Anna Weidlich was born in the village of Corby. She founded a school of engineers there."
CODE = "```python\ndef area(width, height):\n    return width * height\n```"
PAIR = {
    "first": "The Halvorsen bridge was built in 1871 by Anna Weidlich.",
    "second": "Anna Weidlich was born in the village of Corby.",
    "question": "In which village was the builder of the Halvorsen bridge born?",
    "answer": "Corby",
}

# Stage -> the answer to its first requests, on which those that follow depend.
STAGES: dict[str, Mapping[str, Any]] = {
    "from_seeds": {},
    "from_search": {},
    "answer_questions": {},
    "across_passages": PAIR,
    "functions": {},
}


def sections() -> Iterator[tuple[str, str, list[Request]]]:
    """Yield each stage's name, its summary and one request of each of its tasks."""
    model = {"engine": "scripted", "model": "datagen:none"}
    for name, said in STAGES.items():
        recipe = Recipe.model_validate(
            {
                "name": "prompts",
                "corpus": [{"path": "docs"}],
                "models": {"generator": model},
                "stages": {name: {}},
            }
        )
        stage, options = recipe.step(name)
        assert isinstance(stage, ModelStage)
        context = recipe.context(name, Path())
        rows = table_of(TABLES[stage.takes], _rows(stage.takes))
        asked = list(stage.ask(rows, options, context))
        if stage.follow is not None:
            text = json.dumps(said)
            completions = (Completion(str(number), text, "stop", "", "") for number in range(len(asked)))
            asked += stage.follow(rows, Answers(map(Answer, asked, completions)), options, context)
        first: dict[str, Request] = {}
        for request in asked:
            first.setdefault(request.task, request)
        yield name, stage.summary, list(first.values())


def _rows(kind: str) -> list[dict[str, Any]]:
    """Return the example rows of a kind of table."""
    if kind == "seeds":
        return [{"id": str(number), "question": text} for number, text in enumerate(SEEDS)]
    if kind == "documents":
        code = {"programming_language": "python"}
        return [
            {"id": "a", "source": "area.py", "text": CODE, "metadata": json.dumps(code), "language": "und"}
        ]
    passages = [_passage("bridges.md", "Bridges", FIRST), _passage("people.md", "People", SECOND)]
    if kind == "passages":
        return passages
    question = {"id": "q", "task": "from_search", "question": PAIR["question"], "answered": True}
    return [question | {"passages": passages}]


def _passage(source: str, title: str, text: str) -> dict[str, Any]:
    row = {"id": source, "document_id": source, "source": source, "title": title, "text": text}
    return row | {"section": [], "start": 0, "end": len(text), "index": 0, "language": "en"}
