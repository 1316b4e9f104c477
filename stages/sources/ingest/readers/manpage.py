"""Manual pages in the macros man and mdoc: sections, lists of options, code."""

import re
import shlex
import unicodedata
from collections.abc import Iterator, Sequence

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import normalise, unusual
from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.record import File, Record

SIGNS = {
    "bu": "•", "aq": "'", "dq": '"', "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "em": "—", "en": "–",
    "co": "©", "at": "@", "sh": "#", "Do": "$", "de": "°", "mu": "×", "di": "÷", "+-": "±", "!=": "≠",
    "<-": "←", "lA": "⇐", "rA": "⇒", "ua": "↑", "da": "↓", "sc": "§", "ps": "¶", "dg": "†", "bv": "|",
    "ba": "|", "sl": "/", "cm": "✓", "mi": "−", "pl": "+", "eq": "=", "Fo": "«", "Fc": "»", "ul": "_",
    "ru": "_", "lB": "[", "rB": "]", "lC": "{", "rC": "}", "la": "⟨", "ra": "⟩", "hy": "-", "Eu": "€",
    "Po": "£", "ss": "ß", "AE": "Æ", "ae": "æ", "/o": "ø", "/O": "Ø", "oA": "Å", "oa": "å", ",c": "ç",
    ",C": "Ç", "<<": "≪", ">>": "≫", "12": "½", "14": "¼", "rg": "®", "tm": "™", "ha": "^", "ti": "~",
    "ga": "`", "rs": "\\", "<=": "≤", ">=": "≥", "->": "→",
}  # fmt: skip
ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", ":": "\u0308", "v": "\u030c"}
ESCAPES = {
    r"\-": "-", r"\e": "\\", r"\0": " ", r"\ ": " ", r"\~": " ", r"\.": ".", r"\*R": "®", r"\*(lq": "“",
    r"\*(rq": "”", r"\*(Lt": "<", r"\*(Gt": ">", r"\*(Am": "&",
}  # fmt: skip
ESCAPE = re.compile(
    r"\\\*\((?:..)|\\\((?:..)|\\\[u([0-9A-Fa-f]{4,6})\]|\\\[([^\]]*)\]|\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d+"
    r"|\\[hvwlD]'[^']*'|\\m\[[^\]]*\]|\\[&%/,|^:)cd]|\\\*.|\\[-e0 ~.]|\\."
)
MACRO = re.compile(r"^\.(?:TH|Dd|Dt|SH|Sh)\s", re.MULTILINE)
SEPARATOR = re.compile(r"tab\s*\((.)\)")  # of the cells of a table
COMMENT = re.compile(r"\\\".*$")
FONTS = ("B", "I", "BR", "BI", "IR", "IB", "RB", "RI", "SM", "SB")
IGNORED = re.compile(
    "Dd|Os|ad|na|hy|nh|ne|sp|ft|ps|ta|ie|el|if|ds|so|bp|in|ti|PD|UC|DT|nr|rm|tr|ss|it|AT|hw|cc|ev|IX"
)
# The text that a macro of mdoc inserts before its words.
BEFORE = {
    "Fl": "-",
    "Op": "[",
    "Oo": "[",
    "Aq": "<",
    "Pq": "(",
    "Dq": "“",
    "Sq": "‘",
    "Ql": "‘",
    "Bq": "[",
    "Brq": "{",
}
AFTER = {"Op": "]", "Aq": ">", "Pq": ")", "Dq": "”", "Sq": "’", "Ql": "’", "Bq": "]", "Brq": "}"}
CALLABLE = re.compile(
    "Ar|Cm|Dv|Em|Er|Ev|Fa|Fn|Ic|Li|Nm|Ns|Pa|Sy|Tn|Va|Vt|Xr|Ad|An|No|Xo|Xc|Oc|Lk|Mt|St|Ft|Cd|Fd|In|Lb|Ap|Pf"
)


