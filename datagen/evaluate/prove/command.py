"""``datagen prove``: plan, fit, measure, decide. An interrupted proof resumes."""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from datagen.engines.identity import identify, resolve
from datagen.errors import UserError
from datagen.evaluate.prove import page, verdict
from datagen.evaluate.prove.arms import CONTROLS
from datagen.evaluate.prove.material import altered, manifest, survey
from datagen.evaluate.prove.plan import FILE, Plan, Speed, cost, make
from datagen.evaluate.prove.processes import Task, fits_at_once, has_cuda, run_all
from datagen.evaluate.prove.result import write
from datagen.evaluate.prove.settings import ARMS, Arm, Settings, general_texts
from datagen.json_types import JsonObject
from datagen.paths import regular
from datagen.recipe.roles import Models, VllmModel
from datagen.run.folder import Run, open_run
from datagen.schema import content_id
from datagen.store.parquet import read_json, write_json
from datagen.training.process import require

OVERRUN = 1.15  # share of the time limit after which no fit of another seed starts
Report = Callable[[str], None]


def prove(folder: Path, settings: Settings, report: Report = print) -> JsonObject:
    """
    Prove a run's hand-off.

    Parameters
    ----------
    folder
        Folder of a finished run. Results and finished fits are written to its ``proof/``.
    settings
        Options of the proof.
    report
        Called with each line of progress.

    Returns
    -------
    dict
        Contents of ``proof.json``.

    Raises
    ------
    UserError
        If a library is missing, or the run has nothing to measure.
    """
    require("torch", "transformers", "peft", "trl", "datasets")
    run, begun = open_run(folder), time.monotonic()
    settings = settings.model_copy(update={"arms": with_controls(settings.arms)})
    hand_off, spec, general = manifest(run), target(run, settings), general_texts(settings.general)
    identity = identify(spec)
    rows = json.dumps(hand_off["configurations"], sort_keys=True)
    if changes := altered(run, hand_off):
        rows += json.dumps(changes, sort_keys=True)
        report(
            f"  {len(changes)} files of {run.folder / 'handoff'} differ from its manifest.json, such as "
            f"{next(iter(changes))}: this proof is about the files as they are now"
        )
    place = (
        run.folder
        / "proof"
        / settings.fingerprint(identity.name, identity.revision, content_id(rows, *general))
    )
    cuda = has_cuda()
    processes = fits_at_once(cuda)
    threads = 0 if cuda else max(1, len(os.sched_getaffinity(0)) // processes)
    plan = _planned(run, place, resolve(spec), general, settings, processes, threads, report)

    tasks = _tasks(plan, place, settings)
    fits: verdict.Fits = {}

    def finished(task: Task) -> None:
        nonlocal fits
        result = _result(task.result, "arm", "seed")
        fits = {**fits, (result["arm"], result["seed"]): result}
        spent = (time.monotonic() - begun) / 60
        report(f"  {len(fits)} of {len(tasks)}: {task.name}{_timing(result)}; {spent:.0f} min in total")
        if _complete(fits, plan):
            write(run, place, plan, fits, settings, identity)

    def may_start(task: Task) -> bool:
        late = (time.monotonic() - begun) / 60 > OVERRUN * settings.minutes
        seed = task.arguments[3]
        return not late or seed == "0" or settings.tokens is not None

    run_all(tasks, processes, threads, finished, may_start)
    note = ""
    if len(fits) < len(tasks):
        note = f"Time ran out before all {settings.seeds} seeds. Run the same command to add the others."
    result = write(run, place, plan, fits, settings, identity, note)
    if settings.probe:
        result = result | {"honesty": _honesty(place, plan, settings, spec)}
        page.write(result, place)
    return result


def with_controls(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Add the arms of the requested controls, then the other controls of these arms, and the base."""
    optional: tuple[Arm, ...] = ("unfiltered", "raw_exposures")
    wanted: set[Arm] = {
        "base",
        *arms,
        *(arm for arm, control in CONTROLS if control in optional and control in arms),
    }
    wanted |= {control for arm, control in CONTROLS if arm in wanted and control not in optional}
    return tuple(arm for arm in ARMS if arm in wanted)


def target(run: Run, settings: Settings) -> VllmModel:
    """
    Return the model to fine-tune: that of the settings, otherwise the recipe's target.

    Raises
    ------
    UserError
        If the recipe's target has no weights on this machine.
    """
    if settings.target:
        return VllmModel(model=settings.target)
    models = Models.model_validate(run.manifest["recipe"].get("models", {}))
    spec = models.role("target")
    if not isinstance(spec, VllmModel):
        raise UserError(
            f"the run's target {spec.model!r} has no weights to fine-tune on this machine. Give a model with "
            "--target: a folder, a hub id, bundled or bundled-chat"
        )
    return spec


def _planned(
    run: Run,
    place: Path,
    source: str,
    general: list[str],
    settings: Settings,
    processes: int,
    threads: int,
    report: Report,
) -> Plan:
    """Load the plan of an earlier call, or measure the machine's speed and make a plan."""
    if (place / FILE).is_file():
        report(f"resuming {place}")
        return Plan.load(place)
    from transformers import AutoTokenizer

    from datagen.evaluate.prove.encode import Encoder

    passages = survey(run)
    speed = _speed(place, source, processes, threads)
    encoder = Encoder(AutoTokenizer.from_pretrained(source))
    plan = make(run, passages, source, encoder, settings, general, speed)
    minutes = cost(plan, encoder, settings.seeds, speed) / 60
    report(
        f"{len(plan.passages)} passages, {len(plan.items)} items, {plan.tokens:,} tokens per arm; "
        f"{speed.train:.0f} tokens/s in each of {processes} process(es): about {minutes:.0f} minutes"
    )
    for arm, why in plan.skipped.items():
        report(f"  {arm} is skipped: {why}")
    plan.write(place)
    return plan


def _speed(place: Path, source: str, processes: int, threads: int) -> Speed:
    """Time the number of concurrent fits that will run; return the slowest speeds."""
    tasks = [
        Task(f"time-{number}", ("time", source, str(place / "fits" / f"time-{number}.json")), place)
        for number in range(processes)
    ]
    tasks = [Task(task.name, task.arguments, Path(task.arguments[2])) for task in tasks]
    run_all(tasks, processes, threads, lambda task: None)
    measured = [_result(task.result, "train", "measure", "start") for task in tasks]
    slowest = {name: min(speed[name] for speed in measured) for name in ("train", "measure")}
    return Speed(**slowest, start=max(speed["start"] for speed in measured), processes=processes)


def _result(path: Path, *needed: str) -> JsonObject:
    """Read the result of a fit, which has at least the needed figures."""
    try:
        result = read_json(path)
        if missing := [name for name in needed if name not in result]:
            raise ValueError(f"it has no {missing[0]}")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged ({error}). Delete it and run the same command again to repeat this fit"
        ) from error
    return result


def _tasks(plan: Plan, place: Path, settings: Settings) -> list[Task]:
    """List the fits: all arms of one seed, then those of the next."""
    probed = _probed(plan) if settings.probe and not _honesty_file(place, settings).exists() else None
    if probed and not (place / "models" / f"{probed}-0").is_dir():  # fitted without keeping the model
        (place / "fits" / f"{probed}-0.json").unlink(missing_ok=True)
    tasks = []
    for seed in range(settings.seeds):
        for arm in plan.rows:
            if arm == "base" and seed:
                continue
            name = arm if arm == "base" else f"{arm}-{seed}"
            keep = "keep" if arm == probed and not seed else ""
            arguments = ("fit", str(place), arm, str(seed), keep)
            tasks.append(Task(name, arguments, place / "fits" / f"{name}.json"))
    return tasks


def _probed(plan: Plan) -> Arm:
    """Choose the arm whose model is probed for honesty: `pairs` if it is run."""
    return "pairs" if "pairs" in plan.rows else "reading"


def _timing(figures: JsonObject) -> str:
    measured = f"measured in {figures['seconds_measured']:.0f} s"
    return (
        f", {figures['tokens']:,} tokens in {figures['seconds']:.0f} s, {measured}"
        if "tokens" in figures
        else f", {measured}"
    )


def _complete(fits: verdict.Fits, plan: Plan) -> bool:
    """Check whether all arms have the same number of fits, so that a table can be written."""
    seeds = {arm: sum(name == arm for name, _ in fits) for arm in plan.budgets}
    return ("base", 0) in fits and len(set(seeds.values())) == 1 and min(seeds.values()) > 0


def _honesty_file(place: Path, settings: Settings) -> Path:
    """Return the path of the honesty measures on the probe set; it depends on the set's content."""
    try:
        digest = content_id(regular(Path(settings.probe)).read_bytes().hex())
    except OSError as error:
        raise UserError(f"--probe {settings.probe}: cannot read the file: {error}") from error
    return place / f"honesty-{digest[:8]}.json"


def _honesty(place: Path, plan: Plan, settings: Settings, spec: VllmModel) -> JsonObject:
    """Probe the target before and after training, and delete the trained model."""
    from datagen.evaluate.honesty import probe

    path = _honesty_file(place, settings)
    if not path.exists():
        after = place / "models" / f"{_probed(plan)}-0"
        write_json(probe([Path(settings.probe)], spec.model, str(after), place / "answers"), path)
        shutil.rmtree(place / "models", ignore_errors=True)
    return read_json(path)
