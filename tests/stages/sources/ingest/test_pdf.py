"""The text of a PDF, in the order in which a person would read it."""

import pytest

from datagen.request import Reject
from datagen.stages.sources.ingest.pdf import _write_code, _write_table, read_pdf
from datagen.stages.sources.ingest.pdf.document import WRAP, Line
from datagen.stages.sources.ingest.pdf.pages import load
from datagen.stages.sources.ingest.pdf.words import Words
from tests.support.pdf import Put, lines, write_pdf

LEFT = [f"left line {number} tells of the river and the" for number in range(8)]
RIGHT = [f"right line {number} tells of the hills and of" for number in range(8)]
BODY = [
    f"Line {number} of a body that fills the whole width of the page up to its margin" for number in range(6)
]


def text_of(*pages, **kwargs):
    return read_pdf(write_pdf(pages, **kwargs)).markdown


def body(mark, count=6, y=700):
    return lines([f"{mark} {line}" for line in BODY[:count]], y=y)


@pytest.mark.parametrize("interleaved", [False, True])
def test_two_columns_are_read_one_after_the_other(interleaved):
    left, right = lines(LEFT), lines(RIGHT, x=330)
    puts = [put for pair in zip(left, right, strict=True) for put in pair] if interleaved else left + right
    text = text_of([Put(72, 740, "A title above both columns", 16), *puts])
    assert text.index("left line 7") < text.index("right line 0")
    assert text.startswith("# A title above both columns")
    assert "the left line 1" in text and "of right line 1" in text


def test_a_line_across_the_page_divides_columns_into_bands():
    def columns(mark, y):
        pairs = zip(
            lines([f"{mark} {t}" for t in LEFT], y=y),
            lines([f"{mark} {t}" for t in RIGHT], x=330, y=y),
            strict=True,
        )
        return [put for pair in pairs for put in pair]

    across = Put(
        72,
        560,
        "A line that runs across both of the columns, from the left margin to the right one, over the gutter",
    )
    text = text_of([*columns("upper", 700), across, *columns("lower", 520)])
    order = [
        text.index(part)
        for part in ("upper left", "upper right line 7", "runs across", "lower left line 0", "lower right")
    ]
    assert order == sorted(order)


def test_running_heads_and_page_numbers_are_removed_and_the_text_is_kept():
    pages = [
        [Put(72, 760, f"The Manual, chapter {at // 2 + 1}"), *body(f"P{at}"), Put(300, 30, str(at + 1))]
        for at in range(6)
    ]
    read = read_pdf(write_pdf(pages))
    assert "The Manual" not in read.markdown
    assert all(f"P{at} Line 0" in read.markdown for at in range(6))
    assert not any(line.strip().isdigit() for line in read.markdown.split("\n"))
    assert read.metadata["left_out"]["running heads"] == 12


@pytest.mark.parametrize("top", [760, 700])  # the second, far from the edge, is known by its page number
def test_a_running_head_that_repeats_a_title_on_one_page_is_removed(top):
    """As of LaTeX's articles, where each section has a head of its own."""
    pages = [[Put(72, 700, "3 Usage of lamps", 14), *body("A", 5, 670)]]
    pages += [[Put(72, top, "3 USAGE OF LAMPS"), Put(500, top, "7"), *body("B", 5, 660)]]
    pages += [[Put(72, top, "4 USAGE OF WICKS"), Put(500, top, "8"), *body("C", 5, 660)]]
    text = text_of(*pages)
    assert "3 USAGE" not in text and "3 Usage of lamps" in text
    assert "USAGE OF WICKS" in text  # no title; and what is within the text is kept
    assert (
        "Usage of lamps" in text_of(pages[0], [*body("B"), Put(72, 595, "Usage of lamps")]).partition("B")[2]
    )


def test_page_numbers_far_from_the_edge_are_removed():
    """As where pages that were set for letter are on A4; what else repeats there is text."""
    pages = [[*body(f"P{at}", 20), Put(72, 135, "Notes"), Put(300, 110, str(at + 1))] for at in range(6)]
    read = read_pdf(write_pdf(pages))
    assert read.metadata["left_out"]["running heads"] == 6
    assert read.markdown.count("Notes") == 6


def test_a_number_that_is_not_a_page_number_is_kept():
    pages = [[Put(72, 760, number), *body(f"P{at}")] for at, number in enumerate(["1789", "1848", "1815"])]
    text = text_of(*pages)
    assert all(number in text for number in ("1789", "1848", "1815"))


