"""
Find the files of a corpus: walk folders, and follow links once and only within the corpus.

A name may refer to anything: an endless pipe, a device, a link to a parent folder, a folder without read
permission, a name that is not UTF-8. Anything that is not a readable file becomes a dropped row with a
reason. Hidden files, files that `exclude` matches, and the recipe's runs are not part of a corpus.
"""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datagen.errors import UserError
from datagen.paths import KINDS, expanded
from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.sources.ingest.globs import matches, pattern_parts
from datagen.stages.sources.ingest.readers.mapping import find_mapping
from datagen.stages.sources.ingest.record import File, Limits
from datagen.stages.sources.ingest.remote import list_files

Identity = tuple[int, int]  # device and inode: the same for all names of a file or folder

# Written by Hugging Face's datasets next to .arrow files, and above the folders of several splits.
DATASET = ("dataset_info.json", "state.json")
SPLITS = "dataset_dict.json"

RUN = {"manifest.json", "stages", "completions"}  # what every run's folder contains


@dataclass
class Found:
    """
    The files of a corpus.

    Parameters
    ----------
    files
        The files to read, in order.
    left_out
        The files that cannot be read, and why.
    """

    files: list[File] = field(default_factory=list)
    left_out: list[tuple[File, Reject]] = field(default_factory=list)


def find(
    corpus: Sequence[Source], recipe: Path, home: Path, limits: Limits, where: str = "corpus: path"
) -> Found:
    """
    Find the corpus's files.

    Parameters
    ----------
    corpus
        The corpus's entries.
    recipe
        The recipe's folder, the base of relative paths.
    home
        The folder of the recipe's runs. It and its parent (the runs of all recipes) are never read.
    limits
        The limits of each document.
    where
        Where the entries are in the recipe, for messages.

    Raises
    ------
    UserError
        If an entry matches nothing at all, or two files would have the same name.
    """
    roots = [_root(entry, recipe) for entry in corpus]
    local = [base for entry, (base, _) in zip(corpus, roots, strict=True) if not entry.is_remote]
    bases = [Path(os.path.realpath(base)) for base in local]
    result, names, paths = Found(), dict[Identity, str](), dict[str, Path]()
    for entry, (base, pattern) in zip(corpus, roots, strict=True):
        if entry.python:
            find_mapping(entry.python)
            result.files.append(File(Path(), f"python:{entry.python}", entry))
            continue
        if entry.is_remote:
            new = [file for file in list_files(entry, limits) if file.name not in paths]
            result.files += new
            paths |= {file.name: file.path for file in new}
            continue
        walk = _Walk(entry, recipe, base, pattern, limits, names, bases, home)
        if pattern or base.is_dir():
            walk.run()
        elif base.exists():
            walk.take(os.path.realpath(base), base.name, base.stat())
        if not walk.any:
            raise UserError(
                f"{where}: {entry.path!r} matches no file (looked in {base.absolute()}). "
                "Paths are relative to the recipe's folder; hidden files are ignored"
            )
        result.left_out += walk.found.left_out
        walked = {file.path for file in walk.found.files}
        for file in sorted(walk.found.files, key=lambda file: (file.name, str(file.path))):
            path = paths.setdefault(file.name, file.path)
            if path != file.path and path in walked:  # one has bytes where the other has their escapes
                why = Reject("another file of this name", f"{os.fsencode(path)!r} is read under this name")
                result.left_out.append((file, why))
                continue
            if path != file.path:
                raise UserError(
                    f"{where}: {path} and {file.path} would both be called {file.name}. "
                    "Write their paths relative to the recipe to distinguish them"
                )
            result.files.append(file)
    return result


def _root(entry: Source, recipe: Path) -> tuple[Path, tuple[str, ...]]:
    """Return an entry's file; or the folder above its files, and the glob that they match below it."""
    root = recipe / expanded(entry.path)
    if entry.python or root.exists() or not glob.has_magic(entry.path):
        return root, ()
    fixed = next(at for at, part in enumerate(root.parts) if glob.has_magic(part))
    return Path(*root.parts[:fixed]), root.parts[fixed:]


