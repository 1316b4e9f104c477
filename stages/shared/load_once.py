"""
Load a tokenizer or a model once per process, in one thread at a time.

A worker processes several partitions in threads. If two threads loaded concurrently, each would hold a model,
and transformers' lazy imports fail when two threads trigger them.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from threading import RLock
from typing import TypeVar

T = TypeVar("T")

KEPT = 2  # results kept per function
LOADING = RLock()


def load_once(load: Callable[[str], T]) -> Callable[[str], T]:
    """Cache a function's results by name; all decorated functions share one lock."""
    kept = lru_cache(maxsize=KEPT)(load)

    @wraps(load)
    def locked(name: str) -> T:
        with LOADING:
            return kept(name)

    return locked
