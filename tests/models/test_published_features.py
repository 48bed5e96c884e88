"""Each model of models/ reproduces something that its paper, or its mathematics, is known for.

Where a number comes from a paper, the test says which; tolerances are those of the published figure
(two digits), not of the solver.
"""

import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import sbml_hybrid as sh

MAPK_OBSERVABLES = ["KK_pp", "K_p", "K_pp"]
FILES = [
    "gardner_2000.ant",
    "goldbeter_1995.ant",
    "huang_ferrell_1996.ant",
    "huang_ferrell_1996_simplified.ant",
    "lotka_volterra.ant",
    "repressilator.ant",
    "repressilator.xml",
    "sir.ant",
    "tyson_1991.ant",
    "wolf_heinrich_2000.ant",
]


def model_of(root, name):
    return sh.load(root / "models" / name)


def trajectory(model, end, points, **changed):
    """Return one trajectory as an array (time, species) with changed quantities, by id."""
    draws = pd.DataFrame([changed]) if changed else None
    truth = sh.simulate(model, draws, times=np.linspace(0, end, points))["truth"]
    return truth.isel(trajectory=0)


def rises(times, values, level):
    """Return the times at which `values` rises through `level`, interpolated."""
    i = np.flatnonzero((values[:-1] < level) & (values[1:] >= level))
    return times[i] + (level - values[i]) / (values[i + 1] - values[i]) * (times[i + 1] - times[i])


def periods(path, species, after):
    """Return the lengths of the cycles of one species, once the transient is over."""
    settled = path.sel(species=species, time=slice(after, None))
    values = settled.to_numpy()
    return np.diff(rises(settled["time"].to_numpy(), values, (values.min() + values.max()) / 2))


# -- the files themselves --------------------------------------------------------------------------------------------


def test_every_model_file_is_tested_here(root):
    assert sorted(p.name for p in (root / "models").iterdir() if p.suffix in {".ant", ".xml"}) == FILES


@pytest.mark.parametrize("name", FILES)
def test_a_model_file_names_its_paper_and_where_its_constants_were_read(root, name):
    text = (root / "models" / name).read_text()

    assert "https://doi.org/10." in text
    if name.endswith(".ant"):
        assert all(f"// {heading}" in text for heading in ("Constants", "Time", "Good for"))


@pytest.mark.parametrize("name", FILES)
def test_units_are_consistent_according_to_libsbml(root, name):
    libsbml = pytest.importorskip("libsbml")
    document = libsbml.readSBMLFromString(model_of(root, name).sbml)

    document.checkConsistency()

    # A literal 1 in 1/(1 + x^n) has no declared unit: libSBML then says that it cannot check that sum.
    unchecked = 99505
    found = [document.getError(i) for i in range(document.getNumErrors())]
    assert [error.getMessage() for error in found if error.getErrorId() != unchecked] == []


def test_the_repressilator_is_the_same_as_antimony_and_as_sbml(root):
    antimony, xml = (model_of(root, f"repressilator.{suffix}") for suffix in ("ant", "xml"))

    assert (xml.species, xml.reactions, xml.parameters) == (antimony.species, antimony.reactions, antimony.parameters)
    np.testing.assert_array_equal(trajectory(xml, 600, 121), trajectory(antimony, 600, 121))


# -- equality with BioModels -----------------------------------------------------------------------------------------


def tight_trajectory(model, quantities, end):
    """Return a trajectory (time, quantity) of bare libroadrunner, with errors far below 1e-6 of the range."""
    engine = sh.to_roadrunner(model)
    engine.integrator.relative_tolerance = 1e-11
    engine.integrator.absolute_tolerance = 1e-28  # amounts in BIOMD0000000016 are about 1e-15
    engine.integrator.maximum_num_steps = 100_000
    species = {s.id for s in model.species}
    return np.array(engine.simulate(0, end, 201, [f"[{q}]" if q in species else q for q in quantities]))


