"""
Marks of bad answers in a user's records: labels of unpaired preferences, votes, and ratings.

A mark is certain if it needs no scale: ``label: 0``, ``vote: down``, ``rating: 1 of 5``. A bare number, such
as ``rating: 2``, is not: its scale may be reversed, or end at 3. A recipe gives its minimum (``least``);
without one such records are read and counted.
"""

import re
from collections.abc import Iterator, Mapping

from datagen.request import Reject
from datagen.rows import Row

LABELS = ("label", "kto_tag", "feedback", "vote", "thumbs", "reaction")
FLAGS = ("is_correct", "correct", "is_accepted", "accepted", "is_good", "good", "liked", "thumbs_up")
RATINGS = ("rating", "stars", "score", "quality", "grade")
BAD = frozenset(
    {"0", "0.0", "-1", "-1.0", "false", "no", "bad", "wrong", "incorrect", "negative", "rejected"}
)
VOTED_DOWN = frozenset(
    {"undesirable", "down", "downvote", "dislike", "disliked", "thumbs down", "thumbsdown", "👎"}
)
SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")  # tones of an emoji
NUMBER = r"[-+]?\d+(?:\.\d+)?"
SCALED = re.compile(rf"\s*({NUMBER})\s*(?:/|(?:out )?of|von|sur|de)\s*({NUMBER})\b", re.IGNORECASE)
RATED = re.compile(
    rf"\s*({NUMBER})(?:\s*(?:/|\*|★|(?:out )?of\b|von\b|sur\b|de\b|stars?\b|points?\b).*|\s*)", re.I
)
HALF = 0.5
REMEDY = "remove the field if it means something else, or pair the answer with a chosen one"


def not_bad(fields: Row, answer: object) -> None:
    """
    Reject a record that marks its answer as bad.

    A label that repeats the answer is its class. Negative ratings and those in the lower half of a stated
    scale are bad.
    """
    said = str(answer).strip().casefold()
    for name in LABELS:
        mark = SKIN.sub("", str(_inner(fields.get(name)))).strip().casefold().replace("_", " ")
        if mark in BAD | VOTED_DOWN and mark != said:
            raise Reject("a bad answer", f"its {name} is {mark}; {REMEDY}")
    for name in FLAGS:
        if str(fields.get(name)).strip().casefold() == "false" != said:
            raise Reject("a bad answer", f"its {name} is false; {REMEDY}")
    for name in RATINGS:
        rating = _inner(fields.get(name))
        scaled = SCALED.match(rating) if isinstance(rating, str) else None
        low = scaled and float(scaled[1]) < HALF * float(scaled[2])
        number = rating_of(rating)
        if low or (name != "score" and number is not None and number < 0):  # scores of models may be negative
            raise Reject("a bad answer", f"its {name} is {rating}; {REMEDY}")


def rated_enough(fields: Mapping[str, object], least: Mapping[str, float]) -> None:
    """Reject a record with a rating below its minimum, or without it."""
    for name, minimum in least.items():
        rating = rating_of(_inner(fields.get(name)))
        if rating is None:
            raise Reject("not rated", f"it has no number in {name}; add one, or remove {name} from least")
        if rating < minimum:
            raise Reject("rated too low", f"its {name} is {rating:g}, under {minimum:g} (least)")


def unread_ratings(fields: Mapping[str, object], least: Mapping[str, float]) -> Iterator[str]:
    """Yield the names of a record's ratings that nothing compares with a minimum."""
    for name in RATINGS:
        if name not in least and rating_of(_inner(fields.get(name))) is not None:
            yield name


def rating_of(value: object) -> float | None:
    """Return a rating as a number: 2, "2", "2 of 5", "2 stars"; None if it is something else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if value == value else None  # NaN is the empty cell of a table
    match = RATED.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) if match else None


def _inner(value: object) -> object:
    """Return the mark in an object such as ``feedback: {rating: down}``."""
    if isinstance(value, Mapping):
        return next((value[name] for name in (*RATINGS, *LABELS, "value") if name in value), None)
    return value
