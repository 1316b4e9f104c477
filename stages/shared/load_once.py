"""
Loading a tokenizer or a model: once a process, by one thread at a time.

A worker has several partitions in its hands. Two threads that load at once would each hold a model, and
transformers, which imports its parts on first use, fails where two threads do so.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from threading import RLock
from typing import TypeVar

T = TypeVar("T")

KEPT = 2  # results of each function
LOADING = RLock()


def load_once(load: Callable[[str], T]) -> Callable[[str], T]:
    """Keep what a function loads by name; all functions that are decorated so share one lock."""
    kept = lru_cache(maxsize=KEPT)(load)

    @wraps(load)
    def locked(name: str) -> T:
        with LOADING:
            return kept(name)

    return locked
