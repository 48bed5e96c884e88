"""What one simulation promises: closed forms, conservation, jumps in time, quiet failures."""

import math
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import sbml_hybrid as sh
from sbml_hybrid import load, simulate
from sbml_hybrid.errors import ModelError, SolverError, UnknownName
from sbml_hybrid.simulation.solver import Solver


@given(k=st.floats(0.01, 5.0), start=st.floats(1e-9, 1e9))
def test_decay_follows_its_closed_form(k, start):
    model = load("S -> ; k*S; S = 1; k = 1")
    times = np.linspace(0, 5, 11)

    truth = simulate(model, pd.DataFrame({"k": [k], "init([S])": [start]}), times=times)

    expected = start * np.exp(-k * times)
    np.testing.assert_allclose(truth["truth"].values[0, :, 0], expected, rtol=1e-5, atol=1e-6 * start)


def test_conserved_moieties_stay_constant():
    model = load("E + S -> ES; a*E*S; ES -> E + S; d*ES; ES -> E + P; k*ES; E = 1; S = 10; a = 1; d = 0.5; k = 2")
    draws = sh.sample(sh.around(model, fold=3), 20, seed=0)

    truth = simulate(model, draws, times=np.linspace(0, 20, 41))["truth"]

    np.testing.assert_allclose(truth.sel(species="E") + truth.sel(species="ES"), 1.0, rtol=1e-9)
    total = sum(truth.sel(species=s) for s in ("S", "ES", "P"))
    np.testing.assert_allclose(total, 10.0, rtol=1e-9)


def test_the_initial_state_belongs_to_time_zero_and_not_to_the_first_output():
    model = load("S -> ; k*S; S = 10; k = 0.3")

    late = simulate(model, None, times=[2.0, 5.0])["truth"].values[0, :, 0]

    np.testing.assert_allclose(late, 10 * np.exp(-0.3 * np.array([2.0, 5.0])), rtol=1e-6)
    assert simulate(model, None, times=[5.0])["truth"].item() == pytest.approx(10 * np.exp(-1.5), rel=1e-6)


@pytest.mark.parametrize("relation", [">", ">="])
def test_a_jump_in_time_is_not_stepped_over(relation):
    """The rate is 1 from 4 to 4.001 and 0 otherwise; outputs are 50 time units apart."""
    model = load(f"p = 0; p' = piecewise(1, (time {relation} 4) && (time < 4.001), 0)")

    end = simulate(model, None, times=[0, 50, 100])["truth"].values[0, -1, 0]

    assert end == pytest.approx(0.001, rel=1e-6)


def test_a_pulse_of_events_is_not_stepped_over():
    model = load("v = 0; p = 0; p' = v; on = 20; at (time >= on): v = 1; at (time >= on + 0.0001): v = 0")
    draws = pd.DataFrame({"on": [20.0, 33.3, 77.7]})

    end = simulate(model, draws, times=[0, 100], quantities=["p"])["truth"].values[:, -1, 0]

    np.testing.assert_allclose(end, 1e-4, rtol=1e-4)


def test_an_event_at_a_drawn_time_is_neither_lost_nor_early():
    """The times rise and fall from draw to draw, and differ from what a sum of steps reaches by a rounding."""
    model = load("p = 0; q = 1; q' = -q; on = 5; at (time >= on), t0=false: p = p + 1")
    on = np.random.default_rng(0).uniform(0.1, 9.9, 1000)

    p = simulate(model, pd.DataFrame({"on": on}), times=[0.0, 0.1, 9.9, 10.0], quantities=["p"])["truth"].values[
        :, :, 0
    ]

    np.testing.assert_array_equal(p, np.tile([0, 0, 1, 1], (1000, 1)))


def test_a_daily_light_switch_is_found_at_every_dawn_and_dusk():
    """Light for 12 of 24 hours: the integral over five days is 60 hours."""
    model = load("p = 0; p' = piecewise(1, sin(2*pi*time/24) > 0, 0)")

    end = simulate(model, None, times=[0, 120])["truth"].values[0, -1, 0]

    assert end == pytest.approx(60, rel=1e-6)


