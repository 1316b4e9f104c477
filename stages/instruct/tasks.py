"""
What a task is, and how tasks are found.

A task is one kind of thing to be asked of a model about one passage: a prompt, the schema that the
answer is written in, and `read`, which checks the answer and makes it a question with its answer and
the passage's words that support it. The stages instruct and comprehend both draw from the same tasks,
and what was written once serves both: an equal request is never sent twice.

A task may ask several times about a passage, once for each answer that it marks (``candidates``), and
may have its pairs confirmed by a round trip (`datagen.stages.instruct.round_trip`): requests that
depend on what was written, so they follow it.

A task is found by name: a module of this package that holds ``task``, an entry point of the group
``datagen.instruct``, or ``package.module:task`` or ``./file.py:task`` in a recipe.
"""

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
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
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.stage import Context, Options
from datagen.stages.instruct import round_trip
from datagen.stages.instruct.candidates import Candidate
from datagen.stages.instruct.round_trip import Neighbours
from datagen.stages.text.passage import Passage, words_for, words_of

GROUP = "datagen.instruct"
INNER = ("tasks", "candidates", "rules", "round_trip")  # modules of this package that are no tasks


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
        What the answer is written in. Fields are decoded in their order. None: one line of text.
    read
        Checks an answer and returns ``question``, ``answer``, ``evidence`` and ``context``: the passage
        where the answer must come from it, None where the question stands alone. Raises
        `datagen.request.Reject`.
    quotes
        Where given: the sentences that the schema's field ``evidence`` may hold. The decoder lets no
        other one through, and a passage without any is not asked.
    candidates
        Where given: the answers of a passage, at most so many, that the model is to write a question
        for. Each is a request of its own; the templates are given ``sentence`` and ``answer``, too,
        and ``about`` is the candidate. A passage without any is not asked.
    confirm
        Where given: a pair is put to the model again, and this says which pair the returned answer bears
        out (`datagen.stages.instruct.round_trip`).
    max_tokens
        Longest answer, in tokens, where the recipe allows a longer one.
    """

    name: str
    summary: str
    prompt: str
    schema: type[BaseModel] | None
    read: Callable[[Answer, Passage, Prompt], dict[str, Any]]
    quotes: Callable[[Passage], list[str]] | None = None
    candidates: Callable[[Passage, int], list[Candidate]] | None = None
    confirm: round_trip.Confirm | None = None
    max_tokens: int | None = None

    def ask(self, passage: Passage, prompt: Prompt, options: "Pool") -> list[Request]:
        """Write the requests about a passage; none where it has nothing to quote or no candidates."""
        write = partial(
            prompt.ask,
            passage.row["id"],
            task=self.name,
            sampling=Sampling(
                max_tokens=min(options.max_tokens, self.max_tokens or options.max_tokens),
                temperature=options.temperature,
                stop=() if self.schema else ("\n",),
            ),
            schema=self.schema,
            heading=passage.heading,
            passage=passage.text,
        )
        if self.candidates is not None:
            marked = self.candidates(passage, options.candidates)
            return [write(sentence=one.sentence, answer=one.answer, about=one.dump()) for one in marked]
        request = write()
        if self.quotes is None or request.schema is None:
            return [request]
        if not (quotes := self.quotes(passage)):
            return []
        fields = request.schema["properties"] | {"evidence": {"enum": quotes}}
        return [replace(request, schema=request.schema | {"properties": fields})]

    def suits(self, passage: Passage) -> bool:
        """Tell whether there is something to ask about a passage."""
        if self.candidates is not None:
            return bool(self.candidates(passage, 1))
        return self.quotes is None or bool(self.quotes(passage))


class Pool(Options):
    """Which tasks are asked of which passages: the options that instruct and comprehend share."""

    tasks: dict[str, float] = Field(description="Tasks, each with its weight; a list gives all the same")
    per_passage: int = Field(0, ge=0, description="Tasks asked of each passage, drawn by weight; 0: all")
    share: float = Field(1.0, ge=0, le=1, description="Share of the passages that are asked, drawn by hash")
    candidates: int = Field(12, ge=1, description="Answers marked in a passage, by the tasks that mark some")
    agreement: float = Field(
        0.75, gt=0, le=1, description="Round trip: least agreement of an answer with the marked one"
    )
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
    for row in passages.to_pylist():
        if not options.sampled(row["id"], seed):
            continue
        passage, asked = Passage(row, words), 0
        for name in options.draw(row["id"], seed):
            if asked == (options.per_passage or len(options.tasks)):
                break
            task = find_task(name, folder)
            requests = task.ask(passage, context.prompt(task.prompt), options)
            asked += bool(requests)
            for request in requests:
                yield from (replace(request, sample=sample) for sample in range(options.samples))


def follow(passages: pa.Table, answers: Answers, options: Pool, context: Context) -> Iterator[Request]:
    """Write the round trips of what was written and has passed the checks of its task."""
    rows, words = passages.to_pylist(), words_for(context)
    neighbours, tasks = Neighbours(rows, words), find_tasks(options, context.recipe.folder)
    for row in rows:
        passage = Passage(row, words)
        for draft in answers.of(row["id"]):
            task = tasks[draft.request.task]
            if task.confirm:
                with suppress(Reject):
                    pair = task.read(draft, passage, context.prompt(task.prompt))
                    yield from round_trip.ask(draft, pair, passage, neighbours, context)


def read_answers(
    given: Sequence[Answer], passage: Passage, options: Pool, context: Context
) -> Iterator[tuple[list[Answer], dict[str, Any] | Reject]]:
    """
    Read what was written about a passage, each answer with the task that asked for it.

    Of confirmed pairs, a question comes once.

    Yields
    ------
    answers, pair
        A written answer with those of its round trip, and its pair or why there is none.
    """
    tasks, asked = find_tasks(options, context.recipe.folder), set[str]()
    trips = {answer.request.about: answer for answer in given if answer.request.task == round_trip.TASK}
    for draft in given:
        if draft.request.task == round_trip.TASK:
            continue
        task, behind = tasks[draft.request.task], [draft, *round_trip.returned(draft, trips)]
        try:
            pair = task.read(draft, passage, context.prompt(task.prompt))
            if task.confirm:
                pair = round_trip.settle(pair, behind[1:], task.confirm, passage, context, options.agreement)
                if (question := " ".join(words_of(pair["question"]))) in asked:
                    raise Reject("repeated", pair["question"])
                asked.add(question)
        except Reject as why:
            yield behind, why
        else:
            yield behind, pair


def unasked(passage: Passage, options: Pool, context: Context) -> Reject:
    """Say why there is no answer about a passage."""
    if not options.sampled(passage.row["id"], context.recipe.seed):
        return Reject("outside the sample", f"share {options.share}")
    tasks = find_tasks(options, context.recipe.folder).values()
    if any(task.suits(passage) for task in tasks):
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
    shown = prompt.render(heading="", passage="", sentence="", answer="")
    return "\n".join(message["content"] for message in shown)


def _modules() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return [name for name in found if name not in INNER]