@pytest.mark.parametrize(
    ("name", "entry", "end", "same"),
    [
        ("goldbeter_1995.ant", 16, 100, {"M": "M", "P0": "P0", "P1": "P1", "P2": "P2", "Pn": "Pn", "Pt": "Pt"}),
        ("tyson_1991.ant", 5, 100, {"C2": "C2", "CP": "CP", "pM": "pM", "M": "M", "Y": "Y", "YP": "YP", "YT": "YT"}),
        (
            "wolf_heinrich_2000.ant",
            206,
            1,
            {
                **{"Glc": "s1", "ATP": "at", "FBP": "s2", "TP": "s3", "NAD": "na"},
                **{"PG": "s4", "Pyr": "s5", "AcAld": "s6", "AcAld_ex": "s6o"},
            },
        ),
        ("gardner_2000.ant", 507, 20, {"U": "species_1", "V": "species_2"}),
    ],
)
def test_a_model_follows_its_biomodels_entry(root, test_data, name, entry, end, same):
    member = f"BIOMD{entry:010d}/BIOMD{entry:010d}_url.xml"
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        theirs = sh.load(archive.read(member).decode())

    ours = tight_trajectory(model_of(root, name), same.keys(), end)

    expected = tight_trajectory(theirs, same.values(), end)
    assert (np.abs(ours - expected) / np.ptp(expected, axis=0)).max() < 1e-6


# -- Huang and Ferrell 1996 ------------------------------------------------------------------------------------------

# Enzyme, substrate, product of the ten steps in Figure 1 of the paper.
STEPS = [
    *[("E1", "KKK", "KKK_p"), ("E2", "KKK_p", "KKK"), ("KKK_p", "KK", "KK_p"), ("KKPase", "KK_p", "KK")],
    *[("KKK_p", "KK_p", "KK_pp"), ("KKPase", "KK_pp", "KK_p"), ("KK_pp", "K", "K_p"), ("KPase", "K_p", "K")],
    *[("KK_pp", "K_p", "K_pp"), ("KPase", "K_pp", "K_p")],
]


def test_the_cascade_follows_its_equations_written_a_second_time(root):
    """Against SciPy, from the table of steps: a = 1000, d = k = 150 everywhere (the authors' Mathematica code)."""
    path = trajectory(model_of(root, "huang_ferrell_1996.ant"), 100, 51)
    species = list(path["species"].values)
    at = {s: i for i, s in enumerate(species)}
    start = np.zeros(len(species))
    for s, amount in dict(E1=3e-5, E2=3e-4, KKK=3e-3, KK=1.2, K=1.2, KKPase=3e-4, KPase=0.12).items():
        start[at[s]] = amount

    def slopes(_, x):
        dx = np.zeros_like(x)
        for enzyme, substrate, product in STEPS:
            held = f"{enzyme}_{substrate}"
            bound, free, made = 1000 * x[at[enzyme]] * x[at[substrate]], 150 * x[at[held]], 150 * x[at[held]]
            dx[at[enzyme]] += free + made - bound
            dx[at[substrate]] += free - bound
            dx[at[held]] += bound - free - made
            dx[at[product]] += made
        return dx

    expected = solve_ivp(slopes, (0, 100), start, "Radau", path["time"], rtol=1e-9, atol=1e-13).y.T

    assert (np.abs(path - expected).max("time") / np.ptp(expected, axis=0)).max() < 1e-4


def test_mapk_is_ultrasensitive_with_a_hill_coefficient_of_four_to_five(root):
    """The abstract: as steep as a cooperative enzyme with a Hill coefficient of 4-5. n = log(81)/log(EC90/EC10)."""
    model = model_of(root, "huang_ferrell_1996.ant")
    stimulus = np.append(np.geomspace(2e-6, 2e-5, 15), 0.1)
    draws = pd.DataFrame({"init([E1])": stimulus})

    rest = sh.simulate(model, draws, times=[0.0, 5000.0])["truth"].isel(time=-1)

    active = (rest.sel(species="K_pp") + rest.sel(species="KPase_K_pp")).to_numpy()
    ec10, ec90 = (np.exp(np.interp(q * active[-1], active[:-1], np.log(stimulus[:-1]))) for q in (0.1, 0.9))
    assert 4 < np.log(81) / np.log(ec90 / ec10) < 5
    # BIOMD0000000009 gives 0.900 as the largest active fraction of the 1.2 uM.
    assert active[-1] / 1.2 == pytest.approx(0.900, abs=0.002)