@pytest.mark.parametrize("case", ["00173", "00269", "01511"])
def test_cases_that_cvode_alone_gets_silently_wrong_are_right(test_data, case):
    with zipfile.ZipFile(test_data / "sbml_test_suite.zip") as archive:
        names = [n for n in archive.namelist() if n.startswith(f"{case}/") and "-sbml-" in n]
        model = load(archive.read(sorted(names)[-1]).decode())
        settings = archive.read(f"{case}/{case}-settings.txt").decode()
        with archive.open(f"{case}/{case}-results.csv") as file:
            expected = pd.read_csv(file)
    said = dict(re.findall(r"(\w+): *(.*)", settings))
    expected.columns = expected.columns.str.strip()
    variables = [v.strip() for v in said["variables"].split(",")]
    amounts = [v.strip() for v in said["amount"].split(",") if v.strip()]

    data = simulate(model, None, times=expected.iloc[:, 0].to_numpy(), quantities=[*variables, *_sizes(model, amounts)])

    truth = data["truth"][0].to_pandas()
    for species, compartment in zip(amounts, _sizes(model, amounts), strict=True):
        if not model.part(species).amount_in_formulas:
            truth[species] *= truth[compartment]
    np.testing.assert_allclose(
        truth[variables], expected[variables], rtol=float(said["relative"]), atol=float(said["absolute"])
    )


def _sizes(model, species):
    return [model.part(s).compartment for s in species]


def test_a_quantity_is_a_concentration_unless_the_model_says_amount():
    model = load("compartment C = 4; species A in C; substanceOnly species B in C; A = 3; B = 8; A -> ; 0*A")

    truth = simulate(model, None, times=[0, 1], quantities=["A", "B", "[A]", "[B]", "C"])

    np.testing.assert_array_equal(truth["truth"].values[0, 0], [3, 8, 3, 2, 4])


def test_a_hopeless_draw_becomes_a_row_of_nan_with_its_reason():
    model = load("S = 1; k = 1; S' = k*S^2")  # runs to infinity at time 1/k

    truth = simulate(model, pd.DataFrame({"k": [0.01, 2.0]}), times=np.linspace(0, 5, 11))

    assert truth["status"].values.tolist()[0] == 0
    assert truth["status"].values.tolist()[1] != 0
    assert np.isfinite(truth["truth"].values[0]).all()
    assert np.isnan(truth["truth"].values[1]).all()


def test_a_single_hopeless_trajectory_is_an_error():
    model = load("S = 1; k = 2; S' = k*S^2")

    with pytest.raises(SolverError, match="could not be simulated"):
        simulate(model, None, times=np.linspace(0, 5, 11))


def test_the_solver_keeps_the_terminal_clean():
    code = (
        "import numpy as np, pandas as pd, sbml_hybrid as sh, logging; logging.disable()\n"
        'm = sh.load("S = 1; k = 1; S\' = k*S^2")\n'
        "sh.simulate(m, pd.DataFrame({'k': [2.0, 3.0]}), times=np.linspace(0, 5, 11))\n"
        "print('done')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=os.getcwd())

    assert done.stdout == "done\n"
    assert done.stderr == ""


def test_threads_give_the_same_bytes_and_give_the_terminal_back(capfd):
    import joblib

    model = load("A -> B; k*A; B -> ; g*B; A = 10; B = 0; k = 0.3; g = 0.1")
    draws = sh.sample(sh.around(model, fold=2), 200, seed=0)
    times = np.linspace(0, 20, 21)

    alone = simulate(model, draws, times=times)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        together = simulate(model, draws, times=times)
    os.write(1, b"still here")

    assert together.identical(alone)
    assert capfd.readouterr().out == "still here"


@pytest.mark.parametrize("times", [[0, 2, 1], [0, 1, 1], [-1, 0], [], [0, np.nan], [[1, 0]], [[[0, 1]]]])
def test_times_that_do_not_increase_are_refused(times):
    with pytest.raises(ValueError, match="times.* must"):
        simulate(load("S -> ; S; S = 1"), None, times=times)


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("kk", UnknownName, "Did you mean 'k'"),
        ("S", ValueError, r"vary its initial value as 'init\(S\)'"),
        ("init([k])", ValueError, "not a species"),
        ("p", ValueError, r"initial assignment 2\*k; vary k instead"),
        ("init([T])", ValueError, r"initial assignment 5\*k; vary k instead"),
        ("y", ValueError, r"assignment rule 3\*S; vary S instead"),
        ("r", ValueError, r"a rate rule changes it; vary its initial value 'init\(r\)'"),
    ],
)
def test_a_quantity_that_cannot_vary_is_refused_with_what_to_do(column, error, message):
    model = load("k = 1; p = 2*k; y := 3*S; r = 1; r' = k; S = 1; T = 5*k; S -> T; k*S")

    with pytest.raises(error, match=message):
        simulate(model, pd.DataFrame({column: [1.0]}), times=[0, 1])


