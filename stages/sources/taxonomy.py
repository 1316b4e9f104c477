"""
Group the documents of a corpus into topics by the words that their headings share.

A document holds a term (a word or two adjacent words, without stop words) if its title has it or at least
half of its passages are below a heading with it. The term that most documents without a topic hold becomes
the next topic, and so on; topics with too many documents are divided again. The path of topics is written to
the column ``topic`` of the passages, and `mine` and `comprehend` (``structure: true``) and `outline_pairs`
put it above the document's own headings. Documents that share no term with others get an empty path, so every
passage has a place.

Sources: StructTuning (Liu et al., arXiv 2407.16724), whose taxonomy spans the corpus and is proposed by a
model; grouping by shared terms, which also name the groups, is from Beil, Ester and Xu, "Frequent Term-Based
Text Clustering", KDD 2002.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TypeAlias

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.stage import Columns, Context, Outcome, Partitions, WholeStage
from datagen.stages.shared.language.rules import Language, Languages, code_of
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.render.exercises import unnumbered
from datagen.stages.shared.segment.headings import TOPIC

READ = ["document_id", "title", "section", "language"]
HELD = 0.5  # minimum share of a document's passages that are below a heading with a term of it
WIDEST = 0.5  # maximum share of the documents in a topic: one of nearly all of them distinguishes nothing
SHORTEST = 3  # characters of a word

Term: TypeAlias = tuple[str, ...]  # the language, and the stems of a word or of two adjacent words
Holders: TypeAlias = Mapping[Term, set[str]]  # the documents that hold each term
Paths: TypeAlias = dict[str, list[Term]]  # the topics of each document, outermost first


class Options(datagen.stage.Options):
    """The size of topics."""

    least: int = Field(3, ge=2, description="Minimum documents of a topic")
    most: int = Field(40, ge=2, description="Topics with more documents are divided into topics of their own")
    depth: int = Field(3, ge=1, le=8, description="Maximum levels of topics")


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[dict[str, list[str]]]:
    """Find the topics of all documents; yield document id -> topics for each partition."""
    passages, languages = Counter[str](), Languages(context)
    holds: dict[str, Counter[Term]] = defaultdict(Counter)  # document -> term -> passages
    written: dict[Term, Counter[str]] = defaultdict(Counter)  # how a term is written
    members: list[set[str]] = []
    for rows in partitions.columns(READ):
        members.append(set(rows["document_id"].to_pylist()))
        for row in rows.to_pylist():
            document, code = row["document_id"], code_of(row)
            passages[document] += 1
            headings = [row["title"] or "", *(row["section"] or ())]
            terms = [dict(terms_of(heading, code, languages[code])) for heading in headings]
            for term in {term for of_heading in terms for term in of_heading}:
                holds[document][term] += 1
            for of_heading in terms:
                for term, name in of_heading.items():
                    written[term][name] += 1
    holders: dict[Term, set[str]] = defaultdict(set)
    for document, counts in holds.items():
        for term, count in counts.items():
            if count >= HELD * passages[document]:
                holders[term].add(document)
    paths = divide(holders, passages.keys(), options, options.depth)
    names = {term: min(forms, key=lambda form: (-forms[form], form)) for term, forms in written.items()}
    named = {
        document: [names[term][:1].upper() + names[term][1:] for term in path]
        for document, path in paths.items()
    }
    _notice(named, context)
    for documents in members:
        yield {document: named[document] for document in documents}


def terms_of(heading: str, code: str, language: Language) -> Iterator[tuple[Term, str]]:
    """Yield the terms of a heading, each as its stems and as it is written in lower case."""
    spoken = words_of(unnumbered(heading))
    stems = [_stem(word, language) for word in spoken]
    for word, stem in zip(spoken, stems, strict=True):
        if stem:
            yield (code, stem), word
    for (word, stem), (other, next_stem) in pairwise(zip(spoken, stems, strict=True)):
        if stem and next_stem:
            yield (code, stem, next_stem), f"{word} {other}"


def _stem(word: str, language: Language) -> str:
    """Return the stem of a word that can be part of a topic's name; "" for others."""
    usable = word.isalpha() and (len(word) >= SHORTEST or not word.isascii()) and word not in language.stop
    return language.stem(word) if usable else ""


def divide(holders: Holders, documents: Collection[str], options: Options, depth: int) -> Paths:
    """
    Divide documents into topics, and large topics again.

    Parameters
    ----------
    holders
        The documents that hold each term; others than `documents` are ignored.
    documents
        The documents to divide.
    options
        The size of topics.
    depth
        Maximum levels of topics.

    Returns
    -------
    Document -> its topics, outermost first; empty if it shares no term.
    """
    own = set(documents)
    here = {term: held for term, all_held in holders.items() if (held := all_held & own)}
    here = {term: held for term, held in here.items() if len(held) <= WIDEST * len(documents)}
    paths: Paths = {document: [] for document in documents}
    for term, group in _topics(here, options.least):
        large = len(group) > options.most and depth > 1
        below = divide(here, group, options, depth - 1) if large else {}
        paths |= {document: [term, *below.get(document, [])] for document in group}
    return paths


def _topics(holders: Holders, least: int) -> Iterator[tuple[Term, set[str]]]:
    """Yield the term that most of the remaining documents hold, with these, until too few share one."""
    assigned: set[str] = set()
    queue = [(-len(held), -len(term), term) for term, held in holders.items() if len(held) >= least]
    heapq.heapify(queue)
    while queue:
        size, length, term = heapq.heappop(queue)
        left = holders[term] - assigned
        if len(left) < least:
            continue
        if len(left) < -size:  # others may now be more frequent
            heapq.heappush(queue, (-len(left), length, term))
            continue
        assigned |= left
        yield term, left


def _notice(named: Mapping[str, Iterable[str]], context: Context) -> None:
    topics = Counter(tuple(path) for path in named.values() if path)
    shown = ", ".join(f"{' > '.join(path)} ({count:,})" for path, count in topics.most_common(8))
    context.notice([f"{topics.total():,} of {len(named):,} documents in {len(topics):,} topics: {shown}"])


def apply(passages: pa.Table, topics: dict[str, list[str]], options: Options, context: Context) -> Outcome:
    """Write each passage's topics."""
    paths = [topics[document] for document in passages["document_id"].to_pylist()]
    return Outcome.all_kept(passages.append_column(TOPIC, pa.array(paths, TOPIC.type)))


stage = WholeStage(
    name="taxonomy",
    summary="group the documents into topics by the words that their headings share",
    takes="passages",
    gives="passages",
    run=run,
    apply=apply,
    options=Options,
    columns=lambda options: Columns(makes=pa.schema([TOPIC])),
)
