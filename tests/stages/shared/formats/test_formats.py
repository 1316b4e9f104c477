"""The parsers of output formats accept their format and reject everything else without failing."""

import csv
import html
import io
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datagen.request import Reject
from datagen.stages.shared.formats import FORMATS, LONGEST, read

GOOD = {
    "json": ('{"a": "x", "b": [1, true, null]}', ("a", "b"), (("x", "1\ntrue\n"),)),
    "yaml": ("a: x\nb:\n  - 1\n  - true\n", ("a", "b"), (("x", "1\ntrue"),)),
    "csv": ('a,b\n"x, y",2\n3,', ("a", "b"), (("x, y", "2"), ("3", ""))),
    "markdown_table": (
        "| a | b |\n|---|:--|\n| x \\| y | 2 |\n| 3 | |",
        ("a", "b"),
        (("x | y", "2"), ("3", "")),
    ),
    "html_table": (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>x &amp; y</td><td>2</td></tr></tbody></table>",
        ("a", "b"),
        (("x & y", "2"),),
    ),
    "latex_table": (
        "\\begin{tabular}{l|r}\n\\hline a & b \\\\ \\hline\nx \\& y & 2\\% \\\\\n\\end{tabular}",
        ("a", "b"),
        (("x & y", "2%"),),
    ),
    "numbered_list": ("1. x\n2. y\n   z", (), (("x",), ("y z",))),
    "bulleted_list": ("- x\n- y", (), (("x",), ("y",))),
    "one_line": ("x and y", (), (("x and y",),)),
}
# Of each format, texts that a lenient reader would accept.
WRONG = {
    "json": [
        '```json\n{"a": 1}\n```',
        'Sure: {"a": 1}',
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        "{'a': 1}",
        '{"a": 1,}',
        '[{"a": 1}]',
        "{}",
        '{"a": {"b": 1}}',
        '{"a": [[1]]}',
        '{"a": ""}',
        '{" ": 1}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"a\\u0000": 1}',
        "7",
        "null",
    ],
    "yaml": [
        "a: 1\na: 2",
        "a: &x 1\nb: *x",
        "a: !!python/object/apply:os.system [ls]",
        "a: !x y",
        "a: 1\n---\nb: 2",
        "a: 1 # hidden",
        "# hidden\na: 1",
        "1: x",
        "- a",
        "plain text",
        "a: {b: 1}",
        "a: [",
        "a: 2024-13-45",
        "a:",
        "? [x]\n: y",
        "? {x: y}\n: z",
        "<<: {a: 1}",
        "a: .nan",
        'a: "\\ud800"',
    ],
    "csv": [
        "a,b",
        "a,b\n1",
        "a,b\n1,2,3",
        "a\n1",
        'a,b\n"1,2',
        "a,a\n1,2",
        "a,\n1,2",
        "a,b\n,",
        'a,b\n"1"x,2',
        'a,b\n1, "2"',
        "a,b\0\n1,2",
        "\ufeffa,b\n1,2",
    ],
    "markdown_table": [
        "| a | b |\n|---|---|",
        "| a | b |\n|---|---|\n| 1 |",
        "| a | b |\n|---|---|\n| 1 | 2 | 3 |",
        "| a | b |\n| 1 | 2 |",
        "Table:\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "| a | b |\n|---|---|\n| 1 | 2 |\n\nDone.",
        "| a | a |\n|---|---|\n| 1 | 2 |",
        "| a |\n|---|\n| 1 |",
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n[x]: http://example.org",
    ],
    "html_table": [
        "<table><tr><th>a</th><th>b</th></tr></table>",
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td></tr></table>",
        "<table><tr><th>a</th><th>b</th></tr><tr><td colspan='2'>1</td></tr></table>",
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr>",
        "<p>x</p>",
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><b>2</b></td></tr></table>",
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr>x</table>",
        "<table><script>x</script><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
        "<table><!-- x --><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
        '<!DOCTYPE x [<!ENTITY e "y">]><table><tr><th>a</th><th>b</th></tr><tr><td>&e;</td><td>2</td></tr></table>',
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table> after",
        "<table><tr><th>a</th><th>b</th></tr><tr/><td>1</td><td>2</td></table>",
        "<table><tr><th>a</th><th>b</th><tr><td>1</td><td>2</td></tr></tr></table>",
        "<table><tr><th>a</th><th>b</th></tr><table><tr><td>1</td><td>2</td></tr></table></table>",
        "<table><thead><tr><th>a</th><th>b</th></tr><tbody><tr><td>1</td><td>2</td></tr></tbody></thead></table>",
        "<table><tr><th>a</th><th>b</th></tr><tr><td onclick='x()'>1</td><td>2</td></tr></table>",
        "<!-- x --><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><!-- x -->",
    ],
    "latex_table": [
        "\\begin{tabular}{ll} a & b \\\\ \\end{tabular}",
        "\\begin{tabular}{ll} a & b \\\\ 1 \\\\ \\end{tabular}",
        "\\begin{tabular}{l} a & b \\\\ 1 & 2 \\\\ \\end{tabular}",
        "\\begin{tabular}{ll} a & b \\\\ 1 & \\input{x} \\\\ \\end{tabular}",
        "\\begin{tabular}{ll} a & b \\\\ 1 & 2 % hidden \\\\ \\end{tabular}",
        "\\begin{tabular}{ll} a & b \\\\ 1 & 2 \\\\",
        "\\begin{tabular}{ll} a & b \\\\[2pt] 1 & 2 \\\\ \\end{tabular}",
        "\\begin{tabular}{ll} a & b \\\\ 1 \\hline & 2 \\\\ \\end{tabular}",
        "\\begin{tabular}{ll} a & b \\\\ x^2 & 2 \\\\ \\end{tabular}",
        "Here: \\begin{tabular}{ll} a & b \\\\ 1 & 2 \\\\ \\end{tabular}",
    ],
    "numbered_list": [
        "1. x\n3. y",
        "2. x\n3. y",
        "- x",
        "Steps:\n\n1. x\n2. y",
        "1. x\n2. y\n\nDone.",
        "1. x\n   - y",
        "1. x\n2.",
        "1) x\n2. y",
        "1. # x",
        "1. ```\n   x\n   ```",
    ],
    "bulleted_list": [
        "1. x",
        "x",
        "- x\n\n# y",
        "- x\n  - y",
        "-",
        "- x\n\nand more",
        "- x\n* y",
        "- x\n\n[y]: http://example.org",
    ],
    "one_line": ["x\ny", "x\r\ny", "x\u2028y"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_in_the_format_is_parsed(name):
    text, names, rows = GOOD[name]
    for given_text in (text, f"\n {text}\n"):
        parsed = read(name, given_text)
        assert (parsed.names, parsed.rows) == (names, rows)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_text_almost_in_the_format_is_rejected(name, text):
    with pytest.raises(Reject) as rejection:
        read(name, text)
    assert rejection.value.reason == "not the demanded format"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("control", ["\0", "\x0b", "\x1c", "\x7f", "\x85", "\x9b"])
def test_a_control_character_is_rejected_at_every_place(name, control):
    """Markdown replaces NUL, and other parsers strip file separators as white space."""
    text, _, _ = GOOD[name]
    for place in range(len(text) + 1):
        with pytest.raises(Reject):
            read(name, text[:place] + control + text[place:])


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "x " * LONGEST,
        "[" * 5000,
        '{"a":' * 3000 + "1" + "}" * 3000,
        "- " * 4000,
        "a: " + "[" * 2000,
        "a: " + "[" * (LONGEST - 10),
        "? " * 4000,
        "a: 0x" + "f" * 9000,
        "a: " + "1:" * 5000 + "1",
        "<table>" * 2000,
        "a: &a [x]\n" + "\n".join(f"b{n}: &b{n} [*a, *a]" for n in range(40)),
        "\x00\x01",
        "\ud800",
    ],
)
def test_hostile_text_is_rejected(name, text):
    if name == "one_line" and "\n" not in text.strip() and 0 < len(text.strip()) <= LONGEST:
        return  # any line is one
    with pytest.raises(Reject):
        read(name, text)


