"""
List, roll back and clean up the releases of a recipe.

`clean` keeps the latest release, a number of finished runs before it, an unfinished run that can continue,
the newest complete pilot, which a plan is based on, runs with labels in their folder, and runs named in the
recipe. It removes another run or pilot only if a kept one has all of its answers, so no answer is lost.
"""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.report.changes import read_summary
from datagen.report.compare import changed_documents
from datagen.report.comparison import ADDED
from datagen.report.rows import products
from datagen.run.folder import FINISHED, PILOT, WITHDRAWN, Run, earlier_runs, open_run
from datagen.run.lease import lease
from datagen.run.lifecycle import point_latest
from datagen.schema import KINDS
from datagen.store.digests import sealed
from datagen.store.parquet import UNFINISHED, write_json

log = logging.getLogger(__name__)

LABELS = "labels.jsonl"  # written by `datagen label`
REMOVING = f"{UNFINISHED}gone-"  # prefix of a run's name while it is being removed


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
        Product -> rows of its hand-off; None for each if a file of it is damaged.
    kept
        Share of the previous release's rows that it also has; None for the first.
    own_bytes
        Disk space of its folder, without files shared with other runs.
    """

    run: str
    state: str
    started: str
    finished: str | None
    latest: bool
    rows: dict[str, int | None]
    kept: float | None
    own_bytes: int


def releases(home: Path) -> list[Release]:
    """
    List the runs of a recipe, the oldest first.

    Raises
    ------
    UserError
        If there is none.
    """
    if not (runs := earlier_runs(home) if home.is_dir() else []):
        raise UserError(f"{home} has no runs. Start one with `datagen run RECIPE`")
    latest = (home / "latest").resolve()
    return [_release(run, run.folder == latest) for run in runs]


def _release(run: Run, latest: bool) -> Release:
    summary, manifest = read_summary(run.folder), run.manifest
    rows: dict[str, int | None] = dict.fromkeys(KINDS.values())
    try:
        rows |= {product: sum(splits.values()) for product, splits in products(run).items()}
    except UserError as error:
        log.warning(f"the hand-off of {run.folder.name} is damaged: {error}")
    return Release(
        run=run.folder.name,
        state=str(manifest["state"]),
        started=str(manifest.get("started") or ""),
        finished=manifest.get("finished"),
        latest=latest,
        rows=rows,
        kept=summary["kept"] if summary else None,
        own_bytes=_own_bytes(run.folder),
    )


def rollback(home: Path, to: str = "") -> tuple[Run, Run]:
    """
    Make an earlier release the latest again, and withdraw the current one.

    Parameters
    ----------
    home
        The folder of the recipe's runs.
    to
        Name of the release, which may be a withdrawn one; "" for the newest finished one before the latest.

    Returns
    -------
    The withdrawn run, and the new latest one.

    Raises
    ------
    UserError
        If there is no such release, or it is the latest.
    """
    if not (home / "latest").exists():  # before the lease, which creates the folder
        raise UserError(f"{home} has no latest release; make one with `datagen run RECIPE`")
    with lease(home):
        latest = open_run(home / "latest")
        target = _target(home, latest, to)
        if target.withdrawn:
            target = _set_state(target, FINISHED)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        # Before the link, so that an interrupted rollback restores the same release when it is repeated.
        withdrawn = _set_state(latest, f"{WITHDRAWN}: {now}, in favour of {target.folder.name}")
        point_latest(home, target)
        return withdrawn, target


def restored_documents(withdrawn: Run, latest: Run) -> list[str] | None:
    """
    List the documents that a rollback brings back, because the withdrawn release does not have them.

    Returns
    -------
    Their sources; None if a table of one of the runs cannot be read.
    """
    try:
        documents = changed_documents(withdrawn, latest)
    except UserError:
        return None
    return sorted(source for source, change in documents.items() if change == ADDED)


def _target(home: Path, latest: Run, to: str) -> Run:
    """Find the release to restore: the named one, or the newest before the latest that is not withdrawn."""
    if to == latest.folder.name:
        raise UserError(f"{to} is the latest release already")
    released = [run for run in earlier_runs(home) if run.id != latest.id and (run.finished or run.withdrawn)]
    older = [run for run in released if run.finished and run.order < latest.order]
    if targets := [run for run in released if run.folder.name == to] if to else older[-1:]:
        return targets[0]
    problem = f"no release {to!r}" if to else "no release before the latest that is not withdrawn"
    names = ", ".join(f"{run.folder.name}{' (withdrawn)' * run.withdrawn}" for run in released) or "none"
    raise UserError(f"{home} has {problem}. Other releases, for --to: {names}")


def _set_state(run: Run, state: str) -> Run:
    manifest = run.manifest | {"state": state}
    write_json(sealed(manifest), run.folder / "manifest.json")
    return Run(run.folder, manifest)


def clean(home: Path, recipe: Recipe, keep: int, remove: bool) -> tuple[list[Path], dict[Path, str]]:
    """
    Remove runs and pilots that the retention policy does not keep.

    Parameters
    ----------
    home
        The folder of the recipe's runs.
    recipe
        Its options may name runs, which are kept.
    keep
        Number of finished runs before the latest to keep.
    remove
        Whether to remove them, or only list them.

    Returns
    -------
    The removed folders, and for the folder of each other run or pilot the reason why it is kept.

    Raises
    ------
    UserError
        If there is no run, or one is in progress.
    """
    homes = [folder for folder in (home, home.with_name(f"{home.name}{PILOT}")) if folder.is_dir()]
    with ExitStack() as leases:
        for folder in homes:
            leases.enter_context(lease(folder))
            for leftover in folder.glob(f"{REMOVING}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        runs, pilots = (earlier_runs(folder) for folder in (home, home.with_name(f"{home.name}{PILOT}")))
        if not runs and not pilots:
            raise UserError(f"{home} has no runs, so there is nothing to clean up")
        reasons = _kept(home, runs, pilots, recipe, keep)
        removable = [run.folder for run in (*pilots, *runs) if run.folder not in reasons]
        if remove:
            for folder in removable:
                hidden = folder.with_name(f"{REMOVING}{folder.name}")
                folder.replace(hidden)
                (hidden / "manifest.json").unlink()  # without a manifest it is not a run
                shutil.rmtree(hidden)
        return removable, reasons


def _kept(
    home: Path, runs: Sequence[Run], pilots: Sequence[Run], recipe: Recipe, keep: int
) -> dict[Path, str]:
    """Return the runs and pilots to keep, with reasons."""
    latest = (home / "latest").resolve()
    reasons: dict[Path, str] = {}
    finished = [run for run in runs if run.finished]
    for run in finished[-keep - 1 :]:
        reasons[run.folder] = "one of the newest"
    if any(run.folder == latest for run in runs):
        reasons[latest] = "the latest release"
    complete = [pilot for pilot in pilots if pilot.over]
    for pilot in complete[-1:]:
        reasons[pilot.folder] = "the newest pilot"
    for newest in (*runs[-1:], *pilots[-1:]):
        if not newest.over:
            reasons[newest.folder] = "it can be continued"
    named_paths = {path.resolve() for path in _named(recipe)}
    everything = sorted([*runs, *pilots], key=lambda run: run.order)
    for run in everything:
        if (run.folder / LABELS).exists():
            reasons.setdefault(run.folder, f"it has {LABELS}")
        elif any(path.is_relative_to(run.folder) for path in named_paths):
            reasons.setdefault(run.folder, "the recipe names it")
        elif run.manifest["state"] == "unreadable":
            reasons.setdefault(run.folder, "its manifest cannot be read")
    inherited: set[str] = set()
    for run in reversed(everything):  # newest first: a kept run has the answers of earlier ones
        if run.folder not in reasons and run.id not in inherited:
            reasons[run.folder] = "no kept run has its answers"
        if run.folder in reasons:
            inherited |= set(run.manifest.get("inherits", []))
    return reasons


def _named(recipe: Recipe) -> Iterator[Path]:
    """Yield the paths named in the recipe's options."""
    values: list[object] = list(recipe.stages.values())
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += value.values()
        elif isinstance(value, list | tuple):
            values += value
        elif isinstance(value, str) and value and "\n" not in value and len(value) < 1000:
            yield recipe.folder / Path(value)


def _own_bytes(folder: Path) -> int:
    """Sum the sizes of a folder's files, except hard-linked ones."""
    stats = [path.stat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(stat.st_size for stat in stats if stat.st_nlink == 1)


def as_json(listed: Sequence[Release]) -> list[dict[str, object]]:
    """Convert releases to plain values for JSON."""
    return [asdict(release) for release in listed]
