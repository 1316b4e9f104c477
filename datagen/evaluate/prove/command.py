"""``datagen prove``: plan, fit, measure, decide; all of it resumes where it stopped."""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datagen.engines.identity import identify, resolve
from datagen.errors import UserError
from datagen.evaluate.prove import page, verdict
from datagen.evaluate.prove.arms import CONTROLS
from datagen.evaluate.prove.material import manifest, survey
from datagen.evaluate.prove.plan import FILE, Plan, Speed, cost, described, make
from datagen.evaluate.prove.processes import Task, has_cuda, run_all, side_by_side
from datagen.evaluate.prove.settings import ARMS, DISTRACTORS, Arm, Settings, general_texts
from datagen.recipe.sections import Models, VllmModel
from datagen.run.folder import Run, open_run
from datagen.schema import content_id
from datagen.store.parquet import write_json
from datagen.training.process import require

LATE = 1.15  # of the minutes, beyond which no fit of a further seed is begun
Tell = Callable[[str], None]


def prove(folder: Path, settings: Settings, tell: Tell = print) -> dict[str, Any]:
    """
    Prove a run's hand-off.

    Parameters
    ----------
    folder
        Of a finished run; ``proof/`` in it receives the result and the finished fits.
    settings
        What is asked for.
    tell
        Where progress goes, line by line.

    Returns
    -------
    dict
        What ``proof.json`` holds.

    Raises
    ------
    UserError
        When a library is missing, or the run has nothing to prove.
    """
    require("torch", "transformers", "peft", "trl", "datasets")
    run, begun = open_run(folder), time.monotonic()
    settings = settings.model_copy(update={"arms": with_controls(settings.arms)})
    known, spec, general = manifest(run), target(run, settings), general_texts(settings.general)
    who = identify(spec)
    rows = json.dumps(known["configurations"], sort_keys=True)
    mark = settings.fingerprint(who.name, who.revision, content_id(rows, *general))
    place = run.folder / "proof" / mark
    cuda = has_cuda()
    processes = side_by_side(cuda)
    threads = 0 if cuda else max(1, len(os.sched_getaffinity(0)) // processes)
    plan = _planned(run, place, resolve(spec), general, settings, processes, threads, tell)

    tasks = _tasks(plan, place, settings)
    fits: verdict.Fits = {}
    rounds = [settings.seeds]

    def done(task: Task) -> None:
        nonlocal fits
        told = json.loads(task.result.read_text(encoding="utf-8"))
        fits = {**fits, (told["arm"], told["seed"]): told}
        spent = (time.monotonic() - begun) / 60
        tell(f"  {len(fits)} of {len(tasks)}: {task.name}{_pace(told)}; {spent:.0f} min in all")
        if _complete(fits, plan):
            _write(run, place, plan, fits, settings, who)

    def goes_on(task: Task) -> bool:
        late = (time.monotonic() - begun) / 60 > LATE * settings.minutes
        if late and task.arguments[3] != "0" and not settings.tokens:
            rounds[0] = int(task.arguments[3])
            return False
        return True

    run_all(tasks, processes, threads, done, goes_on)
    note = ""
    if len(fits) < len(tasks):
        note = f"The minutes were over before all {settings.seeds} seeds; the same command adds the others."
    result = _write(run, place, plan, fits, settings, who, note)
    if settings.probe:
        result = result | {"honesty": _honesty(place, plan, settings, spec)}
        page.write(result, place)
    return result


def with_controls(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Add the controls that arms are compared with, and the untrained target."""
    wanted: set[Arm] = {"base", *arms}
    for arm, control in CONTROLS:
        if arm in wanted and control not in ("unfiltered", "raw_exposures"):
            wanted.add(control)
    return tuple(arm for arm in ARMS if arm in wanted)


def target(run: Run, settings: Settings) -> VllmModel:
    """
    Find the model to fine-tune: the given one, else the recipe's target.

    Raises
    ------
    UserError
        When the recipe's target is no model with weights here.
    """
    if settings.target:
        return VllmModel(model=settings.target)
    models = Models.model_validate(run.manifest["recipe"].get("models", {}))
    spec = models.role("target")
    if not isinstance(spec, VllmModel):
        raise UserError(
            f"the run's target {spec.model!r} has no weights to fine-tune here; name a model with --target: "
            "a folder, a hub's id, bundled or bundled-chat"
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
    tell: Tell,
) -> Plan:
    """Read the plan of an earlier call, or measure the machine and make one."""
    if (place / FILE).is_file():
        tell(f"resuming {place}")
        return Plan.load(place)
    from transformers import AutoTokenizer

    from datagen.evaluate.prove.encode import Encoder

    known = survey(run)
    speed = _speed(place, source, processes, threads)
    encoder = Encoder(AutoTokenizer.from_pretrained(source))
    plan = make(run, known, source, encoder, settings, general, speed)
    minutes = cost(plan, encoder, settings.seeds, speed) / 60
    tell(
        f"{len(plan.passages)} passages, {len(plan.items)} items, {plan.tokens:,} tokens to an arm; "
        f"{speed.train:.0f} tokens/s in each of {processes} process(es): about {minutes:.0f} minutes"
    )
    for arm, why in plan.skipped.items():
        tell(f"  {arm} is not run: {why}")
    plan.write(place)
    return plan


def _speed(place: Path, source: str, processes: int, threads: int) -> Speed:
    """Measure as many fits side by side as will run, and take the slowest."""
    tasks = [
        Task(f"time-{number}", ("time", source, str(place / "fits" / f"time-{number}.json")), place)
        for number in range(processes)
    ]
    tasks = [Task(task.name, task.arguments, Path(task.arguments[2])) for task in tasks]
    run_all(tasks, processes, threads, lambda task: None)
    figures = [json.loads(task.result.read_text(encoding="utf-8")) for task in tasks]
    slowest = {name: min(told[name] for told in figures) for name in ("train", "measure")}
    return Speed(**slowest, start=max(told["start"] for told in figures), processes=processes)


def _tasks(plan: Plan, place: Path, settings: Settings) -> list[Task]:
    """List the fits, all arms of one seed before those of the next."""
    kept = _probed(plan) if settings.probe and not _answers(place, settings).exists() else None
    if kept and not (place / "models" / f"{kept}-0").is_dir():  # fitted before its model was wanted
        (place / "fits" / f"{kept}-0.json").unlink(missing_ok=True)
    tasks = []
    for seed in range(settings.seeds):
        for arm in plan.rows:
            if arm == "base" and seed:
                continue
            name = arm if arm == "base" else f"{arm}-{seed}"
            keep = "keep" if arm == kept and not seed else ""
            arguments = ("fit", str(place), arm, str(seed), keep)
            tasks.append(Task(name, arguments, place / "fits" / f"{name}.json"))
    return tasks


def _probed(plan: Plan) -> Arm:
    """Choose the arm whose model is probed for honesty: that of pairs where there is one."""
    return "pairs" if "pairs" in plan.rows else "reading"


def _pace(told: dict[str, Any]) -> str:
    measured = f"measured in {told['seconds_measured']:.0f} s"
    return (
        f", {told['tokens']:,} tokens in {told['seconds']:.0f} s, {measured}"
        if "tokens" in told
        else f", {measured}"
    )


def _complete(fits: verdict.Fits, plan: Plan) -> bool:
    """Say whether each arm has been fitted equally often, so that a table can be written."""
    seeds = {arm: sum(name == arm for name, _ in fits) for arm in plan.budgets}
    return ("base", 0) in fits and len(set(seeds.values())) == 1 and min(seeds.values()) > 0


def _write(
    run: Run,
    place: Path,
    plan: Plan,
    fits: verdict.Fits,
    settings: Settings,
    who: Any,
    note: str = "",
) -> dict[str, Any]:
    """Decide, write the pages and point ``proof/latest.json`` to them."""
    answered = verdict.verdicts(fits, plan.items, settings.worth)
    averages = verdict.measures(fits, plan.items)
    result = {
        "run": f"{run.manifest['recipe']['name']}/{run.folder.name}",
        "target": {"name": who.name, "revision": who.revision},
        "settings": settings.model_dump(mode="json"),
        "plan": dict(described(plan)),
        "seeds": max((seed for _, seed in fits), default=0) + 1,
        "worth": settings.worth,
        "choices": DISTRACTORS + 1,
        "gain": verdict.gains(answered),
        "sentences": verdict.sentences(answered),
        "verdicts": verdict.as_rows(answered),
        "arms": {
            arm: {"measures": averages[arm], **_figures(fits, arm)} for arm in plan.rows if arm in averages
        },
        "honesty": {},
        "note": note,
        "page": str(place / "proof.html"),
    }
    page.write(result, place)
    _point(run, place, result)
    return result


def _figures(fits: verdict.Fits, arm: Arm) -> dict[str, Any]:
    """Count an arm's tokens, exposures and fits; exposures as the mean over passages with their extremes."""
    mine = [told for (name, _), told in fits.items() if name == arm]
    seen = [value for told in mine for value in told.get("exposures", {}).values()]
    spread = f"{np.mean(seen):.2f} ({min(seen):.2f}–{max(seen):.2f})" if seen else "0"
    tokens = [told.get("tokens", 0) for told in mine]
    computed = [told.get("tokens_computed", 0) for told in mine]
    return {
        "tokens": round(float(np.mean(tokens))),
        "tokens_computed": round(float(np.mean(computed))),
        "exposures": spread,
        "pairs_seen": round(float(np.mean([told.get("pairs_seen", 0) for told in mine]))),
        "loss": [told.get("loss", {}) for told in mine],
        "seconds": round(sum(told.get("seconds", 0.0) + told["seconds_measured"] for told in mine)),
        "fits": len(mine),
    }


def _point(run: Run, place: Path, result: dict[str, Any]) -> None:
    """Write ``proof/latest.json``: where the newest proof is, and what it says."""
    latest = {
        "folder": place.relative_to(run.folder / "proof").as_posix(),
        **{name: result[name] for name in ("gain", "sentences", "target", "seeds", "note")},
    }
    write_json(latest, run.folder / "proof" / "latest.json")


def _answers(place: Path, settings: Settings) -> Path:
    """Name the file with the honesty on a set of questions; another content is another file."""
    try:
        asked = content_id(Path(settings.probe).read_bytes().hex())
    except OSError as error:
        raise UserError(f"--probe {settings.probe}: it cannot be read: {error}") from error
    return place / f"honesty-{asked[:8]}.json"


def _honesty(place: Path, plan: Plan, settings: Settings, spec: VllmModel) -> dict[str, Any]:
    """Probe the target before and after the fit on pairs; the trained model is deleted then."""
    from datagen.evaluate.honesty import probe

    told = _answers(place, settings)
    if not told.exists():
        after = place / "models" / f"{_probed(plan)}-0"
        write_json(probe([Path(settings.probe)], spec.model, str(after), place / "answers"), told)
        shutil.rmtree(place / "models", ignore_errors=True)
    known: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return known
