"""Count a corpus's files, read and not read, from the figures of the stage that read them."""

from collections.abc import Mapping


def files_by_ending(figures: Mapping[str, int]) -> dict[str, tuple[int, dict[str, int]]]:
    """
    Group the figures ``files/<ending>/<read, or the reason why not>`` by file name ending.

    Returns
    -------
    Ending -> files read, and files not read by reason; most frequent ending first.
    """
    counts: dict[str, dict[str, int]] = {}
    for name, count in figures.items():
        kind, _, rest = name.partition("/")
        if kind == "files":
            ending, _, result = rest.partition("/")
            counts.setdefault(ending or "none", {})[result] = count
    by_size = sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return {ending: (results.pop("read", 0), _most_first(results)) for ending, results in by_size}


def _most_first(results: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(results.items(), key=lambda item: (-item[1], item[0])))
