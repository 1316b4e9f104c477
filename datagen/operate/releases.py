"""
The releases of a recipe: listed, rolled back, cleaned up.

Retention: `clean` keeps the latest release, a number of finished runs before it, a run that can be continued,
runs with labels in their folder, and runs that the recipe names. Of the others it removes what a kept run
has too. Answers are never removed: a run goes only when a kept run has taken over all of its answers.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.report.changes import read_summary
from datagen.report.html import products
from datagen.run.folder import WITHDRAWN, Run, earlier_runs, open_run, point_latest
from datagen.run.lease import lease
from datagen.store.digests import sealed
from datagen.store.parquet import UNFINISHED, write_json

LABELS = "labels.jsonl"  # that `datagen label` writes
GONE = f"{UNFINISHED}gone-"  # what the name of a run begins with while it is removed


@dataclass(frozen=True)
class Release:
    """
    A run, as `datagen releases` lists it.

    Parameters
    ----------
    run, state, started, finished
        As in its manifest.
    latest
        Whether it is the latest release.
    rows
        Product -> rows of its hand-off.
    kept
        Share of the rows of the release before it that it has too; None for the first.
    own_bytes
        What its folder takes on the disk alone; files shared with other runs are left out.
    """

    run: str
    state: str
    started: str
    finished: str | None
    latest: bool
    rows: dict[str, int]
    kept: float | None
    own_bytes: int


def releases(home: Path) -> list[Release]:
    """
    List the runs of a recipe, the oldest first.

    Raises
    ------
    UserError
        When there is none.
    """
    if not (runs := earlier_runs(home) if home.is_dir() else []):
        raise UserError(f"{home} holds no runs. `datagen run RECIPE` makes one")
    latest = _latest(home)
    return [_release(run, latest is not None and run.id == latest.id) for run in runs]


def _release(run: Run, latest: bool) -> Release:
    said, manifest = read_summary(run.folder), run.manifest
    rows = {product: sum(splits.values()) for product, splits in products(run).items()}
    return Release(
        run=run.folder.name,
        state=str(manifest["state"]),
        started=str(manifest.get("started") or ""),
        finished=manifest.get("finished"),
        latest=latest,
        rows=rows,
        kept=said["kept"] if said else None,
        own_bytes=_own_bytes(run.folder),
    )


def rollback(home: Path, to: str = "") -> tuple[Run, Run]:
    """
    Make an earlier release the latest again, and withdraw the one that was.

    Parameters
    ----------
    home
        The folder of the recipe's runs.
    to
        Name of the release; "" for the newest finished one before the latest.

    Returns
    -------
    The run that was withdrawn, and the one that is the latest now.

    Raises
    ------
    UserError
        When there is no such release.
    """
    with lease(home):
        latest = _latest(home)
        if latest is None:
            raise UserError(f"{home} has no latest release")
        earlier = [run for run in earlier_runs(home) if run.finished and run.id != latest.id]
        older = [run for run in earlier if run.order < latest.order]
        chosen = [run for run in earlier if run.folder.name == to] if to else older[-1:]
        if not chosen:
            names = ", ".join(run.folder.name for run in earlier) or "none"
            wanted = f"no finished run {to!r}" if to else "no finished run before the latest"
            raise UserError(f"{home} has {wanted}; finished runs besides the latest: {names}")
        point_latest(home, chosen[0])
        now = datetime.now(UTC).isoformat(timespec="seconds")
        state = f"{WITHDRAWN}: {now}, in favour of {chosen[0].folder.name}"
        write_json(sealed(latest.manifest | {"state": state}), latest.folder / "manifest.json")
        return latest, chosen[0]


def clean(home: Path, recipe: Recipe, keep: int, remove: bool) -> tuple[list[Path], dict[str, str]]:
    """
    Remove runs that the retention policy does not keep.

    Parameters
    ----------
    home
        The folder of the recipe's runs.
    recipe
        Whose options may name runs.
    keep
        How many finished runs before the latest are kept.
    remove
        Whether to remove them, or only tell which.

    Returns
    -------
    The folders that are removed, and why each other one is kept.
    """
    with lease(home):
        for leftover in home.glob(f"{GONE}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        runs = earlier_runs(home)
        reasons = _kept(home, runs, recipe, keep)
        going = [run for run in runs if run.folder.name not in reasons]
        if remove:
            for run in going:
                gone = home / f"{GONE}{run.folder.name}"
                run.folder.replace(gone)
                (gone / "manifest.json").unlink()  # without it, it is no run
                shutil.rmtree(gone)
        return [run.folder for run in going], reasons


def _kept(home: Path, runs: Sequence[Run], recipe: Recipe, keep: int) -> dict[str, str]:
    """Say which runs are kept, and why."""
    latest = _latest(home)
    reasons: dict[str, str] = {}
    finished = [run for run in runs if run.finished]
    for run in finished[-keep - 1 :]:
        reasons[run.folder.name] = "one of the newest"
    if latest is not None:
        reasons[latest.folder.name] = "the latest release"
    if runs and not runs[-1].over:
        reasons[runs[-1].folder.name] = "it can be continued"
    named = {path.resolve() for path in _named(recipe)}
    for run in runs:
        if (run.folder / LABELS).exists():
            reasons.setdefault(run.folder.name, f"it holds {LABELS}")
        elif any(path.is_relative_to(run.folder) for path in named):
            reasons.setdefault(run.folder.name, "the recipe names it")
        elif run.manifest["state"] == "unreadable":
            reasons.setdefault(run.folder.name, "its manifest cannot be read")
    taken: set[str] = set()
    for run in reversed(runs):  # the newest first: a kept run has the answers of those before it
        if run.folder.name not in reasons and run.id not in taken:
            reasons[run.folder.name] = "no kept run has its answers"
        if run.folder.name in reasons:
            taken |= set(run.manifest.get("inherits", []))
    return reasons


def _named(recipe: Recipe) -> Iterator[Path]:
    """Find the paths that options of the recipe name."""
    waiting: list[Any] = list(recipe.stages.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, str) and value and "\n" not in value and len(value) < 1000:
            yield recipe.folder / Path(value)


def _latest(home: Path) -> Run | None:
    return open_run(home / "latest") if (home / "latest").exists() else None


def _own_bytes(folder: Path) -> int:
    """Add up the files of a folder that have no second name."""
    stats = [path.stat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(stat.st_size for stat in stats if stat.st_nlink == 1)


def as_json(found: Sequence[Release]) -> list[dict[str, Any]]:
    """Write releases as plain values."""
    return [asdict(release) for release in found]
