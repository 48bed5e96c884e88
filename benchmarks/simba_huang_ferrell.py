"""Huang-Ferrell 1996 in SimbaML, as its tutorial writes a model; run by the interpreter of SimbaML's own environment.

python simba_huang_ferrell.py draws rtol atol < told.json

Reads nominal amounts, constants and their spread (JSON: "species", "constants", "fold"); prints JSON: the CPU
seconds to generate the series in memory, and where the nominal one ends, for a check.
"""

import json
import sys
import time

from simba_ml.simulation import distributions, generators, kinetic_parameters, species, system_model

TIMESTAMPS = 61  # SimbaML's times are 0, 1, ..., 60


def deriv(_t, y, c):
    """The right-hand side: ten enzymatic steps of binding, release and conversion."""
    E1, E2, KKPase, KPase, KKK, KKKp, KK, KKp, KKpp, K, Kp, Kpp, c1, c2, c3, c5, c4, c6, c7, c9, c8, c10 = y
    b1, u1, v1 = c["a1"] * E1 * KKK, c["d1"] * c1, c["k1"] * c1
    b2, u2, v2 = c["a2"] * E2 * KKKp, c["d2"] * c2, c["k2"] * c2
    b3, u3, v3 = c["a3"] * KKKp * KK, c["d3"] * c3, c["k3"] * c3
    b4, u4, v4 = c["a4"] * KKPase * KKp, c["d4"] * c4, c["k4"] * c4
    b5, u5, v5 = c["a5"] * KKKp * KKp, c["d5"] * c5, c["k5"] * c5
    b6, u6, v6 = c["a6"] * KKPase * KKpp, c["d6"] * c6, c["k6"] * c6
    b7, u7, v7 = c["a7"] * KKpp * K, c["d7"] * c7, c["k7"] * c7
    b8, u8, v8 = c["a8"] * KPase * Kp, c["d8"] * c8, c["k8"] * c8
    b9, u9, v9 = c["a9"] * KKpp * Kp, c["d9"] * c9, c["k9"] * c9
    b10, u10, v10 = c["a10"] * KPase * Kpp, c["d10"] * c10, c["k10"] * c10
    return (
        -b1 + u1 + v1,
        -b2 + u2 + v2,
        -b4 + u4 + v4 - b6 + u6 + v6,
        -b8 + u8 + v8 - b10 + u10 + v10,
        -b1 + u1 + v2,
        v1 - b2 + u2 - b3 + u3 + v3 - b5 + u5 + v5,
        -b3 + u3 + v4,
        v3 - b4 + u4 - b5 + u5 + v6,
        v5 - b6 + u6 - b7 + u7 + v7 - b9 + u9 + v9,
        -b7 + u7 + v8,
        v7 - b8 + u8 - b9 + u9 + v10,
        v9 - b10 + u10,
        b1 - u1 - v1,
        b2 - u2 - v2,
        b3 - u3 - v3,
        b5 - u5 - v5,
        b4 - u4 - v4,
        b6 - u6 - v6,
        b7 - u7 - v7,
        b9 - u9 - v9,
        b8 - u8 - v8,
        b10 - u10 - v10,
    )


def generator(told, fold, rtol, atol):
    """Return SimbaML's generator, with constants uniform in [value / fold, value * fold]."""
    laws = {
        name: distributions.ContinuousUniformDistribution(value / fold, value * fold)
        if fold > 1
        else distributions.Constant(value)
        for name, value in told["constants"].items()
    }
    return generators.TimeSeriesGenerator(
        system_model.SystemModel(
            "huang_ferrell",
            [species.Species(name, distributions.Constant(value)) for name, value in told["species"].items()],
            {name: kinetic_parameters.ConstantKineticParameter(law) for name, law in laws.items()},
            deriv=deriv,
            timestamps=distributions.Constant(TIMESTAMPS),
            rtol=rtol,
            atol=atol,
        )
    )


def main(draws, rtol, atol):
    """Print the CPU seconds of the series, and where the nominal one ends."""
    told = json.load(sys.stdin)
    nominal = generator(told, 1.0, rtol, atol).generate_signal()
    varied = generator(told, told["fold"], rtol, atol)
    began = time.process_time()
    series = varied.generate_signals(draws)
    spent = time.process_time() - began
    print(json.dumps({"seconds": spent, "series": len(series), "end": nominal.iloc[-1].to_dict()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
