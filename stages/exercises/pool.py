"""The pool of tasks of a stage: which tasks a passage draws, and each task's prompt."""

import re
from functools import cache
from pathlib import Path, PurePath

from pydantic import Field, field_validator, model_validator

from datagen.errors import UserError, hint
from datagen.paths import regular
from datagen.prompt import Prompt, exists
from datagen.request import Reject
from datagen.schema import content_id, fraction
from datagen.stage import Context
from datagen.stages.exercises import round_trip
from datagen.stages.exercises.declared import Declaration, declared, read_file
from datagen.stages.exercises.task import Task, Writing, find_task, is_task, task_names
from datagen.stages.shared.passage import Passage

FILES = (".yaml", ".yml")  # of tasks declared in a file


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
    rounds: int = Field(
        2,
        ge=2,
        description="With shots: rounds of requests. Each shows the passages of all rounds before, and asks "
        "about the section's next ones, as many as shots; the last asks about all others",
    )
    shot_exercises: int = Field(
        1,
        ge=0,
        description="Exercises shown with each few-shot passage, those of the same task first; 0: all",
    )
    seeds: str = Field(
        "",
        description="File of solved examples to show before requests, one JSON object per line with task, "
        "passage and answer (docs/written.md)",
    )
    seed_examples: int = Field(2, ge=1, description="Seeds shown in a request, drawn by hash")
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
        own = set[str]()
        for name, value in tasks.items():
            if isinstance(value, Declaration) or name.endswith(FILES):
                known = PurePath(name).stem if name.endswith(FILES) else name
                if known in (*task_names(), round_trip.TASK) or not re.fullmatch(r"\w+", known):
                    raise ValueError(f"a task of your own cannot be named {known!r}; give it another name")
                if known in own:
                    raise ValueError(f"two tasks are named {known!r}; give one of them another name")
                own.add(known)
            elif ":" not in name and not is_task(name):
                raise ValueError(f"there is no task {name!r}; {hint(name, task_names())}")
        return tasks

    @model_validator(mode="after")
    def _samples_differ(self) -> "Pool":
        if self.samples > 1 and not self.temperature:
            raise ValueError("all samples are equal at temperature: 0; set a higher temperature")
        return self

    @model_validator(mode="after")
    def _rounds_show(self) -> "Pool":
        if self.rounds > 2 and not self.shots:
            raise ValueError("rounds: more than 2 rounds need shots, the number of passages of each round")
        return self

    def lot(self, passage_id: str, seed: int) -> float:
        """Return the lot of a passage, in [0, 1): the passage is used if its lot is below the share."""
        return fraction(passage_id, str(seed))

    def sampled(self, passage_id: str, seed: int) -> bool:
        """Check whether a passage is in the sample."""
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


def find_tasks(options: Pool, folder: Path) -> dict[str, Task]:
    """Map the tasks of a pool by the names in their requests."""
    return {task.name: task for task in (options.task(name, folder) for name in options.tasks)}


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


def prompt_for(task: Task, options: Pool, context: Context) -> Prompt:
    """Load the prompt of a task, with the fields of its variant replacing its own if there is one."""
    if isinstance(task.prompt, Prompt):
        return task.prompt
    prompt, name = context.prompt(task.prompt), f"{task.prompt}.{options.variant}"
    if not options.variant or not exists(name, context.prompts):
        return prompt
    variant = context.prompt(name)
    return Prompt(name, content_id(prompt.hash, variant.hash)[:16], prompt.fields | variant.fields)


def _weight(task: float | Declaration) -> float:
    return task.weight if isinstance(task, Declaration) else task


@cache
def _task_of_file(path: Path) -> Task:
    try:
        return declared(path.stem, read_file(regular(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"the task {path} cannot be read: {error}") from error
