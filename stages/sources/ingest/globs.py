"""Match paths with globs."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Check whether the parts of a path match those of a glob; ``**`` matches any number of parts."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(matches(path[at:], pattern[1:]) for at in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and matches(path[1:], pattern[1:])


def pattern_parts(pattern: str) -> list[str]:
    """Split a glob into parts; one without a slash matches a name in any folder."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return parts if "/" in pattern.rstrip("/") else ["**", *parts]
