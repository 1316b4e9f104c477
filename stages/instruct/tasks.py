"""
What a task is, and how tasks are found.

A task is one kind of thing to be asked of a model about one passage: a prompt, the schema that the
answer is written in, and `read`, which checks the answer and makes it a question with its answer and
the passage's words that support it. The stages instruct and comprehend both draw from the same tasks,
and what was written once serves both: an equal request is never sent twice.

A task is found by name: a module of this package that holds ``task``, an entry point of the group
``datagen.instruct``, or ``package.module:task`` or ``./file.py:task`` in a recipe.
"""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, Field, field_validator, model_validator

from datagen.errors import UserError
from datagen.line import load_file
from datagen.prompt import Prompt
from datagen.records import fraction, pick
from datagen.request import Answer, Reject, Request, Sampling
from datagen.stage import Context, Options
from datagen.stages.text.passage import Passage, words_for

GROUP = "datagen.instruct"


@dataclass(frozen=True)
class Task:
    """
    One kind of thing that is asked about a passage.

    Parameters
    ----------
    name
        Its name in recipes and in the rows' ``task``.
    summary
        What it makes, in a line.
    prompt
        The prompt file; its templates are given ``heading`` and ``passage``.
    schema
        What the answer is written in. Fields are decoded in their order.
    read
        Checks an answer and returns ``question``, ``answer``, ``evidence`` and ``context``: the passage
        where the answer must come from it, None where the question stands alone. Raises
        `datagen.request.Reject`.
    quotes
        Where given: the sentences that the schema's field ``evidence`` may hold. The decoder lets no
        other one through, and a passage without any is not asked.
    """

    name: str
    summary: str
    prompt: str
    schema: type[BaseModel]
    read: Callable[[Answer, Passage, Prompt], dict[str, Any]]
    quotes: Callable[[Passage], list[str]] | None = None

    def ask(self, passage: Passage, prompt: Prompt, sampling: Sampling) -> Request | None:
        """Write the request about a passage; None where it has nothing to quote."""
        request = prompt.ask(
            passage.row["id"],
            task=self.name,
            sampling=sampling,
            schema=self.schema,
            heading=passage.heading,
            passage=passage.text,
        )
        if self.quotes is None or request.schema is None:
            return request
        if not (quotes := self.quotes(passage)):
            return None
        fields = request.schema["properties"] | {"evidence": {"enum": quotes}}
        return replace(request, schema=request.schema | {"properties": fields})


class Pool(Options):
    """Which tasks are asked of which passages: the options that instruct and comprehend share."""

    tasks: dict[str, float] = Field(description="Tasks, each with its weight; a list gives all the same")
    per_passage: int = Field(0, ge=0, description="Tasks asked of each passage, drawn by weight; 0: all")
    share: float = Field(1.0, ge=0, le=1, description="Share of the passages that are asked, drawn by hash")
    samples: int = Field(1, ge=1, description="Answers to each request; more than one needs a temperature")
    max_tokens: int = Field(192, ge=16, description="Longest answer, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest answer")

    @field_validator("tasks", mode="before")
    @classmethod
    def _weigh(cls, tasks: Any) -> Any:
        """Give the tasks of a list the same weight."""
        return dict.fromkeys(tasks, 1.0) if isinstance(tasks, list | tuple) else tasks

    @field_validator("tasks")
    @classmethod
    def _known(cls, tasks: dict[str, float]) -> dict[str, float]:
        if not tasks or min(tasks.values()) < 0 or not max(tasks.values()):
            raise ValueError("give at least one task, and no weight under 0")
        for name in tasks:
            if ":" not in name and name not in task_names():
                raise ValueError(f"there is no task {name!r}; there are {', '.join(task_names())}")
        return tasks

    @model_validator(mode="after")
    def _differ(self) -> "Pool":
        if self.samples > 1 and not self.temperature:
            raise ValueError("several samples are all the same at temperature: 0; give another temperature")
        return self

    def sampled(self, passage_id: str, seed: int) -> bool:
        """Tell whether a passage is asked."""
        return fraction(passage_id, str(seed)) < self.share

    def draw(self, passage_id: str, seed: int) -> list[str]:
        """
        Put the tasks into the order in which a passage draws them by weight, each once.

        Efraimidis and Spirakis (2006): the largest of u^(1/weight), with u from the hash.
        """
        lots = {
            name: fraction(passage_id, name, str(seed)) ** (1 / weight)
            for name, weight in self.tasks.items()
            if weight > 0
        }
        return sorted(lots, key=lambda name: lots[name], reverse=True)