def test_the_cascade_switches_on_within_a_minute_and_then_rests(root):
    path = trajectory(model_of(root, "huang_ferrell_1996.ant"), 300, 301)
    final = path.isel(time=-1)

    k_pp, kk_pp = path.sel(species="K_pp"), path.sel(species="KK_pp")

    assert k_pp.sel(time=10.0) < 0.01 * final.sel(species="K_pp")
    assert k_pp.sel(time=40.0) > 0.95 * final.sel(species="K_pp")
    assert kk_pp.sel(time=60.0) > 0.9 * final.sel(species="KK_pp")
    # MAPK, at the bottom, is there before MAPKK: the notes of BIOMD0000000009.
    halves = [rises(path["time"].to_numpy(), p.to_numpy(), p[-1].item() / 2)[0] for p in (k_pp, kk_pp)]
    assert halves[0] < halves[1] - 10


def test_each_kinase_is_conserved_in_the_cascade(root):
    path = trajectory(model_of(root, "huang_ferrell_1996.ant"), 100, 51)

    for kinase, total in {"KKK": 0.003, "KK": 1.2, "K": 1.2}.items():
        # A species holds a kinase if one of its parts, with or without phosphates, is that kinase.
        names = [s for s in path["species"].values if kinase in s.replace("_pp", "").replace("_p", "").split("_")]
        np.testing.assert_allclose(path.sel(species=names).sum("species"), total, rtol=1e-5)


def test_varied_cascades_move_all_through_the_first_minute(root):
    """With constants varied 1.5-fold, the last value must be a poor forecast of the next 10 s of some observable."""
    model = model_of(root, "huang_ferrell_1996.ant")
    draws = sh.sample(sh.around(model, fold=1.5), 60, seed=0)

    truth = sh.simulate(model, draws, times=np.linspace(0, 60, 61))["truth"].sel(species=MAPK_OBSERVABLES)

    spread = truth.std(["trajectory", "time"])
    assert (truth.std("trajectory").mean("time") / spread > 0.3).all()
    for origin in range(9, 50, 10):
        ahead = truth.isel(time=slice(origin + 1, origin + 11)) - truth.isel(time=origin)
        error = np.sqrt((ahead**2).mean(["trajectory", "time"])) / spread
        assert error.max() > 0.2, f"after {origin} s everything is at rest"


def test_the_simplified_cascade_is_wrong_by_a_noticeable_and_believable_amount(root):
    true, wrong = (model_of(root, f"huang_ferrell_1996{part}.ant") for part in ("", "_simplified"))

    assert dict(sh.around(wrong, fold=1.5)) == dict(sh.around(true, fold=1.5))  # a draw of one is a draw of the other
    paths = [trajectory(model, 60, 61).sel(species=MAPK_OBSERVABLES) for model in (true, wrong)]
    error = np.sqrt(((paths[1] - paths[0]) ** 2).mean("time")) / (paths[0].max("time") - paths[0].min("time"))
    assert ((error > 0.1) & (error < 0.2)).all()


# -- oscillators -----------------------------------------------------------------------------------------------------


def test_per_oscillates_with_a_circadian_period(root):
    """The paper's parameters give a period of about 24 h."""
    path = trajectory(model_of(root, "goldbeter_1995.ant"), 240, 2401)

    cycles = periods(path, "M", after=100)

    assert np.ptp(cycles) < 1e-2
    assert cycles.mean() == pytest.approx(24, abs=0.5)


def test_per_protein_follows_its_mrna_by_a_few_hours(root):
    """CellML's page of the model: PER cycles with a delay of several hours after the mRNA."""
    path = trajectory(model_of(root, "goldbeter_1995.ant"), 240, 2401).sel(time=slice(190, None))
    mrna, protein = path.sel(species="M"), path.sel(species=["P0", "P1", "P2", "Pn"]).sum("species")

    delay = (protein.idxmax("time") - mrna.idxmax("time")).item() % 23.7

    assert 2 < delay < 8


def test_an_embryo_divides_every_35_minutes(root):
    """The rapid divisions of early embryos: the paper's MPF oscillates with a period of about 35 min."""
    path = trajectory(model_of(root, "tyson_1991.ant"), 180, 3601)

    cycles = periods(path, "M", after=30)

    assert len(cycles) >= 3
    assert cycles == pytest.approx(35, abs=1)


