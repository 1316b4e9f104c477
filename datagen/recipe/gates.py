"""Gates: conditions on a comparison of two releases under which the new one is not released."""

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from datagen.errors import UserError
from datagen.schema import KINDS

WRITTEN = re.compile(
    r"\s*(?P<name>[A-Za-z_][\w./ -]*?)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>-?[\d.]+)\s*(?P<percent>%?)\s*"
)
SHARES = ("kept", "added", "changed", "retired", "rows", "documents")
SIMPLE = (*SHARES, *(f"rows.{product}" for product in KINDS.values()))
FAMILIES = ("score.", "length.", "yield.", "share.")
SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Gate:
    """
    A condition under which a release fails, such as ``kept<0.8``.

    Parameters
    ----------
    text
        As it was written.
    name, sign, limit
        The figure, how it is compared, and with what.
    """

    text: str
    name: str
    sign: str
    limit: float

    def fails(self, figures: Mapping[str, float]) -> bool:
        """
        Tell whether figures meet the condition.

        Raises
        ------
        UserError
            When there is no such figure.
        """
        if self.name not in figures:
            close = get_close_matches(self.name, figures, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(figures))}"
            raise UserError(f"the gate {self.text!r}: there is no figure {self.name!r}; {hint}")
        result: bool = SIGNS[self.sign](figures[self.name], self.limit)
        return result


def read_gate(text: str) -> Gate:
    """
    Read a condition.

    Raises
    ------
    ValueError
        When it is not written as a figure, a sign and a number.
    """
    match = WRITTEN.fullmatch(text)
    try:
        limit = float(match["limit"]) if match else None
    except ValueError:
        limit = None
    if match is None or limit is None:
        raise ValueError(f"a gate is written as kept<0.8 or rows.instructions<50%, not {text!r}")
    name = match["name"]
    if name not in SIMPLE and not name.startswith(FAMILIES):
        close = get_close_matches(name, SIMPLE, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join([*SIMPLE, *FAMILIES])}"
        raise ValueError(f"{text!r}: there is no figure {name!r}; {hint}")
    return Gate(text.strip(), match["name"], match["sign"], limit / 100 if match["percent"] else limit)


def failed(gates: Sequence[str], figures: Mapping[str, float]) -> list[str]:
    """List the conditions that figures meet, each with the figure."""
    read = [read_gate(text) for text in gates]
    return [f"{gate.text} ({gate.name} is {figures[gate.name]:.3g})" for gate in read if gate.fails(figures)]
