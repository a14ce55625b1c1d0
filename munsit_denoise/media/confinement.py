"""Confines programs that read untrusted files: resource limits, no new rights, no network, an end with the server."""

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

NO_NETWORK = (("unshare", "--net"), ("unshare", "--user", "--map-current-user", "--net"))  # for root; for other users
NO_RIGHTS = ("--no-new-privs", "--inh-caps", "-all", "--bounding-set", "-all,+dac_override")  # root reads users' files
END_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
TRIAL_S = 10
Words = tuple[str, ...]  # of a command


@dataclass(frozen=True)
class Confinement:
    """The protections available on this machine, determined once."""

    bounding: Words  # the commands that set the limits; empty if unavailable
    network: Words
    rights: Words

    def command(self, bounds: Words) -> list[str]:
        """Return the words to put before a program's command; `bounds` are options of prlimit."""
        return [*self.network, *((*self.bounding, *bounds) if self.bounding else ()), *self.rights]

    @property
    def missing(self) -> list[str]:
        """A sentence for each protection that this machine lacks."""
        lacks = []
        if not self.bounding:
            lacks.append("Programs that read uploads have no limits here: install util-linux (prlimit).")
        if not self.network:
            lacks.append("Programs that read uploads can reach the network here: allow unshare, or user namespaces.")
        if not self.rights:
            lacks.append("Programs that read uploads outlive a server that is killed: install util-linux (setpriv).")
        return lacks


@cache
def confinement() -> Confinement:
    """Return the protections available on this machine; the first call tries them."""
    rights = ((*END_WITH_PARENT, *NO_RIGHTS), (*END_WITH_PARENT, "--no-new-privs"))
    network = _first(NO_NETWORK, ())
    return Confinement(
        bounding=_first((("prlimit",),), ("--core=0",)),
        network=network,
        rights=_first(rights, (), network),
    )


def _first(choices: tuple[Words, ...], options: Words, before: Words = ()) -> Words:
    """Return the first command that can run a program, with its full path."""
    nothing = shutil.which("true") or "true"
    for name, *words in choices:
        command = (shutil.which(name) or name, *words)
        with suppress(OSError, subprocess.TimeoutExpired):
            trial = [*before, *command, *options, nothing]
            done = subprocess.run(trial, capture_output=True, check=False, timeout=TRIAL_S)  # noqa: S603 - our own
            if done.returncode == 0:
                return command
    return ()
