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

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from datagen.request import Answer, Answers, Identity, Reject, Request
from datagen.schema import LINEAGE, TABLES, example_id, table_of
from datagen.store.parquet import UNFINISHED

if TYPE_CHECKING:
    from datagen.prompt import Prompt
    from datagen.recipe.model import Recipe


TRACED = tuple(part.name for part in LINEAGE)


class Options(BaseModel):
    """What a recipe may set for a stage. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def in_turn(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Call a function for each item, here and now."""
    return [function(item) for item in items]


NOBODY = Identity("", "")


@dataclass(frozen=True)
class Context:
    """
    What a stage may know besides its rows and its options.

    Parameters
    ----------
    stage
        The stage's name in the recipe.
    recipe
        The whole recipe.
    folder
        The run's folder.
    model
        The model that the stage asks; one without a name where it asks none.
    output
        The stage's own folder while it is made. What a whole stage writes there stands beside its table.
    each
        Calls a function for each item, for a whole stage on all ordinary workers, and lists the results in
        order. Function, items and results travel: large things go by `scratch`.
    """

    stage: str
    recipe: Recipe
    folder: Path
    model: Identity = NOBODY
    output: Path = Path()
    each: Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]] = in_turn

    @property
    def scratch(self) -> Path:
        """Where a whole stage puts what is too large to hold; gone when the stage is complete."""
        return self.output / f"{UNFINISHED}scratch"

    def prompt(self, name: str) -> Prompt:
        """Load a prompt by its path in ``prompts/`` without the ending; the recipe's own come first."""
        from datagen.prompt import load

        return load(name, self.recipe.prompt_folder)


Column: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray


def _strings(column: Column) -> pa.Array | pa.ChunkedArray:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column.cast(pa.string())
    return pa.array(column, pa.string())


@dataclass(frozen=True)
class Outcome:
    """
    What a stage did with a partition.

    Parameters
    ----------
    kept
        The rows that go on.
    dropped
        The rows that do not: columns of `kept`, and ``reason`` and ``detail``.
    figures
        What else the stage counted in the partition. The sums over all stand in its ``stage.json``.
    """

    kept: pa.Table
    dropped: pa.Table
    figures: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def split(cls, rows: pa.Table, reasons: Column, details: Column | None = None) -> Outcome:
        """
        Drop the rows that have a reason, keep the others.

        Parameters
        ----------
        rows
            The partition.
        reasons
            One a row; null for a row that goes on.
        details
            What was seen in each row; null where there is nothing to say.
        """
        reason = _strings(reasons)
        detail = pa.nulls(len(rows), pa.string()) if details is None else _strings(details)
        judged = rows.append_column("reason", reason).append_column("detail", detail)
        return cls(rows.filter(pc.is_null(reason)), judged.filter(pc.is_valid(reason)))

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """Put the outcomes of parts of a partition together."""
        return cls(
            *(pa.concat_tables([getattr(part, side) for part in parts]) for side in ("kept", "dropped"))
        )

    @classmethod
    def all_kept(cls, rows: pa.Table) -> Outcome:
        """Keep every row."""
        return cls.split(rows, [None] * len(rows))