def test_all_cdc2_is_conserved_through_the_cycle(root):
    path = trajectory(model_of(root, "tyson_1991.ant"), 100, 201)

    np.testing.assert_allclose(path.sel(species=["C2", "CP", "pM", "M"]).sum("species"), 1, rtol=1e-6)


def test_glycolysis_oscillates_for_good(root):
    """Sustained oscillations of ATP and NADH: the same cycle early and late, and from another start."""
    model = model_of(root, "wolf_heinrich_2000.ant")

    paths = [trajectory(model, 4, 4001, **start) for start in ({}, {"init([Glc])": 3.0, "init([FBP])": 1.0})]

    early, late, other = (
        path.sel(time=slice(*span)) for path, span in ((paths[0], (2, 3)), (paths[0], (3, 4)), (paths[1], (3, 4)))
    )
    for path in (late, other):
        assert periods(path, "ATP", 0).mean() == pytest.approx(periods(early, "ATP", 0).mean(), rel=1e-3)
        np.testing.assert_allclose(np.ptp(path.to_numpy(), axis=0), np.ptp(early.to_numpy(), axis=0), rtol=1e-2)
    nadh = 1 - paths[0].sel(species="NAD", time=slice(3, None))
    assert nadh.max() - nadh.min() > 0.1


def test_glycolysis_rests_when_atp_does_not_inhibit_its_own_investment(root):
    """The oscillations come from the inhibition of phosphofructokinase by ATP."""
    path = trajectory(model_of(root, "wolf_heinrich_2000.ant"), 4, 2001, n=1.0).sel(time=slice(3, None))

    assert (path.max("time") - path.min("time") < 1e-3 * path.max("time")).all()


def test_the_repressilator_oscillates_for_hours_with_its_proteins_a_third_apart(root):
    """The abstract: typical periods of hours; single cells took 120 to 200 min."""
    path = trajectory(model_of(root, "repressilator.ant"), 1500, 7501)

    cycles = periods(path, "LacI", after=800)

    assert np.ptp(cycles) < 0.1
    assert 120 < cycles.mean() < 200
    first = {p: rises(path["time"].to_numpy(), path.sel(species=p).to_numpy(), 600.0)[-3] for p in ("LacI", "TetR")}
    phase = (first["LacI"] - first["TetR"]) / cycles.mean() % 1
    assert phase == pytest.approx(1 / 3, abs=0.01)


def test_the_repressilator_is_box_1_of_its_paper_with_dimensions(root):
    """Box 1: m' = -m + alpha/(1 + p^n) + alpha0, p' = -beta (p - m), in mRNA lifetimes and multiples of KM.

    alpha = 216.19, alpha0 = 0.2164 and beta = 0.2 are in the notes and parameters of BIOMD0000000012.
    """
    lifetime, efficiency, half = 2 / np.log(2), 20, 40  # minutes, proteins per mRNA, KM in proteins
    alpha, alpha0, beta = 216.187851877211, 0.216404256133345, 0.2

    def slopes(_, x):
        m, p = x[:3], x[3:]
        return np.concatenate([-m + alpha / (1 + p[[2, 0, 1]] ** 2) + alpha0, -beta * (p - m)])

    path = trajectory(model_of(root, "repressilator.ant"), 300, 61)
    # The paper's unit of mRNA is the number that keeps one KM of protein.
    unit = np.repeat([half * beta / efficiency, half], 3)
    start = np.array([0, 20, 0, 0, 0, 0]) / unit
    box = solve_ivp(slopes, (0, 300 / lifetime), start, "LSODA", path["time"] / lifetime, rtol=1e-10, atol=1e-10)

    expected = box.y.T * unit
    ours = path.sel(species=["lacI_mRNA", "tetR_mRNA", "cI_mRNA", "LacI", "TetR", "CI"])
    assert (np.abs(ours - expected).max("time") / np.ptp(expected, axis=0)).max() < 1e-4


# -- the toggle switch -----------------------------------------------------------------------------------------------


def toggle_fixed_points(iptg):
    """Return U at every steady state: the roots of U = alpha1/(1 + V(U)^2.5)."""
    free = (1 + iptg / 2.9618e-5) ** 2.0015

    def balance(u):
        return 156.25 / (1 + (15.6 / (1 + u / free)) ** 2.5) - u

    grid = np.geomspace(1e-3, 1e3, 4001)
    signs = np.flatnonzero(np.diff(np.sign(balance(grid))))
    return [brentq(balance, grid[i], grid[i + 1], xtol=1e-12) for i in signs]


