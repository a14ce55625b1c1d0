"""Runs all checks at the same time, each with a deadline, so that a blocked one does not delay the others."""

import threading
import time
from collections.abc import Sequence

from munsit_denoise.doctor.findings import Check, Finding, State, wrong
from munsit_denoise.settings import Settings

UNEXPECTED = "This is a bug in munsit-denoise. Please report it with this line."


def examine(settings: Settings, checks: Sequence[Check]) -> dict[str, Finding]:
    """Return the findings by name; a check must come after those that it needs."""
    examinations: dict[str, _Examination] = {}
    for check in checks:
        needs = [examinations[name] for name in check.needs]
        examinations[check.name] = _Examination(check, settings, needs)
    return {name: examination.outcome() for name, examination in examinations.items()}


class _Examination:
    """A check in its own thread, which is abandoned if it does not return in time."""

    def __init__(self, check: Check, settings: Settings, needs: "Sequence[_Examination]") -> None:
        self._check, self._settings, self._needs = check, settings, needs
        begins_s = max((need.end_s for need in needs), default=time.monotonic())
        self.end_s: float = begins_s + check.deadline_s
        self._found: Finding | None = None
        self._done = threading.Event()
        threading.Thread(target=self._work, name=f"doctor {check.name}", daemon=True).start()

    def outcome(self) -> Finding:
        """Return the finding, or wait for it until the deadline."""
        self._done.wait(max(self.end_s - time.monotonic(), 0))
        if self._found is not None:
            return self._found
        return wrong(f"There was no answer within {self._check.deadline_s:g} s.", self._check.silent)

    def _work(self) -> None:
        ill = [need for need in self._needs if need.outcome().state not in (State.OK, State.WARNING)]
        if ill:
            names = " and ".join(need._check.name for need in ill)
            self._found = Finding(State.SKIPPED, f"Not checked: {names} must be fixed first.")
        else:
            self._found = self._look()
        self._done.set()

    def _look(self) -> Finding:
        try:
            return self._check.look(self._settings)
        except Exception as error:  # the one boundary: a failing check is a finding as well
            reason = " ".join(str(error).split())
            return wrong(f"The check broke: {type(error).__name__}: {reason}", UNEXPECTED)
