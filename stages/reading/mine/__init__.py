"""
Turn passages into reading-comprehension texts without a model (AdaptLLM).

Patterns of a passage's language find definitions, causes, conditions, related sentences and restatements in
its sentences; its heading, sentences with domain words and consecutive sentences are asked for as well. Each
match gives one exercise, worded by a template of its task, and the passage with its exercises becomes one
text for continued pre-training. A passage in which nothing is found is dropped. Patterns and templates are
data: ``prompts/mined/``.

The domain words are learnt from the whole corpus first (`datagen.stages.reading.mine.vocabulary`); then all
workers mine a partition each. With a token target, the lengths of all texts are measured before, and texts
are drawn by lot until the target is reached.

Source: Cheng, Huang, Wei, "Adapting Large Language Models via Reading Comprehension", ICLR 2024.
docs/reading.md lists the differences and the soundness of the exercises.
"""

from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.prompt import Prompt, exists, load
from datagen.request import Reject
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


class Known(NamedTuple):
    """What a worker must know of the corpus: the file of domain words, and the last lot that is taken."""

    words: Path
    last: float = 1.0


WORDS = pa.schema([("language", pa.string()), ("word", pa.string())])
LANGUAGE_COUNTS = pa.schema([("language", pa.string()), *COUNTS])
NO_PATTERNS = "no patterns for its language"


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Known]:
    """Learn the domain words, and up to which lot texts are taken."""
    context.scratch.mkdir(parents=True, exist_ok=True)
    known = Known(context.scratch / "words.parquet")
    words = _learn(partitions, options, context) if "keywords" in options.tasks else WORDS.empty_table()
    write_table(words, known.words)
    if options.max_total_tokens is not None:
        look = partial(_lots, known=known, options=options, context=context)
        known = known._replace(last=take_lots(partitions, look, options.max_total_tokens, context).last)
    for _ in partitions.readers:
        yield known


def _learn(partitions: Partitions, options: Options, context: Context) -> pa.Table:
    """Learn the domain words of each language from the runs of all partitions."""
    paths = survey(partitions, partial(_count, options=options, context=context), context, "counts")
    found = [pq.read_table(path, columns=["language"])["language"].unique().to_pylist() for path in paths]
    learnt = [WORDS.empty_table()]
    for code in sorted(set[str]().union(*found)):
        counts = total(pq.read_table(path, filters=[("language", "==", code)]) for path in paths)
        words = pa.array(_domain_words(counts, code, options, context), pa.string())
        learnt.append(pa.table([pa.repeat(code, len(words)), words], schema=WORDS))
    return pa.concat_tables(learnt)


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
    counted = [LANGUAGE_COUNTS.empty_table()]
    for code, places in _groups(rows, options):
        if options.language or exists(f"mined/{code}", context.prompts):
            runs = count_runs(rows["text"].take(places))
            counted.append(runs.add_column(0, "language", pa.repeat(code, len(runs))))
    return pa.concat_tables(counted)


def _groups(rows: pa.Table, options: Options) -> Iterable[tuple[str, list[int]]]:
    """Give each language of some rows, or the one that the recipe sets, with the places of its rows."""
    return [(options.language, list(range(len(rows))))] if options.language else by_language(rows)


class Spoken(NamedTuple):
    """The patterns and templates of a language, and their file."""

    code: str
    language: Language
    prompt: Prompt


def _spoken(rows: pa.Table, options: Options, context: Context) -> Iterator[tuple[Spoken | None, list[int]]]:
    """Give the patterns of each language of some rows with its places; None for a language without a file."""
    for code, places in _groups(rows, options):
        name = f"mined/{code}"
        if not (options.language or exists(name, context.prompts)):
            yield None, places
        else:
            yield Spoken(code, *_read(name, context.prompts, Languages(context).remains(code))), places


@cache
def _read(name: str, prompts: Path | None, remains: tuple[str, ...]) -> tuple[Language, Prompt]:
    prompt = load(name, prompts)
    language = read(prompt)
    return language.model_copy(update={"remains": (*language.remains, *remains)}), prompt


