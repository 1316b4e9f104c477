"""Every top-level function of a Python file gives exactly one row with its own code."""

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.schema import DOCUMENTS
from datagen.stages.generate.functions import functions_of, stage
from datagen.stages.sources.ingest.readers.source_code import fenced
from tests.support.asked import ask
from tests.support.generators import HOSTILE, HOSTILE_TEXT

CODE = '''
"""Areas."""
import math

@cache
@other(
    1)
def circle(radius):
    # of a circle
    return math.pi * radius ** 2


if math.pi > 3:
    def square(side):
        """
        Area of a square.

            with side
        """
        return side ** 2
else:
    def square(side): return 0

try:
    pass
except ValueError:
    async def later(): ...
finally:
    def last(a, /, b=1, *c, d: int = 2, **e) -> int:
        def inner(): pass
        return inner


class Shape:
    def area(self): pass

for n in range(2):
    def looped(): return n
'''
NAMES = ["circle", "square", "square", "later", "last", "looped"]


def document(code, language="python", source="areas.py", **fields):
    row = {
        "id": f"id of {source}",
        "source": source,
        "title": source,
        "text": fenced(code, language),
        "language": "und",
    }
    return row | {"format": "code", "metadata": json.dumps({"programming_language": language})} | fields


def summaries(request):
    return json.dumps(
        {"summary": "Returns the area of the shape that the function is named after, for its size."}
    )


def summary_for(request):
    name = request.messages[-1]["content"].partition("def ")[2].partition("(")[0]
    return json.dumps(
        {"summary": f"Computes what the function {name} is named for and returns it as a number."}
    )


def test_every_top_level_function_gives_one_row():
    kept, dropped, requests = ask(stage, [document(CODE)], summary_for)
    assert not dropped and len(requests) == len(kept) == len(NAMES)
    assert sorted(json.loads(row["metadata"])["code"]["function"] for row in kept) == sorted(NAMES)
    text = document(CODE)["text"]
    for row in kept:
        span = text[row["lineage"]["start"] : row["lineage"]["end"]]
        code = row["answer"].removeprefix("```python\n").removesuffix("\n```")
        assert [line.strip() for line in span.split("\n")] == [line.strip() for line in code.split("\n")]
        (node,) = ast.parse(code).body
        assert node.name in row["question"] and row["lineage"]["parents"] == [row["lineage"]["document_id"]]
        assert row["lineage"]["passage_id"] is None and row["evidence"] == code
    circle = next(row for row in kept if "circle" in row["question"])
    assert circle["answer"].startswith("```python\n@cache\n@other(\n    1)\ndef circle(radius):")


@pytest.mark.parametrize(
    ("code", "functions"),
    [
        (
            "def f(a):\r    return a\r\rdef g():\r    return 2",
            ["def f(a):\n    return a", "def g():\n    return 2"],
        ),
        ("def f():\r\n    return 1\r\nx = 1", ["def f():\n    return 1"]),
        ("@(\n  cache\n)\ndef f():\n    return 1", ["@(\n  cache\n)\ndef f():\n    return 1"]),
        (
            'if 1:\n    def f():\n        return """\n    SELECT\n    """',
            ['def f():\n    return """\n    SELECT\n    """'],
        ),
        (
            "def f():\n    return 'a\u2028b'\n\ndef g(): ...",
            ["def f():\n    return 'a\u2028b'", "def g(): ..."],
        ),
    ],
)
def test_the_code_is_the_original_with_its_strings_and_decorators(code, functions):
    found = functions_of(document(code))
    assert [function.code for function in found] == functions
    text = document(code)["text"]
    for function in found:
        span = text[function.start : function.end]
        assert span.split() == function.code.split() and not span[-1].isspace()


