"""Furniture of web pages is removed, and hostile pages take bounded time."""

import pytest

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.markdown import without_badges
from datagen.stages.sources.ingest.readers.webpage import read_webpage

PROSE = "<p>" + "A sentence of the page's own text. " * 10 + "</p>"


@pytest.mark.parametrize(
    "link",
    [
        '<a class="headerlink" href="#part">¶</a>',
        '<a href="#part">#</a>',
        '<a href="#part" title="Link to this heading">\uf0c1</a>',
        '<a href="#part">Permalink to this heading</a>',
    ],
)
def test_a_headings_link_to_itself_is_removed(link):
    text, title = read_webpage(f"<body><h1>Part{link}</h1>{PROSE}</body>")
    assert text.startswith("# Part\n") and title == "Part"


def test_symbols_in_the_text_are_kept():
    text, _ = read_webpage(
        f'<body>{PROSE}<p>See § 4 and issue <a href="#4">#4</a> and the sign ¶.</p></body>'
    )
    assert "See § 4 and issue #4 and the sign ¶." in text


def test_a_repeated_title_is_kept_once():
    text, _ = read_webpage(f"<body><h1>Part</h1><h1>Part</h1>{PROSE}<h2>Part</h2>{PROSE}</body>")
    assert text.count("Part") == 2


def test_an_index_is_dropped_with_a_reason():
    entries = "".join(f'<dt><a href="a.html#{at}">function_{at}() (in module m)</a></dt>' for at in range(80))
    with pytest.raises(Reject) as caught:
        read_webpage(f"<body><h1>Index</h1><dl>{entries}</dl></body>")
    assert caught.value.reason == "index page"


def test_lists_of_links_are_removed_from_pages_and_kept_in_books():
    links = "".join(f'<li><a href="{at}.html">Another page {at}</a></li>' for at in range(9))
    page = f"<body><h1>Part</h1>{PROSE}<ul>{links}</ul><aside>An aside.</aside></body>"
    assert "Another page" not in read_webpage(page)[0]
    text, _ = read_webpage(page, whole=True)
    assert "Another page 8" in text and "An aside." in text


@pytest.mark.parametrize("sign", ["&#1;", "&#xFFFE;", "\ufffe", "\x0b"])
def test_characters_forbidden_in_xml_are_handled(sign):
    text, _ = read_webpage(f"<body><p>One  {sign}  two</p></body>")
    assert "One" in text and "two" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        f"{PROSE}" + "<div class=nav>x</div>tail " * 20_000,
        f"{PROSE}" + "<div class=nav>" * 20_000 + "x",
        f"{PROSE}" + "<nav><ul><li><a href=x>y</a></ul></nav>" * 20_000,
        f"{PROSE}<p " + " ".join(f"a{at}=1" for at in range(100_000)) + ">end</p>",
        f"{PROSE}" + "<ul><li>a" * 3_000,
        f"{PROSE}" + "<table><tr><td>" * 3_000,
    ],
    ids=["siblings", "nested", "lists", "attributes", "items", "tables"],
)
def test_pages_of_many_parts_keep_their_text(page):
    assert "A sentence of the page's own text." in read_webpage(page)[0]


NEXT = 'Next: <a href="b" rel="next">Share</a>, Up: <a href="a" rel="up">Options</a> [<a href="c" rel="contents">Contents</a>]'


def test_lines_of_links_to_neighbouring_pages_are_removed():
    page = f'<body><div class="header"><p>{NEXT}</p></div><h3>1.1 Options</h3>{PROSE}<hr><p>{NEXT}</p></body>'
    text, _ = read_webpage(page)
    assert "Next" not in text and "Contents" not in text
    assert text.startswith("### 1.1 Options\n\nA sentence")


def test_a_sentence_with_links_to_neighbouring_pages_is_kept():
    sentence = (
        'The <a href="b" rel="next">next chapter</a> explains what the keeper does with the lamps at dusk, and '
        'the <a href="a" rel="prev">previous one</a> where they are kept.'
    )
    assert "explains what the keeper does" in read_webpage(f"<body><p>{sentence}</p>{PROSE}</body>")[0]


def test_lines_of_links_named_next_and_previous_are_removed():
    line = '<div><a href="a">&lt;-previous</a> <a href="b">Next »</a></div>'
    sentence = '<p>Write to the <a href="a">next</a> or the <a href="b">previous</a> one.</p>'
    text, _ = read_webpage(f"<body>{line}{PROSE}{sentence}{line}</body>")
    assert text.startswith("A sentence") and text.strip().endswith("Write to the next or the previous one.")


