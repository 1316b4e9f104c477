"""
Full-text search over the rows of a run, as a scan of folded texts.

A row matches if each word of the query, and each phrase in quotes, is part of one of its texts or of its
passage. Words are matched as parts of texts, so scripts without spaces need no segmentation and an inflected
form is found by its stem. A scan needs no index that would take minutes to build for millions of rows.
"""

import re
import unicodedata
from typing import NamedTuple

from datagen.errors import UserError

MOST_TERMS = 32  # words and phrases of a query
QUOTES = str.maketrans("“”„‟«»", '""""""')
TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')

SPACE = r"[\s\p{Z}]+"  # between the words of a phrase: also line ends and indentation
FOLD = "lower(upper({}))"  # `upper` first unites letters that differ in lower case only, such as ς and σ


class Filter(NamedTuple):
    """A condition in SQL with its values."""

    sql: str
    values: list[object]


def terms_of(query: str) -> list[list[str]]:
    """
    Split a query into terms, each a list of words that follow each other.

    A missing closing quote is assumed at the end.

    Raises
    ------
    UserError
        If the query has more than `MOST_TERMS` words and phrases.
    """
    terms = [(phrase or word).split() for phrase, word in TERM.findall(query.translate(QUOTES))]
    distinct = [list(words) for words in dict.fromkeys(map(tuple, terms)) if words]
    if len(distinct) > MOST_TERMS:
        raise UserError(f"the search has {len(distinct)} words and phrases; at most {MOST_TERMS} are allowed")
    return distinct


class Search(NamedTuple):
    """A search in SQL: `passages`, to join to the table ``rows``, and `rows`, a condition on the result."""

    passages: Filter
    rows: Filter


def search_for(query: str) -> Search | None:
    """
    Return the SQL of a search; None without words.

    Each passage is read once for all terms, and before the rows that share it.

    Raises
    ------
    UserError
        If the query has too many terms.
    """
    terms = [_has_term(words) for words in terms_of(query)]
    if not terms:
        return None
    values = [value for term in terms for value in term.values]
    names = [f"in_passage_{number}" for number in range(len(terms))]
    columns = ", ".join(f"{term.sql} as {name}" for term, name in zip(terms, names, strict=True))
    found = f"(select rowid as passage, {columns} from passages)"
    joined = f"left join (select * from {found} where {' or '.join(names)}) using (passage)"
    conditions = [f"(coalesce({name}, false) or {term.sql})" for term, name in zip(terms, names, strict=True)]
    return Search(Filter(joined, values), Filter(" and ".join(conditions), values))


def _has_term(words: list[str]) -> Filter:
    """Return the condition that ``search`` has the words in sequence, as given or in a normal form."""
    normal = [tuple(unicodedata.normalize(form, word) for word in words) for form in ("NFC", "NFD")]
    spellings = dict.fromkeys([tuple(words), *normal])
    folded = FOLD.format("?")
    alternatives: list[str] = []
    values: list[object] = []
    for spelling in spellings:
        conditions = [f"contains(search, {folded})" for _ in spelling]
        values += spelling
        if len(spelling) > 1:  # `contains` is faster and excludes most rows
            pattern = f" || '{SPACE}' || ".join(folded for _ in spelling)
            conditions.append(f"regexp_matches(search, {pattern})")
            values += map(re.escape, spelling)
        alternatives.append(" and ".join(conditions))
    return Filter(f"({' or '.join(alternatives)})", values)
