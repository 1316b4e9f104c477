"""Wikitext, as in Wikipedia: headings, lists, tables and text, without templates and references."""

import html
import re
from collections.abc import Iterator

from datagen.stages.sources.ingest.decoding import unusual
from datagen.stages.sources.ingest.readers.moinmoin import is_moinmoin, to_mediawiki
from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.record import File, Record

DROPPED = re.compile(
    r"<!--.*?-->|<ref[^>]*/>|<ref\b[^>]*>.*?</ref>|<(gallery|math|timeline|score)\b[^>]*>.*?</\1>|__[A-Z]+__",
    re.DOTALL | re.IGNORECASE,
)
INNERMOST = re.compile(r"\{\{(?:[^{}]|\{(?!\{)|\}(?!\}))*\}\}")
MEDIA = re.compile(
    r"\[\[(?:File|Image|Datei|Bild|Fichier|Archivo|Category|Kategorie|Catégorie|Categoría):[^\[\]]*(?:\[\[[^\[\]]*\]\][^\[\]]*)*\]\]",
    re.IGNORECASE,
)
LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
OUTER_LINK = re.compile(r"\[(?:https?:)?//[^\s\]]+(?:\s+([^\]]*))?\]")
EMPHASIS = re.compile(r"'{2,5}")
CODE = re.compile(r"<(syntaxhighlight|source|pre)\b([^>]*)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
LITERAL = re.compile(r"<(code|tt|kbd|samp|var)>([^<>`\n]*)</\1>", re.IGNORECASE)
FENCE = re.compile(r"^```.*?^```[ \t]*$", re.DOTALL | re.MULTILINE)  # of Markdown, which some wikis mix in
RULE = re.compile(r"-{4,}")
CODE_LANGUAGE = re.compile(r'lang\s*=\s*"?(\w+)')
TAG = re.compile(
    r"</?(?:nowiki|noinclude|includeonly|span|div|small|big|sub|sup|u|s|b|i|br|center|blockquote|p|onlyinclude)\b[^<>]*>",
    re.IGNORECASE,
)
HEADING = re.compile(r"(={1,6})\s*(.*?)\s*\1\s*")
LIST = re.compile(r"([*#:;]+)\s*(.*)")
CELL_STYLE = re.compile(r"^[^|\[\]]*=[^|\[\]]*\|(?!\|)")
MAX_NESTED = 20  # templates within templates


def read(file: File) -> Iterator[Record]:
    """Read a page."""
    text, encoding = file.text()
    yield Record(to_markdown(text), metadata=unusual(encoding))


def to_markdown(text: str) -> str:
    """Convert wikitext to Markdown."""
    if is_moinmoin(text):
        text = to_mediawiki(text)
    text = DROPPED.sub("", text.replace("\r\n", "\n"))
    codes: list[str] = []

    def keep(match: re.Match[str]) -> str:
        language = CODE_LANGUAGE.search(match[2])
        codes.append(f"```{language[1] if language else ''}\n{match[3].strip(chr(10))}\n```")
        return f"\n\x00{len(codes) - 1}\x00\n"

    def keep_fence(match: re.Match[str]) -> str:
        codes.append(match[0])
        return f"\x00{len(codes) - 1}\x00"

    text = FENCE.sub(keep_fence, CODE.sub(keep, text))
    for _ in range(MAX_NESTED):
        text, count = INNERMOST.subn("", text)
        if not count:
            break
    text = EMPHASIS.sub("", LINK.sub(r"\1", MEDIA.sub("", text)))
    text = LITERAL.sub(r"`\2`", text)
    text = html.unescape(TAG.sub(" ", OUTER_LINK.sub(lambda match: match[1] or "", text)))
    written = "\n".join(_lines(text.split("\n")))
    written = re.sub("\x00(\\d+)\x00", lambda match: codes[int(match[1])], written)
    return re.sub(r"\n{3,}", "\n\n", written).strip("\n")


def _lines(lines: list[str]) -> Iterator[str]:
    table: list[list[str]] | None = None
    code: list[str] = []
    for line in (*lines, ""):
        bare = line.strip()
        if table is None and line.startswith(" ") and bare:  # preformatted
            code.append(line[1:])
            continue
        if code:
            yield from ("", "```", *code, "```", "")
            code = []
        if table is not None:
            if bare.startswith("|}"):
                yield from ("", write_table(table), "")
                table = None
            else:
                _add_row(table, bare)
        elif bare.startswith("{|"):
            table = [[]]
        elif heading := HEADING.fullmatch(bare):
            yield from ("", f"{'#' * len(heading[1])} {heading[2]}", "")
        elif item := LIST.match(line):
            mark = "1." if item[1].endswith("#") else "-" if item[1].endswith("*") else ""
            indent = "  " * (len(item[1]) - 1)
            yield f"{indent}{mark} {item[2]}" if mark else item[2]
        elif not RULE.fullmatch(bare):
            yield bare
    if table is not None:
        yield write_table(table)


def _add_row(table: list[list[str]], line: str) -> None:
    if line.startswith("|-"):
        table.append([])
    elif line.startswith(("|+",)):
        return
    elif line.startswith(("|", "!")):
        for cell in re.split(r"\|\||!!", line[1:]):
            table[-1].append(CELL_STYLE.sub("", cell).strip())
    elif table[-1]:
        table[-1][-1] += f" {line}"
