"""
The files of a corpus: folders walked, links followed once and only within, and what is left out told.

A name may stand for anything: a pipe that never ends, a device, a link to a folder above, a folder without
permission, bytes that are no UTF-8. What is no file to read becomes a row to be dropped, with the reason.
Hidden files, what `exclude` names and the folder of the recipe's own runs are not part of a corpus.
"""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datagen.errors import UserError
from datagen.paths import expanded
from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.sources.ingest.readers.mapping import find_mapping
from datagen.stages.sources.ingest.record import File, Limits, matches, pattern_parts
from datagen.stages.sources.ingest.remote import list_files

Identity = tuple[int, int]  # device and inode: one file or folder, whatever its names

DATASET = ("dataset_info.json", "state.json")  # what Hugging Face's datasets write beside .arrow files

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass
class Found:
    """
    What a corpus names.

    Parameters
    ----------
    files
        To be read, in order.
    left_out
        What cannot be read, and why.
    """

    files: list[File] = field(default_factory=list)
    left_out: list[tuple[File, Reject]] = field(default_factory=list)


def find(
    corpus: Sequence[Source], recipe: Path, home: Path, limits: Limits, said: str = "corpus: path"
) -> Found:
    """
    Find the corpus's files.

    Parameters
    ----------
    corpus
        Its entries.
    recipe
        The recipe's folder, which relative paths start from.
    home
        The folder of the recipe's runs: it and the one that holds those of all recipes are never read.
    limits
        Of each file.
    said
        Where the entries are in the recipe, for messages.

    Raises
    ------
    UserError
        When an entry names nothing at all, or two entries give two files one name.
    """
    roots = [_root(given, recipe) for given in corpus]
    local = [base for given, (base, _) in zip(corpus, roots, strict=True) if not given.is_remote]
    bases = [Path(os.path.realpath(base)) for base in local]
    found, seen, paths = Found(), dict[Identity, str](), dict[str, Path]()
    for given, (base, pattern) in zip(corpus, roots, strict=True):
        if given.python:
            find_mapping(given.python)
            found.files.append(File(Path(), f"python:{given.python}", given))
            continue
        if given.is_remote:
            new = [file for file in list_files(given, limits) if file.name not in paths]
            found.files += new
            paths |= {file.name: file.path for file in new}
            continue
        walk = _Walk(given, recipe, base, pattern, limits, seen, bases, home)
        if pattern or base.is_dir():
            walk.run()
        elif base.exists():
            walk.take(str(base), base.name, base.stat())
        if not walk.any:
            raise UserError(
                f"{said}: {given.path!r} matches no file (looked in {base.absolute()}). "
                "Paths start at the recipe's folder; hidden files are left out"
            )
        found.left_out += walk.found.left_out
        own = {file.path for file in walk.found.files}
        for file in sorted(walk.found.files, key=lambda file: (file.name, str(file.path))):
            known = paths.setdefault(file.name, file.path)
            if known != file.path and known in own:  # one has bytes where the other has their escapes
                why = Reject("another file of this name", f"{os.fsencode(known)!r} is read by this name")
                found.left_out.append((file, why))
                continue
            if known != file.path:
                raise UserError(
                    f"{said}: {known} and {file.path} would both be called {file.name}. "
                    "Write their paths relative to the recipe, which tells them apart"
                )
            found.files.append(file)
    return found


def _root(given: Source, recipe: Path) -> tuple[Path, tuple[str, ...]]:
    """Give the folder that an entry's files lie under, and the glob that they match there; or the file."""
    root = recipe / expanded(given.path)
    if given.python or root.exists() or not glob.has_magic(given.path):
        return root, ()
    fixed = next(at for at, part in enumerate(root.parts) if glob.has_magic(part))
    return Path(*root.parts[:fixed]), root.parts[fixed:]