def test_the_repeated_title_of_slides_is_one_heading():
    pages = [[Put(72, 700, "Our results", 24), *body(f"P{at}", 2, 600)] for at in range(3)]
    text = text_of(*pages)
    assert text.count("# Our results") == 1


def test_paragraphs_continue_across_pages():
    first = [
        *body("One", 5),
        Put(72, 640, "and this sentence fills its line and it goes on at the top of the next page with"),
    ]
    second = lines(
        ["more words until it ends here.", "Another paragraph begins in this line, and it fills the width."]
    )
    assert "next page with more words until it ends here." in text_of(first, second)


def test_hyphens_at_line_ends_follow_the_other_words_of_the_document():
    puts = lines(
        [
            "The algorithms of a general-purpose machine are written here in full, on one long line.",
            "A line that is as long as the others are, and ends with a word broken in two: algo-",
            "rithms are what it was, and a second one is as long as this and ends with general-",
            "purpose, and the last one is a word that the text has nowhere else, it is inter-",
            "rupted here.",
        ]
    )
    text = text_of(puts)
    assert "two: algorithms are" in text
    assert "with general-purpose, and" in text
    assert "interrupted here" in text
    assert "\x02" not in text


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        ("the post-\x02", "1990 years", "the post--1990 years"),
        ("in the US\x02", "ASCII set", "in the US-ASCII set"),
        ("high\x02", "lights", "highlights"),
        ("日本語の文", "章である", "日本語の文章である"),
        ("plain words", "go on", "plain words go on"),
        ("see https://example.org/", "path for it", "see https://example.org/path for it"),
    ],
)
def test_broken_lines_are_joined_correctly(before, after, joined):
    assert Words(["words of a document"]).join([before, after]) == joined


def test_headings_come_from_the_outline_and_only_from_it():
    page = [
        Put(72, 740, "2.1 Ways to go", 10, "bold"),
        *body("A"),
        Put(72, 600, "Merely bold words", 10, "bold"),
        *body("B", y=570),
    ]
    text = text_of(page, outline=[("Ways to go", 0)])
    assert [line for line in text.split("\n") if line.startswith("#")] == ["# 2.1 Ways to go"]


def test_without_an_outline_headings_and_levels_follow_size_and_weight():
    page = [
        Put(72, 750, "Chapter words", 18),
        *body("A"),
        Put(72, 600, "Section words", 14),
        *body("B", y=570),
        Put(72, 470, "Bold words", 10, "bold"),
        *body("C", y=445),
    ]
    text = text_of(page)
    assert [line for line in text.split("\n") if line.startswith("#")] == [
        "# Chapter words",
        "## Section words",
        "### Bold words",
    ]


def test_a_table_keeps_its_rows():
    rows = [
        ("Name", "Unit", "Value"),
        ("Length", "metre", "12"),
        ("Weight", "kilo", "7"),
        ("Time", "second", "60"),
    ]
    puts = [
        Put(x, 500 - 14 * at, cell)
        for at, row in enumerate(rows)
        for x, cell in zip((72, 200, 330), row, strict=True)
    ]
    read = read_pdf(write_pdf([[*body("A"), *puts, *body("B", y=400)]]))
    assert "| Name | Unit | Value |\n| --- | --- | --- |\n| Length | metre | 12 |" in read.markdown
    assert read.metadata["tables"] == 1


def test_the_figures_at_a_plots_axes_are_removed_and_counted():
    ticks = [Put(x, 500 - 20 * at, str(10 * at + x)) for at in range(4) for x in (72, 200, 330)]
    read = read_pdf(write_pdf([[*body("A"), *ticks, *body("B", y=380)]]))
    assert "| " not in read.markdown
    assert read.metadata["left_out"] == {"tables": 1}


