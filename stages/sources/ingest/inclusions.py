r"""
LaTeX documents in several files: which files are parts of others, and the text of all in its order.

A part is a file that \input, \include, \subfile, \import or a similar macro names, also in a macro of the
document; or a package or a class beside it. It is looked up among the
files of the same entry of the corpus or of the same archive: so nothing outside the corpus is read, and a
changed part is a changed corpus.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from datagen.stages.sources.ingest.decoding import decode_declared
from datagen.stages.sources.ingest.latex_macros import definitions, expanded
from datagen.stages.sources.ingest.record import File, too_large

ENDINGS = (".tex", ".latex")
PACKAGES = {"package": ".sty", "class": ".cls"}  # of which only definitions are read
DEPTH = 15  # of files within files, as in TeX
PARTS = 1000  # of a document
LARGEST = 700_000  # bytes of a document with its parts, for which pandoc needs 500 MB

ARGUMENT = r"\s{0,9}\{\s{0,9}([^{}\\#%\n]{1,300}?)\s{0,9}\}"
# A macro that includes a file; before it, escaped signs, comments and code, in which there is none.
COMMAND = re.compile(
    r"\\[\\%]|%.*|\\begin\{(?P<code>verbatim\*?|lstlisting|alltt|minted|comment|filecontents\*?)\}"
    r"|\\(?:verb\*?|lstinline)(?P<sign>[^\w\s{}\[\]*]).*?(?P=sign)|(?P<end>\\endinput(?![A-Za-z@])|\\end\{document\})"
    r"|\\(?:use|Require)package(?:\s{0,9}\[[^\]]{0,999}\])?\s{0,9}\{(?P<package>[^{}\\#%]{1,999})\}"
    r"|\\documentclass(?:\s{0,9}\[[^\]]{0,999}\])?\s{0,9}\{(?P<class>[^{}\\#%\n]{1,99})\}"
    rf"|\\(?:sub)?(?:import|inputfrom|includefrom)\*?{ARGUMENT}{ARGUMENT}"
    rf"|\\(?:input|include|subfile|subfileinclude|InputIfFileExists)(?:{ARGUMENT}"
    r'|(?<=input)[ \t]{1,9}(?:"([^"\n]{1,300})"|([^\s{}\\#%"]{1,300})))'
)
CLASS = re.compile(r"^[^%\n]{0,999}\\document(?:class|style)(?![^{}%\n]{0,999}\{subfiles\})", re.MULTILINE)
BODY = re.compile(r"\\begin\s{0,9}\{document\}")
DECLARED = re.compile(r"\\usepackage\s{0,9}\[([\w-]{1,20})\]\s{0,9}\{inputenc\}")
CODECS = {"ansinew": "cp1252", "applemac": "mac_roman", "utf8x": "utf-8"}  # names of LaTeX's own


T = TypeVar("T")


class Scanned(NamedTuple):
    """What a file includes, whether it is a document that LaTeX can typeset alone, and its size in bytes."""

    inclusions: Sequence["Inclusion"] = ()
    is_document: bool = False
    size: int = 0


class Inclusion(NamedTuple):
    """A macro that includes a file: its place, what it names, whether that is a paragraph or a package."""

    start: int
    end: int
    folder: str
    name: str
    apart: bool
    is_package: bool = False


@dataclass(frozen=True)
class Assembled:
    """
    A document of several files.

    Parameters
    ----------
    text
        The text of all.
    encoding
        The encoding of the file that includes the others.
    used
        The parts within the text.
    missing
        The names of included files that are not parts of it.
    """

    text: str
    encoding: str
    used: Sequence[File]
    missing: Sequence[str]


def linked(files: Sequence[File]) -> list[File]:
    """
    Give each LaTeX document the files that it includes, and mark these as parts of it.

    Parameters
    ----------
    files
        The files of one entry of the corpus, or of one archive.

    Returns
    -------
    The same files in the same order. A file that cannot be read now includes nothing, and neither does one
    that is larger than `LARGEST` with its parts, so that these remain documents of a size that can be read.
    """
    names = _by_key(files)
    if len(names) < 2:
        return list(files)
    scanned = {at: _scanned(files[at]) for at in names.values()}
    alone = [at for at, file in scanned.items() if file.is_document]
    reached: dict[int, Sequence[int]] = {}
    included: set[int] = set()
    for at in dict.fromkeys([*alone, *scanned]):  # a file without a class only where no document includes it
        parts = _reached(at, files, names, scanned) if at not in included else []
        if parts and sum(scanned[part].size for part in (at, *parts)) <= LARGEST:
            reached[at] = parts
            included.update(parts)
    result, owners = list(files), dict[int, str]()
    for at in sorted(reached.keys() - included):
        result[at] = replace(files[at], parts=tuple(files[part] for part in reached[at]))
        owners = dict.fromkeys(reached[at], files[at].name) | owners
    for part, owner in owners.items():
        result[part] = replace(files[part], part_of=owner)
    return result


def is_latex(file: File) -> bool:
    """Check by its name whether a file is LaTeX, or a package of it."""
    return file.basename.lower().endswith((*ENDINGS, *PACKAGES.values()))


def _is_package(file: File) -> bool:
    return file.basename.lower().endswith(tuple(PACKAGES.values()))


def assembled(file: File, without: Sequence[File] = ()) -> Assembled:
    """
    Return the text of a document with that of its parts in place, each once.

    Parameters
    ----------
    file
        The document.
    without
        Parts to leave out.

    Raises
    ------
    Reject
        If it is not text in any known encoding, or too large with its parts.
    """
    parts = {_key(part): part for part in (file, *file.parts) if part not in without}
    used, missing, size = [file], dict[str, None](), 0
    declared = ""

    def written(text: str, folder: str, depth: int) -> Iterator[str]:
        nonlocal size
        at = 0
        for inclusion in _inclusions(text):
            yield text[at : inclusion.start]
            at = inclusion.end
            part = _found(inclusion, (_folder(file), folder), parts)
            if part is None and inclusion.is_package:
                continue
            if part is None:
                name = posixpath.join(inclusion.folder, inclusion.name)
                missing[name] = None
                macro = text[inclusion.start : at]  # in these two forms, pandoc leaves it out
                yield macro if macro.startswith((r"\input{", r"\include{")) else rf"\input{{{name}}}"
                continue
            inner = _part_text(part, declared) if part not in used and depth < DEPTH else None
            if inner is None:
                continue
            used.append(part)
            size += len(inner)
            if size > file.limits.document_bytes:
                raise too_large(file.limits)
            yield "\n\n" if inclusion.apart else ""
            yield from written(inner, _folder(part), depth + 1)
            yield "\n\n" if inclusion.apart else "\n"
        yield text[at:]

    data = file.read()
    if match := DECLARED.search(data.decode("latin-1")):
        declared = CODECS.get(match[1], match[1])
    text, encoding = decode_declared(data, declared, file.entry.encoding)
    text = expanded(text)
    size = len(text)
    whole = "".join(written(text, _folder(file), 0))
    return Assembled(whole, encoding, used[1:], list(missing))


def _part_text(part: File, declared: str) -> str | None:
    """Return a part's text, of a document that has a preamble only its body; None if it cannot be read."""
    try:
        text = decode_declared(part.read(), declared, part.entry.encoding)[0]
    except Exception:  # as in `_scanned`
        return None
    if part.cut:
        return None
    if _is_package(part):
        return definitions(text)
    text = expanded(text)
    body = BODY.search(text)
    ends = (match for match in COMMAND.finditer(text, body.end() if body else 0) if match["end"])
    end = next(ends, None)
    return text[body.end() if body else 0 : end.start() if end else len(text)]