def test_draws_with_missing_values_are_refused():
    with pytest.raises(ValueError, match="draw 1 has .*nan.* for 'k'"):
        simulate(load("S -> ; k*S; S = 1; k = 1"), pd.DataFrame({"k": [1.0, np.nan]}), times=[0, 1])


def test_an_algebraic_rule_is_refused_by_name(test_data):
    with zipfile.ZipFile(test_data / "sbml_test_suite.zip") as archive:
        texts = (archive.read(n).decode() for n in archive.namelist() if n.endswith("-sbml-l3v2.xml"))
        model = load(next(t for t in texts if "<algebraicRule" in t))
    model.describe()

    with pytest.raises(ModelError, match="algebraic rule 0 = "):
        simulate(model, None, times=[0, 1])


def test_a_roadrunner_of_the_model_is_a_fresh_one():
    model = load("S -> ; k*S; S = 10; k = 0.3")

    first, second = sh.to_roadrunner(model), sh.to_roadrunner(model)
    first["k"] = 5.0

    assert second["k"] == 0.3


def test_what_libroadrunner_would_compute_wrongly_is_refused_by_name():
    model = load("compartment C; C := 2 + p; p = 0; p' = 0.5; species S in C; S = 1; S' = 0.1")

    with pytest.raises(ModelError, match="concentration of 'S' while an assignment rule resizes its compartment 'C'"):
        simulate(model, None, times=[0, 1])


def test_a_concentration_in_a_compartment_of_computed_but_constant_size_is_right():
    model = load("compartment C; C := 2*q; q = 1; species S in C; S = 1; S' = 0.1")

    truth = simulate(model, None, times=[0.0, 4.0], quantities=["S"])["truth"]

    np.testing.assert_allclose(truth.values[0, :, 0], [1.0, 1.4], rtol=1e-7)


@pytest.mark.parametrize("name", ["time", "Time", "TIME"])
def test_a_parameter_that_is_called_like_the_solvers_time_varies_and_is_recorded(name):
    model = load(load("S -> ; k*S*quick; S = 1; k = 0.1; quick = 3").sbml.replace("quick", name))
    draws = pd.DataFrame({name: [1.0, 2.0]})

    truth = simulate(model, draws, times=[0.0, 5.0], quantities=["S", name])["truth"]

    np.testing.assert_allclose(truth.values[:, 1], [[np.exp(-0.5), 1.0], [np.exp(-1.0), 2.0]], rtol=1e-6)


def test_a_jump_in_the_state_is_not_stepped_over():
    model = load("S -> ; ceil(4*S)/25; S = 1")  # the rate is 4/25 down to 0.75, then 3/25, ...

    truth = simulate(model, None, times=np.linspace(0, 6, 61))["truth"].values[0, :, 0]

    expected = [1 - 0.16 * t if t < 1.5625 else 0.75 - 0.12 * (t - 1.5625) for t in np.linspace(0, 3.6, 37)]
    np.testing.assert_allclose(truth[:37], expected, atol=1e-8)


def test_a_delayed_event_whose_trigger_falls_while_it_waits_fires_once():
    model = load("x = 0; S = 1; S' = -0.1*S; E: at 4.995 after (time >= 1 && time <= 4): x = x + 1")

    truth = simulate(model, None, times=np.linspace(0, 12, 25), quantities=["x"])["truth"].values[0, :, 0]

    np.testing.assert_array_equal(truth, np.linspace(0, 12, 25) > 5.995)


def test_an_infinite_constant_is_recorded_and_an_infinite_state_is_a_failure():
    constant = load("S -> ; k*S; S = 1; k = 1; big = inf")
    assert simulate(constant, None, times=[0, 1], quantities=["big"])["truth"].values.tolist() == [[[np.inf], [np.inf]]]

    with pytest.raises(SolverError, match="S becomes infinite or is not a number"):
        simulate(load("S' = -k; S = big; k = 1; big = inf"), None, times=[0, 1])


def test_a_factorial_of_what_is_no_number_does_not_end_the_process():
    formula = "factorial(S/(S - 1) * 1e9) + factorial(factorial(S)*3)"  # infinite at the start
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sbml_hybrid as sh; sh.simulate(sh.load('S -> ; k*({formula}); S = 1; k = 0'), times=[0, 1])",
        ],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "SolverError" in done.stderr