NAME = st.sampled_from(["one", "two", "three"])
BLOCK = st.recursive(
    NAME.map(lambda name: [f"def {name}(): return 1"]),
    lambda inner: (
        st.tuples(st.sampled_from(["if 1:", "class A:", "def f():", "while 0:", "with a:"]), inner).map(
            lambda pair: [pair[0], *(f"  {line}" for line in pair[1])]
        )
        | st.tuples(inner, inner).map(lambda pair: [*pair[0], "", *pair[1]])
    ),
    max_leaves=6,
)


@given(BLOCK)
def test_the_functions_are_those_bound_in_the_module_scope(lines):
    code = "\n".join(lines)
    expected = []

    def visit(body):
        for node in body:
            if isinstance(node, ast.FunctionDef):
                expected.append(node.name)
            elif not isinstance(node, ast.ClassDef):
                visit(getattr(node, "body", []))

    visit(ast.parse(code).body)
    if expected:
        functions = functions_of(document(code))
        assert [function.name for function in functions] == expected
        assert len({function.start for function in functions}) == len(functions)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (document("def broken(:\n    pass"), "does not parse"),
        (document("x = '\0'"), "does not parse"),
        (document("(" * 500), "does not parse"),
        (document("x = 1"), "no top-level function"),
        (document("fn main() {}", "rust", "main.rs"), "not Python"),
        (document("", text="Prose.", metadata=None, source="a.md"), "not Python"),
    ],
)
def test_other_files_are_dropped_with_a_reason(row, reason):
    kept, dropped, requests = ask(stage, [row], summary_for)
    assert not kept and not requests and [one["reason"] for one in dropped] == [reason]
    assert set(DOCUMENTS.names) >= set(row)


ONE = document("def area(width, height):\n    return width * height + 2\n")
COMMENTED = document(
    "def area(width, height):\n    # The border is two\n    # wide on every side. See above.\n    return width * height + 2\n"
)


@pytest.mark.parametrize(
    ("summary", "reason"),
    [
        ("", "empty"),
        ("Area.", "too short"),
        ("Returns the area of width and height in", "unfinished sentence"),
        ("Returns width * height: ```def area(): pass``` and nothing else.", "quotes code"),
        ("Returns the area of width and height, plus 7 for the border.", "number not in passage"),
        ("Bananas grow best in warm valleys with plenty of rain.", "not about the function"),
        ("Returns the area of a width, of a width and height.", "repetition loop"),
        ("The function area takes a width and returns a width.", "says nothing about the function"),
        ("The border is two wide on every side.", "copies a comment"),
    ],
)
def test_unsound_summaries_are_dropped(summary, reason):
    kept, dropped, _ = ask(stage, [COMMENTED], lambda _: json.dumps({"summary": summary}))
    assert not kept and [row["reason"] for row in dropped] == [reason]


@pytest.mark.parametrize(
    "summary", ["Returns the area of the width.", "Multiplies width and height, and adds 2."]
)
def test_a_short_summary_that_says_something_is_kept(summary):
    assert len(ask(stage, [ONE], lambda _: json.dumps({"summary": summary}))[0]) == 1


def test_a_long_function_is_dropped_without_a_request():
    kept, dropped, requests = ask(stage, [ONE], summary_for, longest=100)
    assert len(kept) == 1
    long = document("def area():\n    return '" + "x" * 200 + "'\n")
    kept, dropped, requests = ask(stage, [long], summary_for, longest=100)
    assert not requests and [row["reason"] for row in dropped] == ["too long"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_are_dropped(name):
    kept, dropped, _ = ask(stage, [ONE], lambda request: HOSTILE[name](json.loads(summaries(request))))
    assert not kept and len(dropped) == 1


@pytest.mark.parametrize("name", HOSTILE_TEXT)
def test_hostile_texts_are_dropped(name):
    good = json.loads(summaries(None))["summary"]
    kept, _, _ = ask(stage, [ONE], lambda _: json.dumps({"summary": HOSTILE_TEXT[name](good)}))
    assert not kept