def ask(passages: pa.Table, options: Pool, context: Context) -> Iterator[Request]:
    """Write the requests about each sampled passage, one passage after another: they share its prefix."""
    words, seed, folder = words_for(context), context.recipe.seed, context.recipe.folder
    sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature)
    for row in passages.to_pylist():
        if not options.sampled(row["id"], seed):
            continue
        passage, asked = Passage(row, words), 0
        for name in options.draw(row["id"], seed):
            if asked == (options.per_passage or len(options.tasks)):
                break
            task = find_task(name, folder)
            request = task.ask(passage, context.prompt(task.prompt), sampling)
            if request is not None:
                asked += 1
                yield from (replace(request, sample=sample) for sample in range(options.samples))


def read_answer(
    answer: Answer, passage: Passage, tasks: Mapping[str, Task], context: Context
) -> dict[str, Any]:
    """Read one answer with the task that asked for it; raises `datagen.request.Reject`."""
    task = tasks[answer.request.task]
    return task.read(answer, passage, context.prompt(task.prompt))


def unasked(passage: Passage, options: Pool, context: Context) -> Reject:
    """Say why there is no answer about a passage."""
    if not options.sampled(passage.row["id"], context.recipe.seed):
        return Reject("outside the sample", f"share {options.share}")
    tasks = find_tasks(options, context.recipe.folder).values()
    if any(task.quotes is None or task.quotes(passage) for task in tasks):
        return Reject("not answered", "no completion came back")
    return Reject("nothing to quote", "no sentence that its tasks could be about")


def find_tasks(options: Pool, folder: Path) -> dict[str, Task]:
    """Find the tasks of a pool by the names that they give their requests."""
    return {task.name: task for task in (find_task(name, folder) for name in options.tasks)}


@cache
def find_task(use: str, folder: Path = Path()) -> Task:
    """
    Find a task by its name, by ``package.module:name`` or by ``./file.py:name``.

    Raises
    ------
    UserError
        When there is no such task.
    """
    offered = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    built_in = {name: f"{__package__}.{name}:task" for name in _modules()}
    module, _, attribute = (offered | built_in).get(use, use).partition(":")
    try:
        loaded = load_file(folder / module) if module.endswith(".py") else import_module(module)
        task = getattr(loaded, attribute)
    except (ImportError, FileNotFoundError, AttributeError, ValueError) as error:
        raise UserError(f"the task {use!r} cannot be loaded: {error}") from error
    if not isinstance(task, Task):
        raise UserError(f"{use!r} is a {type(task).__name__}, not a task (see stages/instruct/tasks.py)")
    return task


def task_names() -> list[str]:
    """List the tasks that can be named without a path."""
    return sorted({*_modules(), *(entry.name for entry in entry_points(group=GROUP))})


def draw_template(prompt: Prompt, field: str, passage: Passage, *draw: str) -> str:
    """Draw one of a prompt file's templates by the hash of the passage and what it is about."""
    return pick(prompt.fields[field], field, passage.row["id"], *draw)


def instruction(prompt: Prompt) -> str:
    """Say what a prompt says besides the passage, to tell its echo."""
    return "\n".join(message["content"] for message in prompt.render(heading="", passage=""))


def _modules() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return [name for name in found if name != "tasks"]
