"""
Pair the functions of source code with summaries that a model writes.

The code format of Fine Tuning LLM for Enterprise (arXiv 2404.10779): the row asks for the function that the
summary describes, and its answer is the function as the file has it. Each top-level function of a Python
file gives exactly one row, kept or dropped. Files that do not parse, and files in other languages, are
dropped with the reason. A function under a top-level ``if``, ``try`` or loop is top-level; methods and
functions within functions are not.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import chat, pick
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill

PROMPT = "functions/summary"
PYTHON = "Python"
FENCED = re.compile(r"(?P<fence>`{3,})python\n(?P<code>.*)\n(?P=fence)", re.DOTALL)
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+")  # of an identifier
INNER = (ast.stmt, ast.ExceptHandler, ast.match_case)

Row = Mapping[str, Any]


class Options(datagen.stage.Options):
    """Which functions are summarised."""

    longest: int = Field(8000, ge=100, description="Characters of a function, at most")
    max_tokens: int = Field(160, ge=16, description="Longest summary, in tokens")
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
        Its source with its decorators, at the left margin.
    start, end
        Its span of the document's text, in whole lines.
    """

    name: str
    signature: str
    code: str
    start: int
    end: int


def functions_of(document: Row) -> list[Function]:
    """
    List the top-level functions of a document, in their order.

    Raises
    ------
    Reject
        When the document is not a file of Python, does not parse, or has no such function.
    """
    language = json.loads(document["metadata"] or "{}").get("programming_language")
    fenced = FENCED.fullmatch(document["text"].strip("\n"))
    if language != "python" or fenced is None:
        raise Reject("not Python", str(language or document["format"]))
    code = fenced["code"]
    try:
        with warnings.catch_warnings():  # of odd escapes in strings
            warnings.simplefilter("ignore")
            nodes = list(_top_level(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Reject("does not parse", f"{type(error).__name__}: {error}") from error
    if not nodes:
        raise Reject("no top-level function", document["source"])
    offset = document["text"].index(code)
    lines = code.split("\n")
    starts = [offset]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    return [_function(node, lines, starts) for node in nodes]


def _top_level(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inner
        elif isinstance(inner, INNER) and not isinstance(inner, ast.ClassDef):
            yield from _top_level(inner)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str], starts: list[int]) -> Function:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    last = node.end_lineno or node.lineno
    margin = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    code = "\n".join(line.removeprefix(margin) for line in lines[first:last])
    signature = f"{node.name}({ast.unparse(node.args)})"
    return Function(node.name, signature, code, starts[first], starts[last] - 1)


def ask(documents: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask for a summary of each function that is not too long."""
    prompt = context.prompt(PROMPT)
    sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature)
    for row in documents.to_pylist():
        try:
            found = functions_of(row)
        except Reject:
            continue
        for number, function in enumerate(found):
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
    """Make a row of each function."""
    prompt, languages = context.prompt(PROMPT), Languages(context)
    builder = Builder("examples", context)
    fields = {"kind": "instruction", "task": "function"}
    for row in documents.to_pylist():
        said = {answer.request.about: answer for answer in answers.of(row["id"])}
        try:
            found = functions_of(row)
        except Reject as why:
            builder.drop(why, fields, _parent(row, 0, len(row["text"])))
            continue
        for number, function in enumerate(found):
            parent = _parent(row, function.start, function.end)
            given = [said[str(number)]] if str(number) in said else []
            made: dict[str, Any] = fields | {
                "answer": f"```python\n{function.code}\n```",
                "evidence": function.code,
            }
            try:
                summary = _summary(given, function, prompt, options, languages)
            except Reject as why:
                builder.drop(why, made, parent, *given)
                continue
            template = pick(prompt.fields["question"], "function", row["id"], function.code)
            named = {"language": PYTHON, "name": function.name, "signature": function.signature}
            question = fill(template, summary=summary, **named)
            noted = json.dumps({"code": {"function": function.name, "language": "python"}})
            made |= {"question": question, "prompt": chat(question), "metadata": noted}
            builder.keep(made, parent, *given)
    return builder.outcome()


def _parent(row: Row, start: int, end: int) -> dict[str, Any]:
    traced = {name: row[name] for name in ("source", "title", "language")}
    known = {"document_id": row["id"], "passage_id": None, "model": "", "revision": "", "requests": []}
    return {"id": row["id"], "lineage": traced | known | {"start": start, "end": end}}


def _summary(
    given: list[Answer], function: Function, prompt: Prompt, options: Options, languages: Languages
) -> str:
    if len(function.code) > options.longest:
        raise Reject("too long", f"{function.name}: {len(function.code):,} characters")
    if not given:
        raise Reject("no answer", function.name)
    summary = " ".join(given[0].parse(Output).summary.split())
    parts = " ".join(PART.findall(function.code))
    passage = Passage({"text": f"{function.code}\n{parts.lower()}", "language": "en"}, languages["en"])
    asked = "\n".join(turn["content"] for turn in prompt.render(language="", source="", code=""))
    if "```" in summary or function.code in summary:
        raise Reject("quotes code", summary)
    checks.clean(summary, passage, asked)
    checks.sized(summary, 5, 90)
    checks.finished(summary)
    checks.numbers(summary, function.code)
    if not passage.content.intersection(passage.words.content(summary)):
        raise Reject("not about the function", summary)
    return summary


stage = ModelStage(
    name="functions",
    summary="pair the top-level functions of Python files with written summaries",
    takes="documents",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
)