@pytest.mark.parametrize("name", FORMATS)
@given(st.text(max_size=60))
def test_any_text_is_parsed_or_rejected(name, text):
    try:
        parsed = read(name, text)
    except Reject:
        return
    assert any(cell.strip() for cell in parsed.cells)
    assert all(len(row) == max(1, len(parsed.names)) for row in parsed.rows)


PLAIN = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12)
ANY = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
COLUMNS = st.lists(PLAIN, min_size=2, max_size=4, unique=True)


@st.composite
def tables(draw, cell):
    columns = draw(COLUMNS)
    width = len(columns)
    return columns, draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=4))


@given(st.dictionaries(PLAIN, ANY, min_size=1, max_size=4))
def test_every_object_that_json_and_yaml_write_is_read_back(value):
    assert read("json", json.dumps(value)).rows == (tuple(value.values()),)
    written = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_style='"')
    parsed = read("yaml", written)
    assert (parsed.names, parsed.rows) == (tuple(value), (tuple(value.values()),))


@given(tables(ANY))
def test_every_table_that_csv_and_html_writers_write_is_read_back(table):
    columns, rows = table
    file = io.StringIO()
    csv.writer(file).writerows([columns, *rows])
    expected = tuple(map(tuple, rows))
    assert read("csv", file.getvalue()).rows == expected
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in [columns, *rows]]
    text = "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
    assert read("html_table", text).rows == expected


@given(tables(PLAIN))
def test_every_plain_table_is_read_back_from_markdown_and_latex(table):
    columns, rows = table
    lines = ["| " + " | ".join(row) + " |" for row in [columns, ["---"] * len(columns), *rows]]
    assert read("markdown_table", "\n".join(lines)).rows == tuple(map(tuple, rows))
    body = " \\\\\n".join(" & ".join(row) for row in [columns, *rows])
    text = f"\\begin{{tabular}}{{{'l' * len(columns)}}}\n{body}\n\\end{{tabular}}"
    assert read("latex_table", text).rows == tuple(map(tuple, rows))


@given(tables(PLAIN), st.integers(0, 3))
def test_a_table_that_lacks_a_cell_is_rejected_in_every_format(table, place):
    columns, rows = table
    rows[place % len(rows)].pop()
    joined = {
        "csv": "\n".join(",".join(row) for row in [columns, *rows]),
        "markdown_table": "\n".join(
            "| " + " | ".join(row) + " |" for row in [columns, ["---"] * len(columns), *rows]
        ),
        "html_table": "<table>"
        + "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in [columns, *rows])
        + "</table>",
        "latex_table": f"\\begin{{tabular}}{{{'l' * len(columns)}}}"
        + " \\\\ ".join(" & ".join(row) for row in [columns, *rows])
        + "\\end{tabular}",
    }
    for name, text in joined.items():
        with pytest.raises(Reject):
            read(name, text)


@given(st.lists(PLAIN, min_size=1, max_size=5))
def test_every_list_is_read_back_item_by_item(items):
    expected = tuple((item,) for item in items)
    assert read("bulleted_list", "\n".join(f"- {item}" for item in items)).rows == expected
    numbered = "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
    assert read("numbered_list", numbered).rows == expected
