"""A LaTeX document in several files is one document, and each of its files is accounted for once."""

import gzip
import io
import random
import shutil
import tarfile
import zipfile
from dataclasses import replace

import pytest

from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.sources import ingest
from datagen.stages.sources.ingest.inclusions import LARGEST, assembled, linked
from datagen.stages.sources.ingest.record import File, Limits
from tests.support.corpora import context, ingested, reasons, write

needs_pandoc = pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
ENTRY = Source(path="p")
MAIN = r"\documentclass{article}\input{macros}\begin{document}Start. %s End.\end{document}"


def files(**texts):
    """Return files held in memory; two underscores in a name stand for a slash."""
    return [held(name.replace("__", "/") + ".tex", text) for name, text in texts.items()]


def held(name, text, limits=Limits()):
    """Return a file held in memory."""
    return File(
        None, name, ENTRY, len(text), limits, lambda: io.BufferedReader(io.BytesIO(text.encode("latin-1")))
    )


def parts(**texts):
    """Return which files are parts of which document."""
    return {file.name: file.part_of for file in linked(files(**texts)) if file.part_of}


def whole(name, **texts):
    """Return the text of a document with its parts."""
    return assembled(next(file for file in linked(files(**texts)) if file.name == name))


def test_included_files_are_parts_of_the_document_at_any_level_and_from_any_folder():
    texts = {
        "paper__main": r"\documentclass{book}\include{a/one}\input a/two.tex \subimport{a/}{three}\subfile{a/four}",
        "paper__a__one": r"One. \input{a/deep}\input{beside}",  # from the document's folder, from its own
        "paper__a__deep": "Deep.",
        "paper__a__beside": "Beside.",
        "paper__a__two": "Two.",
        "paper__a__three": "Three.",
        "paper__a__four": r"\documentclass[../main]{subfiles}\begin{document}Four.\end{document} No.",
        "paper__other": "Other.",
        "elsewhere__two": "Another two.",
    }
    found = parts(**texts)
    assert set(found.values()) == {"paper/main.tex"}
    assert {name.removeprefix("paper/a/") for name in found} == {
        f"{name}.tex" for name in ("one", "deep", "beside", "two", "three", "four")
    }
    text = whole("paper/main.tex", **texts).text
    words = [word for word in text.replace("}", " ").split() if word[0].isupper()]
    assert words == ["One.", "Deep.", "Beside.", "Two.", "Three.", "Four."]


def test_code_comments_and_what_follows_the_end_include_nothing():
    body = (
        "% \\input{a}\n\\verb|\\input{a}| \\begin{verbatim}\\input{a}\\end{verbatim} \\\\% \\input{a}\n"
        r"\includegraphics{a} \inputencoding{a} \newcommand{\x}[1]{\input{#1}} \endinput \input{a}"
    )
    assert parts(m=r"\documentclass{a}" + body, a="A.") == {}
    assert parts(m=r"\documentclass{a} 5\% \input{a}", a="A.") == {"a.tex": "m.tex"}


def test_nothing_outside_the_files_is_included():
    for name in ("../secret", "/etc/passwd", "b/../../secret", "~/secret", "|ls"):
        text = whole(
            "p/m.tex", p__m=rf"\documentclass{{a}}\input{{{name}}}\input{{a}}", p__a="A.", secret="S."
        )
        inside = name != "../secret" and "b/" not in name
        assert ("S." in text.text) is not inside and "root:" not in text.text
        assert list(text.missing) == ([name] if inside else [])


def test_cycles_end_and_no_file_of_them_is_lost():
    assert parts(a=r"A \input{b}", b=r"B \input{a}") == {"b.tex": "a.tex"}
    assert parts(a=r"\documentclass{x}\input{b}", b=r"\documentclass{x}\input{a}") == {"b.tex": "a.tex"}
    assert parts(a=r"A \input{a}") == {}
    assert parts(a=r"\input{c}", c="C", z=r"\input{a}") == {"a.tex": "z.tex", "c.tex": "z.tex"}
    assert whole("a.tex", a=r"A \input{b}", b=r"B \input{a}\input{b}").text.split() == ["A", "B"]


def test_a_text_is_repeated_once_so_that_it_cannot_grow_without_bound():
    texts = {f"f{level}": rf"\input{{f{level + 1}}}" * 9 + "x" for level in range(9)}
    assert whole("f0.tex", **texts).text.count("x") == 9


