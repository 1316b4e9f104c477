"""
Bind several related passages into one long text, with exercises that need more than one of them.

Passages of one document, or of several that share rare words, are gathered until a length is reached that is
drawn for each text, so that all lengths are as frequent (`datagen.stages.reading.long_spans.related`). Then
short exercises about single passages become exercises about the long text, by a hint that says where to look
or by what only one of the passages says; and it is asked where something stands, in which order, how often
(`datagen.stages.reading.long_spans.across`). No model is asked. Each answer is checked to be the only one.

The column ``gold`` says of each exercise which passages hold its answer, and where they stand in the text.

Source: Kwan et al., "M4LE: A Multi-Ability Multi-Range Multi-Task Multi-Domain Long-Context Evaluation
Benchmark", 2023: short tasks made long, for five abilities. There they test a model, here they train one.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, islice
from typing import Any

import pyarrow as pa
from pydantic import Field

from datagen.request import Reject
from datagen.schema import EXAMPLES, content_id, example_id, fraction, table_of
from datagen.stage import Builder, Context, Outcome, Partitions, WholeStage, lineage
from datagen.stages.reading.long_spans.across import ABILITIES, HINTED, Finding, Wordings, findings, wordings
from datagen.stages.reading.long_spans.related import Gathering, Plan, gather
from datagen.stages.reading.mine.language import read
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.render.exercises import Exercise, fill, lay_out
from datagen.stages.shared.token_budget import Reader, TokenTarget, lot, lots, over_target, take_lots
from datagen.stages.shared.tokens import Ruler, ruler

GOLD = pa.list_(
    pa.struct(
        [
            ("task", pa.string()),
            ("ability", pa.string()),
            ("question", pa.string()),
            ("answer", pa.string()),
            ("spans", pa.list_(pa.struct([("id", pa.string()), ("start", pa.int64()), ("end", pa.int64())]))),
        ]
    )
)
GATHERED = pa.schema([*EXAMPLES, ("gold", GOLD)])
BLANK = {"kind": "reading", "task": "long_span"}
CHARACTERS = 4  # that stand for a token where no tokenizer is given


class Options(TokenTarget):
    """How long texts are, and what is asked."""

    language: str = Field("en", description="Names the file of wordings: long_spans/LANGUAGE in prompts/")
    lengths: tuple[int, ...] = Field(
        (1000, 2000, 4000, 8000),
        min_length=1,
        description="Tokens in a text; each drawn as often",
    )
    tokenizer: str = Field(
        "",
        description="The target's: a checkpoint's folder or a tokenizer.json, from the recipe on; "
        "left out, four characters are a token",
    )
    share: float = Field(1.0, ge=0, le=1, description="Share of the documents gathered, drawn by hash")
    across_documents: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the texts that go by rare words before the document; 0: none spans documents",
    )
    per_text: int = Field(6, ge=1, description="Exercises in a text")
    per_task: int = Field(2, ge=1, description="Exercises of one task in a text")

    def sampled(self, passage: Mapping[str, Any], seed: int) -> bool:
        """Tell whether a passage's document is gathered."""
        return fraction("long_spans", passage["document_id"], str(seed)) < self.share

    def measured(self, measure: Ruler, passages: Sequence[Mapping[str, Any]]) -> list[float]:
        """Give the length of each passage in tokens."""
        unit = 1 if self.tokenizer else CHARACTERS
        return [length / unit for length in measure.lengths([one["text"] for one in passages])]

    @property
    def plan(self) -> Plan:
        """What is gathered."""
        return Plan(self.lengths, self.across_documents)


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[float]:
    """Find up to which lot texts are taken."""
    last = 1.0
    if options.max_total_tokens is not None:
        look = partial(_lots, options=options, context=context)
        last = take_lots(partitions, look, options.max_total_tokens, context).last
    yield from [last] * len(partitions)


def _lots(reader: Reader, options: Options, context: Context) -> pa.Table:
    made = {one.passages[0]["id"]: row["text"] for one, row in make(reader(None), options, context) if row}
    lengths = ruler(options.tokenizer, context.folder).trained(list(made.values()))
    return lots([lot(name, context.seed) for name in made], lengths)


