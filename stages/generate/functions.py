"""
Pair the functions of source code with summaries that a model writes.

The code format of Fine Tuning LLM for Enterprise (arXiv 2404.10779): the row asks for the function that the
summary describes, and its answer is the function's source. Each top-level function of a Python file gives
exactly one row, kept or dropped. Files that do not parse and files in other languages are dropped with a
reason. A function under a top-level ``if``, ``try`` or loop is top-level; methods and nested functions are
not.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import DocumentRow, Fields
from datagen.schema import chat, pick
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, phrase_in
from datagen.stages.shared.render.exercises import fill

PROMPT = "functions/summary"
PYTHON = "Python"
KIND = "function"
TOLD = 4  # fewest different words of a summary that repeats a word, besides the function's name
COMMENT = re.compile(r"(?m)#+(.*)$")
FENCED = re.compile(r"(?P<fence>`{3,})python\n(?P<code>.*)\n(?P=fence)", re.DOTALL)
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+")  # of an identifier
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # as Python numbers them
INNER = (ast.stmt, ast.ExceptHandler, ast.match_case)


class Options(datagen.stage.Options):
    """Which functions to summarise."""

    longest: int = Field(8000, ge=100, description="Maximum length of a function, in characters")
    max_tokens: int = Field(160, ge=16, description="Maximum length of a summary, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest summary")


class Output(BaseModel):
    """A summary."""

    summary: str


@dataclass(frozen=True)
class Function:
    """
    A top-level function.

    Parameters
    ----------
    name, signature
        ``area`` and ``area(width, height)``.
    code
        Its source with its decorators, dedented.
    start, end
        Its span in the document's text, in whole lines.
    """

    name: str
    signature: str
    code: str
    start: int
    end: int


def functions_of(document: DocumentRow) -> list[Function]:
    """
    List the top-level functions of a document, in order.

    Raises
    ------
    Reject
        If the document is not a Python file, does not parse, or has no top-level function.
    """
    language = json.loads(document["metadata"] or "{}").get("programming_language")
    fenced = FENCED.fullmatch(document["text"].strip("\n"))
    if language != "python" or fenced is None:
        raise Reject("not Python", str(language or document["format"]))
    code = fenced["code"]
    try:
        with warnings.catch_warnings():  # about invalid escapes in strings
            warnings.simplefilter("ignore")
            nodes = list(_top_level(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Reject("does not parse", f"{type(error).__name__}: {error}") from error
    if not nodes:
        raise Reject("no top-level function", document["source"])
    lines = LINE.findall(code)
    starts = list(accumulate(map(len, lines), initial=document["text"].index(code)))
    return [_function(node, lines, starts) for node in nodes]


def _top_level(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inner
        elif isinstance(inner, INNER) and not isinstance(inner, ast.ClassDef):
            yield from _top_level(inner)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str], starts: list[int]) -> Function:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    while node.decorator_list and not lines[first].lstrip().startswith("@"):  # "@(" on a line of its own
        first -= 1
    last = node.end_lineno or node.lineno
    margin, quoted = lines[first][: len(lines[first]) - len(lines[first].lstrip())], _quoted(node)
    code = "\n".join(
        (line if number in quoted else line.removeprefix(margin)).rstrip("\r\n")
        for number, line in enumerate(lines[first:last], first + 1)
    )
    signature = f"{node.name}({ast.unparse(node.args)})"
    end = starts[last - 1] + len(lines[last - 1].rstrip("\r\n"))
    return Function(node.name, signature, code, starts[first], end)


def _quoted(node: ast.AST) -> set[int]:
    """Return the lines that begin inside a string, whose margin is part of its value; not of docstrings."""
    prose = {id(inner.value) for inner in ast.walk(node) if isinstance(inner, ast.Expr)}
    strings = [
        inner
        for inner in ast.walk(node)
        if isinstance(inner, ast.JoinedStr) or (isinstance(inner, ast.Constant) and id(inner) not in prose)
    ]
    return {
        number
        for inner in strings
        for number in range(inner.lineno + 1, (inner.end_lineno or inner.lineno) + 1)
    }


def ask(documents: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request a summary of each function within the length limit."""
    prompt = context.prompt(PROMPT)
    sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature)
    for row in documents.to_pylist():
        try:
            functions = functions_of(row)
        except Reject:
            continue
        for number, function in enumerate(functions):
            if len(function.code) <= options.longest:
                yield prompt.ask(
                    row["id"],
                    task="function",
                    sampling=sampling,
                    schema=Output,
                    about=str(number),
                    language=PYTHON,
                    source=row["source"],
                    code=function.code,
                )


