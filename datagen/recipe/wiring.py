"""Connect stages by the kinds of their tables (docs/decisions/0004-kinds-wire-the-pipeline.md)."""

from collections.abc import Iterator, Sequence

from datagen.errors import UserError

# Name of a stage, the kind of table that it takes, and the kind that it gives.
Step = tuple[str, str, str]


def wire(steps: Sequence[Step]) -> dict[str, list[str]]:
    """
    Map each stage to the stages whose tables it reads: those of the kind that it takes.

    Raises
    ------
    UserError
        If no earlier stage gives that kind.
    """
    for name, what in unconnected(steps):
        raise UserError(f"stages.{name} {what}")
    before = tables_before(steps)
    return {name: before[name].get(takes, []) for name, takes, _ in steps}


def unconnected(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """Yield stages whose kind of table no earlier stage gives: name, and message with a fix."""
    before = tables_before(steps)
    for index, (name, takes, _) in enumerate(steps):
        if takes and takes not in before[name]:
            later = [other for other, needs, gives in steps[index + 1 :] if gives == takes != needs]
            fix = f"move it after {later[0]}" if later else "add one that does (see `datagen stages`)"
            yield name, f"takes {takes}, but no earlier stage gives any; {fix}"


def tables_before(steps: Sequence[Step]) -> dict[str, dict[str, list[str]]]:
    """
    Return the tables that exist when each stage starts.

    Parameters
    ----------
    steps
        The stages in order.

    Returns
    -------
    Stage -> kind -> stages whose tables contain the rows of that kind. A stage that gives another kind than
    it takes adds its table to those of that kind; one that gives the kind that it takes replaces them.
    """
    current: dict[str, list[str]] = {}
    before = {}
    for name, takes, gives in steps:
        before[name] = dict(current)
        current[gives] = [name] if takes == gives else [*current.get(gives, []), name]
    return before
