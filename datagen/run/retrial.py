"""Which rejected requests are retried."""

import re
from collections.abc import Mapping, Set
from pathlib import Path

import pyarrow.compute as pc

from datagen.store.parquet import read_part


class Retrial:
    """
    Selects the rejected requests to retry although no known cause has changed.

    The server may have been fixed. So one request of each kind of rejection is retried, the shortest, and
    the others of its kind only if it is answered.
    """

    def __init__(self, requests: Path, rejected: Mapping[str, str], server: bool, everything: bool) -> None:
        self._kinds: dict[str, list[str]] = {}
        self.first: list[str] = []
        if everything:
            self.first = list(rejected)
        elif rejected and server:
            rows = read_part(requests, ["key", "body"])
            length = dict(zip(rows["key"].to_pylist(), pc.utf8_length(rows["body"]).to_pylist(), strict=True))
            for key in sorted(rejected, key=length.__getitem__):
                self._kinds.setdefault(kind_of(rejected[key]), []).append(key)
            self.first = [keys[0] for keys in self._kinds.values()]

    def rest(self, answered: Set[str]) -> list[str]:
        """List the other requests of each kind whose first request was answered; each only once."""
        answered_kinds = [kind for kind, keys in self._kinds.items() if keys[0] in answered]
        return [key for kind in answered_kinds for key in self._kinds.pop(kind)[1:]]


def kind_of(message: str) -> str:
    """Reduce a server's message to its words, without numbers and ids that differ by request."""
    return " ".join(re.findall(r"[^\W\d_]{2,}", message)[:12]).casefold()
