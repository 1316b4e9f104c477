"""Files that prompts and documentation mention exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE = re.compile(
    r"(?<![\w./-])(?:datagen|stages|prompts|tests|benchmarks|examples|docs)/[\w./-]+\.(?:py|yaml|md)\b"
)
PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b")  # prompts/mined/LANGUAGE.yaml
TEXTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "prompts/**/*.yaml", "outputs/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name != "CHANGELOG.md"  # names what was removed
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_mentioned_files_exist(path):
    mentioned = set(FILE.findall(path.read_text(encoding="utf-8")))
    missing = {name for name in mentioned if not (ROOT / name).exists()}
    assert not [name for name in missing if not PLACEHOLDER.search(name)]