def read(documents: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Turn each function into a row."""
    prompt, languages = context.prompt(PROMPT), Languages(context)
    builder = Builder("examples", context)
    fields: Fields = {"kind": "instruction", "task": "function"}
    for row in documents.to_pylist():
        summaries = {answer.request.about: answer for answer in answers.of(row["id"])}
        try:
            functions = functions_of(row)
        except Reject as why:
            builder.drop(why, fields, _parent(row, 0, len(row["text"])))
            continue
        for number, function in enumerate(functions):
            parent = _parent(row, function.start, function.end)
            replies = [summaries[str(number)]] if str(number) in summaries else []
            example: Fields = fields | {
                "answer": f"```python\n{function.code}\n```",
                "evidence": function.code,
            }
            try:
                summary = _summary(replies, function, prompt, options, languages)
            except Reject as why:
                builder.drop(why, example, parent, *replies)
                continue
            template = pick(prompt.fields["question"], "function", row["id"], function.code)
            values = {"language": PYTHON, "name": function.name, "signature": function.signature}
            question = fill(template, summary=summary, **values)
            metadata = json.dumps({"code": {"function": function.name, "language": "python"}})
            example |= {"question": question, "prompt": chat(question), "metadata": metadata}
            builder.keep(example, parent, *replies)
    return builder.outcome()


def _parent(row: DocumentRow, start: int, end: int) -> Fields:
    lineage: Fields = {
        "document_id": row["id"],
        "source": row["source"],
        "title": row["title"],
        "language": row["language"],
        "start": start,
        "end": end,
        "passage_id": None,
        "model": "",
        "revision": "",
        "requests": [],
    }
    return {"id": row["id"], "lineage": lineage}


def _summary(
    replies: list[Answer], function: Function, prompt: Prompt, options: Options, languages: Languages
) -> str:
    if len(function.code) > options.longest:
        raise Reject("too long", f"{function.name}: {len(function.code):,} characters")
    if not replies:
        raise Reject("no answer", function.name)
    summary = " ".join(replies[0].parse(Output).summary.split())
    parts = " ".join(PART.findall(function.code))
    passage = Passage({"text": f"{function.code}\n{parts.lower()}", "language": "en"}, languages["en"])
    instruction = "\n".join(turn["content"] for turn in prompt.render(language="", source="", code=""))
    if "```" in summary or function.code in summary:
        raise Reject("quotes code", summary)
    checks.clean(summary, passage, instruction)
    checks.sized(summary, 5, 90)
    checks.finished(summary)
    checks.numbers(summary, function.code)
    if not passage.content.intersection(passage.words.content(summary)):
        raise Reject("not about the function", summary)
    _says_something(summary, function, passage.words)
    return summary


def _says_something(summary: str, function: Function, language: Language) -> None:
    """Reject a stutter, a copied comment, and "The function takes a color and returns a color"."""
    said = words_of(summary)
    for size in (2, 3):
        for start, end in zip(range(len(said)), range(size, len(said) - size + 1), strict=False):
            if said[start:end] == said[end : end + size]:
                raise Reject("repetition loop", summary)
    comments = words_of(" ".join(map(str.strip, COMMENT.findall(function.code))))
    if phrase_in(comments, [" ".join(said)]):
        raise Reject("copies a comment", summary)
    named = {*language.content(f"{function.name} {' '.join(PART.findall(function.name))} {KIND}")}
    told = [word for word in language.content(summary) if word not in named]
    if len({*told}) < min(TOLD, len(told)):
        raise Reject("says nothing about the function", summary)


stage = ModelStage(
    name="functions",
    summary="pair the top-level functions of Python files with written summaries",
    takes="documents",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
)
