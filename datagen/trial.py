"""Try a task of your own on one passage without a model: for its tests."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datagen.engines.scripted import completion_of
from datagen.recipe.model import Recipe
from datagen.request import Answer, Answers, Identity
from datagen.schema import PASSAGES, content_id, table_of
from datagen.stage import ModelStage

WHO = Identity("trial", "")


@dataclass(frozen=True)
class Trial:
    """
    What came of an answer.

    Parameters
    ----------
    prompt
        The last message that the model was sent.
    question, answer
        Of the row; "" where none was made.
    reason, detail
        Why the answer was dropped; "" where it was kept.
    """

    prompt: str
    question: str
    answer: str
    reason: str
    detail: str


def try_task(task: str | Path, said: str, passage: str, *, title: str = "", language: str = "en") -> Trial:
    """
    Let a model say something to a task about a passage.

    Parameters
    ----------
    task
        The task's file, or the name of a built-in one that sends one request.
    said
        The model's answer.
    passage
        The text that is asked about.
    title, language
        Of its document; the language as an ISO 639 code.

    Raises
    ------
    UserError
        If the task's file cannot be read or is not a task.
    """
    row: dict[str, Any] = {
        "id": content_id(passage),
        "document_id": content_id("trial"),
        "source": "trial",
        "title": title,
        "section": [],
        "text": passage,
        "start": 0,
        "end": len(passage),
        "index": 0,
        "language": language,
    }
    name = str(Path(task).resolve()) if isinstance(task, Path) else task
    model = {"engine": "scripted", "model": "datagen:none"}
    stages = {"instruct": {"tasks": {name: 1}, "variant": ""}}
    recipe = Recipe.model_validate(
        {"name": "trial", "corpus": [{"path": "."}], "models": {"generator": model}, "stages": stages}
    )
    stage, options = recipe.step("instruct")
    assert isinstance(stage, ModelStage)
    context = replace(recipe.context("instruct", Path()), model=WHO)
    table = table_of(PASSAGES, [row])
    requests = list(stage.ask(table, options, context))
    answers = (Answer(one, completion_of(said, one, one.key(WHO), WHO)) for one in requests)
    outcome = stage.read(table, Answers(answers), options, context)
    made: dict[str, Any] = [*outcome.kept.to_pylist(), *outcome.dropped.to_pylist()][0]
    return Trial(
        prompt=requests[0].messages[-1]["content"] if requests else "",
        question=made["question"] or "",
        answer=made["answer"] or "",
        reason=made.get("reason") or "",
        detail=made.get("detail") or "",
    )
