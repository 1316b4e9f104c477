"""The top-level folders ship in a wheel and an sdist, and work outside the checkout."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import find_packages

ROOT = Path(__file__).parents[2]
FOLDERS = ("datagen", "stages", "prompts")
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]

CHECK = """
import datagen, sys
from datagen.recipe.registry import find_stage, installed_stages
from datagen.prompt import load
from datagen.recipe.model import Recipe, json_schema
assert datagen.__file__.startswith(sys.argv[1]), datagen.__file__
assert len(Recipe(name="x", corpus=[{"path": "docs"}]).line()) == 19
assert all(find_stage(name) for name in installed_stages())
assert load("judges/p_true").hash
assert json_schema()
"""


def test_pyproject_selects_every_file():
    """Checked without a build. A file that no pattern selects is missing from wheels."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    selected = set()
    for package in find_packages(str(ROOT), include=settings["packages"]["find"]["include"]):
        folder = ROOT.joinpath(*package.split("."))
        data = settings["package-data"]
        for pattern in ("*.py", *data["*"], *data.get(package, [])):
            selected |= {path.resolve() for path in folder.glob(pattern)}
    files = {
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ROOT / "datagen/py.typed" in selected
    assert files - selected == set()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Copy the checkout as `git archive` writes it: links stay links, and there is no .git."""
    source = tmp_path_factory.mktemp("checkout")
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return source


def build(checkout, kind, folder):
    """Build with the backend that pip calls; returns the file."""
    program = f"import setuptools.build_meta as backend; backend.build_{kind}({str(folder)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=checkout, check=True, capture_output=True)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    return build(checkout, "wheel", tmp_path_factory.mktemp("wheel"))


def errors_of(wheel, folder):
    """
    Install a wheel into an empty folder, and read stages, prompts and recipes from it in another process.

    Return what that process wrote to stderr; empty if it succeeded.
    """
    target = folder / "site"
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", target, wheel], check=True)
    # -I excludes this checkout; dependencies come from the tests' environment.
    start = f"import sys; sys.path.insert(0, {str(target)!r})\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", start + CHECK, target],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.stderr or f"status {done.returncode}" if done.returncode else ""


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_packages(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    places = {"datagen": "datagen", "stages": "datagen/stages", "prompts": "datagen/prompts"}
    for folder, place in places.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"{place}/{path.relative_to(ROOT / folder).as_posix()}" in held


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(wheel, tmp_path):
    assert errors_of(wheel, tmp_path) == ""


@pytest.mark.slow
def test_the_sdist_gives_the_same_wheel(checkout, wheel, tmp_path):
    for name in ("sdist", "wheel", "source"):
        (tmp_path / name).mkdir()
    with tarfile.open(build(checkout, "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    [source] = (tmp_path / "source").iterdir()
    again = build(source, "wheel", tmp_path / "wheel")
    contents = [
        {file.filename: file.CRC for file in zipfile.ZipFile(path).infolist()} for path in (wheel, again)
    ]
    for files in contents:
        del files[next(name for name in files if name.endswith("/RECORD"))]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", ["stages", "prompts"])
def test_a_path_is_an_import_name_in_any_copy(name):
    """A link with an absolute target would break in a clone and in an archive."""
    assert (ROOT / "datagen" / name).readlink() == Path("..", name)