def _scanned(file: File) -> Scanned:
    try:
        data = replace(file).read()
    except Exception:  # libraries raise any exception on a file that they cannot read; its row says which
        return Scanned()
    text = expanded(data.decode("utf-8", "replace"))
    if _is_package(file):
        return Scanned(size=len(definitions(text)))
    return Scanned(list(_inclusions(text)), bool(CLASS.search(text)), len(data))


def _inclusions(text: str) -> Iterator[Inclusion]:
    at = 0
    unclosed: set[str] = set()  # looked for once, so that the time is linear
    for match in COMMAND.finditer(text):
        if match.start() < at:
            continue
        if code := match["code"]:
            if code not in unclosed and (at := text.find(rf"\end{{{code}}}", match.end())) < 0:
                unclosed.add(code)
                at = 0
        elif match["end"]:
            return
        elif kind := next((kind for kind in PACKAGES if match[kind]), ""):
            for name in match[kind].split(","):
                yield Inclusion(match.end(), match.end(), "", name.strip() + PACKAGES[kind], False, True)
        elif any(groups := match.groups()[-5:]):
            folder, *names = groups
            apart = match[0].startswith((r"\include", r"\subfile"))
            name = next(name for name in names if name).strip('" ')
            yield Inclusion(*match.span(), folder or "", name, apart)


def _reached(
    root: int,
    files: Sequence[File],
    names: Mapping[str, int],
    scanned: Mapping[int, Scanned],
) -> list[int]:
    """List all parts of a document, at any level."""
    home = _folder(files[root])
    found: dict[int, None] = {root: None}
    waiting = [(root, 0)]
    while waiting:
        at, depth = waiting.pop()
        for inclusion in scanned[at].inclusions:
            part = _found(inclusion, (home, _folder(files[at])), names)
            if part is not None and part not in found and depth < DEPTH and len(found) <= PARTS:
                found[part] = None
                waiting.append((part, depth + 1))
    return list(found)[1:]


def _found(inclusion: Inclusion, folders: Sequence[str], names: Mapping[str, T]) -> T | None:
    """Look a file up: from the folder of the document, then from that of the file that includes it."""
    for folder in folders:
        key = _stem(posixpath.join(folder, inclusion.folder, inclusion.name))
        if key in names:
            return names[key]
    return None


def _by_key(files: Sequence[File]) -> dict[str, int]:
    names: dict[str, int] = {}
    for at, file in enumerate(files):
        if is_latex(file):
            names.setdefault(_key(file), at)
    return names


def _key(file: File) -> str:
    return _stem(posixpath.join(_folder(file), file.basename))


def _stem(path: str) -> str:
    """Return a path without what LaTeX may leave out, the ending, and without detours."""
    path = posixpath.normpath(path)
    return next((path.removesuffix(ending) for ending in ENDINGS if path.endswith(ending)), path)


def _folder(file: File) -> str:
    """Return a file's folder, within its archive."""
    return posixpath.dirname(file.name.rpartition("!")[2])