def _lots(reader: Reader, known: Known, options: Options, context: Context) -> pa.Table:
    mined = mine(reader(None), known, options, context)
    texts = {passage["id"]: made.text for passage, made in mined if isinstance(made, Text)}
    lengths = ruler(options.tokenizer, context.folder).trained(list(texts.values()))
    return lots([lot(name, context.seed) for name in texts], lengths)


class Text(NamedTuple):
    """A text, and its row's metadata."""

    text: str
    metadata: str


def mine(
    rows: pa.Table, known: Known, options: Options, context: Context
) -> Iterator[tuple[dict[str, Any], Text | Reject]]:
    """Give each passage of a partition with its text, or with why it has none."""
    for spoken, places in _spoken(rows, options, context):
        passages = rows.take(places).to_pylist()
        if spoken is None:
            yield from ((passage, Reject(NO_PATTERNS, code_of(passage))) for passage in passages)
        else:
            yield from _mine_in(spoken, passages, known, options, context)


def _mine_in(
    spoken: Spoken, passages: list[dict[str, Any]], known: Known, options: Options, context: Context
) -> Iterator[tuple[dict[str, Any], Text | Reject]]:
    """Give each passage of one language with its text, or with why it has none."""
    language = spoken.language.only(options.asked)
    style = context.prompt(options.layouts or language.layouts).fields
    measure, seed = ruler(options.tokenizer, context.folder), context.seed
    words = pq.read_table(known.words, filters=[("language", "==", spoken.code)])
    domain = frozenset(words["word"].to_pylist())
    head = heads(passages, style, seed) if options.structure else {}
    for passage in passages:
        exercises, seen = exercises_of(passage, language, domain, options, seed)
        above = head.get(passage["id"], "")
        most = range(len(exercises), 0, -1)
        bound = ((bind(passage, exercises[:n], style, seed, above), n) for n in most)
        text, fitting = next(((text, n) for text, n in bound if measure.fits(text, options.bound)), ("", 0))
        if not exercises:
            yield passage, Reject("nothing to mine", f"{seen} sentences of prose")
        elif fitting:
            at = text.index(passage["text"])
            entries = (listed(one, passage, at, prompt=spoken.prompt.name) for one in exercises[:fitting])
            yield passage, Text(text, metadata(entries, options.domain))
        else:
            yield passage, Reject("too long", f"{len(passage['text'])} characters of passage")


def apply(rows: pa.Table, known: Known, options: Options, context: Context) -> Outcome:
    """Write one text for each passage of a partition in which something is found."""
    files = dict.fromkeys(range(len(rows)), ("", ""))
    for spoken, places in _spoken(rows, options, context):
        prompt = (spoken.prompt.name, spoken.prompt.hash) if spoken else ("", "")
        files.update(dict.fromkeys(places, prompt))
    names = sorted({*files.values()} or {("", "")})
    builders = {file: Builder("examples", context, *file) for file in names}
    file_of = dict(zip(rows["id"].to_pylist(), files.values(), strict=True))
    bound = []
    for passage, made in mine(rows, known, options, context):
        row, builder = {"kind": "reading", "task": "mined"}, builders[file_of[passage["id"]]]
        if isinstance(made, Reject):
            builder.drop(made, row, passage)
            continue
        row |= made._asdict()
        if known.last < 1 and (drawn := lot(passage["id"], context.seed)) > known.last:
            builder.drop(over_target(drawn, known.last), row, passage)
        else:
            builder.keep(row, passage)
            bound.append(passage["text"])
    return ruler(options.tokenizer, context.folder).account(
        Outcome.joined([builder.outcome() for builder in builders.values()]), rows["text"].to_pylist(), bound
    )


stage = WholeStage(
    name="mine",
    summary="mine reading-comprehension texts from passages by patterns, with no model",
    takes="passages",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
