"""The commands in docs/operating.md exist, and the files for schedulers and clusters are well-formed."""

import configparser
import re
import shlex
import shutil
import subprocess

import pytest
import typer
import yaml

from datagen.cli import app
from datagen.recipe.registry import BUILT_IN
from tests.support import ROOT

TEXT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
SCHEDULES, CLUSTERS = ROOT / "examples" / "schedules", ROOT / "examples" / "clusters"
PATHS = sorted(path for folder in (SCHEDULES, CLUSTERS) for path in folder.iterdir() if path.is_file())
FILES = {path: path.read_text(encoding="utf-8") for path in PATHS}
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = sorted(
    set(
        re.findall(
            r"(?:^|[`\"/ =])(datagen (?:check|plan|run|diff|releases|rollback|clean)[^`\n\"|>;&]*)",
            "\n".join([TEXT, *FILES.values()]),
        )
    )
)
VALUES = {"RECIPE": "recipe.yaml", "OLD": "a", "NEW": "b", "RUN": "c"}


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


def test_the_stages_that_read_more_than_their_tables_are_listed():
    line = re.search(r"^- for (.*?) and your own stages", TEXT, re.DOTALL | re.MULTILINE)[1]
    assert re.findall(r"`(\w+)`", line) == [stage.name for stage in BUILT_IN if stage.sees_run]


def test_the_page_has_commands():
    assert len(COMMANDS) > 12


@pytest.mark.parametrize("command", COMMANDS)
def test_documented_options_exist(command):
    words = [VALUES.get(word, word) for word in shlex.split(re.sub(r"\s\d>>?.*", "", command))][1:]
    group = typer.main.get_command(app)
    command_ = group.commands[words[0]]
    options = {
        option for parameter in command_.params for option in [*parameter.opts, *parameter.secondary_opts]
    }
    assert {word for word in words[1:] if word.startswith("--")} <= options, command


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_is_valid(text):
    assert yaml.safe_load(text)


@pytest.mark.parametrize(("page", "folder"), [("operating.md", SCHEDULES), ("cluster.md", CLUSTERS)])
def test_the_page_links_every_file_and_only_those(page, folder):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    linked = set(re.findall(rf"\]\(\.\./examples/{folder.name}/([\w.-]+)\)", text))
    assert linked == {path.name for path in PATHS if path.parent == folder}


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".py"], ids=lambda path: path.name)
def test_python_is_valid(path):
    assert compile(FILES[path], path.name, "exec")


def test_the_job_for_slurm_is_valid_bash():
    assert subprocess.run(["bash", "-n", CLUSTERS / "datagen.sbatch"], check=False).returncode == 0


def test_the_crontab_has_a_user_and_full_paths():
    [line] = [line for line in FILES[SCHEDULES / "laws.cron"].splitlines() if not line.startswith("#")]
    *times, user, command = line.split(maxsplit=6)
    assert times == ["15", "2", "*", "*", "1"] and user == "datagen"
    assert command.startswith("/") and "%" not in command, "cron turns % into a line break"


@pytest.mark.parametrize("name", ["laws.service", "laws.timer"])
def test_systemd_units_are_valid(name, tmp_path):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(FILES[SCHEDULES / name])
    assert "Unit" in parser
    if verifier := shutil.which("systemd-analyze"):
        for file in SCHEDULES.glob("laws.[st]*"):  # the timer's unit must be next to it
            (tmp_path / file.name).write_text(FILES[file].replace("/opt/datagen/bin/datagen", "/bin/true"))
        done = subprocess.run(
            [verifier, "verify", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert name not in done.stderr and done.returncode == 0, done.stderr


def pods(value):
    """Yield the pod specifications in a manifest."""
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        for part in value.values():
            yield from pods(part)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix == ".yaml"], ids=lambda path: path.name
)
def test_pods_have_the_volumes_that_they_mount(path):
    specifications = [pod for manifest in yaml.safe_load_all(FILES[path]) for pod in pods(manifest)]
    assert specifications
    for pod in specifications:
        [container] = pod["containers"]
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in pod.get("volumes", [])}
        limits = container.get("resources", {}).get("limits", {})
        assert all(isinstance(limit, str) for limit in limits.values()), "the operator's schema has strings"


def test_the_cronjob_runs_a_command_that_exists():
    [job] = yaml.safe_load_all(FILES[SCHEDULES / "laws-cronjob.yaml"])
    [pod] = pods(job)
    test_documented_options_exist(" ".join(pod["containers"][0]["command"]))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid" and pod["restartPolicy"] == "Never"


def test_the_engines_belong_to_the_cluster():
    cluster, engines = yaml.safe_load_all(FILES[CLUSTERS / "kubernetes.yaml"])
    name = cluster["metadata"]["name"]
    assert engines["spec"]["cluster"] == name
    assert cluster["spec"]["scheduler"]["service"]["selector"]["dask.org/cluster-name"] == name
    [pod] = pods(engines)
    assert "engine=1" in pod["containers"][0]["args"]
