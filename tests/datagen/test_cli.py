"""Command line output: no secrets, no terminal escape sequences, no traceback for an invalid --set."""

import io
import json
import re
import sys

import pytest
import typer
from typer.testing import CliRunner

from datagen import cli
from datagen.cli.parameters import emit
from datagen.errors import UserError
from datagen.recipe.overrides import overrides_of
from datagen.run import lifecycle
from tests.support.runs import row, write_run


def output_of(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["datagen", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, "".join(capsys.readouterr())


@pytest.mark.parametrize("value", ["[1", "{", "2024-02-30", "!!int x", "&a [*a]", "\x01", "[" * 5000])
def test_an_invalid_yaml_value_is_reported(value):
    with pytest.raises(UserError, match=r"--set x=.*not YAML"):
        overrides_of([f"x={value}"])


@pytest.mark.parametrize("key", ["models.generator.base_url", "nothing"])
def test_passwords_and_escape_sequences_of_the_command_line_are_masked(key, monkeypatch, capsys, tmp_path):
    (tmp_path / "r.yaml").write_text("name: r\ncorpus: [{path: x}]\nmodels: {generator: {engine: openai}}\n")
    given = f"{key}=[http://user:hush-hush@host/\x1b[2J"
    code, output = output_of(monkeypatch, capsys, "run", str(tmp_path / "r.yaml"), "--set", given)
    assert code == 2 and "hush-hush" not in output and "\x1b[2J" not in output


def test_the_resume_command_masks_passwords():
    again = cli.shown(cli.how_to_resume(["run", "r.yaml", "--set", "m.base_url=http://user:hush@host/v1"]))
    assert "hush" not in again and "datagen run r.yaml" in again


@pytest.mark.parametrize(
    "setting",
    [
        "models.generator.options.extra_headers.api-key=HUSH",
        "models.generator.options={extra_headers: {X-Api-Key: HUSH}, seed: 1}",
        'models.generator.options={"token": "HUSH"}',
        "models.generator.options.extra_body.password=HUSH",
    ],
)
def test_the_resume_command_masks_secret_settings(setting):
    for arguments in (["--set", setting], [f"--set={setting}"]):
        again = cli.how_to_resume(["run", "r.yaml", *arguments])
        assert "HUSH" not in again and "models.generator.options" in again


def test_the_resume_command_keeps_other_settings():
    settings = ["models.generator.max_tokens=5", "stages.chunk.max_chars=800", "a.api_key_env=MY_KEY"]
    again = cli.how_to_resume(["run", "r.yaml", *(part for value in settings for part in ("--set", value))])
    assert all(value in again for value in settings)


def test_with_json_a_run_that_cannot_start_prints_the_reason_on_one_line(monkeypatch, capsys, tmp_path):
    (tmp_path / "outputs").write_text("")
    (tmp_path / "r.yaml").write_text("name: r\ncorpus: [{path: none}]\nstages: {ingest: }\n")
    monkeypatch.setattr(sys, "argv", ["datagen", "run", str(tmp_path / "r.yaml"), "--json"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    [line] = capsys.readouterr().out.splitlines()
    assert end.value.code == 2 and "outputs" in json.loads(line)["error"]


def test_with_json_a_withheld_run_prints_its_result_and_the_reason_on_one_line(monkeypatch, capsys, tmp_path):
    def run(recipe, outputs, *settings):
        made = write_run(outputs / recipe.name / "b", {"s": "t"}, [row("s", "?", "x")])
        withheld = lifecycle.withhold(made, "it fails kept<0.8")
        raise lifecycle.WithheldError("the run is not released: it fails kept<0.8", withheld)

    (tmp_path / "r.yaml").write_text("name: r\ncorpus: [{path: none}]\nstages: {ingest: }\n")
    monkeypatch.setattr("datagen.run.runner.run", run)
    monkeypatch.setattr(sys, "argv", ["datagen", "run", str(tmp_path / "r.yaml"), "--json"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    output = capsys.readouterr()
    [line] = output.out.splitlines()
    result = json.loads(line)
    assert end.value.code == 2 and "error: the run is not released" in output.err
    assert result["state"].endswith("it fails kept<0.8") and "kept<0.8" in result["error"]
    assert result["run"] == "b" and result["stages"]


@pytest.mark.parametrize("command", ["run", "check", "plan", "releases", "rollback", "clean"])
def test_with_json_an_invalid_recipe_is_one_line_of_json(command, monkeypatch, capsys, tmp_path):
    (tmp_path / "r.yaml").write_text("name: r\ncorpus: [{path: none}]\nstages: {ingst: }\n")
    monkeypatch.setattr(sys, "argv", ["datagen", command, str(tmp_path / "r.yaml"), "--json"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    output = capsys.readouterr()
    [line] = output.out.splitlines()
    assert end.value.code == 2 and "did you mean ingest?" in json.loads(line)["error"]
    assert output.err.startswith("error: ")


def test_with_json_a_proof_is_one_line_and_its_progress_goes_to_stderr(monkeypatch, capsys, tmp_path):
    def prove(run, settings, report):
        report("measuring")
        return {"gain": False, "sentences": ["no gain"], "page": "proof.html"}

    monkeypatch.setattr("datagen.evaluate.prove.command.prove", prove)
    monkeypatch.setattr(sys, "argv", ["datagen", "prove", str(tmp_path), "--json", "--fail-on", "no-gain"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    output = capsys.readouterr()
    [line] = output.out.splitlines()
    assert end.value.code == 4 and json.loads(line)["sentences"] == ["no gain"]
    assert output.err == "measuring\n"


@pytest.mark.parametrize("command", ["stages", "doctor"])
def test_json_is_json(command, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["datagen", command, "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    assert json.loads(capsys.readouterr().out)


def test_releases_rollback_clean_and_diff_speak_json(capsys, monkeypatch, tmp_path):
    home = tmp_path / "outputs" / "r"
    (tmp_path / "r.yaml").write_text("name: r\ncorpus: [{path: none}]\n")
    for number, name in enumerate(("a", "b")):
        rows = [row("s", "?", "x"), row("s", "!", name)]
        write_run(home / name, {"s": "t"}, rows, number, inherits=["a"] * number)
    (home / "latest").symlink_to("b")

    def say(*arguments):
        monkeypatch.setattr(sys, "argv", ["datagen", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, json.loads(capsys.readouterr().out)

    code, output = say("diff", home / "a", home / "b", "--fail-on", "kept<0.8", "--rows", tmp_path / "rows")
    assert code == 1 and output["failed"] == ["kept<0.8 (kept is 0.5)"] and output["figures"]["kept"] == 0.5
    assert len((tmp_path / "rows").read_text().splitlines()) == 1
    assert say("diff", home / "a", home / "b", "--fail-on", "kept<0.5")[0] == 0
    assert [one["run"] for one in say("releases", tmp_path / "r.yaml")[1]] == ["a", "b"]
    assert say("rollback", tmp_path / "r.yaml") == (
        0,
        {"withdrawn": "b", "latest": "a", "restored_documents": []},
    )
    assert say("clean", tmp_path / "r.yaml", "--keep", 0)[1]["would_remove"] == []


def test_doctor_prints_the_profile_of_each_model_of_a_recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: x\ncorpus: [{path: docs}]\nstages: {ingest: , chunk: , instruct: }\n"
        "models: {generator: {engine: openai, base_url: 'http://h', model: qwen3-14b}}\n"
    )
    output = CliRunner().invoke(cli.app, ["doctor", str(path)]).stdout
    assert "profile of generator" in output
    assert "large (14 billion parameters, by its name)" in output
    assert "set models.generator.thinking" in " ".join(output.split())


def texts(command):
    """The texts of a command's help and of that of its subcommands and parameters."""
    yield command.help or ""
    yield from ((parameter.help or "") for parameter in command.params)
    for inner in getattr(command, "commands", {}).values():
        yield from texts(inner)


def test_help_has_nothing_in_angle_brackets_which_would_not_be_shown():
    assert not [text for text in texts(typer.main.get_command(cli.app)) if re.search(r"<[^>]*>", text)]


def narrow(monkeypatch):
    """Replace standard output by one that cannot show all characters."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    return sys.stdout


def test_an_output_that_cannot_show_all_characters_does_not_end_a_command(monkeypatch):
    screen = narrow(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["datagen", "stages"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    screen.flush()
    assert not end.value.code and b"corpus ? documents" in screen.buffer.getvalue()


def test_json_escapes_characters_that_the_output_cannot_show(monkeypatch):
    screen = narrow(monkeypatch)
    emit({"text": "a → b"})
    screen.flush()
    assert json.loads(screen.buffer.getvalue()) == {"text": "a → b"}
