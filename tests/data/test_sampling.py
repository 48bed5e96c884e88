"""Times of each trajectory's own, from a grid that all share."""

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError

MODEL = sh.load("A -> B; k*A; A = 10; B = 0; k = 0.3")


def test_every_measurement_stays_at_its_time_with_its_truth():
    draws = sh.sample(sh.around(MODEL, fold=2), 20, seed=0)
    data = sh.measure(sh.simulate(MODEL, draws, times=np.linspace(0, 9, 10)), ["A", "B"], keep=0.3, seed=1)

    own = sh.own_times(data)

    sh.check(own)
    assert own["measured"].dims == ("trajectory", "sample", "observable")
    assert own["truth"].dims == ("trajectory", "sample", "species")
    assert own.sizes["sample"] < data.sizes["time"]
    assert own["measured"].notnull().any("observable").equals(own["time"].notnull())
    a, b = (sh.to_table(one).sort_values(["trajectory", "time", "observable"]) for one in (data, own))
    np.testing.assert_array_equal(a.drop(columns="observable"), b.drop(columns="observable"))
    k = own["parameters"].sel(parameter="k").values[:, None]
    np.testing.assert_allclose(own["truth"].sel(species="A"), 10 * np.exp(-k * own["time"]), rtol=1e-6)
    assert sh.own_times(own) is own


def test_what_was_not_measured_has_no_times():
    with pytest.raises(DataError, match="Nothing was measured"):
        sh.own_times(sh.simulate(MODEL, times=[0, 1]))
