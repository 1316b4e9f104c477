"""Test a task of your own on one passage, without a model."""

from dataclasses import dataclass, replace
from pathlib import Path

from datagen.engines.scripted import completion_of
from datagen.recipe.model import Recipe
from datagen.request import Answer, Answers, Identity
from datagen.rows import Fields, Row
from datagen.schema import PASSAGES, content_id, table_of
from datagen.stage import ModelStage

TRIAL_MODEL = Identity("trial", "")


@dataclass(frozen=True)
class Trial:
    """
    The result of a trial.

    Parameters
    ----------
    prompt
        The last message of the request.
    question, answer
        Question and answer of the row; "" if there is none.
    reason, detail
        Why the answer was dropped; "" if it was kept.
    """

    prompt: str
    question: str
    answer: str
    reason: str
    detail: str


def try_task(task: str | Path, answer: str, passage: str, *, title: str = "", language: str = "en") -> Trial:
    """
    Run a task on a passage with a given answer in place of a model.

    Parameters
    ----------
    task
        The task's file, or the name of a built-in one that sends one request.
    answer
        The model's answer.
    passage
        The text of the passage.
    title, language
        Title and language of its document; the language as an ISO 639 code.

    Raises
    ------
    UserError
        If the task's file cannot be read or is not a task.
    """
    row: Fields = {
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
    context = replace(recipe.context("instruct", Path()), model=TRIAL_MODEL)
    table = table_of(PASSAGES, [row])
    requests = list(stage.ask(table, options, context))
    answers = Answers(
        Answer(request, completion_of(answer, request, request.key(TRIAL_MODEL), TRIAL_MODEL))
        for request in requests
    )
    outcome = stage.read(table, answers, options, context)
    result: Row = [*outcome.kept.to_pylist(), *outcome.dropped.to_pylist()][0]
    return Trial(
        prompt=requests[0].messages[-1]["content"] if requests else "",
        question=result["question"] or "",
        answer=result["answer"] or "",
        reason=result.get("reason") or "",
        detail=result.get("detail") or "",
    )
