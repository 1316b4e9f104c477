"""Occupancy of the engines: counting, storage and the report."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.engines import meter as meters
from datagen.engines.meter import Meter, Reading
from datagen.recipe.load import load_recipe
from datagen.report.html import write_report
from datagen.report.occupancy import POINTS, engine_use
from datagen.run import occupancy as module
from datagen.run.folder import open_run
from datagen.run.occupancy import FILE, FIRST_STEP, MOST_STEPS, Occupancy, Recorder, read_occupancy
from tests.support import finished, toys


class Time:
    """A clock that is set by hand."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Time()
    monkeypatch.setattr(meters, "time", clock)
    monkeypatch.setattr(module, "time", clock)
    return clock


class Watching(toys.SilentWatcher):
    def __init__(self):
        self.shares = []

    def occupied(self, share):
        self.shares.append(share)


def reading(busy, engine="a", window=4):
    return Reading(engine, "m", window, busy)


def test_a_meter_integrates_the_requests_in_flight(clock):
    meter = Meter("m", 8)
    with meter:
        clock.now += 2
        with meter:
            clock.now += 3
            assert meter.read().busy == 8
    clock.now += 10
    assert meter.read().busy == 8
    assert (meter.read().model, meter.read().window) == ("m", 8)
    assert meter.read().engine != Meter("m", 8).read().engine


spans = st.lists(st.tuples(st.floats(0.01, 500), st.floats(0, 1)), min_size=1, max_size=40)


@given(spans)
def test_no_request_second_is_lost_and_memory_is_bounded(spans):
    occupancy, now = Occupancy(), 0.0
    for seconds, share in spans:
        occupancy.add(reading(0), 4 * seconds * share, now, now + seconds)
        now += seconds
    [engine] = occupancy.engines.values()
    total = sum(4 * seconds * share for seconds, share in spans)
    assert sum(engine.busy) == pytest.approx(total)
    assert len(engine.busy) <= MOST_STEPS and occupancy.seconds == pytest.approx(now)
    assert now <= len(engine.busy) * occupancy.step + 1e-6
    assert all(0 <= share <= 1 for share in [*occupancy.shares(engine), occupancy.share, occupancy.recent()])
    assert Occupancy.model_validate_json(occupancy.model_dump_json()) == occupancy


def test_idle_time_counts_between_requests_and_not_before_or_after_them():
    occupancy = Occupancy()
    occupancy.add(reading(0), 0, 0, 50)
    occupancy.add(reading(0), 4 * 30, 50, 80)
    occupancy.add(reading(0), 0, 80, 90)
    occupancy.add(reading(0), 4 * 30, 90, 120)
    assert occupancy.share == pytest.approx(60 / 70, abs=0.01)
    occupancy.add(reading(0), 0, 120, 500)
    assert occupancy.share == pytest.approx(60 / 70, abs=0.01)
    occupancy.add(reading(0, "late"), 4 * 10, 110, 120)  # an engine that joins counts from then
    assert occupancy.share == pytest.approx(70 / 80, abs=0.01)


def test_readings_are_differences_and_repeated_ones_add_nothing(tmp_path, clock):
    recorder = Recorder(tmp_path, watcher := Watching())
    recorder.save()
    assert not (tmp_path / FILE).exists()
    recorder.receive(reading(1000.0))  # requests of another run to the same engine
    clock.now += 10
    for _ in range(3):
        recorder.receive(reading(1020.0))
    recorder.save()
    kept = read_occupancy(tmp_path)
    assert sum(kept.engines["a"].busy) == pytest.approx(20)
    assert kept.share == pytest.approx(0.5, abs=0.03)
    assert watcher.shares[-1] == pytest.approx(0.5, abs=0.05)
    clock.now += 100
    recorder.receive(reading(1020.0))
    assert watcher.shares[-1] == 0


def test_a_resumed_run_appends_and_leaves_out_the_time_between(tmp_path, clock):
    for engine in ("before", "after"):
        recorder = Recorder(tmp_path, toys.SilentWatcher())
        recorder.receive(reading(0, engine))
        clock.now += 10
        recorder.receive(reading(40.0, engine))
        recorder.save()
        clock.now += 3600
    kept = read_occupancy(tmp_path)
    assert set(kept.engines) == {"before", "after"}
    assert kept.seconds == pytest.approx(20)


@pytest.mark.parametrize("text", ["", "[]", '{"step": 0}', '{"engines": {"a": {"model": "m", "window": 0}}}'])
def test_an_altered_file_is_ignored(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    assert read_occupancy(tmp_path) == Occupancy()


@pytest.mark.usefixtures("no_charts")
def test_the_report_shows_each_engine_over_time_and_one_figure(tmp_path):
    run_ = open_run(finished.write(tmp_path))
    assert engine_use(run_) is None
    occupancy = Occupancy()
    for second in range(400):
        occupancy.add(reading(0, "a"), 3, second, second + 1)
        occupancy.add(reading(0, "b"), 2, second, second + 1)
    (run_.folder / FILE).write_text(occupancy.model_dump_json())
    use = engine_use(run_)
    assert use.share == pytest.approx(0.625) and use.engines == 2
    assert use.chart.columns == ["minutes", "share", "engine"]
    assert {row[2]: row[1] for row in use.chart.rows} == {"m": 0.75, "m (2)": 0.5}
    assert len(use.chart.rows) <= 2 * POINTS and max(row[0] for row in use.chart.rows) > 6
    page = write_report(run_).read_text()
    assert "engines were answering 62 %" in page and "Engines in use</b>" in page


def test_a_point_of_the_chart_is_the_mean_of_its_time(tmp_path):
    run_ = open_run(finished.write(tmp_path))
    occupancy = Occupancy()
    for second in range(4 * POINTS):
        occupancy.add(reading(0, "a"), 4 * (second % 2), second, second + 1)
    (run_.folder / FILE).write_text(occupancy.model_dump_json())
    shares = [row[1] for row in engine_use(run_).chart.rows]
    assert len(shares) > POINTS // 2 and set(shares) == {0.5}


@pytest.mark.cluster
def test_a_run_stores_the_occupancy_of_its_engine(tmp_path, run_on_workers):
    watcher = Watching()
    recipe = load_recipe(toys.write_recipe(tmp_path, latency=0.2, window=4))
    done = run_on_workers(recipe, tmp_path / "outputs", watcher)
    recorded = json.loads((done.folder / FILE).read_text())
    [engine] = recorded["engines"].values()
    assert engine["window"] == 4
    assert sum(engine["busy"]) >= 24 * 0.2 * 0.99  # requests times latency
    assert 0 < read_occupancy(done.folder).share <= 1 and max(watcher.shares) > 0
    assert "of the requests that it can answer" in (done.folder / "report.html").read_text()
    assert recorded["step"] == FIRST_STEP
