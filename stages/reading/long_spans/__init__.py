"""
Bind several related passages into one long text, with exercises that need more than one of them.

Passages of one document, or of several that share rare words, are gathered until a length is reached that is
drawn for each text, so that all lengths are equally frequent (`datagen.stages.reading.long_spans.related`).
Exercises about single passages become exercises about the long text, by a hint that says where to look or by
what only one of the passages says; others ask where something is said, in which order, how often
(`datagen.stages.reading.long_spans.across`). The single exercises are mined; with `written`, those that
earlier stages had a model write are used first. Each answer is checked to be the only one.

The metadata lists the exercises; `gold_spans` are the passages that hold the answer, and where they are.

Source: Kwan et al., "M4LE: A Multi-Ability Multi-Range Multi-Task Multi-Domain Long-Context Evaluation
Benchmark", 2023: short tasks made long, for five abilities. There they test a model, here they train one.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, islice
from typing import Any, NamedTuple

import pyarrow as pa
from pydantic import Field

from datagen.prompt import Prompt, exists
from datagen.request import Reject
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
CHARACTERS = 4  # a token's worth, without a tokenizer
NO_WORDINGS = "no wordings for its language"


class Options(TokenTarget):
    """How long texts are, and what is asked."""

    lengths: tuple[int, ...] = Field(
        (1000, 2000, 4000, 8000),
        min_length=1,
        description="Tokens of a text with its exercises, at most; each drawn as often",
    )
    tokenizer: str = Field(
        "",
        description="The target's: bundled, a checkpoint's folder, a tokenizer.json or tokenizer.model "
        "(relative to the recipe), or a hub's id; left out, four characters are a token",
    )
    share: float = Field(1.0, ge=0, le=1, description="Share of the documents gathered, drawn by hash")
    across_documents: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the texts that go by rare words before the document; 0: none spans documents",
    )
    written: bool = Field(
        False, description="Use the exercises about the passages that earlier stages had a model write"
    )
    per_text: int = Field(6, ge=1, description="Exercises in a text")
    per_task: int = Field(2, ge=1, description="Exercises of one task in a text")

    def sampled(self, passage: Mapping[str, Any], seed: int) -> bool:
        """Tell whether a passage's document is gathered."""
        return fraction("long_spans", passage["document_id"], str(seed)) < self.share

    def measured(self, measure: Ruler, texts: Sequence[str]) -> list[float]:
        """Give the length of each text in tokens."""
        unit = 1 if self.tokenizer else CHARACTERS
        return [length / unit for length in measure.lengths(texts)]

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


class Made(NamedTuple):
    """Passages that belong together, and their row; None where nothing can be asked."""

    gathering: Gathering
    row: dict[str, Any] | None


class _Spoken(NamedTuple):
    """What is asked in a language."""

    prompt: Prompt
    wordings: Wordings
    language: Language
    style: Mapping[str, Any]


def _spoken(code: str, context: Context) -> _Spoken | None:
    name = f"long_spans/{code}"
    if not exists(name, context.prompts):
        return None
    prompt = context.prompt(name)
    known = wordings(prompt)
    language = read(context.prompt(known.mined)).only(HINTED)
    return _Spoken(prompt, known, language, context.prompt(known.layouts).fields)


def make(rows: pa.Table, options: Options, context: Context) -> Iterator[Made]:
    """Gather the passages of a partition, language by language."""
    earlier = written_exercises(rows["id"], context) if options.written else {}
    for code, places in by_language(rows):
        if spoken := _spoken(code, context):
            yield from _made_in(spoken, rows.take(places), earlier, options, context)


def _made_in(
    spoken: _Spoken, rows: pa.Table, earlier: Exercises, options: Options, context: Context
) -> Iterator[Made]:
    seed, measure = context.seed, ruler(options.tokenizer, context.folder)
    taken = [one for one in rows.to_pylist() if options.sampled(one, seed)]
    lengths = options.measured(measure, [f"{name_of(one)}\n\n{one['text']}" for one in taken])
    languages = Languages(context)
    for gathering in gather(taken, lengths, options.plan, [languages.of(row) for row in taken], seed):
        found = findings(gathering, spoken.wordings, spoken.language, earlier, seed)
        row = None
        if said := _within(gathering, found, spoken, options, measure, seed):
            traced = lineage(
                gathering.passages[0], context.stage, (), (spoken.prompt.name, spoken.prompt.hash)
            )
            traced["parents"] = [one["id"] for one in gathering.passages]
            row = BLANK | said | {"lineage": traced}
        yield Made(gathering, row)


def _within(
    gathering: Gathering,
    found: list[Finding],
    spoken: _Spoken,
    options: Options,
    measure: Ruler,
    seed: int,
) -> dict[str, Any] | None:
    """Write a text with the exercises that its length has room for; None where it has room for none."""
    shown = (f"{name}\n\n{one['text']}" for name, one in zip(*gathering[1::-1], strict=True))
    room = gathering.limit - sum(options.measured(measure, list(shown)))
    sizes = options.measured(measure, [f"{one.question}\n{one.answer}" for one in found])
    small = [one for one, size in zip(found, sizes, strict=True) if size < room]
    chosen = choose(small, options, seed)
    while chosen:
        said = write(gathering, chosen, spoken, options, seed)
        if options.measured(measure, [said["text"]])[0] <= gathering.limit:
            return said
        chosen.remove(max(chosen, key=lambda one: len(one.question) + len(one.answer)))
    return None


def apply(rows: pa.Table, last: float, options: Options, context: Context) -> Outcome:
    """Keep the long texts of a partition whose lots are not over the last one taken."""
    seed = context.seed
    dropped = Builder("examples", context)
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
    foreign = {code for code, _ in by_language(rows) if not exists(f"long_spans/{code}", context.prompts)}
    for one in left.values():
        why = Reject("nothing to gather with", one["title"] or "")
        if (code := code_of(one)) in foreign:
            why = Reject(NO_WORDINGS, code)
        dropped.drop(why if options.sampled(one, seed) else Reject("outside the sample"), BLANK, one)
    outcome = Outcome(table_of(EXAMPLES, kept), dropped.outcome().dropped)
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
    gathering: Gathering, found: list[Finding], spoken: _Spoken, options: Options, seed: int
) -> dict[str, Any]:
    """Write the passages, each below its name, and the exercises; say where the answers stand."""
    drawn = [content_id(part, gathering.passages[0]["id"], str(seed)) for part in ("head", "layout")]
    heads = spoken.wordings.heads
    head = heads[int(drawn[0], 16) % len(heads)]
    shown = [
        f"{fill(head, name=name, number=number)}\n\n{one['text']}"
        for number, (name, one) in enumerate(zip(gathering.names, gathering.passages, strict=True), 1)
    ]
    reading = "\n\n".join(shown)
    exercises = [Exercise(one.task, one.question, one.answer) for one in found]
    text = lay_out(reading, exercises, spoken.style, int(drawn[1][:8], 16))
    ends = [text.index(reading) + end for end in accumulate(len(part) + 2 for part in shown)]
    spans = [
        (one["id"], end - 2 - len(one["text"]), end - 2)
        for one, end in zip(gathering.passages, ends, strict=True)
    ]
    entries = [
        entry(
            exercise,
            [spans[number] for number in one.gold],
            ability=ABILITIES[one.task],
            prompt=spoken.prompt.name,
        )
        for exercise, one in zip(exercises, found, strict=True)
    ]
    return {"text": text, "metadata": metadata(entries, options.domain)}


stage = WholeStage(
    name="long_spans",
    summary="bind related passages into long texts with exercises that need several, with no model",
    takes="passages",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
