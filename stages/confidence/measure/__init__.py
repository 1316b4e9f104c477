"""
Measure each example without a model: one column per score. No row is dropped.

=============== =======================================================================================
``grounding``   how well the passage supports the answer: 1 where it contains it verbatim
``alignment``   whether the answer is in the part of the passage that its question refers to
``leakage``     share of the answer that its question gives away
``standalone``  1 for a question that can be understood without its passage, else 0
``words``       words of the answer; of a reading text, of the whole text
``loop``        words of the longest block repeated three or more times in a row
``diversity``   share of distinct words in a moving window (MATTR)
``script``      share of the answer's main script in the passage, or in the question if there is none
``echo``        share of the answer that repeats its prompt but not its passage
``flaw``        the first definite flaw of the text (`datagen.stages.confidence.measure.flaws`) or null
``flaw_detail`` the text that shows the flaw
=============== =======================================================================================

Null where a score does not apply: a refusal is not supported by its passage, a reading text has no question.
Scores of your own, such as toxicity, are functions named in the recipe (`functions`). Dropping rows is up to
`datagen.stages.filter.curate`.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

import datagen.stage
from datagen.control_tokens import control_tokens
from datagen.engines.special_tokens import special_tokens
from datagen.errors import UserError
from datagen.schema import EXAMPLES
from datagen.stage import Columns, Context, MapStage, Outcome, scores
from datagen.stages.confidence.measure import flaws, support
from datagen.stages.confidence.measure.alignment import alignment
from datagen.stages.confidence.measure.flaws import Sheet
from datagen.stages.confidence.measure.functions import Function, Named, call
from datagen.stages.confidence.measure.wordings import Flags, Floats, Wordings
from datagen.stages.shared.checks import text_statistics
from datagen.stages.shared.language.rules import Languages, by_language

LETTERS = 4  # fewer do not determine a script
HEAD = 400  # characters of a passage that determine its scripts
SURFACE = ("words", "loop", "diversity", "script")
SUPPORT = ("grounding", "alignment", "leakage", "echo", "standalone")
NONE, NUMBERS = pa.nulls(0, pa.string()), pa.nulls(0, pa.float64())  # pa.array would import pandas
TEMPLATE = re.compile(r"\{\{(?:(?!\{[{%]).)*?\}\}|\{%(?:(?!\{[{%]).)*?%\}")


class Options(datagen.stage.Options):
    """Scores of your own."""

    functions: dict[str, Named] = Field(
        {},
        description="Column -> function of texts that returns numbers: {toxicity: ./tox.py:score}; the name "
        "of a built-in score replaces it",
    )

    @field_validator("functions")
    @classmethod
    def _own_columns(cls, functions: dict[str, Function]) -> dict[str, Function]:
        if taken := [name for name in functions if name in (*EXAMPLES.names, "flaw", "flaw_detail")]:
            raise ValueError(f"{taken[0]} is a column of every example; rename the score")
        return functions


def apply(rows: pa.Table, options: Options, context: Context) -> Outcome:
    """Add the score columns; no row is dropped."""
    sheet = Sheet(rows, control_tokens(special_tokens(context.models)))
    scores: dict[str, Floats | pa.Array] = {**_by_rules(sheet, context), **_on_surface(sheet)}
    for name, function in options.functions.items():
        scores[name] = call(function, _texts(sheet), context.folder)
    for name, values in scores.items():
        rows = _with_column(rows, name, values)
    return Outcome.all_kept(rows)


def _texts(sheet: Sheet) -> dict[str, pa.Array]:
    """Return the columns of text, null as the empty string."""
    texts = {name: sheet.column(name) for name in ("question", "context", "answer", "rejected", "evidence")}
    bare = pc.equal(texts["context"], "")
    return texts | {"said": sheet.said, "passage": pc.if_else(bare, texts["evidence"], texts["context"])}


def _by_rules(all_rows: Sheet, context: Context) -> dict[str, Floats | pa.Array]:
    """Compute the scores that depend on the rules of each row's language."""
    languages, parts, order = Languages(context), [], list[int]()
    for code, places in by_language(all_rows.rows):
        sheet = Sheet(all_rows.rows.take(places), all_rows.control, languages[code])
        flaw, detail = flaws.first(sheet)
        scores = {name: pa.array(score) for name, score in _supported(sheet, context).items()}
        parts.append(pa.table({**scores, "flaw": flaw, "flaw_detail": detail}))
        order += places
    if not parts:
        parts = [pa.table({"flaw": NONE, "flaw_detail": NONE} | dict.fromkeys(SUPPORT, NUMBERS))]
    scored = pa.concat_tables(parts).take(np.argsort(order))
    return {
        name: scored[name].combine_chunks() if name.startswith("flaw") else scored[name].to_numpy()
        for name in scored.column_names
    }


