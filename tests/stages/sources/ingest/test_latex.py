"""LaTeX: pandoc's output becomes text with formulas and citations; pandoc itself is tested if installed."""

import re
import shutil

import pytest

from datagen.recipe.sections import Source
from datagen.stages.sources.ingest.convert import rows
from datagen.stages.sources.ingest.readers.latex import _why_not, to_markdown, with_verb
from datagen.stages.sources.ingest.record import File

PAGE = r"""<html><head><title>-</title></head><body><h1 class="title">Lamps</h1><p>As <span class="citation"
data-cites="a92 b-93"></span> say, <span
class="math inline">\(x_1 &lt; 2\%\)</span> and <span class="math display">\[\frac{a*b}{b_{c}}\]</span> hold.</p></body></html>"""
SOURCE = r"""\documentclass{article}\newcommand{\lamp}{oil lamp}\begin{document}
\input nothing.tex
\section{Light}\label{s} The \lamp{} burns $\sqrt{x}$ hours~\cite{a92}.\footnote{In winter.} See \ref{s}.
\begin{itemize}\item one \item two\end{itemize}\end{document}"""


def test_formulas_and_citations_stay_in_their_sentences():
    text, title = to_markdown(PAGE)
    assert text.strip() == "# Lamps\n\nAs [a92, b-93] say, $x_1 < 2\\%$ and $$\\frac{a*b}{b_{c}}$$ hold."
    assert title == "Lamps"


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_sections_macros_and_notes(tmp_path):
    path = tmp_path / "a.tex"
    path.write_text(SOURCE)
    (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
    assert row["text"].startswith("# Light\n\nThe oil lamp burns $\\sqrt{x}$ hours [a92].")
    assert "- one\n" in row["text"] and "In winter." in row["text"] and "↩" not in row["text"]
    assert row["title"] == "Light"


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_a_file_that_pandoc_rejects_is_dropped_with_its_place_and_a_remedy(tmp_path):
    path = tmp_path / "a.tex"
    path.write_text(SOURCE.replace(r"\end{itemize}", ""))
    (row,) = rows(File(path, path.name, Source(path=path.name), len(SOURCE)))
    assert row["reason"] == "unreadable file"
    assert re.match(r"pandoc cannot read it: line \d+, column \d+: unexpected .*\bitemize", row["detail"])
    assert row["detail"].endswith("add the PDF that it makes to the corpus instead")


def test_the_error_of_a_pandoc_without_a_place_is_its_first_line():
    assert _why_not("[WARNING] x\nOut of memory\nmore\n", 1).startswith(
        "pandoc cannot read it: Out of memory;"
    )
    assert "it ended with status 137" in _why_not("", 137)


def test_short_verbs_become_verb_where_they_are_declared():
    text = (
        r"|a| \begin{document}\MakeShortVerb{\|} |\x| % |c|" + "\n" + r"\verb+|d|+ \DeleteShortVerb{\|} |e|"
    )
    assert with_verb(text) == (r"|a| \begin{document} \verb|\x| % |c|" + "\n" + r"\verb+|d|+  |e|")
    assert with_verb("|a| and |b|") == "|a| and |b|"


def test_listings_that_are_not_closed_take_linear_time():
    opened = (
        r"\MakeShortVerb{\|}" + r"\begin{verbatim}" * 100_000 + " |x|"
    )  # quadratic, this would take minutes
    assert with_verb(opened).endswith(r"\verb|x|")
    assert len(with_verb(r"\MakeShortVerb" + " " * 200_000 + "x")) > 200_000


UNKNOWN = r"""\documentclass{article}%s\title{Animations}\begin{document}
The \pkg{animate} package has \cmd{\frame} and \cs{loop}, like \BibTeX{} and \tikzname.
\vspace{3cm}\mysetup{width=3}
\begin{mybox}[title=Note]{frame=no}The \meta{speed} is in seconds.\end{mybox}
\begin{PyCode}{style=x}
print(1)
\end{PyCode}
\begin{tikzpicture}\draw (0,0) node {corner};\end{tikzpicture}
\end{document}"""


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
@pytest.mark.parametrize("preamble", ["", "\\def|#1|{x}\n"])
def test_words_in_unknown_macros_and_environments_are_kept_and_drawings_are_not(tmp_path, preamble):
    path = tmp_path / "a.tex"
    path.write_text(UNKNOWN % preamble)
    (row,) = rows(File(path, path.name, Source(path=path.name), len(UNKNOWN)))
    words = "The animate package has `\\frame` and `\\loop`, like BibTeX and tikz."
    assert row["text"].endswith(f"{words}\n\nThe speed is in seconds.\n\n```\nprint(1)\n```")
    assert row["title"] == "Animations"
    assert ("lines of the preamble" in row["metadata"]) == bool(preamble)


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_the_words_of_deeply_nested_macros_are_kept_and_macros_that_contain_themselves_end(tmp_path):
    def read(body):
        path = tmp_path / "a.tex"
        path.write_text(rf"\documentclass{{article}}\begin{{document}}First. {body}\end{{document}}")
        (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
        return row

    assert read("\\foo{" * 500 + "word" + "}" * 500)["text"] == "First. word"
    loop = read(r"\newcommand{\a}[1]{\b{#1#1}}\newcommand{\b}[1]{\a{#1#1}}\a{x}")
    assert loop["reason"] == "unreadable file" and "Loop encountered" in loop["detail"]


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_a_reference_is_the_title_of_its_section_or_its_label(tmp_path):
    body = (
        r"\section{The \emph{blue} lamp}\label{sec:blue} See section~\ref{sec:blue}, \cref{fig:a, tab:b} and \eqref{eq:1}. "
        r"See \hyperref[sec:blue]{above} and \autoref{sec:blue}."
    )
    path = tmp_path / "a.tex"
    path.write_text(rf"\documentclass{{article}}\begin{{document}}{body}\end{{document}}")
    (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
    assert row["text"] == (
        "# The *blue* lamp\n\nSee section “The blue lamp”, [fig:a], [tab:b] and [eq:1]. See above and “The blue lamp”."
    )


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_the_term_that_a_macro_of_the_document_defines_is_kept(tmp_path):
    path = tmp_path / "a.tex"
    path.write_text(r"We call it a \define{bijection} or an \defn{equivalence}.\definecolor{x}{rgb}{1,1,0}")
    (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
    assert row["text"] == "We call it a bijection or an equivalence."


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_the_words_in_boxes_and_colours_are_kept_and_code_is_code(tmp_path):
    body = (
        r"\newsavebox{\mybox}\savebox{\mybox}{saved}\definecolor{lamp}{rgb}{1,1,0} So {\color{blue}blue} and {\color{red}{red}} "
        r"\fcolorbox{red}{white}{framed} \makebox[2cm]{boxed} \parbox{3cm}{narrow} \rowcolor{gray} use "
        r"\Verb[commandchars=-\[\]]+\a{b}+ and \texttt{$\backslash$use $\backslash{}$c}."
    )
    path = tmp_path / "a.tex"
    path.write_text(rf"\documentclass{{article}}\begin{{document}}{body}\end{{document}}")
    (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
    words = "So blue and red framed boxed narrow use `\\a{b}` and `\\use \\c`."
    assert " ".join(row["text"].split()) == words


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
@pytest.mark.parametrize(
    "table",
    [
        r"\begin{tblr}[theme=x]{colspec={lr}, hlines}%s\end{tblr}",
        r"\begin{tabu} to 5cm {XX}%s\end{tabu}",
        r"\begin{NiceTabular}{lr}[hvlines]%s\end{NiceTabular}",
        r"\begin{edtabularl}%s\end{edtabularl}",
    ],
)
def test_the_tables_of_other_packages_are_tables(tmp_path, table):
    path = tmp_path / "a.tex"
    rows_of_table = r"Lamp & Hours\\ \hline Oil \& wick & 3\\ \textbf{Gas} & 9\\"
    path.write_text(
        rf"\documentclass{{article}}\begin{{document}}First. {table % rows_of_table}\end{{document}}"
    )
    (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
    assert [line for line in row["text"].split("\n") if "|" in line and "---" not in line] == [
        "| Lamp | Hours |",
        "| Oil & wick | 3 |",
        "| **Gas** | 9 |",
    ]


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_the_words_of_unknown_macros_in_tables_are_kept(tmp_path):
    cells = r"\pkg{animate} & \cmd[x]{one}{two} \\ a \edtext{third}{\note{said}} & \cellcolor{red} b \\ \cs{loop} & \show{\x} \\"
    body = rf"The \pkg{{animate}} package, \cmd{{three}}{{four}}, \cs{{loop}} and \show{{\frame}}.\begin{{tabular}}{{ll}}{cells}\end{{tabular}}"
    path = tmp_path / "a.tex"
    path.write_text(rf"\documentclass{{article}}\begin{{document}}{body}\end{{document}}")
    (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
    assert row["text"].startswith("The animate package, three four,") and "`\\frame`." in row["text"]
    lines = [line for line in row["text"].split("\n") if line.startswith("| ") and "---" not in line]
    assert lines[:2] == ["| animate | one two |", "| a third said | b |"]


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_paragraphs_lists_and_tables_in_the_arguments_of_unknown_macros_stay_such(tmp_path):
    inner = r"\begin{parts}\item Is it oil?\item Is it gas?\end{parts}\begin{tabular}{ll}a & b\\ c & d\\ \end{tabular}"
    body = rf"\exer{{\qt{{Lamps}} Look at the lamp.{inner}}}{{}} The end, \name{{Argand}}."
    path = tmp_path / "a.tex"
    path.write_text(rf"\documentclass{{article}}\begin{{document}}{body}\end{{document}}")
    (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
    assert [line for line in row["text"].split("\n") if line.strip()] == [
        "Lamps Look at the lamp.",
        "1. Is it oil?",
        "2. Is it gas?",
        "| a | b |",
        "| --- | --- |",
        "| c | d |",
        "The end, Argand.",
    ]


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
def test_pictures_and_breaks_in_macros_are_no_words_and_a_title_has_its_formula(tmp_path):
    body = r"\D{\newpage}Look at it.\Figure[x]{0.56}{eoce/lamp}{lamp_hist} \Figuretext{The lamp burns.} See \D{\frame}."
    path = tmp_path / "a.tex"
    path.write_text(
        rf"\documentclass{{article}}\title{{The $t$-table}}\begin{{document}}\maketitle {body}\end{{document}}"
    )
    (row,) = rows(File(path, path.name, Source(path=path.name), path.stat().st_size))
    assert row["title"] == "The $t$-table"
    assert " ".join(row["text"].split()).endswith("Look at it. The lamp burns. See `\\frame`.")
    assert "newpage" not in row["text"] and "eoce" not in row["text"]
