"""Short names of stages and tasks: the built-in ones, and entry points of installed packages."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from datagen.errors import UserError

# Name -> import string -> who offers it. A name with several import strings cannot be used.
Offers = Mapping[str, Mapping[str, str]]


def offers(group: str, built_in: Mapping[str, str]) -> Offers:
    """
    Collect what each name may stand for: built-in names in their order, then others by name.

    Parameters
    ----------
    group
        The entry point group of other packages.
    built_in
        Import strings of the built-in names.
    """
    offered = {name: {where: "datagen"} for name, where in built_in.items()}
    for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
        owner = entry.dist.name if entry.dist else "unknown"
        offered.setdefault(entry.name, {}).setdefault(entry.value, owner)
    return offered


def import_string(use: str, offered: Offers, what: str) -> str:
    """
    Return the import string that a name stands for, or `use` itself if no name is meant.

    Raises
    ------
    UserError
        If several packages offer the name: what it meant would depend on what is installed.
    """
    places = offered.get(use) or {use: ""}
    if len(places) > 1:
        listed = " and ".join(f"{owner} ({where})" for where, owner in places.items())
        raise UserError(
            f"several packages offer {what} {use!r}: {listed}; "
            "use the import string of one, or uninstall the other package"
        )
    return next(iter(places))