def test_authors_and_the_date_below_the_title_are_no_headings():
    def text(*lines, page=()):
        puts = [Put(200, 750 - 40 * at, line, 20 - 3 * (at > 0)) for at, line in enumerate(lines)]
        return text_of([*puts, *body("A", y=500)], [*page, *body("B", y=600)])

    paper = text(
        "The Oil Lamp", "Ann Lee", "9th September 2016", "1 Light", page=[Put(72, 700, "Ann Lee", 17)]
    )
    assert (
        "# The Oil Lamp\n\nAnn Lee\n\n9th September 2016\n\n## 1 Light\n" in paper and "## Ann Lee" in paper
    )
    assert "# The Oil Lamp\n\nAnn Lee\n\n## Light" in text("The Oil Lamp", "Ann Lee", "Light")
    assert "## Part One\n\n## Light" in text("The Oil Lamp", "Part One", "Light")
    for date in ("May 1996", "9 May, 2016", "2016-05-09", "December 12th, 2009"):
        assert f"# The Oil Lamp\n\n{date}" in text("The Oil Lamp", date)
    later = [
        Put(200, 750 - 40 * at, line, 20 - 3 * (at > 0)) for at, line in enumerate(("Part", "Ann Lee", "Oil"))
    ]
    assert "## Ann Lee" in text_of(body("A"), [*later, *body("B", y=500)])
    assert "## Light since 1945" in text("The Oil Lamp", "Light since 1945")


def test_the_quarters_of_an_axis_are_figures_and_roman_numbers_of_rows_with_words_are_kept():
    axis = table([("2001", "2001", "2002"), ("II", "IV", "II"), ("III", "I", "IV")], 500)
    read = read_pdf(write_pdf([[*body("A"), *axis, *body("B", y=400)]]))
    assert "| " not in read.markdown and read.metadata["left_out"] == {"tables": 1}
    wards = table([("Ward", "Beds", "Nurses"), ("I", "12", "4"), ("II", "9", "3")], 500)
    assert "| II | 9 | 3 |" in text_of([*body("A"), *wards, *body("B", y=400)])


def test_contents_with_leaders_are_removed():
    entries = lines([f"{at} A chapter of it . . . . . . . . . . . . . {at + 3}" for at in range(1, 7)])
    read = read_pdf(write_pdf([[Put(72, 740, "Contents", 16), *entries], body("A")]))
    assert "A chapter of it" not in read.markdown
    assert read.metadata["left_out"]["lines of contents"] == 6


def test_code_keeps_its_lines_and_indents():
    code = [
        Put(72, 560, "def go(on):", 10, "mono"),
        Put(96, 548, "return on", 10, "mono"),
    ]
    assert "```\ndef go(on):\n    return on\n```" in text_of([*body("A"), *code, *body("B", y=500)])


def test_list_items_are_marked():
    items = [
        Put(80, 560, "•"),
        Put(95, 560, "first of them"),
        Put(80, 546, "•"),
        Put(95, 546, "second of them"),
    ]
    text = text_of([*body("A"), *items])
    assert "- first of them\n\n- second of them" in text


def test_sideways_text_is_removed():
    stamp = b"BT /regular 10 Tf 0 1 -1 0 30 300 Tm (arXiv:1234.5678v1 a stamp in the margin) Tj ET\n"
    read = read_pdf(write_pdf([body("A")], extra=stamp))
    assert "stamp" not in read.markdown
    assert read.metadata["left_out"] == {"sideways lines": 1}


def test_a_rotated_page_is_read():
    turned = b"".join(
        b"BT /regular 10 Tf 0 1 -1 0 %d 72 Tm (%s) Tj ET\n" % (100 + 12 * at, line.encode())
        for at, line in enumerate(BODY)
    )
    text = text_of([], extra=turned)
    assert text.index("Line 0") < text.index("Line 5")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            write_pdf([[]], extra=b"q 600 0 0 700 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x00 EI Q\n"),
            "no text layer",
        ),
        (write_pdf([[]]), "no text layer"),
        (b"%PDF-1.4 and then nothing", "unreadable file"),
        (b"", "unreadable file"),
        (b"<html>no PDF</html>", "unreadable file"),
        (write_pdf([body("A")])[:300], "unreadable file"),
        (
            write_pdf(
                [body("A")],
                trailer=b"/ID[(0123456789abcdef)(0123456789abcdef)]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O("
                + b"o" * 32
                + b")/U("
                + b"u" * 32
                + b")>>",
            ),
            "encrypted",
        ),
    ],
)
def test_a_pdf_without_text_is_rejected_with_a_reason(data, reason):
    with pytest.raises(Reject) as caught:
        read_pdf(data)
    assert caught.value.reason == reason
    assert caught.value.detail


def test_the_title_is_the_stated_one_or_the_largest_line():
    page = [Put(72, 740, "Largest of all lines", 20), *body("A")]
    assert read_pdf(write_pdf([page], title="The stated one")).title == "The stated one"
    assert read_pdf(write_pdf([page], title="Microsoft Word - draft.doc")).title == "Largest of all lines"


