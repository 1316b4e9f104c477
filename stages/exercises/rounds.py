"""
Rounds of requests: which tasks a passage draws, the two rounds of requests, and the pairs read from them.

Shared by the stages instruct and comprehend, which differ only in what they make of the pairs.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from datagen.errors import UserError, hint
from datagen.prompt import Prompt, exists
from datagen.request import Answer, Answers, Reject, Request
from datagen.schema import content_id, fraction
from datagen.stage import Context
from datagen.stages.exercises import few_shot, round_trip
from datagen.stages.exercises.declared import Declaration, declared, read_file
from datagen.stages.exercises.distinct import distinct
from datagen.stages.exercises.pair import Pair, Written
from datagen.stages.exercises.round_trip import Neighbours
from datagen.stages.exercises.task import (
    MarkedTask,
    MinedTask,
    StructuredTask,
    Task,
    Writing,
    find_task,
    is_task,
    task_names,
)
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage


class Pool(Writing):
    """Which tasks are asked about which passages: the options that instruct and comprehend share."""

    tasks: dict[str, float | Declaration] = Field(
        description="Tasks, each with its weight or, for a task of your own, its declaration; a list gives "
        "all the same weight"
    )
    variant: str = Field(
        "",
        description="Prompt variant: the fields of the file NAME.VARIANT override those of a task's prompt "
        "file NAME; worked: with a worked example",
    )
    per_passage: int = Field(0, ge=0, description="Tasks per passage, drawn by weight; 0: all")
    share: float = Field(1.0, ge=0, le=1, description="Share of the passages that are used, drawn by hash")
    agreement: float = Field(
        0.75, gt=0, le=1, description="Round trip: least agreement of the returned with the marked answer"
    )
    samples: int = Field(1, ge=1, description="Answers per request; more than one needs a temperature")
    shots: int = Field(
        0, ge=0, description="Opening passages of a section shown as few-shot examples to later passages"
    )
    prompt_tokens: int = Field(2048, ge=128, description="Longest few-shot prompt, in tokens")
    prompt_tokenizer: str = Field(
        "",
        description="The generator's tokenizer, to measure few-shot prompts: a checkpoint folder or a "
        "tokenizer.json; unset: a byte counts as a token",
    )

    @field_validator("tasks", mode="before")
    @classmethod
    def _weigh(cls, tasks: object) -> object:
        """Give all tasks of a list the same weight."""
        return dict.fromkeys(tasks, 1.0) if isinstance(tasks, list | tuple) else tasks

    @field_validator("tasks")
    @classmethod
    def _exist(cls, tasks: dict[str, float | Declaration]) -> dict[str, float | Declaration]:
        weights = [_weight(value) for value in tasks.values()]
        if not weights or min(weights) < 0 or not max(weights):
            raise ValueError("give at least one task, and no negative weight")
        for name, value in tasks.items():
            if isinstance(value, Declaration):
                if name in (*task_names(), round_trip.TASK) or not re.fullmatch(r"\w+", name):
                    raise ValueError(f"a task of your own cannot be named {name!r}; give it another name")
            elif ":" not in name and not name.endswith(FILES) and not is_task(name):
                raise ValueError(f"there is no task {name!r}; {hint(name, task_names())}")
        return tasks

    @model_validator(mode="after")
    def _samples_differ(self) -> "Pool":
        if self.samples > 1 and not self.temperature:
            raise ValueError("all samples are equal at temperature: 0; set a higher temperature")
        return self

    def lot(self, passage_id: str, seed: int) -> float:
        """Return the lot of a passage, in [0, 1): the passage is used if its lot is below the share."""
        return fraction(passage_id, str(seed))

    def sampled(self, passage_id: str, seed: int) -> bool:
        """Tell whether a passage is in the sample."""
        return self.lot(passage_id, seed) < self.share

    def unsampled(self) -> Reject:
        """Return the reason why a passage is outside the sample."""
        return Reject("outside the sample", f"share {self.share}")

    def draw(self, passage_id: str, seed: int) -> list[str]:
        """
        Return the tasks in the order in which a passage draws them by weight, without replacement.

        Efraimidis and Spirakis (2006): the largest of u^(1/weight), with u from the hash.
        """
        lots = {
            name: fraction(passage_id, name, str(seed)) ** (1 / weight)
            for name, weight in ((name, _weight(value)) for name, value in self.tasks.items())
            if weight > 0
        }
        return sorted(lots, key=lambda name: lots[name], reverse=True)

    def task(self, name: str, folder: Path) -> Task:
        """
        Load a task: declared inline, in a YAML file, or written as code.

        Raises
        ------
        UserError
            If its file is missing or does not hold a task.
        """
        value = self.tasks[name]
        if isinstance(value, Declaration):
            return declared(name, value)
        return _task_of_file(folder / name) if name.endswith(FILES) else find_task(name, folder)


FILES = (".yaml", ".yml")


def _weight(task: float | Declaration) -> float:
    return task.weight if isinstance(task, Declaration) else task


@cache
def _task_of_file(path: Path) -> Task:
    try:
        return declared(path.stem, read_file(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"the task {path} cannot be read: {error}") from error


def prompt_for(task: Task, options: Pool, context: Context) -> Prompt:
    """Load the prompt of a task, with the fields of its variant replacing its own if there is one."""
    if isinstance(task.prompt, Prompt):
        return task.prompt
    prompt, name = context.prompt(task.prompt), f"{task.prompt}.{options.variant}"
    if not options.variant or not exists(name, context.prompts):
        return prompt
    variant = context.prompt(name)
    return Prompt(name, content_id(prompt.hash, variant.hash)[:16], prompt.fields | variant.fields)


def ask(passages: pa.Table, options: Pool, context: Context) -> Iterator[Request]:
    """
    Write the requests about each sampled passage, passage by passage, because they share its prefix.

    Requests with few-shot examples depend on the answers about earlier passages: see `follow`.
    """
    later = _later(passages, options, context)
    for passage in _passages(passages, context):
        for task, requests in _requests(passage, options, context):
            if not (isinstance(task, StructuredTask) and passage.row["id"] in later):
                yield from requests


def drawn(passage: Passage, options: Pool, context: Context) -> list[Task]:
    """List the tasks that a passage draws, among those that suit it; none if it is outside the sample."""
    key, seed, tasks = passage.row["id"], context.seed, list[Task]()
    for name in options.draw(key, seed) if options.sampled(key, seed) else ():
        if len(tasks) == (options.per_passage or len(options.tasks)):
            break
        task = options.task(name, context.folder)
        if task.suits(passage):
            tasks.append(task)
    return tasks


def _requests(passage: Passage, options: Pool, context: Context) -> Iterator[tuple[Task, list[Request]]]:
    for task in drawn(passage, options, context):
        single = task.ask(passage, prompt_for(task, options, context), options)
        samples = range(options.samples)
        yield task, [replace(request, sample=sample) for request in single for sample in samples]


def _passages(table: pa.Table, context: Context) -> list[Passage]:
    languages = Languages(context)
    return [Passage(row, languages.of(row)) for row in table.to_pylist()]


def _later(table: pa.Table, options: Pool, context: Context) -> dict[str, list[str]]:
    rows = table.select(["id", "document_id", "section", "index"]).to_pylist()
    return few_shot.later([row for row in rows if options.sampled(row["id"], context.seed)], options.shots)


def follow(passages: pa.Table, answers: Answers, options: Pool, context: Context) -> Iterator[Request]:
    """
    Write the second round of requests: round trips, and requests with few-shot examples.

    The latter are about the passages after the opening ones of their section, for structured tasks only:
    other tasks need a round trip, and there is no third round.
    """
    by_id = {passage.row["id"]: passage for passage in _passages(passages, context)}
    neighbours = Neighbours(list(by_id.values()))
    tasks = find_tasks(options, context.folder)
    confirmed = {name: task for name, task in tasks.items() if isinstance(task, MarkedTask)}
    for passage in by_id.values():
        for draft, pair in _accepted(passage, answers, confirmed, options, context):
            yield from round_trip.ask(draft, pair, passage, neighbours, context)
    structured = {name: task for name, task in tasks.items() if isinstance(task, StructuredTask)}
    later = _later(passages, options, context)
    opening = dict.fromkeys(chain.from_iterable(later.values()))
    examples = {
        key: [draft for draft, _ in _accepted(by_id[key], answers, structured, options, context)]
        for key in opening
    }
    fits = few_shot.length_limit(options.prompt_tokenizer, options.prompt_tokens, context.folder)
    for key, earlier in later.items():
        for task, requests in _requests(by_id[key], options, context):
            for request in requests if isinstance(task, StructuredTask) else ():
                yield few_shot.prepend(request, [examples[earlier_key] for earlier_key in earlier], fits)


def _accepted(
    passage: Passage,
    answers: Answers,
    tasks: Mapping[str, StructuredTask | MarkedTask],
    options: Pool,
    context: Context,
) -> Iterator[tuple[Answer, Pair]]:
    """Yield the answers of these tasks about a passage that pass their checks, with their pairs."""
    for draft in answers.of(passage.row["id"]):
        if task := tasks.get(draft.request.task):
            with suppress(Reject):
                yield draft, task.read(draft, passage, prompt_for(task, options, context))


def read_answers(
    answers: Sequence[Answer], passage: Passage, options: Pool, context: Context
) -> Iterator[Written]:
    """
    Read the answers about a passage, each with the task that asked for it.

    Confirmed pairs are rejected if they repeat a question, or ask in fewer words for the same part of the
    same sentence as another. Tasks without a model come last.

    Yields
    ------
    task, answers, pair
        The name of a task, an answer followed by those of its round trip, and the pair or the reason there is
        none.
    """
    tasks = find_tasks(options, context.folder)
    asking = {name: task for name, task in tasks.items() if isinstance(task, StructuredTask | MarkedTask)}
    trips = {answer.request.about: answer for answer in answers if answer.request.task == round_trip.TASK}
    written: list[Written] = []
    for draft in answers:
        if draft.request.task == round_trip.TASK:
            continue
        task, trip = asking[draft.request.task], round_trip.returned(draft, trips)
        try:
            pair = task.read(draft, passage, prompt_for(task, options, context))
            if isinstance(task, MarkedTask):
                pair = round_trip.settle(pair, trip, task.confirm, passage, context, options.agreement)
        except Reject as reason:
            written.append((task.name, [draft, *trip], reason))
        else:
            written.append((task.name, [draft, *trip], pair))
    marked = {name for name, task in asking.items() if isinstance(task, MarkedTask)}
    yield from distinct(written, marked, passage)
    if len(asking) < len(tasks):
        for mined in drawn(passage, options, context):
            if isinstance(mined, MinedTask):
                yield mined.name, [], mined.make(passage, prompt_for(mined, options, context))


def yields(written: Iterable[Written]) -> Counter[str]:
    """Count answers (``written_``) and accepted answers (``sound_``) per task, for the stage's figures."""
    counts = Counter[str]()
    for task, _, pair in written:
        counts[f"written_{task}"] += 1
        counts[f"sound_{task}"] += not isinstance(pair, Reject)
    return counts


def unasked(passage: Passage, options: Pool, context: Context) -> Reject:
    """Return the reason why there is no answer about a passage."""
    if not options.sampled(passage.row["id"], context.seed):
        return options.unsampled()
    if drawn(passage, options, context):
        return Reject("not answered", "no completion came back")
    return Reject("nothing to quote", "no sentence that its tasks could be about")


def find_tasks(options: Pool, folder: Path) -> dict[str, Task]:
    """Map the tasks of a pool by the names in their requests."""
    return {task.name: task for task in (options.task(name, folder) for name in options.tasks)}
