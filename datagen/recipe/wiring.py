"""Which stages read whose tables (docs/decisions/0004-kinds-wire-the-line.md)."""

from collections.abc import Sequence

from datagen.errors import UserError

# Name of a stage, the kind of table that it takes and the kind that it gives.
Step = tuple[str, str, str]


def wire(steps: Sequence[Step]) -> dict[str, list[str]]:
    """
    Find out whose tables each stage reads: stage -> stages, those of the kind that it takes.

    Raises
    ------
    UserError
        When no stage before it gives that kind.
    """
    before = tables_before(steps)
    for name, takes, _ in steps:
        if takes and takes not in before[name]:
            raise UserError(
                f"stages.{name} takes {takes}, but no stage before it gives any; add one that does"
            )
    return {name: before[name].get(takes, []) for name, takes, _ in steps}


def tables_before(steps: Sequence[Step]) -> dict[str, dict[str, list[str]]]:
    """
    Find out which tables there are when each stage begins.

    Parameters
    ----------
    steps
        The stages in the order of the line.

    Returns
    -------
    Stage -> kind -> stages whose tables hold the rows of that kind. A stage that gives another kind than it
    takes adds its table to those of that kind; one that gives the kind it takes replaces them all.
    """
    current: dict[str, list[str]] = {}
    before = {}
    for name, takes, gives in steps:
        before[name] = dict(current)
        current[gives] = [name] if takes == gives else [*current.get(gives, []), name]
    return before