def test_the_toggle_has_two_stable_states_and_rests_in_either(root):
    model = model_of(root, "gardner_2000.ant")
    low, unstable, high = toggle_fixed_points(0.0)
    starts = pd.DataFrame({"init(U)": [unstable * 0.5, unstable * 2], "init(V)": [15.6 / (1 + unstable)] * 2})

    rest = sh.simulate(model, starts, times=[0.0, 100.0])["truth"].sel(species="U").isel(time=-1)

    np.testing.assert_allclose(rest, [low, high], rtol=1e-4)


def test_iptg_flips_the_toggle_and_it_stays_flipped(root):
    """Above about 40 uM IPTG only one state is left (the paper's Figure 5); without IPTG both are there again."""
    model = model_of(root, "gardner_2000.ant")
    _, _, high = toggle_fixed_points(0.0)
    doses = pd.DataFrame({"IPTG": [30e-6, 50e-6], "init(U)": high, "init(V)": 15.6 / (1 + high)})

    induced = sh.simulate(model, doses, times=[0.0, 300.0])["truth"].isel(time=-1)

    assert [len(toggle_fixed_points(dose)) for dose in doses["IPTG"]] == [3, 1]
    below, above = induced.sel(species="U").to_numpy()
    assert below > 100 > 1 > above
    flipped = {f"init({s})": induced.sel(species=s)[1].item() for s in ("U", "V")}
    assert trajectory(model, 300, 2, **flipped).sel(species="U")[-1] < 1


# -- predator and prey, epidemics ------------------------------------------------------------------------------------


def test_predator_and_prey_keep_their_conserved_quantity(root):
    """delta H - mu ln H + beta L - alpha ln L never changes (Lotka 1920, Volterra 1926)."""
    path = trajectory(model_of(root, "lotka_volterra.ant"), 100, 201)
    h, l = (path.sel(species=s) for s in "HL")  # noqa: E741

    kept = 0.024 * h - 0.803 * np.log(h) + 0.028 * l - 0.545 * np.log(l)

    np.testing.assert_allclose(kept, kept[0], rtol=1e-5)


def test_small_cycles_have_the_linear_period_and_large_ones_take_longer(root):
    model = model_of(root, "lotka_volterra.ant")
    linear = 2 * np.pi / np.sqrt(0.545 * 0.803)
    near_rest = {"init(H)": 0.803 / 0.024 * 1.01, "init(L)": 0.545 / 0.028}

    small, large = (periods(trajectory(model, 60, 6001, **start), "H", 0) for start in (near_rest, {}))

    assert small == pytest.approx(linear, rel=1e-3)
    assert (large > 1.05 * linear).all()
    assert ((large > 8) & (large < 11)).all()  # hare and lynx cycle in 8 to 11 years


def test_the_epidemic_obeys_its_peak_and_final_size(root):
    """Closed forms of Kermack and McKendrick's special case, R0 = beta/nu."""
    path = trajectory(model_of(root, "sir.ant"), 200, 20001)
    s, i = path.sel(species="S"), path.sel(species="I")
    n, r0 = 763, 1.66 * 2.2

    peak = 763 - n / r0 * (1 + np.log(r0 * 760 / n))
    escaped = brentq(lambda x: x - 760 * np.exp(-r0 * (n - x) / n), 1e-3, n / r0)

    assert i.max().item() == pytest.approx(peak, rel=1e-5)
    assert s[int(i.to_numpy().argmax())].item() == pytest.approx(n / r0, rel=1e-2)
    assert s[-1].item() == pytest.approx(escaped, rel=1e-5)


def test_the_epidemic_peaks_as_in_the_boarding_school(root):
    """In the outbreak 292 to 293 boys were in bed at the most, on the fifth day after 22 January 1978."""
    infected = trajectory(model_of(root, "sir.ant"), 15, 1501).sel(species="I")

    assert infected.max().item() == pytest.approx(292, rel=0.05)
    assert infected.idxmax("time").item() == pytest.approx(5, abs=1)
