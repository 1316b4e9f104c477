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
from typing import Any, Generic, cast

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

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
    "SourceStage",
    "Stage",
    "WholeStage",
    "lineage",
    "mean_logprob",
]


class Options(BaseModel):
    """What a recipe may set for a stage. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


OptionsT = TypeVar("OptionsT", bound=Options, default=Options)
SourceT = TypeVar("SourceT", default=Any)  # what one task of a source stage reads: something picklable
VerdictT = TypeVar("VerdictT", default=Outcome)  # what a stage that sees all partitions says of each
NO_OPTIONS = cast("type[Any]", Options)  # of a stage that declares none


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


@dataclass(frozen=True)
class SourceStage(Generic[OptionsT, SourceT]):
    """
    Reads the corpus: `plan` splits it into tasks, `read` yields an outcome per partition of a task.

    `check`, where given, is shown the sums of the outcomes' figures before the stage is complete, and raises
    `UserError` when the run cannot go on with them.
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


@dataclass(frozen=True)
class MapStage(Generic[OptionsT]):
    """Turns each partition into an outcome, by itself."""

    name: str
    summary: str
    takes: str
    gives: str
    apply: Callable[[pa.Table, OptionsT, Context], Outcome]
    options: type[OptionsT] = NO_OPTIONS
    kinds: tuple[str, ...] = ()  # examples of these kinds only; others pass by. Empty: all


@dataclass(frozen=True)
class ModelStage(Generic[OptionsT]):
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
    ask: Callable[[pa.Table, OptionsT, Context], Iterable[Request]]
    read: Callable[[pa.Table, Answers, OptionsT, Context], Outcome]
    role: str = "generator"
    options: type[OptionsT] = NO_OPTIONS
    kinds: tuple[str, ...] = ()
    follow: Callable[[pa.Table, Answers, OptionsT, Context], Iterable[Request]] | None = None
    prepare: Callable[[Partitions, OptionsT, Context], OptionsT] | None = None


@dataclass(frozen=True)
class WholeStage(Generic[OptionsT, VerdictT]):
    """
    Decides with all partitions in view; `run` yields one outcome per partition, in order.

    Where `apply` is given, `run` yields instead what `apply` must know of each partition, and all workers
    apply it.
    """

    name: str
    summary: str
    takes: str
    gives: str
    run: Callable[[Partitions, OptionsT, Context], Iterable[VerdictT]]
    options: type[OptionsT] = NO_OPTIONS
    kinds: tuple[str, ...] = ()
    apply: Callable[[pa.Table, VerdictT, OptionsT, Context], Outcome] | None = None


Stage = SourceStage[Any, Any] | MapStage[Any] | ModelStage[Any] | WholeStage[Any, Any]
