"""The content of a text in an output format."""

from dataclasses import dataclass


class NotTheFormat(ValueError):
    """The text does not match the format; the message gives the reason."""


@dataclass(frozen=True)
class Parsed:
    """
    The content of a text in an output format.

    Parameters
    ----------
    names
        Keys of an object, or columns of a table, in order; empty for lists.
    rows
        Values in the order of the names: one row for an object, one per table row, or one with a single value
        per list item.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def cells(self) -> list[str]:
        """All values."""
        return [cell for row in self.rows for cell in row]