class _Walk:
    """The walk through one entry's folder. All walks share `names`: the name that each file is read under."""

    def __init__(
        self,
        entry: Source,
        recipe: Path,
        base: Path,
        pattern: tuple[str, ...],
        limits: Limits,
        names: dict[Identity, str],
        bases: Sequence[Path],
        home: Path,
    ) -> None:
        self.found = Found()
        self.any = False  # whether there was anything, even if it was excluded
        self._source, self._limits, self._names, self._bases = entry, limits, names, bases
        self._base, self._pattern, self._project = base, pattern, Path(os.path.realpath(recipe))
        absolute = expanded(entry.path).is_absolute()
        folder = base if pattern or base.is_dir() else base.parent
        prefix = folder.name if absolute else folder.relative_to(recipe).as_posix()
        self._prefix = "" if prefix in (".", "") else f"{prefix}/"
        self._include = [pattern_parts(pattern) for pattern in entry.include]
        self._exclude = [pattern_parts(pattern) for pattern in entry.exclude]
        outputs = [folder for folder in (home, home.parent) if not base.is_relative_to(folder)]
        self._outputs = {identity for folder in outputs if (identity := _identity_at(folder))}
        self._folders: dict[Identity, str] = {}
        self._links: list[tuple[str, str]] = []

    def run(self) -> None:
        """Walk the folder, then the targets of its links, so that files get their own names if possible."""
        self._folder(str(self._base), "")
        while self._links:
            links, self._links = sorted(self._links), []
            for path, name in links:
                self._link(path, name)

    def take(self, path: str, name: str, status: os.stat_result) -> None:
        """Add a file to read, or leave it out."""
        self.any = True
        if not stat.S_ISREG(status.st_mode):
            kind = KINDS.get(stat.S_IFMT(status.st_mode), "not a file")
            self._leave_out(name, Reject("not a regular file", f"it is {kind}"))
            return
        own_name = self._name_of(name)
        identity = (status.st_dev, status.st_ino)
        first_name = self._names.setdefault(identity, own_name) if status.st_ino else own_name
        if first_name != own_name:
            self._leave_out(name, Reject("another name of a file", f"it is read as {first_name}"))
        elif not any(file.path == Path(path) for file in self.found.files[-1:]):
            file = File(Path(path), own_name, self._source, status.st_size, self._limits)
            self.found.files.append(file)

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
                self._leave_out(f"{name or '.'}/", Reject("unreadable folder", str(error.strerror)))
                continue
            if identity in self._outputs:
                continue
            if (first_name := self._folders.setdefault(identity, name)) != name:
                self._leave_out(
                    f"{name}/", Reject("another name of a folder", f"it is read as {first_name or '.'}")
                )
                continue
            if name and {entry.name for entry in listed} >= RUN:
                self.any = True
                why = Reject("run of datagen", "to read its files, name a folder in it in the corpus")
                self._leave_out(f"{name}/", why)
                continue
            sidecars = _sidecars(listed)
            for entry in listed:
                if entry.name in sidecars:
                    continue
                waiting += self._entry(entry, f"{name}/{entry.name}" if name else entry.name)

    def _entry(self, entry: "os.DirEntry[str]", name: str) -> Iterator[tuple[str, str]]:
        """Handle an entry of a folder; yield it if it is a folder to walk."""
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
            except OSError as error:  # it no longer exists
                self._leave_out(name, Reject("unreadable file", str(error.strerror)))

    def _link(self, path: str, name: str) -> None:
        """Follow a link to a place in the corpus, or to a folder within the recipe's folder."""
        parts = name.split("/")
        try:
            status = Path(path).stat()
            target = Path(os.path.realpath(path))
        except (OSError, ValueError):
            if self._wanted(parts):
                self.any = True
                self._leave_out(name, Reject("dangling link", _target(path)))
            return
        folder = stat.S_ISDIR(status.st_mode)
        if not (self._may_hold(parts) if folder else self._wanted(parts)):
            return
        self.any = True
        within = any(target.is_relative_to(base) for base in self._bases)
        in_project = target.is_relative_to(self._project) and not any(
            base.is_relative_to(target) for base in self._bases
        )
        if not within and not (folder and in_project):
            detail = f"its target is {target}; to read it, add an entry for it to the corpus"
            self._leave_out(name, Reject("link out of the corpus", detail))
        elif folder:
            self._folder(path, name)
        else:
            self.take(str(target), name, status)

    def _wanted(self, parts: Sequence[str]) -> bool:
        if self._pattern and not matches(parts, self._pattern):
            return False
        wanted = not self._include or any(matches(parts, pattern) for pattern in self._include)
        self.any = self.any or not wanted
        return wanted

    def _may_hold(self, parts: Sequence[str]) -> bool:
        """Check whether a folder may contain files that match the entry's glob."""
        above = self._pattern[: len(parts)]
        if not self._pattern or "**" in above:
            return True
        return len(parts) < len(self._pattern) and matches(parts, above)

    def _leave_out(self, name: str, why: Reject) -> None:
        self.found.left_out.append((File(Path(), self._name_of(name), self._source), why))

    def _name_of(self, name: str) -> str:
        """Return a file's name as in the recipe; for an absolute path, starting with the folder's name."""
        name = self._prefix + name
        return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _sidecars(listed: list["os.DirEntry[str]"]) -> tuple[str, ...]:
    """Name the files of a folder that describe a Hugging Face dataset rather than belong to it."""
    if any(entry.name.endswith(".arrow") for entry in listed):
        return DATASET
    splits = (entry.path for entry in listed if entry.is_dir(follow_symlinks=False))
    return (SPLITS,) if any((Path(path) / DATASET[1]).is_file() for path in splits) else ()


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _target(path: str) -> str:
    try:
        return f"its target is {Path(path).readlink()}"
    except OSError as error:  # it no longer exists
        return str(error.strerror)


def _identity_at(folder: Path) -> Identity | None:
    try:
        return _identity(folder.stat())
    except OSError:
        return None