def make(
    rows: pa.Table, options: Options, context: Context
) -> Iterator[tuple[Gathering, dict[str, Any] | None]]:
    """Gather the passages of a partition; give each gathering with its row, None where nothing is found."""
    prompt = context.prompt(f"long_spans/{options.language}")
    known = wordings(prompt)
    language = read(context.prompt(known.mined)).only(HINTED)
    style, seed = context.prompt(known.layouts).fields, context.seed
    measure = ruler(options.tokenizer, context.folder)
    taken = [one for one in rows.to_pylist() if options.sampled(one, seed)]
    lengths, languages = options.measured(measure, taken), Languages(context)
    spoken = [languages.of(row) for row in taken]
    for gathering in gather(taken, lengths, options.plan, spoken, seed):
        row = None
        if found := choose(findings(gathering, known, language, seed), options, seed):
            traced = lineage(gathering.passages[0], context.stage, (), (prompt.name, prompt.hash))
            traced["parents"] = [one["id"] for one in gathering.passages]
            row = BLANK | write(gathering, found, known, style, seed) | {"lineage": traced}
        yield gathering, row


def apply(rows: pa.Table, last: float, options: Options, context: Context) -> Outcome:
    """Keep the long texts of a partition whose lots are not over the last one taken."""
    prompt, seed = context.prompt(f"long_spans/{options.language}"), context.seed
    dropped = Builder("examples", context, prompt.name, prompt.hash)
    kept: list[dict[str, Any]] = []
    bound: list[str] = []
    left = {one["id"]: one for one in rows.to_pylist()}
    for gathering, row in make(rows, options, context):
        passages = [left.pop(one["id"]) for one in gathering.passages]
        drawn = lot(passages[0]["id"], seed)
        if row and drawn <= last:
            kept.append(row | {"id": example_id(row)})
            bound += [one["text"] for one in passages]
        else:
            nothing = Reject("nothing to ask across passages", gathering.names[0])
            for one in passages:
                dropped.drop(over_target(drawn, last) if row else nothing, BLANK, one)
    for one in left.values():
        why = Reject("nothing to gather with", one["title"] or "")
        dropped.drop(why if options.sampled(one, seed) else Reject("outside the sample"), BLANK, one)
    outcome = Outcome(table_of(GATHERED, kept), dropped.outcome().dropped)
    measure = ruler(options.tokenizer, context.folder)
    return measure.account(outcome, rows["text"].to_pylist(), bound)


def choose(found: list[Finding], options: Options, seed: int) -> list[Finding]:
    """Take turns among the tasks, in an order drawn by hash, within the limits."""
    waiting: dict[str, list[Finding]] = defaultdict(list)
    for one in sorted(found, key=lambda one: content_id(one.question, str(seed))):
        waiting[one.task].append(one)
    tasks = sorted(waiting, key=lambda task: content_id(task, waiting[task][0].question, str(seed)))
    rounds = range(options.per_task)
    turns = (one for turn in rounds for task in tasks for one in waiting[task][turn : turn + 1])
    return sorted(islice(turns, options.per_text), key=lambda one: tasks.index(one.task))


def write(
    gathering: Gathering, found: list[Finding], known: Wordings, style: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Write the passages, each below its name, and the exercises; say where the answers stand."""
    drawn = [content_id(part, gathering.passages[0]["id"], str(seed)) for part in ("head", "layout")]
    head = known.heads[int(drawn[0], 16) % len(known.heads)]
    shown = [
        f"{fill(head, name=name, number=number)}\n\n{one['text']}"
        for number, (name, one) in enumerate(zip(gathering.names, gathering.passages, strict=True), 1)
    ]
    reading = "\n\n".join(shown)
    exercises = [Exercise(one.task, one.question, one.answer) for one in found]
    text = lay_out(reading, exercises, style, int(drawn[1][:8], 16))
    ends = [text.index(reading) + end for end in accumulate(len(part) + 2 for part in shown)]
    spans = [
        {"id": one["id"], "start": end - 2 - len(one["text"]), "end": end - 2}
        for one, end in zip(gathering.passages, ends, strict=True)
    ]
    gold = [
        {"task": one.task, "ability": ABILITIES[one.task], "question": one.question, "answer": one.answer}
        | {"spans": [spans[number] for number in one.gold]}
        for one in found
    ]
    return {"text": text, "gold": gold}


stage = WholeStage(
    name="long_spans",
    summary="bind related passages into long texts with exercises that need several, with no model",
    takes="passages",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