class Builder:
    """
    Collects the rows that a stage makes, kept and dropped, with their lineage.

    Parameters
    ----------
    gives
        Kind of table: a key of `datagen.schema.TABLES`.
    context
        The running stage.
    prompt, prompt_hash
        Template file behind rows that no model wrote.
    """

    def __init__(self, gives: str, context: Context, prompt: str = "", prompt_hash: str = "") -> None:
        self._schema = TABLES[gives]
        self._has_lineage = "lineage" in self._schema.names
        self._context, self._prompt = context, (prompt, prompt_hash)
        self._kept: list[dict[str, Any]] = []
        self._dropped: list[dict[str, Any]] = []
        self._seen: set[str] = set()

    def keep(
        self,
        row: Mapping[str, Any],
        parent: Mapping[str, Any],
        *answers: Answer,
        others: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """
        Add a row, or drop it as ``repeated`` when an equal one was made from the same parent.

        Parameters
        ----------
        row
            Its fields. Without ``id``, an example gets the hash of its content.
        parent
            The row it was made from: a document, a passage or an example.
        answers
            The answers that it was read from; the first one's prompt is its prompt.
        others
            Further rows it was made from, where there are several.
        """
        full = self._with_lineage(row, parent, answers, others)
        if full["id"] in self._seen:
            self._dropped.append(full | {"reason": "repeated", "detail": "made twice from the same row"})
            return
        self._seen.add(full["id"])
        self._kept.append(full)

    def drop(
        self,
        why: Reject,
        row: Mapping[str, Any],
        parent: Mapping[str, Any],
        *answers: Answer,
        others: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Add a row that does not go on, with as many of its fields as were made."""
        full = self._with_lineage(row, parent, answers, others)
        self._dropped.append(full | {"reason": why.reason, "detail": why.detail})

    def outcome(self) -> Outcome:
        """Hand over what was collected."""
        dropped = pa.schema([*self._schema, ("reason", pa.string()), ("detail", pa.string())])
        return Outcome(table_of(self._schema, self._kept), table_of(dropped, self._dropped))

    def _with_lineage(
        self,
        row: Mapping[str, Any],
        parent: Mapping[str, Any],
        answers: Sequence[Answer],
        others: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        full = dict(row)
        if self._has_lineage:
            full["lineage"] = lineage(parent, self._context.stage, answers, self._prompt)
            for other in others:
                cost = [*full["lineage"]["requests"], *(other.get("lineage") or {}).get("requests", [])]
                full["lineage"]["requests"] = list(dict.fromkeys(cost))
                full["lineage"]["parents"].append(other["id"])
            full.setdefault("id", example_id(full))
            full.setdefault("logprob", mean_logprob(answers))
        return full


def mean_logprob(answers: Iterable[Answer]) -> float | None:
    """Average the log probability of every token that the answers hold; None without tokens."""
    tokens = [logprob for answer in answers for logprob in answer.completion.logprobs]
    return sum(tokens) / len(tokens) if tokens else None


def lineage(
    parent: Mapping[str, Any], stage: str, answers: Sequence[Answer], template: tuple[str, str] = ("", "")
) -> dict[str, Any]:
    """
    Trace a row to the span of the document, the prompt, the model and all the requests behind it.

    A row made from an example inherits what that one cost; without answers of its own, its model too.
    """
    known = dict(parent.get("lineage") or {})
    if not known:  # a passage
        known = {
            name: parent.get(name) for name in ("document_id", "source", "title", "language", "start", "end")
        }
        known |= {"passage_id": parent.get("id"), "model": "", "revision": "", "requests": []}
    prompt, prompt_hash = template
    if answers:
        prompt, prompt_hash = answers[0].request.prompt, answers[0].request.prompt_hash
        known |= {"model": answers[0].completion.model, "revision": answers[0].completion.revision}
    known |= {
        "stage": stage,
        "prompt": prompt,
        "prompt_hash": prompt_hash,
        "requests": list(dict.fromkeys([*known["requests"], *(answer.completion.key for answer in answers)])),
        "parents": [parent["id"]] if parent.get("id") else [],
    }
    return {name: known.get(name) for name in TRACED}


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
    """Reads the corpus: `plan` splits it into tasks, `read` yields an outcome per partition of a task."""

    name: str
    summary: str
    plan: Callable[[Any, Context], Sequence[Source]]
    read: Callable[[Source, Any, Context], Iterator[Outcome]]
    gives: str = "documents"
    takes: str = ""
    options: type[Options] = Options
    kinds: tuple[str, ...] = ()


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
    apply it.
    """

    name: str
    summary: str
    takes: str
    gives: str
    run: Callable[[Partitions, Any, Context], Iterable[Any]]
    options: type[Options] = Options
    kinds: tuple[str, ...] = ()
    apply: Callable[[pa.Table, Any, Any, Context], Outcome] | None = None


Stage = SourceStage | MapStage | ModelStage | WholeStage