def test_the_titles_of_slides_are_headings_though_the_outline_has_only_parts():
    slide = write_pdf(
        [
            [
                Put(40, 340, "The slide's own title", 20),
                *lines(["a line of it", "another of them"], x=40, y=250),
            ]
        ]
        * 2,
        outline=[("a line of it", 0)],
    ).replace(b"0 0 612 792", b"0 0 600 400")
    assert read_pdf(slide).markdown.startswith("# The slide's own title")


def test_text_from_right_to_left_comes_in_reading_order_in_two_columns():
    """The glyphs are in the order of the page, from left to right."""

    def drawn(words, x, y):
        return Put(x, y, words[::-1], 10, "hebrew")

    right = [
        drawn(f"abcd efgh {letter * 4} klmn opqr stuv abcd efgh ijkl", 330, 700 - 12 * at)
        for at, letter in enumerate("abcdef")
    ]
    left = [
        drawn(f"zzzz yyyy {letter * 4} xxxx wwww vvvv uuuu tttt ssss", 72, 700 - 12 * at)
        for at, letter in enumerate("abcdef")
    ]
    text = text_of([put for pair in zip(left, right, strict=True) for put in pair])
    to_hebrew = str.maketrans({chr(97 + at): chr(0x5D0 + at) for at in range(26)})
    assert text.startswith("abcd efgh aaaa klmn".translate(to_hebrew))
    assert text.index("ffff".translate(to_hebrew)) < text.index("zzzz yyyy aaaa".translate(to_hebrew))


def test_a_chapters_label_is_replaced_by_its_title():
    page = [
        Put(72, 750, "CHAPTER", 10),
        Put(72, 735, "FIVE", 10),
        Put(72, 710, "Ways to go", 20),
        *body("A", y=670),
    ]
    assert text_of(page, outline=[("Ways to go", 0)]).startswith("# Ways to go\n\nA Line 0")
    assert "FIVE" in text_of([Put(72, 735, "FIVE", 10), *body("A")], outline=[("Line 3 of a body", 0)])


def test_halves_of_a_broken_word_are_no_words():
    assert set(Words(["it is inter\x02", "rupted here"]).counts) == {"it", "is", "here"}


def test_columns_stored_bottom_up_are_read_top_down():
    text = text_of(lines(LEFT)[::-1] + lines(RIGHT, x=330)[::-1])
    assert (
        text.index("left line 0")
        < text.index("left line 7")
        < text.index("right line 0")
        < text.index("right line 7")
    )


def slide(title, *texts, number=0, size=12, left=60):
    wide = [Put(left, 150 - 16 * at, text, size) for at, text in enumerate(texts)]
    return [Put(left, 200, title, size), *wide, Put(700, 10, f"1.{number}", 6)]


SLIDES = [
    ("Why lamps are lit", "A lamp is lit at dusk,", "and put out at dawn."),
    ("How a wick is cut", "The wick is cut with care,", "so that it does not smoke."),
    ("Who keeps the light", "A keeper climbs the stairs,", "and winds the clock."),
    ("What it all costs", "Oil is dear in winter,", "and the keeper is paid."),
    ("Where we go next", "There are more lamps to see.", "Thank you for listening."),
]


def slides_of(*pages):
    return read_pdf(write_pdf(pages, size=(792, 220)))


def test_slides_lose_their_sidebar_and_keep_their_titles():
    sidebar = [Put(640, 180 - 12 * at, f"Part {name}", 5) for at, name in enumerate("ABCD")]
    read = slides_of(*([*slide(*texts, number=at), *sidebar] for at, texts in enumerate(SLIDES)))
    assert read.markdown.startswith("# Why lamps are lit\n\nA lamp is lit at dusk,")
    assert all(f"# {title}\n\n" in read.markdown for title, *_ in SLIDES)
    assert "Part" not in read.markdown and "1.3" not in read.markdown
    assert read.metadata["left_out"]["running heads"] == 5 * 5


def test_a_slide_that_builds_up_is_read_once():
    title, first, second = SLIDES[0]
    steps = [
        slide(title, first, number=1),
        slide(title, first, second, number=2),
        slide(*SLIDES[1], number=3),
    ]
    read = slides_of(*steps)
    assert read.markdown.count(first) == 1 and second in read.markdown
    assert read.metadata["pages"] == 3 and read.metadata["left_out"]["steps of slides"] == 1


