"""Send requests to a model outside a run, with the completions stored in a folder."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from datagen.engines.identity import circumstances, identify
from datagen.engines.pool import EnginePool
from datagen.recipe.roles import Model
from datagen.request import Answer, Completion, Request, separated
from datagen.store.completions import Completions
from datagen.store.journal import Journal

log = logging.getLogger(__name__)

ASKER = "asker"  # name of the journal, and of the run in the engine pool


class Asker:
    """
    Answers requests with one model and reuses the completions stored in the folder.

    The engine starts at the first request without a completion, and closes at the end of the ``with`` block.

    Parameters
    ----------
    spec
        The model.
    folder
        Where completions are stored.
    """

    def __init__(self, spec: Model, folder: Path) -> None:
        self._spec, self._identity = spec, identify(spec)
        self._store = Completions(folder, circumstances(spec))
        self._pool: EnginePool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A stop ends the process and its children; it need not wait for the thread of the pool.
        if self._pool is not None and (error is None or isinstance(error, Exception)):
            self._pool.close()
        self._pool = None

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer requests, in order; a request that kept failing gets a completion with the error."""
        failures: dict[str, str] = {}
        keyed = {request.key(self._identity): request for request in requests}
        missing = self._store.missing(pa.array(list(keyed), pa.string())).to_pylist()
        pending = [item for item, is_missing in zip(keyed.items(), missing, strict=True) if is_missing]
        if pending:
            self._pool = self._pool or EnginePool()
            journal = Journal(self._store.folder, ASKER)

            def keep(completion: Completion) -> None:
                conditions = circumstances(self._spec) if completion.error else ""
                journal.append(replace(completion, circumstances=conditions))

            try:
                self._pool.generate(
                    ASKER, self._spec, self._identity, pending, keep, failures.__setitem__, log.warning
                )
            finally:
                journal.close()
                self._store.settle()
        completions = self._store.find(list(keyed))
        name, revision = self._identity.name, self._identity.revision
        for key, why in failures.items():
            completions.setdefault(key, Completion(key, "", "error", name, revision, error=why))
        return [Answer(request, separated(completions[request.key(self._identity)])) for request in requests]
