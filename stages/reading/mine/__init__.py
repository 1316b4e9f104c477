"""
Turn passages into reading-comprehension texts without a model (AdaptLLM).

Patterns of a passage's language find definitions, causes, conditions, related sentences and restatements in
its sentences; headings, sentences with domain words and consecutive sentences give further exercises. Each
match gives one exercise, phrased by a template of its task. The passage with its exercises becomes one text
for continued pre-training. A passage without a match is dropped. Patterns and templates are data:
``prompts/mined/``.

The first pass learns domain words from the whole corpus (`datagen.stages.reading.mine.vocabulary`); the
second mines the partitions in parallel. With a token target, the first pass also measures all texts, and
texts are drawn by hash until the target is reached.

Source: Cheng, Huang, Wei, "Adapting Large Language Models via Reading Comprehension", ICLR 2024.
docs/reading.md lists the differences and the soundness of the exercises.
"""

from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.prompt import Prompt, exists, load
from datagen.request import Reject
from datagen.rows import PassageRow
from datagen.schema import content_id
from datagen.stage import Builder, Context, Outcome, Partitions, WholeStage
from datagen.stages.reading.mine.choice import exercises_of
from datagen.stages.reading.mine.language import Language, read
from datagen.stages.reading.mine.options import Options
from datagen.stages.reading.mine.vocabulary import COUNTS, cached, count_runs, domain_words, total
from datagen.stages.shared.language.rules import Languages, by_language, code_of
from datagen.stages.shared.render.exercises import bind
from datagen.stages.shared.render.metadata import listed, metadata
from datagen.stages.shared.segment.headings import heads
from datagen.stages.shared.token_budget import Reader, lot, lots, over_target, survey, take_lots
from datagen.stages.shared.tokens import ruler, words_of_vocabulary
from datagen.store.parquet import write_table


class FirstPass(NamedTuple):
    """What the first pass finds in the corpus: the file of domain words, and the last lot that is taken."""

    words: Path
    last: float = 1.0


WORDS = pa.schema([("language", pa.string()), ("word", pa.string())])
LANGUAGE_COUNTS = pa.schema([("language", pa.string()), *COUNTS])
NO_PATTERNS = "no patterns for its language"


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[FirstPass]:
    """Learn the domain words, and compute the last lot that is taken."""
    context.scratch.mkdir(parents=True, exist_ok=True)
    first = FirstPass(context.scratch / "words.parquet")
    words = _learn(partitions, options, context) if "keywords" in options.tasks else WORDS.empty_table()
    write_table(words, first.words)
    if options.max_total_tokens is not None:
        read_lots = partial(_lots, first=first, options=options, context=context)
        last = take_lots(partitions, read_lots, options.max_total_tokens, context).last
        first = first._replace(last=last)
    for _ in partitions.readers:
        yield first


def _learn(partitions: Partitions, options: Options, context: Context) -> pa.Table:
    """Learn the domain words of each language from the runs of all partitions."""
    paths = survey(partitions, partial(_count, options=options, context=context), context, "counts")
    codes = [pq.read_table(path, columns=["language"])["language"].unique().to_pylist() for path in paths]
    learned = [WORDS.empty_table()]
    for code in sorted(set[str]().union(*codes)):
        counts = total(pq.read_table(path, filters=[("language", "==", code)]) for path in paths)
        words = pa.array(_domain_words(counts, code, options, context), pa.string())
        learned.append(pa.table([pa.repeat(code, len(words)), words], schema=WORDS))
    return pa.concat_tables(learned)


def _domain_words(counts: pa.Table, code: str, options: Options, context: Context) -> list[str]:
    language, _ = _read(f"mined/{code}", context.prompts, ())
    general = language.general
    if options.general:
        general = words_of_vocabulary(options.general, context.folder)
    find = partial(domain_words, counts, language, general, options.vocabulary, options.domain_words)
    settings = (language.keyword.pattern, content_id(*sorted(general)))
    return cached(counts, (*settings, str(options.vocabulary), str(options.domain_words)), find)


def _count(reader: Reader, options: Options, context: Context) -> pa.Table:
    rows = reader(["text", "language"])
    counts = [LANGUAGE_COUNTS.empty_table()]
    for code, places in _groups(rows, options):
        if options.language or exists(f"mined/{code}", context.prompts):
            runs = count_runs(rows["text"].take(places))
            counts.append(runs.add_column(0, "language", pa.repeat(code, len(runs))))
    return pa.concat_tables(counts)


def _groups(rows: pa.Table, options: Options) -> Iterable[tuple[str, list[int]]]:
    """Return each language of the rows, or the one that the recipe sets, with the positions of its rows."""
    return [(options.language, list(range(len(rows))))] if options.language else by_language(rows)


