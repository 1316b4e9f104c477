"""
Stages: named groups of functions that form the pipeline.

A stage takes rows of one kind of table and gives rows of one kind:

* If the kinds differ, it **makes** rows (chunk makes passages from documents). Every input row must yield at
  least one row, kept or dropped.
* If they are the same, it **refines** rows (curate takes examples and gives examples). Every input row must
  be returned exactly once, kept or dropped.

The runner checks this for every partition. The types of stage are:

* `SourceStage`: reads the corpus.
* `MapStage`: one function from a partition to an `Outcome`.
* `ModelStage`: `ask` builds the requests for a partition, `read` turns the answers into an `Outcome`.
* `WholeStage`: one function that sees all partitions, either one at a time (repeatedly if needed) or in
  parallel on all workers (`Context.each`).

A stage that adds columns to its rows, or whose options name some, declares them (`columns`): a recipe with a
limit or a gate on a column that no stage makes is then rejected when it is read. If it cannot know them, it
returns None.

Built-in stages are listed in `datagen.recipe.registry`; other packages register theirs in the entry point
group ``datagen.stages``; a recipe can also name one: ``use: package.module:stage`` or
``use: ./file.py:stage``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, cast

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

from datagen.columns import Columns, Read, scores
from datagen.context import NO_MODEL, NOTICES, Context
from datagen.outcome import Builder, Outcome, lineage, mean_logprob
from datagen.request import Answer, Answers, Request

__all__ = [
    "NOTICES",
    "NO_MODEL",
    "Builder",
    "Columns",
    "Context",
    "MapStage",
    "ModelStage",
    "Options",
    "Outcome",
    "Partitions",
    "Read",
    "SourceStage",
    "Stage",
    "WholeStage",
    "keep_all",
    "lineage",
    "mean_logprob",
    "scores",
]


class Options(BaseModel):
    """A stage's options in a recipe. Unknown keys are errors."""

    # Most commands use few of the stages, so each validator is built when it is first needed.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


OptionsT = TypeVar("OptionsT", bound=Options, default=Options)
SourceT = TypeVar("SourceT", default=Any)  # input of one task of a source stage; picklable
VerdictT = TypeVar("VerdictT", default=Outcome)  # result of a whole stage for one partition
NO_OPTIONS = cast("type[Any]", Options)  # for stages that declare none


class Partitions:
    """
    All partitions of a stage's input.

    Iteration reads one partition at a time and can be repeated. Memory is bounded by one partition plus what
    the stage keeps.
    """

    def __init__(self, readers: Sequence[Callable[[Sequence[str] | None], pa.Table]]) -> None:
        self.readers = readers  # one per partition; picklable, for workers

    def __len__(self) -> int:
        return len(self.readers)

    def __iter__(self) -> Iterator[pa.Table]:
        return self.columns(None)

    def columns(self, names: Sequence[str] | None) -> Iterator[pa.Table]:
        """Read only these columns of each partition (missing ones are skipped); None reads all columns."""
        return (reader(names) for reader in self.readers)


@dataclass(frozen=True)
class SourceStage(Generic[OptionsT, SourceT]):
    """
    Reads the corpus: `plan` splits it into tasks, `read` yields an outcome per partition of a task.

    `check`, if given, receives the sums of the outcomes' figures before the stage completes, and raises
    `UserError` if the run cannot continue. `digest`, if given, hashes the content of everything that
    `read` would read; a stage without it runs again in every run.
    """

    name: str
    summary: str
    plan: Callable[[OptionsT, Context], Sequence[SourceT]]
    read: Callable[[SourceT, OptionsT, Context], Iterator[Outcome]]
    gives: str = "documents"
    takes: str = ""
    options: type[OptionsT] = NO_OPTIONS
    kinds: tuple[str, ...] = ()
    check: Callable[[Mapping[str, int], OptionsT, Context], None] | None = None
    digest: Callable[[OptionsT, Context], str] | None = None
    columns: Callable[[OptionsT], Columns | None] | None = None


