"""Simulate slowly into a store, in a process of its own that a test may end as it likes."""

import signal
import sys
import time
from dataclasses import dataclass

import numpy as np

import sbml_hybrid as sh
from sbml_hybrid.simulation.runs import Deterministic

MODEL = "A -> B; k*A; B -> ; g*B; A = 10; B = 0; k = 0.3; g = 0.1"
TIMES = np.linspace(0, 20, 21)


@dataclass(frozen=True)
class Slowly(Deterministic):
    """The ordinary run, with a rest after every trajectory."""

    def trajectory(self, *arguments):
        time.sleep(0.004)
        return super().trajectory(*arguments)


def draws(model):
    return sh.sample(sh.around(model, fold=2), 640, seed=0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background is born without
    model = sh.load(MODEL)
    sh.simulate(model, draws(model), times=TIMES, store=sys.argv[1], jobs=int(sys.argv[2]), run=Slowly())