def test_the_label_of_a_signature_is_removed_and_ends_it():
    signature = [Put(72, 700, "light (lamp, wick, oil)"), Put(480, 700, "[Function]")]
    text = text_of([*signature, *lines(BODY[:3], x=100, y=688)])
    assert text.startswith("light (lamp, wick, oil)\n\nLine 0 of a body") and "[Function]" not in text


def test_signs_and_ticks_without_words_are_removed_and_counted():
    ticks = [Put(90, 500, "0.2"), Put(300, 460, "+"), Put(90, 420, "•"), Put(90, 380, "0.4 0.6 •")]
    read = read_pdf(
        write_pdf([[*body("A"), *ticks, Put(90, 340, "In 1789 it was lit."), Put(90, 300, "1815")]])
    )
    assert read.markdown.endswith("In 1789 it was lit.\n\n1815") and "0.2" not in read.markdown
    assert read.metadata["left_out"]["fragments"] == 4


def test_formulas_with_only_a_greek_letter_between_them_are_one_marker():
    def pieces(y):
        return [Put(200, y + 10, "1"), Put(180, y, "M = "), Put(215, y, "µ(y , ±)"), Put(200, y - 15, "n")]

    between = Put(90, 560, "- µ, (4)")
    text = text_of([*body("A"), *pieces(600), between, *pieces(530), *body("B", y=490)])
    assert text.count("[formula]") == 1 and "µ" not in text


def test_the_large_running_heads_of_a_book_are_removed():
    pages = [[Put(72, 760, "Command Codes", 18), *body(f"P{at}")] for at in range(6)]
    read = read_pdf(write_pdf(pages))
    assert "Command" not in read.markdown and read.metadata["left_out"]["running heads"] == 6


def test_the_arabic_ligature_of_two_letters_keeps_their_order():
    """The lines are stored from left to right; the article, alef and lam, is two glyphs."""
    alef, lam = "\u0627", "\u0644"
    text = text_of([Put(300, 700, "xl la xlla", font="arabic"), Put(300, 688, "llx alx", font="arabic")])
    written = ("allla", "al", "lla", "lala", "lall")
    assert text == " ".join(written).replace("a", alef).replace("l", lam)


def test_numbered_titles_at_the_top_of_pages_are_kept():
    """They differ only by their numbers, as the versions of a list of changes do."""
    pages = [[Put(72, 760, f"2.{at} Version 4.{at}", 16), *body(f"P{at}")] for at in range(6)]
    text = text_of(*pages)
    assert all(f"2.{at} Version 4.{at}" in text for at in range(6))


def test_a_table_of_contents_without_leaders_is_removed():
    entries = [("1 Introduction", "1"), ("2 Rules", "2"), ("3 Usage", "9")]
    rows = [
        put
        for at, (name, page) in enumerate(entries)
        for put in (Put(72, 650 - 14 * at, name), Put(500, 650 - 14 * at, page))
    ]
    read = read_pdf(write_pdf([[Put(72, 680, "Contents", 14), *rows, *body("A", y=560)]]))
    assert "Usage" not in read.markdown and "Contents" not in read.markdown and "A Line 5" in read.markdown
    assert read.metadata["left_out"]["lines of contents"] == 3
    figures = read_pdf(write_pdf([[Put(72, 680, "Results", 14), *rows, *body("A", y=560)]]))
    assert "| 3 Usage | 9 |" in figures.markdown


def test_items_with_dashes_are_separate_although_a_longer_one_would_fit():
    items = [
        Put(90, 700 - 12 * at, f"– {name}") for at, name in enumerate(("pMeasureBound", "pLine", "pHatch"))
    ]
    assert text_of(items + body("A", y=600)).startswith("- pMeasureBound\n\n- pLine\n\n- pHatch\n\n")


def test_a_prompt_at_the_start_of_any_line_of_a_paragraph_is_no_heading():
    typed = lines(["Then type these:", "# apt update", "# apt upgrade"])
    assert "\n\\# apt update\n\\# apt upgrade" in text_of([*typed, *body("A", y=600)])