def _supported(sheet: Sheet, context: Context) -> dict[str, Floats]:
    """Compare each answer with its passage, question and prompt."""
    language, texts = sheet.language, _texts(sheet)
    texts["instruction"] = _instructions(sheet, context)
    wordings = Wordings(
        language, **{name: texts[name] for name in ("answer", "question", "passage", "instruction")}
    )
    instructs = _numpy(pc.equal(sheet.kind, "instruction"))
    measured = {
        "grounding": support.grounding(wordings, texts, language),
        "alignment": alignment(texts, language),
        "leakage": support.leakage(wordings, texts, language),
        "echo": support.echo(wordings),
    }
    scores = {name: np.where(instructs, score, np.nan) for name, score in measured.items()}
    return scores | {"standalone": support.standalone(texts["question"], language)}


def _instructions(sheet: Sheet, context: Context) -> pa.Array:
    """Return the instructions in each row's prompt, without the passage; "" if it has no prompt file."""
    prompts = pc.struct_field(sheet.rows["lineage"].combine_chunks(), "prompt")
    distinct = pc.fill_null(prompts, "").dictionary_encode()
    instructions = [_instruction(name, context) for name in distinct.dictionary.to_pylist()]
    return pa.array(instructions, pa.string()).take(distinct.indices)


def _instruction(name: str, context: Context) -> str:
    try:
        fields = context.prompt(name).fields if name else {}
    except UserError:  # the user's own stages may have prompts outside files
        return ""
    return TEMPLATE.sub(" ", "\n".join(fields.get(part) or "" for part in ("system", "user")))


def _on_surface(sheet: Sheet) -> dict[str, Floats]:
    """Measure the text that the model learns to generate."""
    said, rejected = map(text_statistics.CodedWords.of, (sheet.said, sheet.column("rejected")))
    return {
        "words": text_statistics.word_counts(sheet.said),
        "loop": np.maximum(text_statistics.longest_loop(said), text_statistics.longest_loop(rejected)),
        "diversity": text_statistics.lexical_diversity(said),
        "script": _script(sheet),
    }


def _script(sheet: Sheet) -> Floats:
    """Share of the answer's main script in the passage or question; nan for an answer copied from there."""
    question, passage = sheet.column("question"), sheet.column("context")
    passage = pc.utf8_slice_codeunits(passage, 0, HEAD)
    source = text_statistics.script_counts(pc.if_else(pc.equal(passage, ""), question, passage))
    answer = text_statistics.script_counts(sheet.column("answer"))
    main, letters = answer.argmax(axis=1), source.sum(axis=1)
    share = source[np.arange(len(answer)), main] / np.maximum(letters, 1)
    judged = (answer.sum(axis=1) >= LETTERS) & (letters >= LETTERS) & ~sheet.quoted
    return np.where(judged, share, np.nan)


def _with_column(rows: pa.Table, name: str, values: Floats | pa.Array) -> pa.Table:
    """Add a column, or replace the one of that name; nan becomes null."""
    column = pa.array(values, pa.float64(), from_pandas=True) if isinstance(values, np.ndarray) else values
    if name in rows.column_names:
        return rows.set_column(rows.column_names.index(name), name, column)
    return rows.append_column(name, column)


def _numpy(values: pa.Array) -> Flags:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def columns(options: Options) -> Columns:
    """Return the scores and the flaw."""
    flaw = pa.schema([("flaw", pa.string()), ("flaw_detail", pa.string())])
    return Columns(makes=pa.schema([*scores(*SUPPORT, *SURFACE, *options.functions), *flaw]))


stage = MapStage(
    name="measure",
    summary="measure each example without a model: its text, and how its passage supports it",
    takes="examples",
    gives="examples",
    apply=apply,
    columns=columns,
    options=Options,
)
