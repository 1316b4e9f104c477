"""The result of a proof: its verdicts and measures, its page, and ``proof/latest.json``."""

from pathlib import Path

import numpy as np

from datagen.evaluate.prove import page, verdict
from datagen.evaluate.prove.plan import Plan, summary
from datagen.evaluate.prove.settings import DISTRACTORS, Arm, Settings
from datagen.json_types import JsonObject
from datagen.request import Identity
from datagen.run.folder import Run
from datagen.store.parquet import write_json


def write(
    run: Run,
    place: Path,
    plan: Plan,
    fits: verdict.Fits,
    settings: Settings,
    identity: Identity,
    note: str = "",
) -> JsonObject:
    """Compute the verdicts, write the pages, and update ``proof/latest.json``."""
    answered = verdict.verdicts(fits, plan.items, settings.worth)
    averages = verdict.measures(fits, plan.items)
    result = {
        "run": f"{run.manifest['recipe']['name']}/{run.folder.name}",
        "target": {"name": identity.name, "revision": identity.revision},
        "settings": settings.model_dump(mode="json"),
        "plan": dict(summary(plan)),
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
    _write_latest(run, place, result)
    return result


def _figures(fits: verdict.Fits, arm: Arm) -> JsonObject:
    """Summarise an arm's tokens, exposures (mean over passages, and range), losses and fits."""
    fits_of_arm = [fit for (name, _), fit in fits.items() if name == arm]
    seen = [value for fit in fits_of_arm for value in fit.get("exposures", {}).values()]
    spread = f"{np.mean(seen):.2f} ({min(seen):.2f}–{max(seen):.2f})" if seen else "0"
    tokens = [fit.get("tokens", 0) for fit in fits_of_arm]
    computed = [fit.get("tokens_computed", 0) for fit in fits_of_arm]
    return {
        "tokens": round(float(np.mean(tokens))),
        "tokens_computed": round(float(np.mean(computed))),
        "exposures": spread,
        "pairs_seen": round(float(np.mean([fit.get("pairs_seen", 0) for fit in fits_of_arm]))),
        "loss": [fit.get("loss", {}) for fit in fits_of_arm],
        "seconds": round(sum(fit.get("seconds", 0.0) + fit["seconds_measured"] for fit in fits_of_arm)),
        "fits": len(fits_of_arm),
    }


def _write_latest(run: Run, place: Path, result: JsonObject) -> None:
    """Write ``proof/latest.json``: the folder of the newest proof, and its conclusions."""
    latest = {
        "folder": place.relative_to(run.folder / "proof").as_posix(),
        **{name: result[name] for name in ("gain", "sentences", "target", "seeds", "note")},
    }
    write_json(latest, run.folder / "proof" / "latest.json")
