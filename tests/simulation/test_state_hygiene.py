"""A draw equals, bit for bit, the SBML rewritten with its values, whatever was simulated before it."""

import numpy as np
import pandas as pd
import pytest

from sbml_hybrid import load, simulate

TIMES = np.linspace(0, 10, 21)

# Construct -> (Antimony with the placeholders @1, @2; the quantity of each placeholder).
CONSTRUCTS = {
    "initial assignment on a species": ("k = @1; S = 5*k/3; S -> ; 0.3*S", ["k"]),
    "initial assignment with powers": ("k = @1; S = exp(-k)*k^1.7 + ln(k + 2)/sqrt(k); S -> ; 0.3*S", ["k"]),
    "initial assignment on a parameter": ("k = @1; p = 2*k + 1; q = p/3; S = 10; S -> ; q*S", ["k"]),
    "initial assignment through a rule": ("k = @1; r := 2*k; p = r + 1; S = p; S -> ; r*S", ["k"]),
    "initial assignment on an amount": (
        "compartment C = @1; substanceOnly species S in C; k = @2; S = 3*k; S -> ; k*S",
        ["C", "k"],
    ),
    "rate rule on a parameter": ("k = @1; p = @2; p' = -k*p", ["k", "init(p)"]),
    "rate rule with an initial assignment": ("k = @1; p = 3*k; p' = -k*p", ["k"]),
    "event that changes a parameter": ("k = @1; S = @2; S -> ; k*S; at (time > 3): k = 0.01", ["k", "init([S])"]),
    "event that changes a boundary species": (
        "k = @1; $B = @2; S = 0; $B -> S; k*B; at (S > 3): B = 0.01",
        ["k", "init([B])"],
    ),
    "event on an unvaried boundary species": ("k = @1; $B = 4; S = 0; $B -> S; k*B; at (S > 3): B = 0.01", ["k"]),
    "event that changes a compartment": (
        "compartment C = @2; k = @1; species S in C; S = 10; S -> ; k*S; at (time > 3): C = 2",
        ["k", "C"],
    ),
    "event that changes an unvaried compartment": (
        "compartment C = 3; k = @1; species S in C; S = 10; S -> ; k*S; at (time > 3): C = 2",
        ["k"],
    ),
    "event pending at the end": ("k = @1; S = 10; q = 1; S -> ; k*q*S; at 5 after (time > 8): q = 3", ["k"]),
    "event that fires often": ("k = @1; S = @2; S -> ; k*S; at (S < 1): S = S + 5", ["k", "init([S])"]),
    "trigger at time zero, parameter": ("k = @1; S = 10; q = 1; S -> ; k*q*S; at (k > 0.5), t0 = false: q = 3", ["k"]),
    "trigger at time zero, species": (
        "k = @1; S = @2; q = 1; S -> ; k*q*S; at (S > 4), t0 = false: q = 3",
        ["k", "init([S])"],
    ),
    "trigger true before time zero": ("k = @1; S = @2; q = 1; S -> ; k*q*S; at (S < 4): q = 3", ["k", "init([S])"]),
    "trigger at time zero, initial assignment": (
        "k = @1; p = 10*k; S = 10; q = 1; S -> ; k*q*S; at (p > 4), t0 = false: q = 3",
        ["k"],
    ),
    "trigger at time zero, rate rule": (
        "k = @1; p = @2; p' = -k*p; q = 1; S = 10; S -> ; q*S; at (p > 4), t0 = false: q = 3",
        ["k", "init(p)"],
    ),
    "trigger at a varied time": ("k = 0.3; on = @2; S = 10; S -> ; k*S; at (time >= on): k = @1", ["on"]),
    "compartment with initial concentrations": (
        "compartment C = @2; k = @1; species S in C; S = 10; S -> ; k*S*C",
        ["k", "C"],
    ),
    "compartment with initial amounts": (
        "compartment C = @2; k = @1; species S in C; S = 10/C; S -> ; k*S*C",
        ["k", "C"],
    ),
    "amount of a species": ("compartment C = 2; k = @1; species S in C; S = @2/C; S -> ; k*S", ["k", "init(S)"]),
    "assignment rule": ("k = @1; S = @2; y := 2*S + k; S -> ; k*y; at (y < 2): k = 0", ["k", "init([S])"]),
    "conversion of a species by two reactions": ("k = @1; g = @2; A = 10; B = 0; A -> B; k*A; B -> A; g*B", ["k", "g"]),
}