class _Walk:
    """One entry's way through its folder. `seen` is shared: the name that each file is read under."""

    def __init__(
        self,
        given: Source,
        recipe: Path,
        base: Path,
        pattern: tuple[str, ...],
        limits: Limits,
        seen: dict[Identity, str],
        bases: Sequence[Path],
        home: Path,
    ) -> None:
        self.found = Found()
        self.any = False  # whether there was anything, be it excluded
        self._given, self._limits, self._seen, self._bases = given, limits, seen, bases
        self._base, self._pattern, self._project = base, pattern, Path(os.path.realpath(recipe))
        absolute = expanded(given.path).is_absolute()
        folder = base if pattern or base.is_dir() else base.parent
        prefix = folder.name if absolute else folder.relative_to(recipe).as_posix()
        self._prefix = "" if prefix in (".", "") else f"{prefix}/"
        self._include = [pattern_parts(pattern) for pattern in given.include]
        self._exclude = [pattern_parts(pattern) for pattern in given.exclude]
        outputs = [folder for folder in (home, home.parent) if not base.is_relative_to(folder)]
        self._outputs = {identity for folder in outputs if (identity := _identity_at(folder))}
        self._folders: dict[Identity, str] = {}
        self._links: list[tuple[str, str]] = []

    def run(self) -> None:
        """Walk the folder, then what its links lead to: a file is called by its own name where it has one."""
        self._folder(str(self._base), "")
        while self._links:
            links, self._links = sorted(self._links), []
            for path, name in links:
                self._link(path, name)

    def take(self, path: str, name: str, status: os.stat_result) -> None:
        """Take a file for reading, or leave it out."""
        self.any = True
        if not stat.S_ISREG(status.st_mode):
            kind = KINDS.get(stat.S_IFMT(status.st_mode), "no file")
            self._leave_out(name, Reject("not a regular file", f"it is {kind}"))
            return
        called = self._called(name)
        known = self._seen.setdefault((status.st_dev, status.st_ino), called) if status.st_ino else called
        if known != called:
            self._leave_out(name, Reject("another name of a file", f"it is read as {known}"))
        elif not any(file.path == Path(path) for file in self.found.files[-1:]):
            self.found.files.append(File(Path(path), called, self._given, status.st_size, self._limits))

    def _folder(self, path: str, name: str) -> None:
        """Walk a folder and those within it."""
        waiting = [(path, name)]
        while waiting:
            path, name = waiting.pop()
            try:
                with os.scandir(path) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
                identity = _identity(Path(path).stat())
            except OSError as error:
                self.any = True
                self._leave_out(f"{name}/", Reject("unreadable folder", str(error.strerror)))
                continue
            if identity in self._outputs:
                continue
            if (known := self._folders.setdefault(identity, name)) != name:
                self._leave_out(
                    f"{name}/", Reject("another name of a folder", f"it is read as {known or '.'}")
                )
                continue
            sidecars = DATASET if any(entry.name.endswith(".arrow") for entry in listed) else ()
            for entry in listed:
                if entry.name in sidecars:
                    continue
                waiting += self._entry(entry, f"{name}/{entry.name}" if name else entry.name)

    def _entry(self, entry: "os.DirEntry[str]", name: str) -> Iterator[tuple[str, str]]:
        """Take what a folder holds; give back the folder that it may be."""
        parts = name.split("/")
        if entry.name.startswith("."):
            return
        if any(matches(parts, pattern) for pattern in self._exclude):
            self.any = True
        elif entry.is_symlink():
            self._links.append((entry.path, name))
        elif entry.is_dir(follow_symlinks=False):
            if self._may_hold(parts):
                yield entry.path, name
        elif self._wanted(parts):
            try:
                self.take(entry.path, name, entry.stat(follow_symlinks=False))
            except OSError as error:  # it is gone again
                self._leave_out(name, Reject("unreadable file", str(error.strerror)))

    def _link(self, path: str, name: str) -> None:
        """Follow a link that leads to somewhere in the corpus, or to a folder of the recipe's."""
        parts = name.split("/")
        try:
            status = Path(path).stat()
            target = Path(os.path.realpath(path))
        except (OSError, ValueError):
            if self._wanted(parts):
                self.any = True
                self._leave_out(name, Reject("dangling link", f"it leads to {Path(path).readlink()}"))
            return
        folder = stat.S_ISDIR(status.st_mode)
        if not (self._may_hold(parts) if folder else self._wanted(parts)):
            return
        self.any = True
        within = any(target.is_relative_to(base) for base in self._bases)
        beside = target.is_relative_to(self._project) and not any(
            base.is_relative_to(target) for base in self._bases
        )
        if not within and not (folder and beside):
            said = f"it leads to {target}; to read that, give it an entry of its own"
            self._leave_out(name, Reject("link out of the corpus", said))
        elif folder:
            self._folder(path, name)
        else:
            self.take(path, name, status)

    def _wanted(self, parts: Sequence[str]) -> bool:
        if self._pattern and not matches(parts, self._pattern):
            return False
        wanted = not self._include or any(matches(parts, pattern) for pattern in self._include)
        self.any = self.any or not wanted
        return wanted

    def _may_hold(self, parts: Sequence[str]) -> bool:
        """Tell whether a folder may hold what the entry's glob matches."""
        above = self._pattern[: len(parts)]
        if not self._pattern or "**" in above:
            return True
        return len(parts) < len(self._pattern) and matches(parts, above)

    def _leave_out(self, name: str, why: Reject) -> None:
        self.found.left_out.append((File(Path(), self._called(name), self._given), why))

    def _called(self, name: str) -> str:
        """Name a file as the recipe does; by an absolute path, from its folder's own name on."""
        name = self._prefix + name
        return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _identity_at(folder: Path) -> Identity | None:
    try:
        return _identity(folder.stat())
    except OSError:
        return None