def test_an_address_broken_after_its_scheme_is_joined():
    assert (
        Words([]).join(["at https://", "example.org/a/", "b and/", "or"])
        == "at https://example.org/a/b and/ or"
    )


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        ("in src/", "devices/lamp.c and", "in src/devices/lamp.c and"),
        ("below /usr/", "sbin, where", "below /usr/sbin, where"),
        ("wicks and/", "or oil", "wicks and/or oil"),
        ("the folder src/", "contains lamps", "the folder src/ contains lamps"),
        ("from /usr/", "/bin is", "from /usr/ /bin is"),
    ],
)
def test_a_path_broken_after_a_slash_is_joined_if_it_is_one(before, after, joined):
    words = Words(["Files in /usr/sbin (and/or elsewhere) are", before, after])
    assert words.join([before, after]) == joined


def test_accents_printed_over_their_letters_are_composed_and_apostrophes_are_kept():
    """TeX's older fonts have no accented letters: the accent is a glyph of its own above the next letter."""
    over = rb"BT /regular 10 Tf 72 700 Td [(Ren) 0 (\264) 333 (e wrote it.)] TJ ET "
    text = read_pdf(write_pdf([[*lines(["It´s l´eau."], y=688), *body("A", y=660)]], extra=over)).markdown
    assert "Ren\u00e9 wrote it." in text
    assert "It´s l´eau." in text


def test_an_accent_written_after_the_line_is_composed_with_the_letter_below_it():
    over = rb"BT /regular 10 Tf 72 700 Td [(grun ist es.) 3891 (\250)] TJ ET "
    far = rb"BT /regular 10 Tf 72 640 Td [(grun ist es.) 100 (\250)] TJ ET "
    text = read_pdf(write_pdf([body("A", y=600)], extra=over + far)).markdown
    assert "gr\u00fcn ist es." in text and "grun ist es.¨" in text.replace(" ¨", "¨")


def table(rows, y, xs=(72, 200, 330)):
    return [
        Put(x, y - 14 * at, cell)
        for at, row in enumerate(rows)
        for x, cell in zip(xs, row, strict=True)
        if cell
    ]


HEADER = ("Name", "Unit", "Value")
FIRST = [HEADER, ("Length", "metre", "12"), ("Weight", "kilo", "7"), ("Time", "second,", "60")]
REST = [
    ("", "or minute", "(a guess)"),
    ("Force", "newton", "3"),
    ("Power", "watt", "4"),
    ("Light", "lumen", "5"),
]


@pytest.mark.parametrize(
    ("rest", "row"), [([HEADER, *REST[1:]], "second, | 60"), (REST, "second, or minute | 60 (a guess)")]
)
def test_a_table_goes_on_on_the_next_page(rest, row):
    """A header that is printed again is left out, and the rest of a divided row joins it."""
    pages = [[*body("A"), *table(FIRST, 200)], [*table(rest, 720), *body("B", y=600)]]
    read = read_pdf(write_pdf(pages))
    assert f"| Time | {row} |\n| Force | newton | 3 |\n| Power | watt | 4 |" in read.markdown
    assert read.metadata["tables"] == 1 and read.markdown.count("| Name | Unit | Value |") == 1


@pytest.mark.parametrize(
    "second",
    [
        [*body("B", y=720), *table(FIRST, 600)],
        [*table([row[:2] for row in FIRST], 720, (72, 330)), *body("B", y=600)],
        [*table(FIRST, 720, (120, 300, 460)), *body("B", y=600)],
    ],
)
def test_another_table_on_the_next_page_is_another_table(second):
    read = read_pdf(write_pdf([[*body("A"), *table(FIRST, 200)], second]))
    assert read.metadata["tables"] == 2


def test_without_an_outline_a_chapters_label_is_replaced_by_its_title():
    """A large title may end with a full stop; a large sentence among the text, and other labels, stay."""

    def chapter(number, title):
        heads = [Put(72, 740, f"Chapter {number}", 24, "bold"), Put(72, 690, title, 24, "bold")]
        return [*heads, *body(title.rstrip("."), y=600)]

    read = read_pdf(
        write_pdf([chapter(1, "Tests on lamps."), chapter(2, "Wicks"), [Put(72, 740, "Part 3", 24)]])
    )
    headings = [line for line in read.markdown.split("\n") if line.startswith("#")]
    assert headings == ["# Tests on lamps.", "# Wicks", "# Part 3"]