def test_a_single_link_to_a_neighbouring_page_is_kept():
    page = f'<body><p>See <a href="b" rel="next">Lamps</a></p>{PROSE}</body>'
    assert read_webpage(page)[0].startswith("See Lamps")


def test_badges_in_html_are_removed():
    badge = '<a href="https://x" target="_parent"><img src="https://x/badge.svg" alt="Open"/></a>'
    assert without_badges(f"{badge} {badge}\n# Tool\n\nSee {badge} here.") == f"# Tool\n\nSee {badge} here."


def test_badges_are_removed_and_images_in_the_text_are_kept():
    text = (
        "# Tool\n\n[![Build](https://ci/x.svg)](https://ci) ![PyPI](https://img.shields.io/pypi/v/tool)\n[![Docs][docs-img]][docs]\n\n"
        "A tool, as in ![the figure](a.png) here.\n\n![Architecture](architecture.png)"
    )
    assert without_badges(text) == (
        "# Tool\n\n\nA tool, as in ![the figure](a.png) here.\n\n![Architecture](architecture.png)"
    )


def test_dashes_and_numbers_of_paragraphs_are_not_escaped():
    page = "<p>1. One</p><p>- two</p><pre>1\\. three</pre><table><caption>a well-lit one</caption><tr><td>a</td><td>b</td></tr></table>"
    text, _ = read_webpage(page, whole=True)
    assert text.startswith("1. One\n\n- two\n\n```\n1\\. three\n```\n\n*a well-lit one*")


def test_arrows_from_notes_to_their_places_are_removed():
    page = '<p>A note.<a href="#r1">↩︎</a> Another <a href="#r2">↑</a></p>'
    assert read_webpage(page, whole=True)[0].strip() == "A note. Another"


def test_formulas_of_mathjax_keep_their_signs():
    page = r"<p>Let \(x_1 < 2\) hold, \[ \frac{a}{b} \] too. Type <code>grep '\\(a\)'</code> or <code>a</code>.</p><pre>\\(q\\)</pre>"
    text, _ = read_webpage(page, whole=True)
    assert text.strip() == (
        r"Let \(x_1 < 2\) hold, \[ \frac{a}{b} \] too. Type `grep '\\(a\)'` or `a`."
        + "\n\n```\n"
        + r"\\(q\\)"
        + "\n```"
    )


def test_rules_at_the_edges_of_a_page_are_removed():
    """They separate the navigation, which is removed, from the text."""
    text, _ = read_webpage("<hr><hr><h1>A</h1><p>One.</p><hr><p>Two.</p><hr>", whole=True)
    assert text.strip() == "# A\n\nOne.\n\n---\n\nTwo."


def test_rules_beside_a_heading_are_removed_and_others_are_kept():
    code = "<pre># Title\n---\n# Next</pre>"
    page = f"<h1>Lamps</h1><hr><hr>{PROSE}<hr><h2>Oil</h2>{code}<p>One.</p><hr><p>Two.</p>"
    text, _ = read_webpage(f"<body>{page}</body>")
    assert text.startswith("# Lamps\n\nA sentence") and "text.\n\n## Oil\n" in text
    assert "# Title\n---\n# Next" in text and "One.\n\n---\n\nTwo." in text


def test_a_line_of_links_is_navigation_and_a_sentence_with_links_is_not():
    letters = " ".join(f'<a href="#{letter}">{letter}</a>' for letter in "ABCDEF")
    page = f"<body><p>{letters}</p>{PROSE}<p>It runs on {letters} and on others.</p></body>"
    assert "\n\nIt runs on A B C D E F and on others." in read_webpage(page)[0]
    assert read_webpage(page)[0].startswith("A sentence")
    assert read_webpage(page, whole=True)[0].startswith("A B C")


def test_a_table_around_the_text_of_a_page_becomes_paragraphs_and_a_long_cell_stays_in_its_table():
    prose = "".join(f"<p>Paragraph {number} of the essay has a number of words.</p>" for number in range(30))
    text, _ = read_webpage(f"<table><tr><td></td><td>{prose}</td><td></td></tr></table><p>End.</p>")
    assert "|" not in text and "Paragraph 0 of the essay has a number of words.\n\nParagraph 1" in text
    text, _ = read_webpage(f"<table><tr><td>Menu</td><td>{prose}</td></tr><tr><td>Foot</td></tr></table>")
    assert "|" not in text
    cells = "".join(f"<tr><td>{number}</td><td>{'word ' * 200}</td></tr>" for number in range(3))
    assert read_webpage(f"<table>{cells}</table>")[0].count("\n| ") >= 2


