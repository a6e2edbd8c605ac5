"""Kills and signals: at a request, at a token refresh, at any moment."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from functools import partial
from threading import Timer
from typing import TYPE_CHECKING, Any

from sandbox import Fault
from tools.soak.faults import ITEMS, LATEST_REQUEST, TOKEN, TOKEN_NTH

if TYPE_CHECKING:
    from random import Random

    from sandbox import Sandbox
    from tools.pipes import Pipes

VICTIMS = ("tap", "tap", "mapper", "target")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOMENTS = (0.3, 1.8)


@dataclass(frozen=True)
class Strike:
    """A signal that met a process.

    Attributes:
        victim: ``tap``, ``mapper`` or ``target``.
        number: The signal.
        at: When (monotonic clock).
        in_refresh: Whether a token was being refreshed.
    """

    victim: str
    number: signal.Signals
    at: float
    in_refresh: bool


@dataclass
class Strikes:
    """The strikes of one run.

    Attributes:
        done: Those that met a process.
    """

    pipes: Pipes
    done: list[Strike] = field(default_factory=list)
    _timers: list[Timer] = field(default_factory=list)

    def plan(self, pleo: Sandbox, rng: Random) -> None:
        """Draw one strike; call :meth:`begin` once the run has been started."""
        victim = rng.choice(VICTIMS if self.pipes.loaded else ("tap",))
        number, at_request, at_moment = rng.choice(SIGNALS), rng.randint(1, LATEST_REQUEST), rng.uniform(*MOMENTS)
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

        def after(answer: Any) -> Any:  # noqa: ANN401 - any JSON value
            strike()
            return answer

        nth = rng.choice(TOKEN_NTH)
        if rng.choice((True, False)):
            pleo.add_fault(Fault(path=TOKEN, nth=nth, kind="callback", callback=lambda _: strike()))
        else:
            pleo.add_fault(Fault(path=TOKEN, nth=nth, kind="rewrite", rewrite=after))
        if rng.random() < 0.5:  # noqa: PLR2004 - evenly
            # The signal finds the tap waiting for its token.
            pleo.faults.insert(0, Fault(path=TOKEN, nth=None, kind="delay", seconds=0.3))

    def begin(self) -> None:
        """Start the clocks."""
        for timer in self._timers:
            timer.start()

    def end(self) -> None:
        """Call off what has not happened."""
        for timer in self._timers:
            timer.cancel()
            timer.join()

    def killed(self, victim: str) -> bool:
        """Return whether a process met SIGKILL."""
        return any(strike.victim == victim and strike.number == signal.SIGKILL for strike in self.done)

    def first(self, victim: str) -> float | None:
        """Return when a process was asked to end, None if it was not."""
        return min((each.at for each in self.done if each.victim == victim), default=None)

    def _strike(self, victim: str, number: signal.Signals, *, in_refresh: bool = False) -> None:
        if self.pipes.signal(victim, number):
            self.done.append(Strike(victim, number, time.monotonic(), in_refresh))
