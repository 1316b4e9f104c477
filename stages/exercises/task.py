"""
Tasks, and how they are looked up.

A task is one kind of exercise that a model writes about a passage: a prompt, the schema of the answer, and
`read`, which checks the answer and turns it into a question, its answer and the supporting text of the
passage. The stages instruct and comprehend use the same tasks and share their completions: an equal request
is never sent twice.

There are three classes of task. A `StructuredTask` sends one request and is answered as JSON. A `MarkedTask`
asks for a question to each answer that rules mark in the passage; a second round of requests confirms its
pairs (`datagen.stages.exercises.round_trip`). A `MinedTask` builds its pair from the passage without a model.
A structured task can also be shown earlier passages of the section with their exercises
(`datagen.stages.exercises.few_shot`).

A task is looked up by name: a module of `datagen.stages.exercises.tasks` that defines ``task`` (adding the
module is enough), an entry point of the group ``datagen.instruct``, or ``package.module:task`` or
``./file.py:task`` in a recipe.
"""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.prompt import Prompt
from datagen.recipe.import_string import load
from datagen.recipe.offers import Offers, import_string, offers
from datagen.request import Answer, Request, Sampling
from datagen.schema import pick
from datagen.stage import Options
from datagen.stages.exercises import round_trip
from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.exercises.pair import Pair
from datagen.stages.shared.passage import Passage

GROUP = "datagen.instruct"
TASKS = f"{__package__}.tasks"  # one module per built-in task


class Writing(Options):
    """How exercises are written: the options that a task's requests depend on."""

    candidates: int = Field(12, ge=1, description="Answers marked per passage, for tasks that mark answers")
    max_tokens: int = Field(192, ge=16, description="Longest answer, in tokens")
    temperature: float = Field(0.0, ge=0, description="Sampling temperature; 0: greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling: probability mass that is sampled")

    def sampling(self) -> Sampling:
        """Return the sampling parameters of an answer."""
        return Sampling(max_tokens=self.max_tokens, temperature=self.temperature, top_p=self.top_p)


Read = Callable[[Answer, Passage, Prompt], Pair]
Quotes = Callable[[Passage], list[str]]


@dataclass(frozen=True)
class Task(ABC):
    """
    One kind of exercise about a passage.

    Parameters
    ----------
    name
        Its name in recipes and in the column ``task``.
    summary
        What it writes, in one line.
    prompt
        The prompt file, or the prompt itself; its templates receive ``heading``, ``passage`` and the
        ``example`` of the file.
    """

    name: str
    summary: str
    prompt: str | Prompt

    @abstractmethod
    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Write the requests about a passage; none if it does not suit."""

    @abstractmethod
    def suits(self, passage: Passage) -> bool:
        """Check whether the task can be applied to a passage."""

    def write(
        self,
        passage: Passage,
        prompt: Prompt,
        sampling: Sampling,
        schema: type[BaseModel] | None = None,
        **values: Any,
    ) -> Request:
        """Write one request; `values` fill the templates, except ``about``, which labels the request."""
        return prompt.ask(
            passage.row["id"],
            task=self.name,
            sampling=sampling,
            schema=schema,
            heading=passage.heading,
            passage=passage.text,
            example=prompt.fields.get("example", ""),
            **values,
        )


@dataclass(frozen=True)
class StructuredTask(Task):
    """
    A task that is answered as JSON, with one request per passage.

    Parameters
    ----------
    schema
        The schema of the answer. Fields are decoded in their order.
    read
        Checks an answer and turns it into a pair; raises `datagen.request.Reject`.
    quotes
        If given: lists the sentences that the field ``evidence`` of the schema may hold. The decoder allows
        no other value, and a passage without such sentences does not suit.
    """

    schema: type[BaseModel]
    read: Read
    quotes: Quotes | None = None

    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Write the request about a passage; none if it has nothing to quote."""
        if not self.suits(passage):
            return []
        request = self.write(passage, prompt, options.sampling(), self.schema)
        if self.quotes is None or request.schema is None:
            return [request]
        fields = request.schema["properties"] | {"evidence": {"enum": passage.once(self.quotes)}}
        return [replace(request, schema=request.schema | {"properties": fields})]

    def suits(self, passage: Passage) -> bool:
        """Check whether the passage has a sentence to quote, if one is needed."""
        return self.quotes is None or bool(passage.once(self.quotes))


