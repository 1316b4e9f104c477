"""Lists in Markdown, and a single line."""

from functools import cache
from typing import TYPE_CHECKING

from datagen.stages.shared.formats.parsed import NotTheFormat, Parsed

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


@cache
def markdown() -> "MarkdownIt":
    """Return the parser: CommonMark with tables, without HTML."""
    from markdown_it import MarkdownIt  # loaded when used, as recipes load all stages

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def block(text: str, name: str) -> "list[Token]":
    """Parse Markdown that is a single block of type `name`; return the tokens inside it."""
    environment: dict[str, object] = {}
    tokens = markdown().parse(text, environment)
    if environment.get("references"):
        raise NotTheFormat("a link definition, which is not rendered")
    if not tokens or tokens[0].type != f"{name}_open" or tokens[-1].type != f"{name}_close":
        raise NotTheFormat(f"not only a {name.replace('_', ' ')}")
    if sum(token.level == 0 for token in tokens) != 2:
        raise NotTheFormat(f"more than the {name.replace('_', ' ')}")
    return tokens[1:-1]


def numbered_list(text: str) -> Parsed:
    """Parse a list whose items are numbered from 1 without gaps."""
    tokens = block(text, "ordered_list")
    numbers = [token.info for token in tokens if token.type == "list_item_open" and token.level == 1]
    if numbers != [str(number) for number in range(1, len(numbers) + 1)]:
        raise NotTheFormat(f"numbered {', '.join(numbers)}")
    return _items(tokens)


def bulleted_list(text: str) -> Parsed:
    """Parse a list with bullets."""
    return _items(block(text, "bullet_list"))


def _items(tokens: "list[Token]") -> Parsed:
    """Collect the items of a list. Each must be text, not a nested list, heading or code block."""
    items: list[list[str]] = []
    for token in tokens:
        if token.type == "list_item_open":
            items.append([])
        elif token.type == "inline":
            items[-1].append(token.content)
        elif token.type not in ("list_item_close", "paragraph_open", "paragraph_close"):
            raise NotTheFormat(f"a {token.type.removesuffix('_open').replace('_', ' ')} inside an item")
    texts = [" ".join(" ".join(part).split()) for part in items]
    if not all(texts):
        raise NotTheFormat("an empty item")
    return Parsed((), tuple((text,) for text in texts))


def one_line(text: str) -> Parsed:
    """Parse a single line of text."""
    if len(text.splitlines()) != 1:
        raise NotTheFormat("more than one line")
    return Parsed((), ((text,),))