def read(file: File) -> Iterator[Record]:
    """Read the page."""
    text, encoding = file.text()
    if not MACRO.search(text):
        raise Reject("unknown format", f"{file.basename} is named like a manual page, but is not one")
    page = _Page()
    for line in normalise(text).split("\n"):
        page.add(line)
    page.end()
    yield Record("\n\n".join(page.parts), page.title, metadata=unusual(encoding))


def unescaped(text: str) -> str:
    """Replace roff's escapes by the characters that they represent."""

    def sign(match: re.Match[str]) -> str:
        if match[1]:
            code = int(match[1], 16)
            return chr(code) if code < 0x110000 else ""
        if match[2]:
            return _named(match[2])
        return _named(match[0][2:]) if match[0].startswith("\\(") else ESCAPES.get(match[0], "")

    return ESCAPE.sub(sign, COMMENT.sub("", text))


def _named(name: str) -> str:
    """Return the character that roff names, such as "at" or, with an accent, ":a"; "" if unknown."""
    if name in SIGNS:
        return SIGNS[name]
    if len(name) == 2 and name[0] in ACCENTS and name[1].isalpha():
        return unicodedata.normalize("NFC", name[1] + ACCENTS[name[0]])
    return ""


def table_rows(lines: Sequence[str]) -> list[list[str]]:
    """
    Read a table of the preprocessor tbl.

    Options end with a semicolon, formats with a full stop. A cell between ``T{`` and ``T}`` may have several
    lines and macros.
    """
    options = lines[0] if lines and lines[0].rstrip().endswith(";") else ""
    separator = stated[1] if (stated := SEPARATOR.search(options)) else "\t"
    rows: list[list[str]] = []
    in_formats, block = True, False
    for line in lines[1 if options else 0 :]:
        if in_formats:
            in_formats = not line.rstrip().endswith(".")
        elif block and not line.startswith("T}"):
            words = _arguments(line[1:].partition(" ")[2]) if line.startswith(".") else [unescaped(line)]
            joint = "" if line.startswith((".BR", ".BI", ".IR", ".IB", ".RB", ".RI")) else " "
            rows[-1][-1] = f"{rows[-1][-1]} {joint.join(words)}".strip()
        elif line.startswith(".T&"):
            in_formats = True
        elif not line.startswith(".") and line.strip() not in ("_", "=", ""):
            cells = line.split(separator)
            if block:  # the rest of a row after the end of a block
                rows[-1] += [unescaped(cell).strip() for cell in cells[1:]]
            else:
                rows.append([unescaped(cell).strip() for cell in cells])
            block = rows[-1][-1] == "T{"
            if block:
                rows[-1][-1] = ""
    return rows


