"""The outcome of a stage for a partition: rows kept and rows dropped, with reason and lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from datagen.context import Context
from datagen.request import Answer, Reject
from datagen.rows import ContributorRow, Fields, LineageRow, Row
from datagen.schema import TABLES, example_id, table_of

SPAN = ("document_id", "source", "title", "language", "start", "end")  # of a passage

Column: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray


def _strings(column: Column) -> pa.Array | pa.ChunkedArray:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column.cast(pa.string())
    return pa.array(column, pa.string())


@dataclass(frozen=True)
class Outcome:
    """
    The outcome of a stage for a partition.

    Parameters
    ----------
    kept
        Rows that the next stage gets.
    dropped
        Dropped rows: the columns of `kept` plus ``reason`` and ``detail``.
    figures
        Other counts for the partition. ``stage.json`` holds their sums over all partitions.
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
            One per row; null keeps the row.
        details
            Details of the reason, one per row; may be null.
        """
        reason = _strings(reasons)
        detail = pa.nulls(len(rows), pa.string()) if details is None else _strings(details)
        judged = rows.append_column("reason", reason).append_column("detail", detail)
        return cls(rows.filter(pc.is_null(reason)), judged.filter(pc.is_valid(reason)))

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """Concatenate the outcomes of parts of a partition."""
        return cls(
            *(pa.concat_tables([getattr(part, side) for part in parts]) for side in ("kept", "dropped"))
        )

    @classmethod
    def all_kept(cls, rows: pa.Table) -> Outcome:
        """Keep every row."""
        return cls.split(rows, [None] * len(rows))


class Builder:
    """
    Collects the rows that a stage makes, kept or dropped, with their lineage.

    Parameters
    ----------
    gives
        Kind of table: a key of `datagen.schema.TABLES`.
    context
        Context of the running stage.
    prompt, prompt_hash
        Template file of rows made without a model, and its hash.
    """

    def __init__(self, gives: str, context: Context, prompt: str = "", prompt_hash: str = "") -> None:
        self._schema = TABLES[gives]
        self._has_lineage = "lineage" in self._schema.names
        self._context, self._prompt = context, (prompt, prompt_hash)
        self._kept: list[Mapping[str, object]] = []
        self._dropped: list[Mapping[str, object]] = []
        self._seen: set[object] = set()

    def keep(
        self,
        row: Mapping[str, object],
        parent: Row,
        *answers: Answer,
        others: Sequence[Row] = (),
    ) -> None:
        """
        Add a row, or drop it as ``repeated`` if an equal row was made from the same parent.

        Parameters
        ----------
        row
            Fields of the row. An example without ``id`` gets the hash of its content.
        parent
            The row that it was made from: a document, a passage or an example.
        answers
            The answers that it was parsed from; its lineage names the prompt of the first.
        others
            Other rows that it was made from.
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
        row: Mapping[str, object],
        parent: Row,
        *answers: Answer,
        others: Sequence[Row] = (),
    ) -> None:
        """Add a dropped row; fields that were not made yet may be missing."""
        full = self._with_lineage(row, parent, answers, others)
        self._dropped.append(full | {"reason": why.reason, "detail": why.detail})

    def outcome(self) -> Outcome:
        """Return the collected rows."""
        dropped = pa.schema([*self._schema, ("reason", pa.string()), ("detail", pa.string())])
        return Outcome(table_of(self._schema, self._kept), table_of(dropped, self._dropped))

    def _with_lineage(
        self,
        row: Mapping[str, object],
        parent: Row,
        answers: Sequence[Answer],
        others: Sequence[Row],
    ) -> Fields:
        full = dict(row)
        if self._has_lineage:
            traced = lineage(parent, self._context.stage, answers, self._prompt, self._context.model.licence)
            for other in others:
                before = other.get("lineage") or {}
                traced["requests"] = list(dict.fromkeys([*traced["requests"], *before.get("requests", [])]))
                traced["parents"].append(other["id"])
                traced["models"] = contributors(traced["models"], before.get("models"))
            full["lineage"] = traced
            full.setdefault("id", example_id(full))
            full.setdefault("logprob", mean_logprob(answers))
        return full


def mean_logprob(answers: Iterable[Answer]) -> float | None:
    """Average the log probability over all tokens of the answers; None without tokens."""
    tokens = [logprob for answer in answers for logprob in answer.completion.logprobs]
    return sum(tokens) / len(tokens) if tokens else None


def contributors(*lists: Iterable[ContributorRow] | None) -> list[ContributorRow]:
    """Combine the models of several lineages, each once, in order of first contribution."""
    models = (model for models in lists for model in models or ())
    return list({(model["model"], model["revision"]): model.copy() for model in models}.values())


def lineage(
    parent: Row,
    stage: str,
    answers: Sequence[Answer],
    template: tuple[str, str] = ("", ""),
    licence: str = "",
) -> LineageRow:
    """
    Build a row's lineage: document span, prompt, models and all requests that contributed to it.

    A row made from an example inherits its requests and models. `licence` is that of the model that gave
    `answers`.
    """
    earlier: Row = parent.get("lineage") or {
        **{name: parent.get(name) for name in SPAN},
        "passage_id": parent.get("id"),
        "model": "",
        "revision": "",
        "requests": [],
    }
    prompt, prompt_hash = template
    model, revision = earlier.get("model"), earlier.get("revision")
    models = contributors(earlier.get("models"))
    if answers:
        request, completion = answers[0].request, answers[0].completion
        prompt, prompt_hash = request.prompt, request.prompt_hash
        model, revision = completion.model, completion.revision
        models = contributors(models, [{"model": model, "revision": revision, "licence": licence}])
    keys = [*earlier["requests"], *(answer.completion.key for answer in answers)]
    return {
        "document_id": earlier.get("document_id"),
        "source": earlier.get("source"),
        "title": earlier.get("title"),
        "language": earlier.get("language"),
        "start": earlier.get("start"),
        "end": earlier.get("end"),
        "passage_id": earlier.get("passage_id"),
        "stage": stage,
        "prompt": prompt,
        "prompt_hash": prompt_hash,
        "model": model or "",
        "revision": revision or "",
        "requests": list(dict.fromkeys(keys)),
        "parents": [parent["id"]] if parent.get("id") else [],
        "models": models,
        "node": earlier.get("node"),
    }