def test_a_file_of_two_documents_is_in_both_and_is_a_part_of_the_first():
    texts = {"a": r"\documentclass{x}A \input{c}", "b": r"\documentclass{x}B \input{c}", "c": "C"}
    assert parts(**texts) == {"c.tex": "a.tex"}
    assert "C" in whole("a.tex", **texts).text and "C" in whole("b.tex", **texts).text


def test_a_document_too_large_for_pandoc_is_read_in_parts_that_are_not():
    chapters = {f"c{n}": rf"\input{{s{n}}}" for n in range(3)} | {
        f"s{n}": "x" * (LARGEST // 3) for n in range(3)
    }
    book = r"\documentclass{x}" + "".join(rf"\include{{c{n}}}" for n in range(3))
    assert parts(book=book, **chapters) == {f"s{n}.tex": f"c{n}.tex" for n in range(3)}


def test_the_parts_count_against_the_size_of_a_document():
    small = Limits(document_mb=1)
    main = held("m.tex", r"\documentclass{x}" + "".join(rf"\input{{p{part}}}" for part in range(3)), small)
    found = linked([main, *(held(f"p{part}.tex", "y" * 200_000, small) for part in range(3))])
    assert found[0].whole_size > 600_000
    grown = replace(found[0], parts=tuple(held(part.name, "y" * 400_000, small) for part in found[0].parts))
    with pytest.raises(Reject, match="more than 1 MB"):  # since it was found
        assembled(grown)


@pytest.mark.parametrize("declared", ["latin1", "ansinew"])
def test_the_encoding_that_the_document_declares_is_that_of_its_parts(declared):
    head = rf"\documentclass{{x}}\usepackage[{declared}]{{inputenc}}\input{{a}}"
    assert "Ein Kästchen." in whole("m.tex", m=head, a="Ein Kästchen.").text


@needs_pandoc
def test_a_document_is_read_with_its_parts_from_a_folder_and_from_archives(tmp_path):
    texts = {
        "main.tex": MAIN % r"\include{sections/intro}",
        "macros.tex": r"\newcommand{\lamp}{oil lamp}",
        "sections/intro.tex": r"\section{Light} The \lamp{} burns.",
    }
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as zipped, tarfile.open(tmp_path / "t.tgz", "w:gz") as tar:
        for name, text in texts.items():
            write(tmp_path, f"folder/{name}", text)
            zipped.writestr(name, text)
            tar.add(tmp_path / "folder" / name, f"./{name}")
    kept, dropped = ingested(tmp_path, "folder", "z.zip", "t.tgz", partition_mb=0.001)
    names = ("folder/", "z.zip!", "t.tgz!./")
    assert set(kept) == {f"{name}main.tex" for name in names}
    for row in kept.values():
        assert row["text"] == "Start.\n\n# Light\n\nThe oil lamp burns.\n\nEnd."
    included = {f"{name}{part}" for name in names for part in ("macros.tex", "sections/intro.tex")}
    assert reasons(dropped) == dict.fromkeys(included, "included in another file")
    assert "folder/main.tex" in next(row["detail"] for row in dropped if row["source"] == "folder/macros.tex")


@needs_pandoc
def test_a_part_that_pandoc_rejects_is_dropped_with_its_own_line_and_the_rest_is_read(tmp_path):
    write(tmp_path, "p/m.tex", MAIN % r"\input{good}\input{bad}")
    write(tmp_path, "p/good.tex", "Good words.")
    write(tmp_path, "p/bad.tex", "Bad.\n\n\\begin{itemize}\\item x")
    kept, dropped = ingested(tmp_path, "p")
    assert kept["p/m.tex"]["text"] == "Start. Good words. End."
    detail = next(row["detail"] for row in dropped if row["reason"] == "unreadable file")
    assert "line 4, column 2" in detail  # after its own last line
    assert sorted(row["source"] for row in dropped) == ["p/bad.tex", "p/bad.tex", "p/good.tex"]


@needs_pandoc
def test_the_parts_of_a_document_that_pandoc_rejects_are_read_by_themselves(tmp_path):
    write(tmp_path, "p/m.tex", MAIN % r"\input{good}\begin{itemize}")
    write(tmp_path, "p/good.tex", "Good words.")
    kept, dropped = ingested(tmp_path, "p")
    assert [row["text"] for row in kept.values()] == ["Good words."] and list(kept) == ["p/good.tex"]
    assert reasons(dropped)["p/m.tex"] == "unreadable file"


@needs_pandoc
def test_a_part_and_an_archive_that_end_early_lose_nothing_before_that(tmp_path):
    lines = "".join(f"Line {random.random()}.\n\n" for _ in range(2000))
    texts = {"m.tex": MAIN % r"\input{a}", "a.tex": "Part.", "b.txt": lines}
    with tarfile.open(tmp_path / "t.tgz", "w:gz") as tar:
        for name, text in texts.items():
            tar.add(write(tmp_path, f"files/{name}", text), name)
    for name, data in {
        "t.tgz": (tmp_path / "t.tgz").read_bytes(),
        "p/a.tex.gz": gzip.compress(lines.encode()),
    }.items():
        write(tmp_path, name, data[: len(data) // 2])
    write(tmp_path, "p/m.tex", texts["m.tex"])
    kept, dropped = ingested(tmp_path, "p", "t.tgz")
    assert kept["t.tgz!m.tex"]["text"] == "Start. Part. End."
    assert kept["p/m.tex"]["text"] == "Start. End." and kept["p/a.tex.gz"]["text"].startswith("Line 0.")
    truncated = {row["source"] for row in dropped if row["reason"] == "truncated file"}
    assert truncated == {"p/a.tex.gz", "t.tgz"}


def test_an_excluded_file_and_a_link_out_of_the_corpus_are_not_included(tmp_path):
    write(tmp_path, "p/m.tex", r"\documentclass{x}\input{draft}\input{link}")
    write(tmp_path, "p/draft.tex", "Draft.")
    write(tmp_path, "outside.tex", "Outside.")
    (tmp_path / "p/link.tex").symlink_to("../outside.tex")
    corpus = context(tmp_path, {"path": "p", "exclude": ["draft.tex"]})
    tasks = ingest.plan(ingest.Options(), corpus)
    assert not any(file.parts or file.part_of for task in tasks for file in task.files)


def test_a_changed_part_changes_the_corpus(tmp_path):
    write(tmp_path, "p/m.tex", r"\documentclass{x}\input{a}")
    write(tmp_path, "p/a.tex", "One.")
    corpus, options = context(tmp_path, "p"), ingest.Options()
    before = ingest.digest(options, corpus)
    write(tmp_path, "p/a.tex", "Two.")
    assert ingest.digest(options, corpus) != before


def test_a_package_beside_a_document_gives_its_definitions_and_is_accounted_for():
    text = r"\documentclass{thesis}\usepackage[x]{graphicx,house}\begin{document}\term{Oil}\end{document}"
    package = (
        "\\ProvidesPackage{house}\n\\newcommand{\\term}[1]{\\emph{#1}} % with a remark\n"
        "\\def\\half{1/2}\n\\newcommand{\\in@ternal}{x}\n\\typeout{No text}"
    )
    beside = [held("house.sty", package), held("thesis.cls", r"\newcommand\R{R}"), held("other.sty", "")]
    main, *others = linked([held("main.tex", text), *beside])
    read = assembled(main)
    assert [file.part_of for file in others] == ["main.tex", "main.tex", ""]
    assert r"\newcommand{\term}[1]{\emph{#1}}" + "\n" + r"\def\half{1/2}" + "\n" in read.text
    assert r"\newcommand\R{R}" in read.text
    assert not any(left in read.text for left in ("ternal", "typeout", "remark"))
    assert read.missing == []  # graphicx is none of the corpus


def test_a_macro_of_the_document_that_includes_a_file_does():
    macro = r"\newcommand{\chap}[1]{\section{#1}\input{chapters/#1}}"
    texts = {
        "main": macro + r"\chap{oil}\chapter{gas}\chap{gas}",
        "chapters__oil": "Whale.",
        "chapters__gas": "Coal.",
    }
    assert parts(**texts) == {"chapters/oil.tex": "main.tex", "chapters/gas.tex": "main.tex"}
    text = whole("main.tex", **texts).text
    assert text.index("Whale.") < text.index(r"\chapter{gas}") < text.index("Coal.")


@needs_pandoc
def test_macros_of_a_package_beside_a_document_are_read(tmp_path):
    package = r"\newcommand{\maker}[1]{made by #1 of Geneva}"
    text = r"\documentclass{article}\usepackage{house}\begin{document}Lamps \maker{Argand}.\end{document}"
    write(tmp_path, "p/main.tex", text)
    write(tmp_path, "p/house.sty", package)
    kept, dropped = ingested(tmp_path, "p")
    assert [row["text"] for row in kept.values()] == ["Lamps made by Argand of Geneva."]
    assert reasons(dropped) == {"p/house.sty": "included in another file"}