class Resources(NamedTuple):
    """The patterns and templates of a language, and their file."""

    code: str
    language: Language
    prompt: Prompt


def _resources(
    rows: pa.Table, options: Options, context: Context
) -> Iterator[tuple[Resources | None, list[int]]]:
    """Yield the patterns of each language with the positions of its rows; None if it is not supported."""
    for code, places in _groups(rows, options):
        name = f"mined/{code}"
        if not (options.language or exists(name, context.prompts)):
            yield None, places
        else:
            yield Resources(code, *_read(name, context.prompts, Languages(context).remains(code))), places


@cache
def _read(name: str, prompts: Path | None, remains: tuple[str, ...]) -> tuple[Language, Prompt]:
    prompt = load(name, prompts)
    language = read(prompt)
    return language.model_copy(update={"remains": (*language.remains, *remains)}), prompt


def _lots(reader: Reader, first: FirstPass, options: Options, context: Context) -> pa.Table:
    mined = mine(reader(None), first, options, context)
    texts = {passage["id"]: result.text for passage, result in mined if isinstance(result, Text)}
    lengths = ruler(options.tokenizer, context.folder).trained(list(texts.values()))
    return lots([lot(name, context.seed) for name in texts], lengths)


class Text(NamedTuple):
    """A text, and the metadata of its row."""

    text: str
    metadata: str


def mine(
    rows: pa.Table, first: FirstPass, options: Options, context: Context
) -> Iterator[tuple[PassageRow, Text | Reject]]:
    """Yield each passage of a partition with its text, or the reason it has none."""
    for resources, places in _resources(rows, options, context):
        passages = rows.take(places).to_pylist()
        if resources is None:
            yield from ((passage, Reject(NO_PATTERNS, code_of(passage))) for passage in passages)
        else:
            yield from _mine_in(resources, passages, first, options, context)


def _mine_in(
    resources: Resources,
    passages: list[PassageRow],
    first: FirstPass,
    options: Options,
    context: Context,
) -> Iterator[tuple[PassageRow, Text | Reject]]:
    """Yield each passage of one language with its text, or the reason it has none."""
    language = resources.language.only(options.asked)
    style = context.prompt(options.layouts or language.layouts).fields
    measure, seed = ruler(options.tokenizer, context.folder), context.seed
    words = pq.read_table(first.words, filters=[("language", "==", resources.code)])
    domain = frozenset(words["word"].to_pylist())
    head = heads(passages, style, seed) if options.structure else {}
    for passage in passages:
        exercises, sentences = exercises_of(passage, language, domain, options, seed)
        above = head.get(passage["id"], "")
        least = 0 if options.raw_without_exercises and not exercises else 1
        sizes = range(len(exercises), least - 1, -1)
        texts = ((bind(passage, exercises[:n], style, seed, above), n) for n in sizes)
        text, fitting = next(((text, n) for text, n in texts if measure.fits(text, options.bound)), ("", 0))
        if not exercises and least:
            yield passage, Reject("nothing to mine", f"{sentences} sentences of prose")
        elif text:
            at, file = text.index(passage["text"]), resources.prompt.name
            entries = (listed(exercise, passage, at, prompt=file) for exercise in exercises[:fitting])
            yield passage, Text(text, metadata(entries, options.domain))
        else:
            yield passage, Reject("too long", f"{len(passage['text'])} characters of passage")


def apply(rows: pa.Table, first: FirstPass, options: Options, context: Context) -> Outcome:
    """Write one text for each passage of a partition that has exercises."""
    files = dict.fromkeys(range(len(rows)), ("", ""))
    for resources, places in _resources(rows, options, context):
        prompt = (resources.prompt.name, resources.prompt.hash) if resources else ("", "")
        files.update(dict.fromkeys(places, prompt))
    names = sorted({*files.values()} or {("", "")})
    builders = {file: Builder("examples", context, *file) for file in names}
    file_of = dict(zip(rows["id"].to_pylist(), files.values(), strict=True))
    bound = []
    for passage, result in mine(rows, first, options, context):
        row, builder = {"kind": "reading", "task": "mined"}, builders[file_of[passage["id"]]]
        if isinstance(result, Reject):
            builder.drop(result, row, passage)
            continue
        row |= result._asdict()
        if first.last < 1 and (own_lot := lot(passage["id"], context.seed)) > first.last:
            builder.drop(over_target(own_lot, first.last), row, passage)
        else:
            builder.keep(row, passage)
            bound.append(passage["text"])
    return ruler(options.tokenizer, context.folder).account(
        Outcome.joined([builder.outcome() for builder in builders.values()]), rows["text"].to_pylist(), bound
    )


stage = WholeStage(
    name="mine",
    summary="mine reading-comprehension texts from passages by patterns, without a model",
    takes="passages",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
