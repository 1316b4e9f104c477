"""A small soak test; `benchmarks.soak` runs a large one."""

import pytest

from benchmarks import soak
from datagen.engines import openai, pace


@pytest.mark.slow
def test_a_server_that_mixes_all_faults_loses_and_doubles_nothing(tmp_path, monkeypatch):
    for module, name in ((openai, "FIRST_PAUSE"), (openai, "LONGEST_PAUSE"), (pace, "FIRST_PAUSE")):
        monkeypatch.setattr(module, name, getattr(module, name))  # the soak shortens them
    monkeypatch.setattr(soak, "POISON", 0.01)
    became = soak.soak(300, tmp_path, window=32)
    assert became["answered"] > 250 and became["poison"] > 0 and became["rejected"] > 0
    assert became["sent"] > 350
    assert became["lost"] == became["duplicates"] == 0
