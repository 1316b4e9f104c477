"""Gates: conditions on the comparison of two releases that prevent the new one from being released."""

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datagen.errors import UserError, hint
from datagen.schema import KINDS

SYNTAX = re.compile(
    r"\s*(?P<name>[A-Za-z_][\w./ -]*?)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>-?[\d.]+)\s*(?P<percent>%?)\s*"
)
SHARES = ("kept", "added", "changed", "retired", "rows", "documents")
SHARE = "share."
SHARED = (*KINDS.values(), "train", "validation", "knowledge_test")  # what figures `share.` exist of
QUANTILES = {"p50": 0.5, "p90": 0.9}  # of lengths
SIMPLE = (
    *SHARES,
    *(f"rows.{product}" for product in KINDS.values()),
    *(f"{SHARE}{name}" for name in SHARED),
    *(f"length.{product} {quantile}" for product in KINDS.values() for quantile in QUANTILES),
)
FAMILIES = ("score.", "yield.")
SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Gate:
    """
    A condition that fails a release, such as ``kept<0.8``.

    Parameters
    ----------
    text
        The condition as written.
    name, sign, limit
        The figure, the comparison, and the limit.
    """

    text: str
    name: str
    sign: str
    limit: float

    def fails(self, figures: Mapping[str, float | None]) -> bool:
        """
        Check whether figures meet the condition, which fails the release.

        Raises
        ------
        UserError
            If there is no such figure, or it is unknown.
        """
        if self.name not in figures:
            advice = hint(self.name, sorted(figures))
            raise UserError(f"the gate {self.text!r}: there is no figure {self.name!r}; {advice}")
        if (figure := figures[self.name]) is None:
            raise UserError(
                f"the gate {self.text!r}: {self.name} cannot be compared, because one of the runs does not "
                "have it, or it is 0 in the old one. If that is intended, release once without this gate"
            )
        return bool(SIGNS[self.sign](figure, self.limit))


def read_gate(text: str) -> Gate:
    """
    Parse a condition.

    Raises
    ------
    ValueError
        If it is not a figure, a comparison and a number.
    """
    match = SYNTAX.fullmatch(text)
    try:
        limit = float(match["limit"]) if match else None
    except ValueError:
        limit = None
    if match is None or limit is None:
        raise ValueError(f"a gate is written as kept<0.8 or rows.instructions<50%, not {text!r}")
    name = match["name"]
    if name not in SIMPLE and not name.startswith(FAMILIES):
        raise ValueError(f"{text!r}: there is no figure {name!r}; {hint(name, [*SIMPLE, *FAMILIES])}")
    return Gate(text.strip(), match["name"], match["sign"], limit / 100 if match["percent"] else limit)


def failed(gates: Sequence[str], figures: Mapping[str, float | None]) -> list[str]:
    """List the conditions that are met, with their figures."""
    parsed = [read_gate(text) for text in gates]
    return [
        f"{gate.text} ({gate.name} is {figures[gate.name]:.3g})" for gate in parsed if gate.fails(figures)
    ]
