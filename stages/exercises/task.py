"""
What a task is, and how tasks are found.

A task is one kind of thing to be asked of a model about one passage: a prompt, the schema that the
answer is written in, and `read`, which checks the answer and makes it a question with its answer and
the passage's words that support it. The stages instruct and comprehend both draw from the same tasks,
and what was written once serves both: an equal request is never sent twice.

There are three classes of task. A `StructuredTask` asks once and is answered as JSON. A `MarkedTask` asks for
a question to each answer that rules mark in the passage, and a round trip confirms its pairs in requests that
follow (`datagen.stages.exercises.round_trip`). A `MinedTask` makes its pair of the passage's own words and
asks nothing. A structured task may also be shown earlier passages of the section with the exercises written
about them (`datagen.stages.exercises.few_shot`).

A task is found by name: a module of `datagen.stages.exercises.tasks` that holds ``task`` (adding the module
is enough), an entry point of the group ``datagen.instruct``, or ``package.module:task`` or ``./file.py:task``
in a recipe.
"""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from datagen.errors import UserError
from datagen.prompt import Prompt
from datagen.recipe.import_string import load
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

    candidates: int = Field(12, ge=1, description="Answers marked in a passage, by the tasks that mark some")
    max_tokens: int = Field(192, ge=16, description="Longest answer, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest answer")
    top_p: float = Field(1.0, gt=0, le=1, description="Share of the likeliest tokens that are drawn from")

    def sampling(self) -> Sampling:
        """How the tokens of an answer are drawn."""
        return Sampling(max_tokens=self.max_tokens, temperature=self.temperature, top_p=self.top_p)


Read = Callable[[Answer, Passage, Prompt], Pair]
Quotes = Callable[[Passage], list[str]]


@dataclass(frozen=True)
class Task(ABC):
    """
    One kind of thing that is asked about a passage.

    Parameters
    ----------
    name
        Its name in recipes and in the rows' ``task``.
    summary
        What it makes, in a line.
    prompt
        The prompt file, or the prompt itself; its templates are given ``heading``, ``passage`` and the
        file's own ``example``.
    """

    name: str
    summary: str
    prompt: str | Prompt

    @abstractmethod
    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Write the requests about a passage; none where it does not suit."""

    @abstractmethod
    def suits(self, passage: Passage) -> bool:
        """Tell whether there is something to ask about a passage."""

    def write(
        self,
        passage: Passage,
        prompt: Prompt,
        sampling: Sampling,
        schema: type[BaseModel] | None = None,
        **values: Any,
    ) -> Request:
        """Write one request; `values` go into the templates, but for ``about``."""
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
    A task that is answered as JSON, in one request a passage.

    Parameters
    ----------
    schema
        What the answer is written in. Fields are decoded in their order.
    read
        Checks an answer and makes it a pair; raises `datagen.request.Reject`.
    quotes
        Where given: the sentences that the schema's field ``evidence`` may hold. The decoder lets no
        other one through, and a passage without any is not asked.
    """

    schema: type[BaseModel]
    read: Read
    quotes: Quotes | None = None

    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Write the request about a passage; none where it has nothing to quote."""
        if not self.suits(passage):
            return []
        request = self.write(passage, prompt, options.sampling(), self.schema)
        if self.quotes is None or request.schema is None:
            return [request]
        fields = request.schema["properties"] | {"evidence": {"enum": passage.once(self.quotes)}}
        return [replace(request, schema=request.schema | {"properties": fields})]

    def suits(self, passage: Passage) -> bool:
        """Tell whether the passage has a sentence to quote, where one is needed."""
        return self.quotes is None or bool(passage.once(self.quotes))


@dataclass(frozen=True)
class MarkedTask(Task):
    """
    A task that has questions written for answers that rules mark in the passage.

    Each is a request of its own, answered by one line; a round trip confirms the pair
    (`datagen.stages.exercises.round_trip`).

    Parameters
    ----------
    candidates
        The answers of a passage, at most so many. The templates are given ``sentence`` and ``answer``, too,
        and ``about`` is the candidate. A passage without any is not asked.
    read
        Checks a question and makes it a pair; raises `datagen.request.Reject`.
    confirm
        Returns the pair that the returned answer supports.
    max_tokens
        Longest question, in tokens, where the recipe allows a longer one.
    """

    candidates: Callable[[Passage, int], list[Candidate]]
    read: Read
    confirm: round_trip.Confirm
    max_tokens: int

    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Write a request for each marked answer."""
        sampling = replace(
            options.sampling(), max_tokens=min(options.max_tokens, self.max_tokens), stop=("\n",)
        )
        return [
            self.write(passage, prompt, sampling, sentence=one.sentence, answer=one.answer, about=one.dump())
            for one in self.candidates(passage, options.candidates)
        ]

    def suits(self, passage: Passage) -> bool:
        """Tell whether an answer can be marked in the passage."""
        return bool(self.candidates(passage, 1))


@dataclass(frozen=True)
class MinedTask(Task):
    """
    A task whose pair is made of the passage's own words; no model is asked.

    Parameters
    ----------
    quotes
        What of the passage the pair can be made of; a passage without any does not suit.
    make
        Makes the pair.
    """

    quotes: Quotes
    make: Callable[[Passage, Prompt], Pair]

    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Ask nothing."""
        return []

    def suits(self, passage: Passage) -> bool:
        """Tell whether the passage has what the pair is made of."""
        return bool(passage.once(self.quotes))


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
    built_in = {name: f"{TASKS}.{name}:task" for name in _modules()}
    task = load((offered | built_in).get(use, use), folder, "the task")
    if not isinstance(task, Task):
        raise UserError(f"{use!r} is a {type(task).__name__}, not a task (see stages/exercises/task.py)")
    return task


def task_names() -> list[str]:
    """List the tasks that can be named without a path."""
    return sorted({*_modules(), *(entry.name for entry in entry_points(group=GROUP))})


def is_task(name: str) -> bool:
    """Tell whether a task can be named so. Installed packages are searched only if it is not built in."""
    return name in _modules() or name in task_names()


def draw_template(prompt: Prompt, field: str, passage: Passage, *draw: str) -> Any:
    """Draw one of a prompt file's templates by the hash of the passage and what it is about."""
    return pick(prompt.fields[field], field, passage.row["id"], *draw)


def instruction(prompt: Prompt) -> str:
    """Say what a prompt says besides the passage and its worked example, to tell its echo."""
    shown = prompt.render(heading="", passage="", sentence="", answer="", example="")
    return "\n".join(message["content"] for message in shown)


@cache
def _modules() -> tuple[str, ...]:
    return tuple(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "tasks")]))
