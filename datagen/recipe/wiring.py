"""Which stages read whose tables (docs/decisions/0004-kinds-wire-the-line.md)."""

from collections.abc import Sequence

from datagen.errors import UserError


def wire(steps: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    """
    Find out whose tables each stage reads.

    Parameters
    ----------
    steps
        Name, kind of table taken and kind given, in the order of the line.

    Returns
    -------
    Stage -> stages that it reads. A stage that gives another kind than it takes adds its table to those
    of that kind; one that gives the kind it takes replaces them all.
    """
    current: dict[str, list[str]] = {}
    wired = {}
    for name, takes, gives in steps:
        if takes and takes not in current:
            raise UserError(
                f"stages.{name} takes {takes}, but no stage before it gives any; add one that does"
            )
        wired[name] = list(current.get(takes, []))
        current[gives] = [name] if takes == gives else [*current.get(gives, []), name]
    return wired