def test_a_guarded_factorial_is_the_factorial():
    model = load("x = 4; y := factorial(factorial(x) - 1); S -> ; k*factorial(2)*S; S = 1; k = 0.5")

    truth = simulate(model, None, times=[0.0, 1.0, 3.0], quantities=["y", "S"])["truth"].values[0]

    np.testing.assert_allclose(truth[:, 0], float(math.factorial(23)), rtol=1e-12)
    np.testing.assert_allclose(truth[:, 1], np.exp([0.0, -1.0, -3.0]), rtol=1e-5)


def test_ids_that_are_also_methods_of_libroadrunner_harm_nobody():
    text = "S -> ; xreset*S; S = 10; xreset = 0.3; xmodel = 2; xintegrator = 3; xsimulate := xmodel*S"
    model = load(re.sub("x(reset|model|integrator|simulate)", r"\1", load(text).to_sbml()))  # some are Antimony's words

    truth = simulate(model, times=np.linspace(0, 5, 6))["truth"].sel(species="S")
    engine = sh.to_roadrunner(model)
    other = sh.to_roadrunner(load("A -> ; k*A; A = 10; k = 0.3"))

    np.testing.assert_allclose(truth[0], 10 * np.exp(-0.3 * truth.time), rtol=1e-6)
    assert engine["reset"] == 0.3 and engine.simulate(0, 5, 6)[-1, 1] == pytest.approx(float(truth[0, -1]), rel=1e-6)
    assert other.A == 10.0  # libroadrunner's own short form, where it is safe
    other.reset()


# -- a tolerance that was asked for ------------------------------------------------------------------


def test_a_smaller_tolerance_gives_a_more_exact_trajectory():
    """Lotka-Volterra against SciPy's method of order 8: at 1e-12 a hundredth of the error, or less, of 1e-8."""
    model = load("a: -> x; x;  b: x -> y; 0.7*x*y;  c: y -> ; y;  x = 2; y = 1")
    times = np.linspace(0, 40, 81)
    exact = solve_ivp(
        lambda t, s: [s[0] - 0.7 * s[0] * s[1], 0.7 * s[0] * s[1] - s[1]],
        (0, 40),
        [2.0, 1.0],
        method="DOP853",
        t_eval=times,
        rtol=1e-13,
        atol=1e-15,
    ).y.T

    runs = [simulate(model, times=times, run=sh.Deterministic(relative=r)) for r in (1e-5, 1e-8, 1e-12)]
    coarse, usual, strict = (float(np.abs(run["truth"].values[0] - exact).max()) for run in runs)

    assert strict < 1e-2 * usual < 1e-3 * coarse
    assert runs[2].attrs["tolerances"] == '{"relative": 1e-12, "absolute": 1e-16, "scaled_to_each_state": true}'
    assert runs[2]["rung"].attrs["flag_meanings"].split()[:2] == ["as_asked", "default"]
    np.testing.assert_array_equal(runs[1]["truth"], simulate(model, times=times)["truth"])


def test_where_the_tolerance_asked_for_cannot_be_had_the_usual_one_serves_and_is_named(monkeypatch):
    model = load("S -> ; k*S; S = 10; k = 0.3")
    asked = Solver.configure

    def configure(self, rung, grid):
        if rung.name == "as_asked":
            raise RuntimeError("CV_TOO_MUCH_ACC")
        asked(self, rung, grid)

    monkeypatch.setattr(Solver, "configure", configure)
    data = simulate(model, times=[0, 1], run=sh.Deterministic(relative=1e-13))

    assert data["rung"].attrs["flag_meanings"].split()[int(data["rung"].item())] == "default"
    assert data["truth"].values[0, 1, 0] == pytest.approx(10 * np.exp(-0.3), rel=1e-6)


@pytest.mark.parametrize("relative", [0.0, -1e-8, 1e-14, 0.1, float("nan"), "1e-8", None, True])
def test_a_tolerance_that_cannot_be_is_refused(relative):
    with pytest.raises(ValueError, match="relative must be from 1e-13 to 1e-3"):
        sh.Deterministic(relative=relative)


def test_a_tolerance_is_a_setting_of_a_study():
    assert sh.run_from_dict({"kind": "deterministic", "relative": 1e-10}) == sh.Deterministic(1e-10)
