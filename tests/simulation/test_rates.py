"""The rates by our trees are libroadrunner's: at random states and times, of every real model that it runs."""

import dataclasses
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sbml_hybrid as sh
from sbml_hybrid.mechanism.kinetics import Call, Name, Number, evaluate
from sbml_hybrid.mechanism.odes import right_hand_side, species_of
from sbml_hybrid.quiet import quiet
from sbml_hybrid.simulation.solver import to_roadrunner

FOLDER = Path(os.environ.get("SBML_HYBRID_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
LIST = FOLDER / "biomodels_core.txt"
CORE = LIST.read_text().split() if LIST.is_file() else []
TOLERANCE = 1e-9
STATES = 100


def suite_files():
    """Return the file of highest level of every case of the SBML Test Suite."""
    if not (FOLDER / "sbml_test_suite.zip").is_file():
        return []
    with zipfile.ZipFile(FOLDER / "sbml_test_suite.zip") as archive:
        files = sorted(n for n in archive.namelist() if "-sbml-l" in n and n.endswith(".xml"))
    return list({name.split("/")[0]: name for name in files}.values())


SUITE = suite_files()


def random_states(odes, rng, n=STATES):
    """Return (n, state) around the start, spread over orders of magnitude, and n times."""
    start = np.nan_to_num(odes.start)
    usual = np.median(np.abs(start[start != 0])) if start.any() else 1.0
    scale = np.where(start == 0, usual, start)
    return scale * np.exp(rng.normal(size=(n, len(start)))), rng.uniform(0, 20, size=n)


def theirs(engine, odes, states, times):
    """Return libroadrunner's rates (n, state), in our order; amounts for species."""
    for name, value in odes.held_values.items():
        if species_of(name) in odes.model.event_targets:  # libroadrunner has run the events of time 0
            engine.model[species_of(name)] = value
    rates = np.empty_like(states)
    for i, (state, time) in enumerate(zip(states, times, strict=True)):
        engine.model.setTime(time)
        for id, value in zip(odes.states, state, strict=True):
            engine.model[id] = value
        rates[i] = rates_of(engine, odes)
    return rates


def rates_of(engine, odes):
    """Read libroadrunner's vector of rates: targets of rate rules first; its names leave species references out."""
    ruled = list(engine.model.getRateRuleSymbols())
    computed = odes.model.assignment_rules.keys()
    floating = [s for s in engine.model.getFloatingSpeciesIds() if s not in ruled and s not in computed]
    found = dict(zip((*ruled, *floating), engine.getRatesOfChange(), strict=True))
    return [found[id] for id in odes.states]


def magnitudes(odes, states, times):
    """Return how large the terms are that a rate is the sum of, (n, state): rounding is relative to them."""
    values = odes.values(states, times)
    sizes = {}

    def size(tree):
        match tree:
            case Name(id=id):
                return sizes.get(id, np.abs(values[id]))
            case Call(operator="plus" | "minus", arguments=arguments):
                return sum(size(a) for a in arguments)
            case Call(operator="times", arguments=arguments):
                return np.prod(np.broadcast_arrays(*[size(a) for a in arguments]), axis=0)
            case Call(operator="divide", arguments=(over, under)):
                return size(over) / np.abs(evaluate(under, values, times))
        return np.abs(evaluate(tree, values, times) * 1.0)

    for id, tree in odes.definitions:
        sizes[id] = size(tree)
    return np.stack([np.broadcast_to(size(tree), times.shape) for tree in odes.derivatives], axis=-1)


def mismatch(odes, engine, seed=0):
    """Return the largest |ours - theirs| / terms, and the state where it is; NaN and infinity have to be in both."""
    if not odes.states:
        return 0.0, ""
    states, times = random_states(odes, np.random.default_rng(seed))
    with quiet(), np.errstate(all="ignore"):
        expected = theirs(engine, odes, states, times)
        ours = odes.rates(states, times)
        sizes = magnitudes(odes, states, times)
    same = (ours == expected) | (np.isnan(ours) & np.isnan(expected))
    with np.errstate(all="ignore"):
        error = np.where(same, 0.0, np.abs(ours - expected) / np.where(sizes > 0, sizes, 1.0))
    error = np.where(np.isnan(error), np.inf, error)
    worst = np.unravel_index(error.argmax(), error.shape)
    return error.max(), f"{odes.states[worst[1]]}: ours {ours[worst]:.17g}, theirs {expected[worst]:.17g}"


@pytest.fixture(scope="module")
def suite(test_data, tmp_path_factory):
    """Unpack the suite: some cases take submodels from a file beside them."""
    folder = tmp_path_factory.mktemp("suite")
    with zipfile.ZipFile(test_data / "sbml_test_suite.zip") as archive:
        archive.extractall(folder, [n for n in archive.namelist() if n.endswith(".xml")])
    return folder


@pytest.fixture(scope="module")
def biomodels(test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        yield archive


@pytest.mark.slow
@pytest.mark.parametrize("name", CORE)
def test_rates_of_published_models_are_libroadrunner_s(biomodels, name):
    model = sh.load(biomodels.read(name).decode())

    error, where = mismatch(right_hand_side(model), to_roadrunner(model))

    assert error <= TOLERANCE, where


@pytest.mark.suite
@pytest.mark.parametrize("name", SUITE)
def test_rates_of_the_test_suite_are_libroadrunner_s(suite, name):
    model = sh.load(suite / name)
    if model.obstacles:  # which the test of the whole suite compares with libroadrunner's own
        pytest.skip(f"libroadrunner does not run it: {model.obstacles[0].kind}")

    error, where = mismatch(right_hand_side(model), to_roadrunner(model))

    assert error <= TOLERANCE, where


@pytest.mark.parametrize("name", SUITE[::10])
def test_rates_of_every_tenth_case_of_the_test_suite_are_libroadrunner_s(suite, name):
    test_rates_of_the_test_suite_are_libroadrunner_s(suite, name)


@pytest.mark.parametrize("name", ["huang_ferrell_1996", "repressilator", "tyson_1991", "wolf_heinrich_2000"])
def test_rates_of_our_own_models_are_libroadrunner_s(root, name):
    model = sh.load(root / "models" / f"{name}.ant")

    error, where = mismatch(right_hand_side(model), to_roadrunner(model))

    assert error <= TOLERANCE, where


@pytest.mark.parametrize("wrong", range(4))
def test_the_comparison_notices_one_part_in_a_hundred_million(root, wrong):
    model = sh.load(root / "models" / "repressilator.ant")
    odes = right_hand_side(model)
    derivatives = list(odes.derivatives)
    derivatives[wrong] = Call("times", (derivatives[wrong], Number(1 + 1e-8)))

    error, where = mismatch(dataclasses.replace(odes, derivatives=tuple(derivatives)), to_roadrunner(model))

    assert error > TOLERANCE
    assert where.startswith(odes.states[wrong])


def test_integrating_our_rates_gives_libroadrunner_s_trajectory():
    model = sh.load(
        "model m\n compartment C = 2; species A in C, B in C; substanceOnly species E in C\n A = 1; B = 0.5; E = 4\n"
        " C' = 0.2*C; k = 0.3; k' = -0.1*k; v: A -> 2 B; k*A*C; w: B + E -> ; 0.1*B*E; y := A + time\n"
        " u: -> A; 0.01*y\nend"
    )
    odes = right_hand_side(model)
    times = np.linspace(0, 10, 21)

    path = solve_ivp(lambda t, y: odes.rates(y, t), (0, 10), odes.start, t_eval=times, rtol=1e-10, atol=1e-12)

    engine = to_roadrunner(model)
    engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = 1e-10, 1e-13
    expected = engine.simulate(times=times.tolist(), selections=list(odes.states))
    np.testing.assert_allclose(path.y.T, np.array(expected), rtol=1e-7)


@pytest.mark.parametrize("name", CORE[::8])
def test_rates_of_every_eighth_published_model_are_libroadrunner_s(biomodels, name):
    test_rates_of_published_models_are_libroadrunner_s(biomodels, name)
