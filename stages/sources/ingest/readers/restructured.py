"""reStructuredText: headings, code and lists; directives and roles are replaced by their text."""

import re
from collections.abc import Iterator

from datagen.stages.sources.ingest.decoding import normalise, unusual
from datagen.stages.sources.ingest.record import File, Record

RULE = re.compile(r"([=\-~^\"'*+#`:._<>!$%&(),/;?@\[\\\]{|}])\1{2,}\s*")
DIRECTIVE = re.compile(r"(\s*)\.\.\s+([\w:.+-]+)::\s*(.*)")
COMMENT = re.compile(r"(\s*)\.\.(?:\s+(?!\[)|\s*$)")
FOOTNOTE = re.compile(r"\.\.\s+(\[[^\]]+\]\s.*)")
OPTION = re.compile(r"\s*:[\w -]+:(?:\s.*)?$")
METADATA = re.compile(r"\A\s*(?::[\w -]+:(?:[ \t].*)?(?:\n[ \t]+\S.*)*(?:\n|\Z))+(?=\s*(?:\n|\Z))")
ROLE = re.compile(r":[\w:.+-]+:`(?:~|!)?([^`<]*?)(?:\s*<[^`>]*>)?`")
LINK = re.compile(r"`([^`<]+?)\s*<[^`>]+>`__?")
REFERENCE = re.compile(r"`([^`]+)`__?|\b(\w+)__?(?=[\s.,;:)]|$)")
LITERAL = re.compile(r"``(.+?)``")
# Directives that contain code, and those without text.
CODE = re.compile("code|code-block|sourcecode|parsed-literal|doctest|testcode|prompt|ipython")
SILENT = re.compile(
    "toctree|image|index|contents|include|raw|only|meta|module|currentmodule|sectionauthor|moduleauthor"
    "|tabularcolumns|default-role|role|unicode|replace|plot|autosummary|automodule|autoclass|autofunction"
)


def read(file: File) -> Iterator[Record]:
    """Read the document."""
    text, encoding = file.text()
    yield Record(to_markdown(normalise(text)), metadata=unusual(encoding))


def to_markdown(text: str) -> str:
    """Convert the structure of reStructuredText to Markdown, without the file's metadata."""
    text = METADATA.sub("", text, count=1)
    out = "\n".join(_Reader(text.expandtabs(8).split("\n")).run())
    return re.sub(r"\n{3,}", "\n\n", out).strip("\n")


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.marks: list[str] = []  # of headings, highest first
        self.at = 0

    def run(self) -> Iterator[str]:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if title := self._heading():
                yield from ("", title, "")
            elif directive := DIRECTIVE.match(line):
                yield from self._directive(len(directive[1]), directive[2], directive[3])
            elif note := FOOTNOTE.match(line):
                self.at += 1
                yield inline(note[1])
            elif comment := COMMENT.match(line):
                self.at += 1
                self._block(len(comment[1]))
            elif line.rstrip().endswith("::") and not line.lstrip().startswith(".."):
                self.at += 1
                lead = line.rstrip()[:-2].rstrip()
                if lead:
                    yield inline(lead) + ":"
                yield from _fenced(self._block(len(line) - len(line.lstrip())), "")
            else:
                yield inline("\n".join(self._paragraph()))

    def _paragraph(self) -> list[str]:
        """Take the lines up to a blank line, or to one that introduces a code block."""
        begin = self.at
        self.at += 1
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not self.lines[self.at - 1].strip() or not line.strip() or line.rstrip().endswith("::"):
                break
            self.at += 1
        return self.lines[begin : self.at]

    def _heading(self) -> str:
        """Read a heading with a rule below it, or above and below; "" if there is none."""
        for over in (1, 0):
            part = self.lines[self.at : self.at + 2 + over]
            if len(part) < 2 + over:
                continue
            title, under = part[-2].strip(), part[-1].rstrip()
            rule = RULE.fullmatch(under)
            if not rule or not title or RULE.fullmatch(title) or len(under) < len(title):
                continue
            if (over and part[0].rstrip() != under) or (not over and part[0][:1].isspace()):
                continue
            mark = rule[1] * (1 + over)
            if mark not in self.marks:
                self.marks.append(mark)
            self.at += 2 + over
            return "#" * min(self.marks.index(mark) + 1, 6) + " " + inline(title)
        return ""

    def _block(self, indent: int) -> list[str]:
        """Take the lines with a larger indent, and remove their indent."""
        begin = self.at
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and len(line) - len(line.lstrip()) <= indent:
                break
            self.at += 1
        block = self.lines[begin : self.at]
        width = min((len(line) - len(line.lstrip()) for line in block if line.strip()), default=0)
        return [line[width:] for line in block]

    def _directive(self, indent: int, name: str, argument: str) -> Iterator[str]:
        self.at += 1
        block = self._block(indent)
        name = name.rpartition(":")[2]
        while (
            argument
            and not CODE.fullmatch(name)
            and block
            and block[0].strip()
            and not OPTION.match(block[0])
        ):
            argument += f" {block.pop(0).strip()}"  # an argument, or a text that begins beside the name
        while block and OPTION.match(block[0]):
            del block[0]
        if CODE.fullmatch(name):
            yield from _fenced(block, argument.split()[0] if argument.split() else "")
        elif name == "math":
            yield from ("", argument, *block, "")
        elif not SILENT.fullmatch(name):
            lead = "" if name in ("figure", "container", "table", "csv-table", "list-table") else argument
            yield from ("", inline(lead), "", *_Reader(block).run(), "")


def _fenced(block: list[str], language: str) -> Iterator[str]:
    code = "\n".join(block).strip("\n")
    if code:
        yield from ("", f"```{language}", code, "```", "")


def inline(text: str) -> str:
    """Replace the roles, links and literals of a line by their displayed text."""
    if "`" not in text and "_" not in text:
        return text.replace("\\ ", "")
    literals: list[str] = []

    def keep(match: re.Match[str]) -> str:
        literals.append(match[1])
        return f"\x00{len(literals) - 1}\x00"

    text = LITERAL.sub(keep, text)
    text = LINK.sub(r"\1", ROLE.sub(r"\1", text))
    text = REFERENCE.sub(lambda match: match[1] or match[2], text).replace("`", "").replace("\\ ", "")
    return re.sub("\x00(\\d+)\x00", lambda match: f"`{literals[int(match[1])]}`", text)
