"""Commands that only describe datagen start fast: they import no module that they do not need."""

import json
import subprocess
import sys

import pytest

ENGINES = {"torch", "transformers", "vllm", "tokenizers", "openai", "aiohttp"}
CLUSTER = {"dask", "distributed"}
REPORTS = {"altair", "jinja2", "duckdb", "prometheus_client"}
TABLES = {"pyarrow", "numpy", "yaml"}
RUN = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr))
from datagen.cli import main
sys.argv = ["datagen", *sys.argv[1:]]
main()
"""


def imported(*arguments):
    """Run a command in a new process; return the packages that it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_needs_no_tables(arguments):
    assert not imported(*arguments) & (ENGINES | CLUSTER | REPORTS | TABLES | {"psutil"})


@pytest.mark.parametrize("command", ["stages", "schema"])
def test_the_reference_needs_no_engine_no_cluster_and_no_report(command):
    packages = imported(command)
    assert "pyarrow" in packages, "the names above are those of sys.modules"
    assert not packages & (ENGINES | CLUSTER | REPORTS)


def test_a_run_imports_no_client_of_servers_until_it_needs_one():
    program = (
        "import json, sys, datagen.operate.check, datagen.run.runner, datagen.report.html\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    packages = set(json.loads(subprocess.check_output([sys.executable, "-c", program], text=True)))
    assert "pyarrow" in packages
    assert not packages & (ENGINES | CLUSTER | REPORTS)
