"""
Turn passages into reading-comprehension texts without a model (AdaptLLM).

Sentences of a passage are matched with patterns of its language: definitions, causes, conditions,
sentences joined by a connective, restatements; its heading, its sentences with words of the domain, and
sentences that follow each other are asked for as well. Each match feeds one exercise, its words are drawn
from the templates of its task, and the passage and its exercises become one text for continued
pre-training. A passage in which nothing is found is dropped. What is looked for and how it is asked is
data: ``prompts/mined/``.

The domain's words are learnt from the whole corpus first (`datagen.stages.reading.mine.vocabulary`); then all
workers mine, a partition each. Where there is a target of tokens, the lengths of all texts are taken before,
and texts are taken by lot until the target is reached.

Source: Cheng, Huang, Wei, "Adapting Large Language Models via Reading Comprehension", ICLR 2024. What is
done otherwise, and how sound the exercises are: docs/reading.md.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.prompt import Prompt, exists
from datagen.request import Reject
from datagen.stage import Builder, Context, Outcome, Partitions, WholeStage
from datagen.stages.reading.mine.choice import exercises_of
from datagen.stages.reading.mine.language import Language, read
from datagen.stages.reading.mine.options import Options
from datagen.stages.reading.mine.vocabulary import COUNTS, count_words, learn
from datagen.stages.shared.language.rules import Languages, by_language, code_of
from datagen.stages.shared.render.exercises import bind
from datagen.stages.shared.segment.headings import heads
from datagen.stages.shared.token_budget import Reader, last_lot, lot, lots, over_target, survey
from datagen.stages.shared.tokens import ruler
from datagen.store.parquet import write_table


class Known(NamedTuple):
    """What a worker must know of the corpus: where the domain's words stand, and the last lot taken."""

    words: Path
    last: float = 1.0


NO_WORDS = pa.array([], pa.string())
NO_PATTERNS = "no patterns for its language"


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Known]:
    """Learn the domain's words, and up to which lot texts are taken."""
    context.scratch.mkdir(parents=True, exist_ok=True)
    known = Known(context.scratch / "words.parquet")
    words = _learn_words(partitions, options, context) if "keywords" in options.tasks else NO_WORDS
    write_table(pa.table({"word": words}), known.words)
    if options.max_total_tokens is not None:
        look = partial(_lots, known=known, options=options, context=context)
        known = known._replace(last=last_lot(partitions, look, options.max_total_tokens, context))
    for _ in partitions.readers:
        yield known


def _learn_words(partitions: Partitions, options: Options, context: Context) -> pa.Array:
    counts = survey(partitions, partial(_count, options=options, context=context), context, "counts")
    return learn(map(pq.read_table, counts), options.domain_words)


def _count(reader: Reader, options: Options, context: Context) -> pa.Table:
    rows = reader(["text", "language"])
    counts = [COUNTS.empty_table()]
    for known, places in _spoken(rows, options, context):
        if known:
            counts.append(count_words(rows["text"].take(places), known.language))
    return pa.concat_tables(counts)


class Spoken(NamedTuple):
    """What is mined in a language, and the file that says so."""

    language: Language
    prompt: Prompt


def _spoken(rows: pa.Table, options: Options, context: Context) -> Iterator[tuple[Spoken | None, list[int]]]:
    """Give what is known of each language of some rows with their places; None for one without a file."""
    groups = [(options.language, list(range(len(rows))))] if options.language else by_language(rows)
    for code, places in groups:
        name = f"mined/{code}"
        if not (options.language or exists(name, context.prompts)):
            yield None, places
            continue
        prompt = context.prompt(name)
        language = read(prompt)
        remains = (*language.remains, *Languages(context).remains(code))
        yield Spoken(language.model_copy(update={"remains": remains}), prompt), places


def _lots(reader: Reader, known: Known, options: Options, context: Context) -> pa.Table:
    mined = mine(reader(None), known, options, context)
    texts = {passage["id"]: text for passage, text in mined if isinstance(text, str)}
    lengths = ruler(options.tokenizer, context.folder).lengths(list(texts.values()))
    return lots([lot(name, context.seed) for name in texts], lengths)


def mine(
    rows: pa.Table, known: Known, options: Options, context: Context
) -> Iterator[tuple[dict[str, Any], str | Reject]]:
    """Give each passage of a partition with its text, or with why it has none."""
    for spoken, places in _spoken(rows, options, context):
        passages = rows.take(places).to_pylist()
        if spoken is None:
            yield from ((passage, Reject(NO_PATTERNS, code_of(passage))) for passage in passages)
        else:
            yield from _mine_in(spoken.language, passages, known, options, context)


def _mine_in(
    spoken: Language, passages: list[dict[str, Any]], known: Known, options: Options, context: Context
) -> Iterator[tuple[dict[str, Any], str | Reject]]:
    """Give each passage of one language with its text, or with why it has none."""
    language = spoken.only(options.asked)
    style = context.prompt(options.layouts or language.layouts).fields
    measure, seed = ruler(options.tokenizer, context.folder), context.seed
    domain = frozenset(pq.read_table(known.words)["word"].to_pylist())
    head = heads(passages, style, seed) if options.structure else {}
    for passage in passages:
        exercises, seen = exercises_of(passage, language, domain, options, seed)
        above = head.get(passage["id"], "")
        bound = (bind(passage, exercises[:n], style, seed, above) for n in range(len(exercises), 0, -1))
        if not exercises:
            yield passage, Reject("nothing to mine", f"{seen} sentences of prose")
        elif text := next((text for text in bound if measure.fits(text, options.bound)), ""):
            yield passage, text
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
    for passage, text in mine(rows, known, options, context):
        row, made = {"kind": "reading", "task": "mined"}, builders[file_of[passage["id"]]]
        drawn = lot(passage["id"], context.seed)
        if isinstance(text, Reject):
            made.drop(text, row, passage)
        elif drawn > known.last:
            made.drop(over_target(drawn, known.last), row | {"text": text}, passage)
        else:
            made.keep(row | {"text": text}, passage)
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
