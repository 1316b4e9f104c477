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

SPACE = r"\t-\r\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"  # besides " "
SPACES = f"( ?[{SPACE}]|  )[ {SPACE}]*"  # all but a single " ", which most words have between them


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
    """
    A search in SQL.

    Parameters
    ----------
    terms
        The words of each term, separated by a space.
    passages
        A common table expression, the passages with a term.
    joined
        What to join to the table ``rows``.
    rows
        The condition on the result.
    """

    terms: list[str]
    passages: Filter
    joined: str
    rows: Filter


def fold(text: str) -> str:
    """
    Return the SQL that folds a text: letters in one case, and a space in place of white space.

    With single spaces, a phrase that spans line ends is found as fast as a word.
    """
    # `upper` first unites letters that differ in lower case only, such as ς and σ.
    return f"regexp_replace(lower(upper({text})), '{SPACES}', ' ', 'g')"


def search_for(query: str) -> Search | None:
    """
    Return the SQL of a search; None without words.

    Each passage is read once for all terms, and before the rows that share it.

    Raises
    ------
    UserError
        If the query has too many terms.
    """
    phrases = [" ".join(words) for words in terms_of(query)]
    if not phrases:
        return None
    terms = [_has_term(phrase) for phrase in phrases]
    values = [value for term in terms for value in term.values]
    names = [f"in_passage_{number}" for number in range(len(terms))]
    columns = ", ".join(f"{term.sql} as {name}" for term, name in zip(terms, names, strict=True))
    # Materialized: the condition on the columns would search the passages again.
    found = f"with found as materialized (select rowid as passage, {columns} from passages)"
    joined = f"left join (select * from found where {' or '.join(names)}) using (passage)"
    conditions = [f"(coalesce({name}, false) or {term.sql})" for term, name in zip(terms, names, strict=True)]
    return Search(phrases, Filter(found, values), joined, Filter(" and ".join(conditions), values))


def spellings_of(phrase: str) -> list[str]:
    """List a phrase as given and in normal forms."""
    return list(dict.fromkeys([phrase, *(unicodedata.normalize(form, phrase) for form in ("NFC", "NFD"))]))


def _has_term(phrase: str) -> Filter:
    """Return the condition that ``search`` has the words in sequence, as given or in a normal form."""
    spellings = spellings_of(phrase)
    alternatives = " or ".join(f"contains(search, {fold('?')})" for _ in spellings)
    return Filter(f"({alternatives})", list(spellings))