class _Page:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.title = ""
        self.name = ""  # mdoc's .Nm
        self.words: list[str] = []  # of the open paragraph
        self.code: list[str] | None = None
        self.in_term = False  # whether the next line is a list's term
        self.terms: list[str] = []  # whose description follows
        self.skipping = False  # within a macro's definition
        self.table: list[str] | None = None  # lines of the open table

    def add(self, line: str) -> None:
        """Read a line."""
        if self.table is not None:
            if line.startswith(".TE"):
                self._end_table()
            else:
                self.table.append(line)
            return
        if self.skipping:
            self.skipping = not line.startswith("..")
            return
        if line.startswith((".", "'")):
            name, _, rest = line[1:].strip().partition(" ")
            if name and not name.startswith('\\"'):
                self._macro(name, rest.strip())
            return
        if self.code is not None:
            self.code.append(unescaped(line))
        elif not line.strip():
            self._flush()
        else:
            self._say(unescaped(line).strip())

    def end(self) -> None:
        """Finish the last paragraph."""
        self._end_code()
        self._end_list()
        self._end_table()

    def _end_table(self) -> None:
        if self.table is not None:
            if table := write_table(table_rows(self.table)):
                self.parts.append(table)
            self.table = None

    def _say(self, text: str) -> None:
        if text:
            self.words.append(text)
        if self.in_term:
            self._flush()

    def _flush(self) -> None:
        """End a paragraph; a term is kept until its description, to form one item with it."""
        text = " ".join(" ".join(self.words).split())
        self.words = []
        if self.in_term:
            self.terms += [text] if text else []
            self.in_term = not text
        elif text:
            self.parts.append(f"- {', '.join(self.terms)}: {text}" if self.terms else text)
            self.terms = []

    def _end_list(self) -> None:
        self._flush()
        self.in_term = False
        if self.terms:
            self.parts.append(f"- {', '.join(self.terms)}")
            self.terms = []

    def _end_code(self) -> None:
        if self.code is not None:
            code = "\n".join(self.code).strip("\n")
            if code:
                self.parts.append(f"```\n{code}\n```")
            self.code = None

    def _macro(self, name: str, rest: str) -> None:
        if name == "de":
            self.skipping = True
        elif name == "TS":
            self.end()
            self.table = []
        elif name in ("TH", "Dt"):
            self.title = self.title or " ".join(_arguments(rest)[:2])
            self.title = re.sub(r"^(\S+) (\S+)$", r"\1(\2)", self.title)
        elif name in ("SH", "Sh", "SS", "Ss"):
            self.end()
            heading = " ".join(_arguments(rest))
            if heading:
                self.parts.append(f"{'##' if name in ('SH', 'Sh') else '###'} {heading}")
        elif name in ("PP", "P", "LP", "Pp", "RS", "RE", "br", "Bl", "El", "HP", "sp", "YS", "SY"):
            if self.code is not None:
                self.code.append("")
            else:
                self._flush()
                self.in_term = False
        elif name in ("nf", "EX", "Bd"):
            self.end()
            self.code = []
        elif name in ("fi", "EE", "Ed"):
            self._end_code()
        elif name in ("TP", "TQ"):
            self._flush()
            self.in_term = True
        elif name in ("IP", "It"):
            self._flush()
            self.in_term = True
            words = _arguments(rest)[:1] if name == "IP" else [self._mdoc(_split(rest))]
            mark = " ".join(words)
            if mark.strip("•*-o· ") or (name == "It" and mark):
                self._say(mark)
            else:
                self.in_term = name == "It"
        elif name in FONTS:
            words = _arguments(rest)
            text = (" " if name in ("B", "I", "SM", "SB") else "").join(words)
            if self.code is not None:
                self.code.append(text)
            else:
                self._say(text)
        elif name == "Nd":
            self._say(f"— {unescaped(rest)}")
        elif name in ("UR", "MT", "UE", "ME"):
            self._say(" ".join(_arguments(rest)))
        elif not IGNORED.fullmatch(name) and name[:1].isupper():
            self._say(self._mdoc([name, *_split(rest)]))

    def _mdoc(self, words: list[str]) -> str:
        """Convert a line of mdoc, in which macros and words are mixed."""
        out, closing = [], ""
        if words[:1] == ["Nm"]:
            self.name = words[1] if len(words) > 1 and words[1][0].isalnum() else self.name
            words = [self.name, *words[2 if len(words) > 1 and words[1] == self.name else 1 :]]
        prefix = ""
        for word in words:
            if word in BEFORE:
                closing = AFTER.get(word, "") + closing
                prefix += BEFORE[word]
            elif not CALLABLE.fullmatch(word):
                out.append(prefix + unescaped(word))
                prefix = ""
        text = " ".join(out) + prefix.strip("[(") + closing
        return re.sub(r"\s+([.,;:)\]])", r"\1", text)


def _split(rest: str) -> list[str]:
    try:
        return shlex.split(rest.replace("\\", "\\\\").replace("'", "\\'"), comments=False)
    except ValueError:
        return rest.split()


def _arguments(rest: str) -> list[str]:
    """Split a macro's arguments, which may be quoted."""
    return [unescaped(word) for word in _split(rest)]
