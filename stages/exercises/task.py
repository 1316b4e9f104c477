"""
What a task is, and how tasks are found.

A task is one kind of thing to be asked of a model about one passage: a prompt, the schema that the
answer is written in, and `read`, which checks the answer and makes it a question with its answer and
the passage's words that support it. The stages instruct and comprehend both draw from the same tasks,
and what was written once serves both: an equal request is never sent twice.

A task may ask several times about a passage, once for each answer that it marks (``candidates``), and
may have its pairs confirmed by a round trip (`datagen.stages.exercises.round_trip`): requests that
depend on what was written, so they follow it. So do those that are shown earlier passages of their
section with the exercises written about them (`datagen.stages.exercises.few_shot`). A task whose answer is
the passage's own words asks nothing (``make``).

A task is found by name: a module of `datagen.stages.exercises.tasks` that holds ``task``, an entry point
of the group ``datagen.instruct``, or ``package.module:task`` or ``./file.py:task`` in a recipe.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from datagen.errors import UserError
from datagen.prompt import Prompt
from datagen.recipe.import_string import load
from datagen.request import Answer, Reject, Request, Sampling
from datagen.schema import pick
from datagen.stage import Options
from datagen.stages.exercises import round_trip
from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.shared.passage import Passage

GROUP = "datagen.instruct"
TASKS = f"{__package__}.tasks"  # one module per built-in task


class Writing(Options):
    """How exercises are written: the options that a task's requests depend on."""

    candidates: int = Field(12, ge=1, description="Answers marked in a passage, by the tasks that mark some")
    max_tokens: int = Field(192, ge=16, description="Longest answer, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest answer")
    top_p: float = Field(1.0, gt=0, le=1, description="Share of the likeliest tokens that are drawn from")


def nothing_asked(answer: Answer, passage: Passage, prompt: Prompt) -> dict[str, Any]:
    """Read an answer of a task that asks nothing: there is none."""
    raise Reject("not asked", answer.completion.text)


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
        out (`datagen.stages.exercises.round_trip`).
    max_tokens
        Longest answer, in tokens, where the recipe allows a longer one.
    make
        Where given: makes the pair of the passage's own words, and no model is asked. `quotes` says
        which passages it suits.
    """

    name: str
    summary: str
    prompt: str
    schema: type[BaseModel] | None = None
    read: Callable[[Answer, Passage, Prompt], dict[str, Any]] = nothing_asked
    quotes: Callable[[Passage], list[str]] | None = None
    candidates: Callable[[Passage, int], list[Candidate]] | None = None
    confirm: round_trip.Confirm | None = None
    max_tokens: int | None = None
    make: Callable[[Passage, Prompt], dict[str, Any]] | None = None

    @property
    def takes_shots(self) -> bool:
        """Tell whether it may be asked with other passages in front, and so in the second round."""
        return self.schema is not None and self.confirm is None

    def ask(self, passage: Passage, prompt: Prompt, options: Writing) -> list[Request]:
        """Write the requests about a passage; none where it has nothing to quote or no candidates."""
        if self.make is not None:
            return []
        write = partial(
            prompt.ask,
            passage.row["id"],
            task=self.name,
            sampling=Sampling(
                max_tokens=min(options.max_tokens, self.max_tokens or options.max_tokens),
                temperature=options.temperature,
                top_p=options.top_p,
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


def draw_template(prompt: Prompt, field: str, passage: Passage, *draw: str) -> Any:
    """Draw one of a prompt file's templates by the hash of the passage and what it is about."""
    return pick(prompt.fields[field], field, passage.row["id"], *draw)


def instruction(prompt: Prompt) -> str:
    """Say what a prompt says besides the passage, to tell its echo."""
    shown = prompt.render(heading="", passage="", sentence="", answer="")
    return "\n".join(message["content"] for message in shown)


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "tasks")])]
