"""The top-level folders ship in one wheel and work outside the checkout."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("datagen", "stages", "prompts"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_module_prompt_and_part_of_a_page(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    places = {"datagen": "datagen", "stages": "datagen/stages", "prompts": "datagen/prompts"}
    for folder, place in places.items():
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".yaml", ".j2", ".js", ".css"}:
                assert f"{place}/{path.relative_to(ROOT / folder).as_posix()}" in held


def test_the_wheel_works_outside_the_checkout(wheel, tmp_path):
    target = tmp_path / "site"
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", target, wheel], check=True)
    # -I excludes this checkout; dependencies come from the tests' environment.
    start = f"import sys; sys.path.insert(0, {str(target)!r})\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", start + CHECK, target], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