@dataclass(frozen=True)
class MapStage(Generic[OptionsT]):
    """Turns each partition into an outcome, independently of the others."""

    name: str
    summary: str
    takes: str
    gives: str
    apply: Callable[[pa.Table, OptionsT, Context], Outcome]
    options: type[OptionsT] = NO_OPTIONS
    kinds: tuple[str, ...] = ()  # kinds of examples it processes; others pass through. Empty: all
    columns: Callable[[OptionsT], Columns | None] | None = None


@dataclass(frozen=True)
class ModelStage(Generic[OptionsT]):
    """
    Sends requests about each partition to a model and reads the answers.

    `follow`, if given, builds requests that depend on the answers to `ask`; `read` receives the answers to
    both. `rounds`, if given, returns the number of rounds of requests: `ask` builds the first, `follow` each
    further one from all answers so far, whose `Answers.rounds` says which one is due. `prepare`, if given,
    sees all partitions before the first request and returns the options that the other functions receive.
    """

    name: str
    summary: str
    takes: str
    gives: str
    ask: Callable[[pa.Table, OptionsT, Context], Iterable[Request]]
    read: Callable[[pa.Table, Answers, OptionsT, Context], Outcome]
    role: str = "generator"
    options: type[OptionsT] = NO_OPTIONS
    kinds: tuple[str, ...] = ()
    follow: Callable[[pa.Table, Answers, OptionsT, Context], Iterable[Request]] | None = None
    rounds: Callable[[OptionsT], int] | None = None
    prepare: Callable[[Partitions, OptionsT, Context], OptionsT] | None = None
    columns: Callable[[OptionsT], Columns | None] | None = None

    def count_rounds(self, options: OptionsT) -> int:
        """Return the number of rounds of requests about a partition."""
        if self.follow is None:
            return 1
        return self.rounds(options) if self.rounds else 2

    def converse(
        self,
        rows: pa.Table,
        options: OptionsT,
        context: Context,
        answer: Callable[[Sequence[Request]], Iterable[Answer]],
    ) -> Answers:
        """Send the requests of all rounds to a function, without a run, and return all answers."""
        answers = list(answer(list(self.ask(rows, options, context))))
        for done in range(1, self.count_rounds(options)):
            assert self.follow is not None  # otherwise there is one round
            more = self.follow(rows, Answers(answers, done), options, context)
            answers += answer(list(more))
        return Answers(answers, self.count_rounds(options))


@dataclass(frozen=True)
class WholeStage(Generic[OptionsT, VerdictT]):
    """
    Processes all partitions together; `run` yields one outcome per partition, in order.

    If `apply` is given, `run` yields instead its second argument for each partition, and the workers call
    `apply` in parallel. `digest` hashes the result's dependencies other than the recipe, the files that it
    names and the tables of the run. `take_over` is called when the result of this stage is reused from an
    earlier run, with that run's folder: it copies the files that the stage wrote outside its own folder.
    """

    name: str
    summary: str
    takes: str
    gives: str
    run: Callable[[Partitions, OptionsT, Context], Iterable[VerdictT]]
    options: type[OptionsT] = NO_OPTIONS
    kinds: tuple[str, ...] = ()
    apply: Callable[[pa.Table, VerdictT, OptionsT, Context], Outcome] | None = None
    digest: Callable[[OptionsT, Context], str] | None = None
    take_over: Callable[[Path, OptionsT, Context], None] | None = None
    columns: Callable[[OptionsT], Columns | None] | None = None


def keep_all(rows: pa.Table, verdict: object, options: Options, context: Context) -> Outcome:
    """Keep every row: the `apply` of a whole stage that only measures."""
    return Outcome.all_kept(rows)


Stage = SourceStage[Any, Any] | MapStage[Any] | ModelStage[Any] | WholeStage[Any, Any]
