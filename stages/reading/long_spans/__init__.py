"""
Combine related passages into long texts, with exercises that need more than one of the passages.

Passages of one document, or of several documents that share rare words, are collected until a target length
is reached; the target lengths alternate, so that all are equally frequent
(`datagen.stages.reading.long_spans.related`). Exercises about single passages become exercises about the long
text, by a hint that names the passage or by content that only one passage has; others ask where a statement
is, for the order of the passages, or for counts (`datagen.stages.reading.long_spans.across`). Exercises about
single passages are mined; with `written`, those that a model wrote in earlier stages are used in their place.
Each answer is checked to be unique.

The metadata lists the exercises; `gold_spans` are the ids and offsets of the passages with the answer.

Source: Kwan et al., "M4LE: A Multi-Ability Multi-Range Multi-Task Multi-Domain Long-Context Evaluation
Benchmark", 2023, which turns short tasks into long ones for five abilities, for evaluation.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate, islice
from typing import NamedTuple

import pyarrow as pa
from pydantic import Field

from datagen.json_types import JsonObject
from datagen.prompt import Prompt, exists
from datagen.request import Reject
from datagen.rows import Fields, PassageRow
from datagen.schema import EXAMPLES, content_id, example_id, fraction, table_of
from datagen.stage import Builder, Context, Outcome, Partitions, WholeStage, lineage
from datagen.stages.reading.long_spans.across import ABILITIES, HINTED, Finding, Wordings, findings, wordings
from datagen.stages.reading.long_spans.related import Gathering, Plan, gather, name_of
from datagen.stages.reading.long_spans.written import Exercises, written_exercises
from datagen.stages.reading.mine.language import Language, read
from datagen.stages.shared.language.rules import Languages, by_language, code_of
from datagen.stages.shared.render.exercises import Exercise, fill, lay_out
from datagen.stages.shared.render.metadata import entry, metadata
from datagen.stages.shared.token_budget import Reader, TokenTarget, lot, lots, over_target, take_lots
from datagen.stages.shared.tokens import Ruler, ruler

BLANK = {"kind": "reading", "task": "long_span"}
CHARACTERS = 4  # per token, without a tokenizer
NO_WORDINGS = "no wordings for its language"


class Options(TokenTarget):
    """Lengths and exercises of long texts."""

    lengths: tuple[int, ...] = Field(
        (1000, 2000, 4000, 8000),
        min_length=1,
        description="Target lengths of the texts with their exercises, in tokens; all equally frequent",
    )
    tokenizer: str = Field(
        "",
        description="The target's tokenizer: bundled, a checkpoint folder, a tokenizer.json or "
        "tokenizer.model (relative to the recipe), or a Hub id; unset: four characters count as a token",
    )
    share: float = Field(1.0, ge=0, le=1, description="Share of the documents that are used, drawn by hash")
    across_documents: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the texts that prefer passages with shared rare words to passages of the same "
        "document; 0: no text spans documents",
    )
    written: bool = Field(
        False, description="Also use exercises about the passages that a model wrote in earlier stages"
    )
    per_text: int = Field(6, ge=1, description="Maximum exercises per text")
    per_task: int = Field(2, ge=1, description="Maximum exercises of one task per text")

    def sampled(self, passage: PassageRow, seed: int) -> bool:
        """Return whether the document of a passage is in the sample."""
        return fraction("long_spans", passage["document_id"], str(seed)) < self.share

    def measured(self, measure: Ruler, texts: Sequence[str]) -> list[float]:
        """Return the length of each text in tokens."""
        unit = 1 if self.tokenizer else CHARACTERS
        return [length / unit for length in measure.lengths(texts)]

    @property
    def plan(self) -> Plan:
        """The target lengths, and the share of texts across documents."""
        return Plan(self.lengths, self.across_documents)


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[float]:
    """Compute the last lot that is taken, for each partition."""
    last = 1.0
    if options.max_total_tokens is not None:
        read_lots = partial(_lots, options=options, context=context)
        last = take_lots(partitions, read_lots, options.max_total_tokens, context).last
    yield from [last] * len(partitions)


def _lots(reader: Reader, options: Options, context: Context) -> pa.Table:
    texts = {
        gathering.passages[0]["id"]: str(row["text"])
        for gathering, row in _long_texts(reader(None), options, context)
        if row
    }
    lengths = ruler(options.tokenizer, context.folder).trained(list(texts.values()))
    return lots([lot(name, context.seed) for name in texts], lengths)


class LongText(NamedTuple):
    """Related passages, and the row of their text; None if there is no exercise across them."""

    gathering: Gathering
    row: Fields | None


class _Resources(NamedTuple):
    """The prompt files of a language."""

    prompt: Prompt
    wordings: Wordings
    language: Language
    style: JsonObject


def _resources(code: str, context: Context) -> _Resources | None:
    name = f"long_spans/{code}"
    if not exists(name, context.prompts):
        return None
    prompt = context.prompt(name)
    templates = wordings(prompt)
    language = read(context.prompt(templates.mined)).only(HINTED)
    return _Resources(prompt, templates, language, context.prompt(templates.layouts).fields)


def _long_texts(rows: pa.Table, options: Options, context: Context) -> Iterator[LongText]:
    """Write the long texts of a partition, language by language."""
    earlier = written_exercises(rows["id"], context) if options.written else {}
    for code, places in by_language(rows):
        if resources := _resources(code, context):
            yield from _long_texts_in(resources, rows.take(places), earlier, options, context)


def _long_texts_in(
    resources: _Resources, rows: pa.Table, earlier: Exercises, options: Options, context: Context
) -> Iterator[LongText]:
    seed, measure = context.seed, ruler(options.tokenizer, context.folder)
    passages = [row for row in rows.to_pylist() if options.sampled(row, seed)]
    lengths = options.measured(measure, [f"{name_of(row)}\n\n{row['text']}" for row in passages])
    languages = Languages(context)
    for gathering in gather(passages, lengths, options.plan, [languages.of(row) for row in passages], seed):
        candidates = findings(gathering, resources.wordings, resources.language, earlier, seed)
        row = None
        if columns := _write_within_limit(gathering, candidates, resources, options, measure, seed):
            prompt = resources.prompt.name, resources.prompt.hash
            origin = lineage(gathering.passages[0], context.stage, (), prompt)
            origin["parents"] = [passage["id"] for passage in gathering.passages]
            row = BLANK | columns | {"lineage": origin}
        yield LongText(gathering, row)


def _write_within_limit(
    gathering: Gathering,
    candidates: list[Finding],
    resources: _Resources,
    options: Options,
    measure: Ruler,
    seed: int,
) -> Fields | None:
    """Write a text with the exercises that fit its length; None if none fits."""
    parts = [
        f"{name}\n\n{passage['text']}"
        for name, passage in zip(gathering.names, gathering.passages, strict=True)
    ]
    room = gathering.limit - sum(options.measured(measure, parts))
    sizes = options.measured(measure, [f"{finding.question}\n{finding.answer}" for finding in candidates])
    fitting = [finding for finding, size in zip(candidates, sizes, strict=True) if size < room]
    selected = _select(fitting, options, seed)
    while selected:
        columns = _write(gathering, selected, resources, options, seed)
        if options.measured(measure, [str(columns["text"])])[0] <= gathering.limit:
            return columns
        selected.remove(max(selected, key=lambda finding: len(finding.question) + len(finding.answer)))
    return None


def apply(rows: pa.Table, last: float, options: Options, context: Context) -> Outcome:
    """Keep the long texts of a partition whose lots are at most `last`."""
    seed = context.seed
    dropped = Builder("examples", context)
    kept: list[Fields] = []
    bound: list[str] = []
    unused = {row["id"]: row for row in rows.to_pylist()}
    for gathering, row in _long_texts(rows, options, context):
        passages = [unused.pop(passage["id"]) for passage in gathering.passages]
        own_lot = lot(passages[0]["id"], seed)
        if row and own_lot <= last:
            kept.append(row | {"id": example_id(row)})
            bound += [passage["text"] for passage in passages]
        else:
            reason = Reject("no exercise across passages", gathering.names[0])
            for passage in passages:
                dropped.drop(over_target(own_lot, last) if row else reason, BLANK, passage)
    unsupported = {code for code, _ in by_language(rows) if not exists(f"long_spans/{code}", context.prompts)}
    for passage in unused.values():
        reason = Reject("no related passages", passage["title"] or "")
        if (code := code_of(passage)) in unsupported:
            reason = Reject(NO_WORDINGS, code)
        sampled = options.sampled(passage, seed)
        dropped.drop(reason if sampled else Reject("outside the sample"), BLANK, passage)
    outcome = Outcome(table_of(EXAMPLES, kept), dropped.outcome().dropped)
    measure = ruler(options.tokenizer, context.folder)
    return measure.account(outcome, rows["text"].to_pylist(), bound)


def _select(candidates: list[Finding], options: Options, seed: int) -> list[Finding]:
    """Select exercises round-robin over the tasks, in an order drawn by hash, within the limits."""
    queues: dict[str, list[Finding]] = defaultdict(list)
    for finding in sorted(candidates, key=lambda finding: content_id(finding.question, str(seed))):
        queues[finding.task].append(finding)
    tasks = sorted(queues, key=lambda task: content_id(task, queues[task][0].question, str(seed)))
    rounds = range(options.per_task)
    turns = (finding for turn in rounds for task in tasks for finding in queues[task][turn : turn + 1])
    return sorted(islice(turns, options.per_text), key=lambda finding: tasks.index(finding.task))


def _write(
    gathering: Gathering, selected: list[Finding], resources: _Resources, options: Options, seed: int
) -> Fields:
    """Write the passages, each below its name, and the exercises; list the offsets of the answers."""
    draws = [content_id(part, gathering.passages[0]["id"], str(seed)) for part in ("head", "layout")]
    heads = resources.wordings.heads
    head = heads[int(draws[0], 16) % len(heads)]
    parts = [
        f"{fill(head, name=name, number=number)}\n\n{passage['text']}"
        for number, (name, passage) in enumerate(zip(gathering.names, gathering.passages, strict=True), 1)
    ]
    reading = "\n\n".join(parts)
    exercises = [Exercise(finding.task, finding.question, finding.answer) for finding in selected]
    text = lay_out(reading, exercises, resources.style, int(draws[1][:8], 16))
    ends = [text.index(reading) + end for end in accumulate(len(part) + 2 for part in parts)]
    spans = [
        (passage["id"], end - 2 - len(passage["text"]), end - 2)
        for passage, end in zip(gathering.passages, ends, strict=True)
    ]
    entries = [
        entry(
            exercise,
            [spans[number] for number in finding.gold],
            ability=ABILITIES[finding.task],
            prompt=resources.prompt.name,
        )
        for exercise, finding in zip(exercises, selected, strict=True)
    ]
    return {"text": text, "metadata": metadata(entries, options.domain)}


stage = WholeStage(
    name="long_spans",
    summary="combine related passages into long texts with exercises that need several, without a model",
    takes="passages",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