@dataclass(frozen=True)
class MarkedTask(Task):
    """
    A task that asks for questions to answers that rules mark in the passage.

    Each answer is a separate request, answered with one line; a round trip confirms the pair
    (`datagen.stages.exercises.round_trip`).

    Parameters
    ----------
    candidates
        Selects the answers of a passage, up to a number. The templates also receive ``sentence`` and
        ``answer``, and ``about`` is the candidate. A passage without candidates does not suit.
    read
        Checks a question and turns it into a pair; raises `datagen.request.Reject`.
    confirm
        Returns the pair that the returned answer supports.
    max_tokens
        Longest question, in tokens; caps the ``max_tokens`` of the recipe.
    """

    candidates: Callable[[Passage, int], list[Candidate]]
    read: Read
    confirm: round_trip.Confirm
    max_tokens: int

    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Write one request per marked answer."""
        sampling = replace(
            options.sampling(), max_tokens=min(options.max_tokens, self.max_tokens), stop=("\n",)
        )
        return [
            self.write(
                passage,
                prompt,
                sampling,
                sentence=candidate.sentence,
                answer=candidate.answer,
                about=candidate.dump(),
            )
            for candidate in self.candidates(passage, options.candidates)
        ]

    def suits(self, passage: Passage) -> bool:
        """Check whether an answer can be marked in the passage."""
        return bool(self.candidates(passage, 1))


@dataclass(frozen=True)
class MinedTask(Task):
    """
    A task that builds its pair from the passage itself, without a model.

    Parameters
    ----------
    quotes
        Lists the sentences that a pair can be built from; a passage without any does not suit.
    make
        Builds the pair.
    """

    quotes: Quotes
    make: Callable[[Passage, Prompt], Pair]

    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Return no requests."""
        return []

    def suits(self, passage: Passage) -> bool:
        """Check whether the passage has a sentence to build the pair from."""
        return bool(passage.once(self.quotes))


@cache
def find_task(use: str, folder: Path = Path()) -> Task:
    """
    Look up a task by its name, by ``package.module:name`` or by ``./file.py:name``.

    Raises
    ------
    UserError
        If there is no such task, or if several packages offer the name.
    """
    task = load(import_string(use, _offers(), "the task"), folder, "the task")
    if not isinstance(task, Task):
        raise UserError(f"{use!r} is a {type(task).__name__}, not a task (see stages/exercises/task.py)")
    return task


def task_names() -> list[str]:
    """List the tasks that have a short name."""
    return sorted(_offers())


def _offers() -> Offers:
    return offers(GROUP, {name: f"{TASKS}.{name}:task" for name in _modules()})


def is_task(name: str) -> bool:
    """Check whether a task can be named so. Installed packages are searched only if it is not built in."""
    return name in _modules() or name in task_names()


def draw_text(prompt: Prompt, field: str, passage: Passage, *draw: str) -> str:
    """Draw one of a prompt file's texts, such as `questions`, by the hash of the passage and of `draw`."""
    text: str = pick(prompt.fields[field], field, passage.row["id"], *draw)
    return text


def draw_form(prompt: Prompt, passage: Passage, *draw: str) -> JsonObject:
    """Draw one of a prompt file's `forms`, each of which has several texts, as `draw_text` draws a text."""
    form: JsonObject = pick(prompt.fields["forms"], "forms", passage.row["id"], *draw)
    return form


def instruction(prompt: Prompt) -> str:
    """Return the text of a prompt without passage and worked example, to detect answers that echo it."""
    messages = prompt.render(heading="", passage="", sentence="", answer="", example="")
    return "\n".join(message["content"] for message in messages)


@cache
def _modules() -> tuple[str, ...]:
    return tuple(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "tasks")]))
