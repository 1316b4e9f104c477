"""
What a stage is: a few functions with a name.

The line is a row of stages. Each takes the rows of one kind of table and gives rows of a kind:

* where the two differ it **makes** rows (chunk makes passages from documents), and every row that it
  takes must leave at least one row behind, kept or dropped;
* where they are the same it **refines** them (curate takes examples and gives examples), and every
  row that it takes must come out exactly once, kept or dropped.

The machine checks this for every partition. A stage is one of:

* `SourceStage`: reads the corpus.
* `MapStage`: one function from a partition to an `Outcome`.
* `ModelStage`: `ask` writes requests for a partition, `read` turns the answers into an `Outcome`.
* `WholeStage`: one function that sees all partitions, one at a time, as often as it likes, or all at once
  on all workers (`Context.each`).

A stage is found by name through the entry point group ``datagen.stages``, or in a recipe as
``use: package.module:stage`` or ``use: ./file.py:stage``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from datagen.context import NOBODY, NOTICES, Context
from datagen.outcome import Builder, Outcome, lineage, mean_logprob
from datagen.request import Answers, Request

__all__ = [
    "NOBODY",
    "NOTICES",
    "Builder",
    "Context",
    "MapStage",
    "ModelStage",
    "Options",
    "Outcome",
    "Partitions",
    "Source",
    "SourceStage",
    "Stage",
    "WholeStage",
    "lineage",
    "mean_logprob",
]


class Options(BaseModel):
    """What a recipe may set for a stage. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Partitions:
    """
    All partitions of a stage's input.

    Iterating reads one at a time, and may be done as often as needed: memory holds one partition
    and whatever the stage keeps.
    """

    def __init__(self, readers: Sequence[Callable[[Sequence[str] | None], pa.Table]]) -> None:
        self.readers = readers  # one a partition; they can be sent to workers

    def __len__(self) -> int:
        return len(self.readers)

    def __iter__(self) -> Iterator[pa.Table]:
        return self.columns(None)

    def columns(self, names: Sequence[str] | None) -> Iterator[pa.Table]:
        """Read the partitions with these columns only, those that are there; all of them for None."""
        return (reader(names) for reader in self.readers)


Source = Any  # what one task of a source stage reads: something picklable


@dataclass(frozen=True)
class SourceStage:
    """
    Reads the corpus: `plan` splits it into tasks, `read` yields an outcome per partition of a task.

    `check`, where given, is shown the sums of the outcomes' figures before the stage is complete, and raises
    `UserError` when the run cannot go on with them. `digest`, where given, hashes the content of everything
    that would be read; a stage without it is made again by every run.
    """

    name: str
    summary: str
    plan: Callable[[Any, Context], Sequence[Source]]
    read: Callable[[Source, Any, Context], Iterator[Outcome]]
    gives: str = "documents"
    takes: str = ""
    options: type[Options] = Options
    kinds: tuple[str, ...] = ()
    check: Callable[[Mapping[str, int], Any, Context], None] | None = None
    digest: Callable[[Any, Context], str] | None = None


@dataclass(frozen=True)
class MapStage:
    """Turns each partition into an outcome, by itself."""

    name: str
    summary: str
    takes: str
    gives: str
    apply: Callable[[pa.Table, Any, Context], Outcome]
    options: type[Options] = Options
    kinds: tuple[str, ...] = ()  # examples of these kinds only; others pass by. Empty: all


@dataclass(frozen=True)
class ModelStage:
    """
    Asks a model about each partition and reads its answers.

    `follow`, where given, is shown the answers to what `ask` asked and asks what depends on them; `read`
    is shown the answers to both. `prepare`, where given, sees all partitions before anything is asked and
    returns the options that the others are given.
    """

    name: str
    summary: str
    takes: str
    gives: str
    ask: Callable[[pa.Table, Any, Context], Iterable[Request]]
    read: Callable[[pa.Table, Answers, Any, Context], Outcome]
    role: str = "generator"
    options: type[Options] = Options
    kinds: tuple[str, ...] = ()
    follow: Callable[[pa.Table, Answers, Any, Context], Iterable[Request]] | None = None
    prepare: Callable[[Partitions, Any, Context], Any] | None = None


@dataclass(frozen=True)
class WholeStage:
    """
    Decides with all partitions in view; `run` yields one outcome per partition, in order.

    Where `apply` is given, `run` yields instead what `apply` must know of each partition, and all workers
    apply it. `digest` hashes what the result depends on besides the recipe, the files named in it and the
    tables of the run. `take_over` is called when the stage of an earlier run, whose folder it is given, is
    taken over: it brings along what the stage wrote outside its own folder.
    """

    name: str
    summary: str
    takes: str
    gives: str
    run: Callable[[Partitions, Any, Context], Iterable[Any]]
    options: type[Options] = Options
    kinds: tuple[str, ...] = ()
    apply: Callable[[pa.Table, Any, Any, Context], Outcome] | None = None
    digest: Callable[[Any, Context], str] | None = None
    take_over: Callable[[Path, Any, Context], None] | None = None


Stage = SourceStage | MapStage | ModelStage | WholeStage
