"""
A preview: a few passages through every task of a recipe, before anything large is paid for.

The documents are read and cut as the run would do it, until there are enough passages; stages that need all
passages at once are left out. Then each stage that asks a model about passages asks all its tasks of each of
them. The answers are kept in ``preview/`` beside the recipe's runs, and every run takes them over.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from datagen.engines.ask import Asker
from datagen.engines.identity import identify
from datagen.engines.special_tokens import special_tokens_of
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.request import Answer, Answers
from datagen.run.folder import PREVIEW
from datagen.run.model_tasks import defused
from datagen.schema import content_id
from datagen.stage import MapStage, ModelStage, Options, SourceStage

POOL = 40  # passages read for each one that is shown, so that they come from several documents
# Options by which a stage asks fewer tasks, or about fewer passages.
EVERYTHING = {"share": 1.0, "per_passage": 0, "max_total_tokens": None}
ROW = ("question", "context", "answer", "reasoning", "evidence", "text", "prompt")  # shown of a kept row


@dataclass(frozen=True)
class Look:
    """
    One request of a preview with what became of it.

    Parameters
    ----------
    stage
        The stage that asked.
    answer
        The request with its completion.
    verdict
        ``kept``, or the reason for the drop; "" where the answer only confirms another one.
    detail
        What was seen in a dropped row.
    row
        The row that the answer became, if it was kept.
    """

    stage: str
    answer: Answer
    verdict: str
    detail: str
    row: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """Write it as plain values."""
        request, completion = self.answer.request, self.answer.completion
        return {
            "stage": self.stage,
            "task": request.task,
            "passage": request.row,
            "prompt": request.prompt,
            "messages": request.messages,
            "sampling": asdict(request.sampling),
            "schema": request.schema,
            "answer": completion.text,
            "finish": completion.finish,
            "error": completion.error,
            "verdict": self.verdict,
            "detail": self.detail,
            "row": self.row,
        }


def looks(recipe: Recipe, home: Path, rows: int) -> Iterator[Look]:
    """
    Ask every task about a few passages.

    Parameters
    ----------
    recipe
        What to preview.
    home
        The folder of the recipe's runs.
    rows
        Passages that are asked about.

    Raises
    ------
    UserError
        When the corpus gives no passage, or no stage asks about passages.
    """
    asking = [
        (name, stage, options)
        for name, stage, options in recipe.line()
        if isinstance(stage, ModelStage) and stage.takes == "passages"
    ]
    if not asking:
        raise UserError(
            f"{recipe.file}: no stage asks a model about passages, so there is nothing to preview"
        )
    passages = _passages(recipe, home, rows)
    if not len(passages):
        raise UserError(f"{recipe.file}: the first documents of the corpus give no passage")
    with ExitStack() as stack:
        askers: dict[str, Asker] = {}
        for name, stage, options in asking:
            if stage.role not in askers:
                spec = recipe.models.role(stage.role)
                askers[stage.role] = stack.enter_context(Asker(spec, home / PREVIEW))
            yield from _looks(recipe, home, name, stage, _everything(options), passages, askers[stage.role])


def _looks(
    recipe: Recipe,
    home: Path,
    name: str,
    stage: ModelStage,
    options: Options,
    passages: pa.Table,
    asker: Asker,
) -> Iterator[Look]:
    spec = recipe.models.role(stage.role)
    own = special_tokens_of(spec)
    context = replace(recipe.context(name, home / PREVIEW), model=identify(spec))
    first = asker.answer([defused(one, own) for one in stage.ask(passages, options, context)])
    answers = list(first)
    if stage.follow is not None:
        later = stage.follow(passages, Answers(first), options, context)
        answers += asker.answer([defused(one, own) for one in later])
    outcome = stage.read(passages, Answers(answers), options, context)
    verdicts: dict[str, tuple[str, str, dict[str, Any] | None]] = {}
    for row in outcome.dropped.to_pylist():
        for key in _first_of(stage, row):
            verdicts[key] = (row["reason"], row["detail"] or "", None)
    for row in outcome.kept.to_pylist():
        shown = {field: row[field] for field in ROW if row.get(field)}
        for key in _first_of(stage, row):
            verdicts.setdefault(key, ("kept", "", shown))
    for answer in answers:
        yield Look(name, answer, *verdicts.get(answer.completion.key, ("", "", None)))


def _first_of(stage: ModelStage, row: dict[str, Any]) -> Sequence[str]:
    """List the answers that a row was written by: the first, or all of those that are bound in a text."""
    requests: list[str] = row["lineage"]["requests"]
    return requests if row.get("text") else requests[:1]


def _everything(options: Options) -> Options:
    known = {name: value for name, value in EVERYTHING.items() if name in type(options).model_fields}
    return options.model_copy(update=known)


def _passages(recipe: Recipe, home: Path, rows: int) -> pa.Table:
    """Read documents and cut them until there is a choice of passages; take some by hash."""
    line = recipe.line()
    makers = [(name, stage, options) for name, stage, options in line if isinstance(stage, MapStage)]
    makers = [maker for maker in makers if maker[1].takes == "documents"]
    sources = [(name, stage, options) for name, stage, options in line if isinstance(stage, SourceStage)]
    sources = [source for source in sources if source[1].gives == "documents"]
    found: list[pa.Table] = []
    for name, stage, options in sources:
        context = recipe.context(name, home / PREVIEW)
        for task in stage.plan(options, context):
            for outcome in stage.read(task, options, context):
                table = outcome.kept
                for maker, cut, given in makers:
                    table = cut.apply(table, given, recipe.context(maker, home / PREVIEW)).kept
                found.append(table)
                if sum(map(len, found)) >= rows * POOL:
                    return _drawn(pa.concat_tables(found), rows, recipe.seed)
    return _drawn(pa.concat_tables(found), rows, recipe.seed) if found else pa.table({})


def _drawn(passages: pa.Table, rows: int, seed: int) -> pa.Table:
    lots = [content_id("preview", key, str(seed)) for key in passages["id"].to_pylist()]
    return passages.take(sorted(range(len(lots)), key=lots.__getitem__)[:rows])