def test_the_raised_number_of_a_note_does_not_move_its_line():
    """As in FOP's files: the reference to a note is the first character after a wide gap."""
    puts = [
        Put(72, 700, "The rest of a line about lamps."),
        Put(262, 704.5, "18", 6),
        Put(270, 700, "Lamps are lit when it is known"),
        Put(72, 688, "that a ship is near, and they are put out when it has passed the island at dawn."),
    ]
    assert "about lamps. 18 Lamps are lit when it is known that a ship" in text_of(puts, body("A"))


def test_running_heads_that_change_by_chapter_or_contain_the_page_number_are_removed():
    """In a long book a chapter's head is on too few pages to count; its neighbours decide."""
    pages = [
        [Put(72, 760, f"{word} keepers"), Put(72, 30, f"{at} The Lamp Manual"), *body(f"P{at}", 3)]
        for at in range(90)
        for word in ["ABCDEFGHIJ"[at // 3 % 10] * (at // 30 + 2)]
    ]
    read = read_pdf(write_pdf(pages))
    assert "keepers" not in read.markdown and "The Lamp Manual" not in read.markdown
    assert read.metadata["left_out"]["running heads"] == 180


def test_a_hyphen_stays_where_the_document_mostly_has_it():
    words = Words(
        ["an e-mail, one more e-mail and an email; a data-base, a database and one more database", "x"]
    )
    assert words.join(["by e\x02", "mail"]) == "by e-mail"
    assert words.join(["in a data\x02", "base"]) == "in a database"


def test_numbered_headings_of_one_size_have_the_depth_of_their_numbers():
    titles = ["1 Lamps", "1.1 Oil lamps", "1.1.1 Wicks", "2 Bells"]
    puts = [
        put
        for at, title in enumerate(titles)
        for put in (Put(72, 740 - 150 * at, title, 10, "bold"), *body(title.split()[1], 4, y=710 - 150 * at))
    ]
    headings = [line for line in text_of(puts).split("\n") if line.startswith("#")]
    assert headings == ["# 1 Lamps", "## 1.1 Oil lamps", "### 1.1.1 Wicks", "# 2 Bells"]


def test_the_rules_of_a_table_divide_its_rows():
    """Every cell of a row may have several lines, also the first."""
    cells = [
        *table([("Name", "Unit", "Value")], 514),
        *table([("Height of", "metre", "12"), ("the lamp", "or foot", "or 40")], 496),
        *table([("Weight", "kilo", "7")], 464),
        *table([("Light", "lumen", "5")], 446),
    ]
    rules = b"".join(b"72 %d m 400 %d l S " % (y, y) for y in (526, 508, 476, 458, 440))
    text = read_pdf(write_pdf([[*cells, *body("A", y=400)]], extra=rules)).markdown
    assert "| Height of the lamp | metre or foot | 12 or 40 |\n| Weight | kilo | 7 |" in text


def test_lines_with_few_aligned_pieces_are_no_table():
    """As the labels of a figure."""
    labels = [("Mast", "Lamp", "", "", ""), ("Rope", "", "Bell", "", "")]
    labels += [("Reef", "", "", "Buoy", ""), ("Tide", "", "", "", "Sail")]
    pieces = table(labels, 500, (72, 150, 230, 310, 390))
    assert "| ---" not in text_of([*body("A"), *pieces, *body("B", y=300)])


@pytest.mark.parametrize(("font", "is_heading"), [("cmr", False), ("unnamed", True)])
def test_thick_stems_make_a_heading_unless_the_font_is_named_as_regular(font, is_heading):
    """TeX's regular fonts have stems as thick as those of bold fonts."""
    line = Put(72, 560, "The value of the integral is written as", 10, font)
    assert ("# The value" in text_of([*body("A"), line, *body("B", y=500)])) == is_heading


def test_the_pieces_of_a_displayed_formula_are_no_table():
    pieces = table(
        [("µ = E(T", "p", "± = vec"), ("= cov", "q", "µ = ("), ("2 = max", "n", "1")], 500, (72, 150, 230)
    )
    text = text_of([*body("A"), *pieces, *body("B", y=400)])
    assert "| ---" not in text
    assert not any(piece in text for piece in ("E(T", "cov", "max"))
    assert "\n\n[formula]\n\n" in text


def test_a_table_with_signs_of_formulas_among_words_is_a_table():
    rows = [("Symbol", "Meaning", "Unit"), ("µ", "friction", "none"), ("p = F", "pressure", "pascal")]
    text = text_of([*body("A"), *table([*rows, ("v", "velocity", "knots")], 500), *body("B", y=400)])
    assert "| µ | friction | none |" in text


def test_notes_in_the_margin_make_no_table_of_a_paragraph():
    prose = [
        "However, note that the code in this hook is always part of the same",
        "preamble and that it is run once for each document, after the",
        "class was read.",
    ]
    notes = ["New", "since", "1995"]
    pieces = table(list(zip(prose, notes, strict=True)), 500, (72, 420))
    assert "| ---" not in text_of([*body("A"), *pieces, *body("B", y=400)])


def test_a_formula_in_pieces_is_one_marker_and_counted_and_one_on_a_line_is_kept():
    pieces = [Put(200, 610, "1"), Put(180, 600, "M = "), Put(215, 600, "µ(y , ±)"), Put(200, 585, "n")]
    items = lines(["- a = µ", "- b = 2"], y=480)
    one = Put(180, 440, "a² + b² = c±")
    read = read_pdf(write_pdf([[*body("A"), *pieces, *body("B", y=560), *items, one, *body("C", y=400)]]))
    assert read.markdown.count("[formula]") == 1
    assert (
        read.markdown.index("A Line 5") < read.markdown.index("[formula]") < read.markdown.index("B Line 0")
    )
    assert read.metadata["left_out"]["pieces of formulas"] >= 2
    assert all(kept in read.markdown for kept in ("- a = µ", "- b = 2", "a² + b² = c±"))


def test_commands_after_prompts_are_code_though_their_font_is_not_monospaced():
    commands = ["> fit <- lm(y ~ x, data = cars,", "weights = w)", "> print(fit)", "[1] TRUE", "> plot(fit)"]
    text = text_of([*body("A"), *lines(commands, y=610), *body("B", y=500)])
    assert "```\n" + "\n".join(commands) + "\n```" in text
    assert "A Line 5" in text.split("```")[0] and "B Line 0" in text.split("```")[2]


def test_a_quotation_with_a_sign_before_its_lines_is_no_code():
    quoted = ["> she wrote to him", "> that nobody came", "> and left", "> before noon"]
    assert "```" not in text_of([*body("A"), *lines(quoted, y=610), *body("B", y=500)])


def test_a_line_of_code_that_the_page_breaks_is_joined():
    """As dblatex marks it, with an arrow at the end, and Sphinx, with one before the rest."""
    code = [Line(text, 72, 300, 100 + 12 * at, 10, mono=True) for at, text in enumerate(CODE)]
    assert _write_code(code) == "```\necho deb https://example.org/list\ncat list\nrun it now\nend\n```"


CODE = ["echo deb https://example.org/" + WRAP, "    list", "cat list", "run it␣", WRAP + "now", "end"]


@pytest.mark.parametrize(
    ("arrow", "text"),
    [("before", "the lamp " + WRAP), ("after", WRAP + "the lamp"), ("none", "the lamp")],
)
def test_an_arrow_in_another_font_marks_a_broken_line(arrow, text):
    puts = [Put(72, 700, "the lamp ", 10, "mono")]
    if arrow != "none":
        puts.append(
            Put(130 if arrow == "before" else 60, 700, "b" if arrow == "before" else "c", 10, "arrows")
        )
    (page,) = load(write_pdf([puts])).pages
    assert [(line.text, line.mono) for line in page.lines] == [(text.replace(" " + WRAP, WRAP), True)]


def test_a_family_that_is_not_monospaced_is_no_code_though_its_flags_say_so():
    pages = [[*body("A"), Put(72, 600, "Where to find more", 10, "claimed"), *body("B", y=570)]]
    assert "```" not in text_of(*pages) and "`Where" not in text_of(*pages)


def test_the_parts_of_a_long_table_have_its_header():
    rows = [("Lamp", "Keeper of it", "Town")] + [
        (f"lamp {at}", f"keeper {at}", f"town {at}") for at in range(60)
    ]
    written = _write_table(rows)
    assert written.count("| Lamp | Keeper of it | Town |\n| --- | --- | --- |") == 3
    assert "lamp 59" in written and not written.endswith("\n")


def test_a_running_foot_in_a_monospaced_font_on_left_and_right_pages_is_removed():
    pages = [
        [
            *body(f"P{at}"),
            Put(72 if at % 2 else 400, 30, "All of the lamps" + (f" {at}" if at % 2 else ""), 9, "mono"),
        ]
        for at in range(8)
    ]
    assert "All of the lamps" not in text_of(*pages)
