"""What became of the files of a corpus, as the figures of the stage that read them tell."""

from collections.abc import Mapping


def files_by_ending(figures: Mapping[str, int]) -> dict[str, tuple[int, dict[str, int]]]:
    """
    Sort out the figures ``files/<ending>/<read, or the reason why not>``.

    Returns
    -------
    Ending -> files that were read, and how many were not for each reason; the most frequent ending first.
    """
    counts: dict[str, dict[str, int]] = {}
    for name, count in figures.items():
        kind, _, rest = name.partition("/")
        if kind == "files":
            ending, _, became = rest.partition("/")
            counts.setdefault(ending or "none", {})[became] = count
    by_size = sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return {ending: (became.pop("read", 0), _most_first(became)) for ending, became in by_size}


def _most_first(became: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(became.items(), key=lambda item: (-item[1], item[0])))
