"""An hour of a fleet on a simulated clock, with outages and throttling."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

from tools.bench import fleet_simulation
from tools.bench.fleet_simulation import BASE, TWENTY, TWENTY_FAST, Scenario, Simulation

SMALL = replace(BASE, companies=200, exports=150, day=(1,), runs=4, interval=60)


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(SMALL, id="a credential each"),
        pytest.param(replace(SMALL, webhooks=True), id="webhooks"),
        # Half of the requests are for discovery, so a round takes four minutes instead of one.
        pytest.param(replace(SMALL, credentials=1, per_minute=100, per_credential=4), id="too many for a credential"),
        pytest.param(replace(SMALL, credentials=10, items=500), id="large jobs"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_job_is_loaded_before_it_ends(monkeypatch: pytest.MonkeyPatch, scenario: Scenario, seed: int) -> None:
    early = [
        (range(10, 20), "", "down", 0.0),
        (range(25, 35), "k0", "rejected", 0.0),
        (range(40, 43), "k1", "429", 60.0),
    ]
    monkeypatch.setattr(fleet_simulation, "TROUBLES", early)

    simulation = Simulation(scenario, seed).run()

    assert (len(simulation.minutes()), simulation.unread()) == (150, 0)
    assert simulation.most_running <= scenario.runs
    # A run that follows another within the minute starts with a full share.
    assert simulation.most_requests <= scenario.per_minute + scenario.runs * max(simulation.run_budget.values())
    assert not simulation.queue
    assert not simulation.busy


@pytest.mark.parametrize("seed", [1, 2])
def test_webhooks_suffice_in_an_outage_however_long_the_interval(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(fleet_simulation, "TROUBLES", [(range(10, 20), "", "down", 0.0)])
    monkeypatch.setattr(fleet_simulation, "LOST_DELIVERIES", 0)
    scenario = replace(SMALL, credentials=1, per_credential=4, interval=7200, webhooks=True)

    minutes = Simulation(scenario, seed).run().minutes()

    assert len(minutes) == 150
    # The outage, five minutes, and the run.
    assert minutes[-1] < 20


def test_a_fleet_with_too_few_runs_at_once_is_late() -> None:
    simulation = Simulation(replace(SMALL, runs=1, exports=700), 1).run()

    assert simulation.unread() > 50


def test_twenty_companies_take_as_long_as_measured() -> None:
    minutes = Simulation(TWENTY, 1).run().minutes()

    assert len(minutes) == 20
    # Measured: the first after 46 s, the last after 175 s.
    assert 0.6 < minutes[0] < 1.0
    assert 2.3 < minutes[-1] < 3.5


def test_twenty_companies_on_faster_cores_take_as_long_as_measured() -> None:
    minutes = Simulation(TWENTY_FAST, 1).run().minutes()

    assert len(minutes) == 20
    # Measured: the first after 35 s, the median after 59 s, the last after 81 to 86 s.
    assert 0.5 < minutes[0] < 0.7
    assert 0.9 < statistics.median(minutes) < 1.1
    assert 1.3 < minutes[-1] < 1.6