def test_a_long_table_is_divided_into_tables_with_its_header():
    rows = "".join(f"<tr><td>name {at}</td><td>{'value ' * 12}</td></tr>" for at in range(40))
    text, _ = read_webpage(
        f"<p>Before.</p><table><tr><th>Name</th><th>Value</th></tr>{rows}</table><p>After.</p>"
    )
    parts = text.split("\n\n")
    tables = [part for part in parts if part.startswith("| ")]
    assert len(tables) > 2 and all(len(table) <= 1100 for table in tables)
    assert all(table.startswith("| Name | Value |\n| --- | --- |\n| name ") for table in tables)
    assert [line for table in tables for line in table.split("\n")[2:]] == [
        f"| name {at} | {('value ' * 12).strip()} |" for at in range(40)
    ]
    code = "<pre>| a | b |\n| --- | --- |\n" + "| c | d |\n" * 300 + "</pre>"
    assert read_webpage(code)[0].count("| a | b |") == 1


def test_tabs_and_panels_that_a_reader_can_open_are_read():
    page = (
        f"<body><main><h1>T</h1>{PROSE}<div role=tabpanel>First tab.</div>"
        "<div role=tabpanel hidden>Second tab.</div>"
        "<button aria-controls='a b'>More</button>"
        "<div id=a hidden>First answer.</div><div id=b style='display: none'>Second answer.</div>"
        "<div id=c hidden>A template.</div><div><div hidden>A dialog.</div></div></main></body>"
    )
    text, _ = read_webpage(page)
    assert all(part in text for part in ("First tab.", "Second tab.", "First answer.", "Second answer."))
    assert "template" not in text and "dialog" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("<span><span hidden>Preferences</span><span hidden>Options</span></span>", "Choose Options now."),
        ("<span><span hidden>Preferences</span><span>Options</span></span>", "Choose Options now."),
        ("<span>Tools <span hidden>(old)</span></span>", "Choose Tools now."),
    ],
)
def test_of_words_that_are_all_hidden_the_last_is_read(words, said):
    assert said in read_webpage(f"<body>{PROSE}<p>Choose {words} now.</p></body>")[0]


def test_the_lines_of_code_that_doxygen_writes_are_code():
    line = '<div class="line"><span class="lineno">  {}</span>{}</div>'.format
    box = f'<div class="fragment">{line(1, "if (oil)")}{line(2, "<span>&#160; burn</span>();")}</div>'
    assert read_webpage(f"<p>See:</p>{box}<p>It burns.</p>")[0].strip() == (
        "See:\n\n```\nif (oil)\n  burn();\n```\n\nIt burns."
    )


def test_the_columns_of_javadoc_are_a_table():
    def cell(name, text):
        return f'<div class="{name}">{text}</div>'

    cells = [cell("table-header col-first", "Class"), cell("table-header col-last", "Description")]
    cells += [cell("col-first even-row-color", "Lamp"), cell("col-last", cell("block", "It burns."))]
    page = f'<p>All of it.</p><div class="summary-table two-column-summary">{"".join(cells)}</div>'
    assert (
        read_webpage(page)[0].strip().endswith("| Class | Description |\n| --- | --- |\n| Lamp | It burns. |")
    )


def test_links_with_arrows_beside_the_text_of_a_page_are_removed():
    links = '<a href="a">&lt;-previous</a><a href="b">next-&gt;</a>'
    body = "<p>" + "The lamp burns all night. " * 9 + "</p>"
    assert read_webpage(f"<div>{links}{body}</div>")[0].startswith("The lamp")
    words = '<a href="a">previous</a> and <a href="b">next</a> are words of this sentence about the order of things, too'
    assert "previous and next are" in read_webpage(f"<p>{words}.</p>{body}")[0]


def test_lists_around_sections_are_none_and_folded_code_is_code():
    page = "<ul><li><h2>Lamps</h2><p>They burn.</p><ul><li><h3>Oil</h3>Of whales.</li></ul></li></ul><ul><li>a</li></ul>"
    assert read_webpage(page)[0].strip() == "## Lamps\n\nThey burn.\n\n### Oil\n\nOf whales.\n\n- a"
    line = '<div class="line"><span class="lineno">1</span>{}</div>'.format
    box = f'<div class="fragment"><div class="foldopen">{line("a {")}{line("  b")}</div>{line("}")}</div>'
    assert read_webpage(f"<p>See:</p>{box}")[0].strip() == "See:\n\n```\na {\n  b\n}\n```"
