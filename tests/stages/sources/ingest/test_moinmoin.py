"""Pages of MoinMoin: macros are removed, and code, tables and lists are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.sources.ingest.readers.mediawiki import to_markdown

PAGE = """#format wiki
#language en
## a comment
= Mouse Support =
<<TableOfContents(2)>>
See <<Color2(green,the include file)>>, or {{{SDL_mouse.h}}}.<<FootNote(Since 2.0)>><<BR>>Next line.

 * one
   * deeper
 * two

 1. first
 1. second

||<tablewidth="80%"> '''Name''' || Use ||
|| a || {{{x < 1}}} ||

{{{#!highlight c
int main(void) { return 0; }
}}}
{{{
plain <<Macro(1)>> text
}}}
----
CategoryMouse, CategoryEvents
"""


def test_a_page_of_moinmoin():
    assert to_markdown(PAGE) == (
        "# Mouse Support\n\n"
        "See the include file, or `SDL_mouse.h`. (Since 2.0)\nNext line.\n\n"
        "- one\n  - deeper\n- two\n\n"
        "1. first\n1. second\n\n"
        "| Name | Use |\n| --- | --- |\n| a | `x < 1` |\n\n"
        "```c\nint main(void) { return 0; }\n```\n\n"
        "```\nplain <<Macro(1)>> text\n```"
    )


@pytest.mark.parametrize(
    "macro", ["<<FullSearch(category:A -B)>>", "<<Include(Page,,from=a)>>", "<<Anchor(x)>>", "<<Date>>"]
)
def test_macros_without_text_are_removed(macro):
    assert to_markdown(f"Before {macro}after.").split() == ["Before", "after."]


def test_a_list_after_a_paragraph_begins_at_the_left():
    page = "<<BR>>\n * one\n   * deeper\n\nText.\n\n   * two"
    assert to_markdown(page) == "- one\n  - deeper\n\nText.\n\n- two"


def test_categories_at_the_end_and_marks_of_raised_text_are_removed():
    page = "<!-- pragma section-numbers off -->\nThe ^item^ has H,,2,,O.\n----\n[[CategoryAPI]], [[CategoryPixels]]\n"
    assert to_markdown(page).strip() == "The item has H2O."


@pytest.mark.parametrize(
    "page", ["a << b and c >> d", "1 <<2>> 3 is no macro (2)", "# item\n## deeper", "||x||"]
)
def test_pages_of_mediawiki_are_read_as_such(page):
    assert to_markdown(f"{page}\n\n{{{{{{1|shown}}}}}}").count("<source") == 0
    assert to_markdown("# item\n## deeper") == "1. item\n  1. deeper"


@given(
    st.lists(
        st.sampled_from(["<<", ">>", "{{{", "}}}", "||", "\n", " * ", "a", "<<BR>>", "#!c", "<", "|"]),
        max_size=30,
    )
)
def test_any_page_is_converted(parts):
    assert "\x01" not in to_markdown("<<BR>>" + "".join(parts))
