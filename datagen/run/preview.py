"""
Preview a recipe: run every task on a few passages before paying for a full run.

Documents are read and cut as in a run, until there are enough passages; stages that need all passages at once
are skipped. Then each model stage that takes passages runs all its tasks on each of them. The answers are
stored in ``preview/`` next to the recipe's runs, and every run takes them over.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa

from datagen.engines.ask import Asker
from datagen.engines.failures import none_answered
from datagen.engines.identity import identify
from datagen.engines.special_tokens import special_tokens_of
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.recipe.roles import OpenAIModel
from datagen.request import Answer, Request
from datagen.rows import Fields, Row
from datagen.run.lifecycle import PREVIEW
from datagen.run.model_tasks import defused
from datagen.schema import content_id
from datagen.stage import MapStage, ModelStage, Options, SourceStage

POOL = 40  # passages read for each one that is shown, so that they come from several documents
# Options that limit the tasks or passages of a stage, with the values that remove the limits.
EVERYTHING = {"share": 1.0, "per_passage": 0, "max_total_tokens": None}
ROW = ("question", "context", "answer", "reasoning", "evidence", "text", "prompt")  # shown of a row


@dataclass(frozen=True)
class Look:
    """
    One request of a preview and its result.

    Parameters
    ----------
    stage
        The stage that sent it.
    answer
        The request with its completion.
    verdict
        ``kept``, or the reason for the drop; "" if the answer only confirms another one.
    detail
        Details of the drop.
    row
        The row made from the answer, if it was kept.
    """

    stage: str
    answer: Answer
    verdict: str
    detail: str
    row: Fields | None

    def as_json(self) -> dict[str, object]:
        """Convert it to plain values."""
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
    Run every task on a few passages.

    Parameters
    ----------
    recipe
        The recipe to preview.
    home
        The folder of the recipe's runs.
    rows
        Number of passages.

    Raises
    ------
    UserError
        If the corpus gives no passage, or no model stage takes passages; after all answers, if a server
        answered none of a stage's requests.
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
    problems: list[str] = []
    with ExitStack() as stack:
        askers: dict[str, Asker] = {}
        for name, stage, options in asking:
            if stage.role not in askers:
                spec = recipe.models.role(stage.role)
                askers[stage.role] = stack.enter_context(Asker(spec, home / PREVIEW))
            errors: dict[str, str] = {}
            for look in _looks(recipe, home, name, stage, _everything(options), passages, askers[stage.role]):
                completion = look.answer.completion
                errors[completion.key] = completion.error
                yield look
            if errors and all(errors.values()) and isinstance(recipe.models.role(stage.role), OpenAIModel):
                problems.append(none_answered(name, len(errors), next(iter(errors.values()))))
    if problems:
        raise UserError("\n".join(problems))


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
    tokens = special_tokens_of(spec)
    context = replace(recipe.context(name, home / PREVIEW), model=identify(spec))

    def answers_to(requests: Sequence[Request]) -> Sequence[Answer]:
        return asker.answer([defused(request, tokens) for request in requests])

    answers = stage.converse(passages, options, context, answers_to)
    outcome = stage.read(passages, answers, options, context)
    verdicts: dict[str, tuple[str, str, Fields | None]] = {}
    for row in outcome.dropped.to_pylist():
        for key in _first_of(stage, row):
            verdicts[key] = (row["reason"], row["detail"] or "", None)
    for row in outcome.kept.to_pylist():
        shown = {field: row[field] for field in ROW if row.get(field)}
        for key in _first_of(stage, row):
            verdicts.setdefault(key, ("kept", "", shown))
    for answer in answers:
        yield Look(name, answer, *verdicts.get(answer.completion.key, ("", "", None)))


def _first_of(stage: ModelStage, row: Row) -> Sequence[str]:
    """List the requests that a row was made from: the first, or all if they are combined in a text."""
    requests: list[str] = row["lineage"]["requests"]
    return requests if row.get("text") else requests[:1]


def _everything(options: Options) -> Options:
    unlimited = {name: value for name, value in EVERYTHING.items() if name in type(options).model_fields}
    return options.model_copy(update=unlimited)


def _passages(recipe: Recipe, home: Path, rows: int) -> pa.Table:
    """Read documents and cut them until there are enough passages; sample some by hash."""
    line = recipe.line()
    makers = [(name, stage, options) for name, stage, options in line if isinstance(stage, MapStage)]
    makers = [maker for maker in makers if maker[1].takes == "documents"]
    sources = [(name, stage, options) for name, stage, options in line if isinstance(stage, SourceStage)]
    sources = [source for source in sources if source[1].gives == "documents"]
    tables: list[pa.Table] = []
    for name, stage, options in sources:
        context = recipe.context(name, home / PREVIEW)
        for task in stage.plan(options, context):
            for outcome in stage.read(task, options, context):
                table = outcome.kept
                for maker, map_stage, map_options in makers:
                    table = map_stage.apply(table, map_options, recipe.context(maker, home / PREVIEW)).kept
                tables.append(table)
                if sum(map(len, tables)) >= rows * POOL:
                    return _sampled(pa.concat_tables(tables), rows, recipe.seed)
    return _sampled(pa.concat_tables(tables), rows, recipe.seed) if tables else pa.table({})


def _sampled(passages: pa.Table, rows: int, seed: int) -> pa.Table:
    hashes = [content_id("preview", key, str(seed)) for key in passages["id"].to_pylist()]
    return passages.take(sorted(range(len(hashes)), key=hashes.__getitem__)[:rows])
