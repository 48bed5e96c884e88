"""Figures of hybrids show what they are given, where it was visited, and nothing else."""

import numpy as np
import pandas as pd
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, UnknownName
from sbml_hybrid.plots.hybrids import LEARNED, OWN, Course, Laws, courses, estimates, laws

MODEL = "R1: A -> B; k1*A; R2: B -> ; k2*B; A = 3; B = 0; k1 = 1; k2 = 1"
TABLE = pd.DataFrame(
    {
        "parameter": ["k", "shift"] * 3,
        "start": np.repeat([0, 1, 2], 2),
        "value": [0.3, -1.0, 0.5, 2.0, 0.1, 0.0],
        "loss": np.repeat([0.2, 30.0, 1.0], 2),
    }
)


def found(starts=1, gap=False):
    x = np.linspace(1, 5, 9)
    own, learned = np.tile(x, (starts, 1)), np.stack([x * (2 + i) for i in range(starts)])
    return Laws(x[::2], x[::2], 2 * x[::2], x, own, learned, ~(gap & (x > 2) & (x < 4)))


def lines(one, colour, style="-"):
    return [line for line in one.get_lines() if line.get_color() == colour and line.get_linestyle() == style]


def said(made):
    return [text.get_text() for text in made.figure.legends[0].get_texts()]


def test_both_laws_are_drawn_as_they_are():
    (one,) = made = laws(found(), "S (mM)", "R1 (mM/s)")

    (own,), (learned,) = lines(one, OWN), lines(one, LEARNED)
    np.testing.assert_array_equal(own.get_ydata(), own.get_xdata())
    np.testing.assert_array_equal(learned.get_ydata(), 2 * learned.get_xdata())
    assert (one.get_xlabel(), one.get_ylabel()) == ("S (mM)", "R1 (mM/s)")
    assert said(made)[:2] == ["the model's own law", "learned"]
    assert "never visited" not in said(made)


def test_what_was_never_visited_is_dashed():
    (one,) = made = laws(found(gap=True))

    (solid,), (dashed,) = lines(one, LEARNED), lines(one, LEARNED, "--")
    x = solid.get_xdata()
    np.testing.assert_array_equal(np.isnan(solid.get_ydata()), (x > 2) & (x < 4))
    np.testing.assert_array_equal(np.isnan(dashed.get_ydata()), ~((x > 2) & (x < 4)))
    assert "never visited" in said(made)


def test_several_starts_are_a_median_and_a_band():
    (one,) = made = laws(found(starts=3))

    (learned,) = lines(one, LEARNED)
    np.testing.assert_array_equal(learned.get_ydata(), 3 * learned.get_xdata())
    bands = [c for c in one.collections if c.get_alpha() == 0.2]
    assert len(bands) == 1  # the model's own law is the same in all
    assert bands[0].get_paths()[0].get_extents().y1 == 20.0
    assert "learned (3 starts: median and range)" in said(made)


@pytest.mark.parametrize(("mode", "label", "values"), [("scale", "factor", [np.nan, 3]), ("add", "added (mM)", [4, 2])])
def test_a_correction_is_a_factor_or_a_difference(mode, label, values):
    course = Course("R1", mode, np.array([0.0, 1.0]), np.array([4.0, 3.0]), "mM")

    made = courses(np.array([0.0, 1.0]), [course], "s")

    assert made.shape == (2, 1)
    upper, lower = made[:, 0]
    assert (upper.get_ylabel(), lower.get_ylabel(), lower.get_xlabel()) == ("R1 (mM)", label, "time (s)")
    np.testing.assert_array_equal(lower.get_lines()[-1].get_ydata(), values)


def test_many_ports_come_in_rows_of_three_and_keep_their_order():
    ports = [Course(f"R{i}", "scale", np.ones(2), np.ones(2)) for i in range(5)]

    made = courses(np.array([0.0, 1.0]), ports)

    assert made.shape == (2, 5)
    assert [one.get_ylabel() for one in made[0]] == [f"R{i}" for i in range(5)]
    low, high = made[1, 0].get_ylim()
    assert low <= 0.95 < 1.05 <= high  # no correction looks like none


def test_estimates_show_every_start_the_prior_and_the_truth():
    k, shift = made = estimates(TABLE, {"k": (0.1, 1.0)}, {"k": 0.3, "shift": 0.5}, {"k": "1/s"})

    dots = [line for line in k.get_lines() if line.get_marker() == "o"]
    assert sorted(float(dot.get_xdata()[0]) for dot in dots) == [0.1, 0.3, 0.5]
    best = max(dots, key=lambda dot: dot.get_ydata()[0])
    assert best.get_xdata()[0] == 0.3
    assert best.get_markeredgecolor() != dots[0].get_markeredgecolor()
    assert (k.get_xscale(), shift.get_xscale()) == ("log", "linear")
    assert (k.get_ylabel(), shift.get_ylabel()) == ("k\n(1/s)", "shift")
    assert said(made) == ["best start, loss 0.2", "worst, 30", "prior", "truth"]


def test_a_start_that_failed_is_left_out_and_all_failed_is_an_error():
    failed = TABLE.assign(loss=np.where(TABLE["start"] == 1, np.nan, TABLE["loss"]))

    k, _ = estimates(failed)

    assert len([line for line in k.get_lines() if line.get_marker() == "o"]) == 2
    with pytest.raises(DataError, match="None of 3 starts has a finite loss"):
        estimates(TABLE.assign(loss=np.nan))


def test_the_truth_of_what_was_not_estimated_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match=r"No estimated parameter 'shif'.*Did you mean 'shift'"):
        estimates(TABLE, truth={"shif": 1.0})
    with pytest.raises(DataError, match="no column 'loss'"):
        estimates(TABLE.drop(columns="loss"))


def test_grafts_stand_on_the_network_with_what_they_read():
    model = sh.load(MODEL)

    (one,) = made = sh.plots.network(model, grafts=[("R1", ["A", "B"]), (["k2"], ["time"]), (["B'"], ["A"])])

    ids = {patch.get_gid() for patch in one.patches}
    assert {"graft:A:graft 0", "graft:B:graft 0", "graft:graft 0:R1"} <= ids
    assert {"graft:graft 1:R2", "graft:A:graft 2", "graft:graft 2:B"} <= ids
    texts = [text.get_text() for text in one.texts]
    assert "network\nsets k2\nreads time" in texts
    assert "a network, and what it acts on" in said(made)


def test_a_network_without_grafts_is_as_it_was_and_a_wrong_port_is_named():
    model = sh.load(MODEL)

    (one,) = sh.plots.network(model)

    assert not [patch for patch in one.patches if (patch.get_gid() or "").startswith("graft")]
    with pytest.raises(UnknownName, match=r"No port 'r1'.*Did you mean 'R1'"):
        sh.plots.network(model, grafts=[("r1", ["A"])])