def rewritten(text: str, values: list[float]) -> str:
    """Write the values into the SBML itself: libSBML would round them to 15 digits."""
    marks = [f"0.{7770001 + i}" for i in range(len(values))]
    for i, mark in enumerate(marks, 1):
        text = text.replace(f"@{i}", mark)
    sbml = load(text).sbml
    for mark, value in zip(marks, values, strict=True):
        assert mark in sbml
        sbml = sbml.replace(mark, repr(value))
    return sbml


def draws_of(construct: str, n: int = 6) -> tuple[str, pd.DataFrame]:
    text, quantities = CONSTRUCTS[construct]
    order = sorted(quantities, key=lambda q: _placeholder_of(text, q))
    rng = np.random.default_rng(1)
    ranges = {"@1": (0.1, 1.0), "@2": (1.0, 8.0)}
    columns = {q: rng.uniform(*ranges[_placeholder_of(text, q)], n) for q in order}
    return text, pd.DataFrame(columns)


def _placeholder_of(text: str, quantity: str) -> str:
    id = quantity.removeprefix("init(").removeprefix("[").rstrip("])")
    after = text.split(f"{id} = @", 1)[1]
    return f"@{after[0]}"


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_a_draw_equals_the_rewritten_sbml(construct):
    text, draws = draws_of(construct)
    marks = {_placeholder_of(text, q): q for q in draws}
    values = draws.to_numpy().tolist()
    fixed = [0.4, 5.0]

    def sbml(row):
        known = dict(zip(draws.columns, row, strict=True))
        count = max(int(p[1]) for p in ("@1", "@2") if p in text)
        return rewritten(text, [known.get(marks.get(f"@{i + 1}"), fixed[i]) for i in range(count)])

    model = load(sbml(values[0]))

    together = simulate(model, draws, times=TIMES)

    for i, row in enumerate(values):
        alone = simulate(load(sbml(row)), None, times=TIMES)
        np.testing.assert_array_equal(together["truth"].values[i], alone["truth"].values[0])
    assert (together["rung"].values == 0).all()
    assert len(np.unique(together["truth"].values[:, -1], axis=0)) > 1  # the draws do differ


def test_a_local_parameter_varies_as_the_rewritten_sbml_has_it():
    sbml = LOCAL_PARAMETER
    draws = pd.DataFrame({"R1_k": [0.123456789012345, 0.7, 0.31]})

    together = simulate(load(sbml), draws, times=TIMES)

    for i, value in enumerate(draws["R1_k"]):
        alone = simulate(load(sbml.replace('value="0.5"', f'value="{value!r}"')), None, times=TIMES)
        np.testing.assert_array_equal(together["truth"].values[i], alone["truth"].values[0])


LOCAL_PARAMETER = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4">
 <model id="local">
  <listOfCompartments><compartment id="C" size="1"/></listOfCompartments>
  <listOfSpecies><species id="S" compartment="C" initialConcentration="10"/></listOfSpecies>
  <listOfReactions>
   <reaction id="R1" reversible="false">
    <listOfReactants><speciesReference species="S"/></listOfReactants>
    <kineticLaw>
     <math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>C</ci><ci>k</ci><ci>S</ci></apply></math>
     <listOfParameters><parameter id="k" value="0.5"/></listOfParameters>
    </kineticLaw>
   </reaction>
  </listOfReactions>
 </model>
</sbml>
"""


def test_a_trajectory_does_not_depend_on_the_ones_before_it():
    text, draws = draws_of("event that changes a boundary species", n=12)
    model = load(text.replace("@1", "0.5").replace("@2", "5"))

    forward = simulate(model, draws, times=TIMES)
    backward = simulate(model, draws.iloc[::-1], times=TIMES)

    np.testing.assert_array_equal(forward["truth"].values, backward["truth"].values[::-1])


def test_events_of_one_moment_come_in_an_order_that_is_the_same_every_time():
    events = "".join(f"E{i}: at time >= 1 && sin(20*time) > 0: last = {i}, sum = sum*1.1 + {i}; " for i in range(1, 9))
    model = load(f"{events} last = 0; sum = 0; S -> ; k*S; S = 1; k = 1")
    times = np.linspace(0, 6, 61)

    first = simulate(model, pd.DataFrame({"k": [1.0, 1.0]}), times=times)["truth"].values
    again = simulate(model, None, times=times)["truth"].values

    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[0], again[0])
