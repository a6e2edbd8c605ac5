"""Kills and signals: at a request, during a token refresh, at any moment."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from functools import partial
from threading import Timer
from typing import TYPE_CHECKING

from sandbox import Fault
from tools.soak.faults import ITEMS, MAX_REQUEST, TOKEN, TOKEN_NTH

if TYPE_CHECKING:
    from random import Random

    from sandbox import Sandbox
    from sandbox.values import Json
    from tools.pipes import Pipes

VICTIMS = ("tap", "tap", "mapper", "target")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOMENTS = (0.3, 1.8)


@dataclass(frozen=True)
class Kill:
    """A signal that reached a process."""

    victim: str  # ``tap``, ``mapper`` or ``target``
    number: signal.Signals  # The signal
    at: float  # When (monotonic clock)
    in_refresh: bool  # Whether a token was being refreshed


@dataclass
class Kills:
    """The kills and signals of one run."""

    pipes: Pipes  # The pipeline
    done: list[Kill] = field(default_factory=list)  # Those that reached a process
    _timers: list[Timer] = field(default_factory=list)

    def plan(self, pleo: Sandbox, rng: Random) -> None:
        """Draw one; call :meth:`begin` once the run has started."""
        victim = rng.choice(VICTIMS if self.pipes.loaded else ("tap",))
        number, at_request, at_moment = rng.choice(SIGNALS), rng.randint(1, MAX_REQUEST), rng.uniform(*MOMENTS)
        strike = partial(self._strike, victim, number)
        places = ("request", "moment", *(("refresh", "refresh") if "token_file" in self.pipes.tap else ()))
        where = rng.choice(places)
        if where == "moment":
            self._timers.append(Timer(at_moment, strike))
        elif where == "request":
            pleo.add_fault(Fault(path=ITEMS, nth=at_request, kind="callback", callback=lambda _: strike()))
        else:
            self._plan_in_refresh(pleo, rng, number)

    def _plan_in_refresh(self, pleo: Sandbox, rng: Random, number: signal.Signals) -> None:
        strike = partial(self._strike, "tap", number, in_refresh=True)

        def after(answer: Json) -> Json:
            strike()
            return answer

        nth = rng.choice(TOKEN_NTH)
        if rng.choice((True, False)):
            pleo.add_fault(Fault(path=TOKEN, nth=nth, kind="callback", callback=lambda _: strike()))
        else:
            pleo.add_fault(Fault(path=TOKEN, nth=nth, kind="rewrite", rewrite=after))
        if rng.choice((True, False)):
            # The signal finds the tap waiting for its token.
            pleo.faults.insert(0, Fault(path=TOKEN, nth=None, kind="delay", seconds=0.3))

    def begin(self) -> None:
        """Start the timers."""
        for timer in self._timers:
            timer.start()

    def end(self) -> None:
        """Cancel the pending timers."""
        for timer in self._timers:
            timer.cancel()
            timer.join()

    def killed(self, victim: str) -> bool:
        """Return whether SIGKILL reached a process."""
        return any(kill.victim == victim and kill.number == signal.SIGKILL for kill in self.done)

    def first(self, victim: str) -> float | None:
        """Return when a process got its first signal, None without one."""
        return min((kill.at for kill in self.done if kill.victim == victim), default=None)

    def _strike(self, victim: str, number: signal.Signals, *, in_refresh: bool = False) -> None:
        if self.pipes.signal(victim, number):
            self.done.append(Kill(victim, number, time.monotonic(), in_refresh))
