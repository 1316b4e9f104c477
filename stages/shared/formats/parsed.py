"""What a text in an output format holds."""

from dataclasses import dataclass


class NotTheFormat(ValueError):
    """The text is not of the format; the message says why."""


@dataclass(frozen=True)
class Parsed:
    """
    The content of a text in an output format.

    Parameters
    ----------
    names
        Keys of an object, or columns of a table, in their order; empty for lists.
    rows
        Values in the order of the names: one row for an object, one for each row of a table, one of one value
        for each item of a list.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def cells(self) -> list[str]:
        """All values."""
        return [cell for row in self.rows for cell in row]
