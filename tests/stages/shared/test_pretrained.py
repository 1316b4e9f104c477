"""Tokenizers of checkpoints are loaded without torch where their class allows."""

import json
import subprocess
import sys

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

LOAD = """
import sys
from datagen.stages.shared.pretrained import load_tokenizer
tokenizer = load_tokenizer(sys.argv[1], local_files_only=True)
print(len(tokenizer("a b b")["input_ids"]), "torch" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PreTrainedTokenizerFast", "TokenizersBackend"])
def test_a_generic_tokenizer_needs_no_torch(name, tmp_path):
    tokenizer = Tokenizer(WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    done = subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path], capture_output=True, text=True, check=True, timeout=240
    )
    assert done.stdout.split() == ["3", "False"]
