"""The report says what the ranking says, in words that hold, on a page that needs nothing else."""

import html.parser
import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import sbml_hybrid as sh
from sbml_hybrid.benchmarking.runner import benchmark
from sbml_hybrid.data.dataset import split
from sbml_hybrid.reporting.figures import Examples
from sbml_hybrid.reporting.report import Story, write_report
from sbml_hybrid.reporting.words import interval, percent, ranking_text, verdict
from sbml_hybrid.reporting.words import noise as noise_in_words


def ranking(rows):
    """A ranking with one row for each (forecaster, error, further columns)."""
    usual = {
        "mechanism": "none", "oracle": False, "low": 0.1, "high": 0.3, "skill": 0.5, "skill_low": 0.4,
        "skill_high": 0.6, "win_rate": 0.9, "counts": True, "near_best": False,
    }  # fmt: skip
    return pd.DataFrame([usual | {"forecaster": name, "error": error} | more for name, error, more in rows])


def table(names, draws=30, origins=(5.0, 10.0), late=2.0):
    """Scores in which everybody is off by 1, and persistence by `late` at the last origin."""
    rows = [
        {"forecaster": name, "mechanism": "none", "draw": draw, "origin": origin, "horizon": 1, "channel": "A",
         "metric": "nrmse_sd", "against": "truth",
         "value": {"persistence": late if origin == origins[-1] else 2.0}.get(name, 1.0)}
        for name in names for draw in range(draws) for origin in origins
    ]  # fmt: skip
    return pd.DataFrame(rows)


def words(*rows, **scores):
    said = verdict(ranking(rows), table([name for name, *_ in rows], **scores), "truth")
    return said.headline, " ".join(said.sentences).replace("\u00a0", " "), " ".join(said.cautions)


def test_the_best_that_counts_is_trusted():
    headline, sentences, _ = words(
        ("hybrid", 0.1, {"mechanism": "true", "counts": False}),
        ("GRU", 0.2, {"near_best": True}),
        ("hybrid", 0.3, {"mechanism": "wrong"}),
        ("persistence", 0.5, {}),
    )

    assert headline == "Trust GRU"
    assert "miss the noise-free values by 20 % (10–30 %)" in sentences
    assert "Compared with repeating the last measured value, it saves 50 % (40–60 %) of the error" in sentences
    assert "Hybrid knows a mechanism: it misses by 10 % with the very equations" in sentences
    assert "30 % with a wrong mechanism" in sentences


def test_ties_are_named():
    _, sentences, _ = words(
        ("A", 0.2, {"near_best": True}), ("B", 0.21, {"near_best": True}), ("C", 0.22, {"near_best": True}),
        ("persistence", 0.5, {}),
    )  # fmt: skip

    assert "No clear difference to it: B and C." in sentences


def test_nobody_is_trusted_who_does_not_beat_the_last_value():
    headline, sentences, _ = words(("persistence", 0.2, {"skill": 0.0, "near_best": True}), ("GRU", 0.3, {}))

    assert headline == "None of the forecasters beats repeating the last measured value"
    assert "saves" not in sentences
    _, sentences, _ = words(("GRU", 0.3, {"skill_low": -0.1}), ("persistence", 0.31, {}))
    assert "not shown to be better than repeating the last measured value" in sentences


def test_cautions_are_said_where_they_apply():
    plain = words(("GRU", 0.3, {}), ("persistence", 0.5, {}))[2]
    assert plain.startswith("This holds for experiments like these")

    assert "Only 8 experiments were held out" in words(("GRU", 0.3, {}), ("persistence", 0.5, {}), draws=8)[2]
    unknown = {"low": np.nan, "high": np.nan, "skill_low": np.nan, "skill_high": np.nan}
    rows = [("GRU", 0.3, unknown), ("persistence", 0.5, unknown)]
    assert "No intervals are given, because only few experiments were held out" in words(*rows, draws=3)[2]
    assert "No intervals are given, because the draws of this design are not independent" in words(*rows)[2]
    at_rest = words(("GRU", 0.3, {}), ("persistence", 0.5, {}), late=0.5)[2]
    assert "For forecasts that start at time 10, repeating the last measured value is as good" in at_rest
    oracle = words(("GRU", 0.3, {"oracle": True, "counts": False}), ("persistence", 0.5, {}))[2]
    assert "which a lab does not know" in oracle
    only_true = words(("R", 0.3, {"mechanism": "true", "counts": False}), ("persistence", 0.5, {}))[2]
    assert "Forecasters with the true equations are left out of the headline" in only_true


@pytest.mark.parametrize(("value", "said"), [(0.0734, "7.3 %"), (0.456, "46 %"), (1.5, "150 %"), (-0.03, "−3.0 %")])
def test_shares_are_said_with_the_digits_that_count(value, said):
    assert percent(value).replace("\u00a0", " ") == said


def test_what_is_unknown_is_not_made_up():
    assert percent(np.nan) == "–"
    assert interval(np.nan, np.nan) == ""


def test_the_table_for_the_terminal_numbers_only_what_counts():
    text = ranking_text(
        ranking([("hybrid", 0.1, {"mechanism": "true", "counts": False}), ("GRU", 0.2, {"near_best": True})])
    )

    lines = text.splitlines()
    assert re.split(r"  +", lines[1]) == [
        "-",
        "hybrid with the true equations",
        "10 %",
        "10-30",
        "50 %",
        "does not count",
    ]
    assert re.split(r"  +", lines[2]) == ["1", "GRU", "20 %", "10-30", "50 %", "*"]


class Page(html.parser.HTMLParser):
    """Collects the addresses that a page would load, and checks that its tags close."""

    void = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.loads, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def report(folder, own_times=False):
    """The report on a small decay; `own_times` gives every experiment its own."""
    rng = np.random.default_rng(0)
    model = sh.load("model m\n  S -> P; k*S\n  S = 10; P = 0; k = 0.3\nend")
    t, rate = np.linspace(0, 10, 21), rng.uniform(0.1, 0.4, 30)
    clean = np.exp(-rate[:, None] * t)[:, :, None]
    dims = ("trajectory", "time", "observable")
    data = xr.Dataset(
        {"readout": (dims, clean), "measured": (dims, clean * rng.normal(1, 0.05, clean.shape))},
        {"trajectory": np.arange(30), "draw": ("trajectory", np.arange(30)), "time": t, "observable": ["<S & P>"]},
        {"noise": json.dumps({"kind": "Lognormal", "cv": 0.05}), "time_unit": "second"},
    )
    if own_times:
        times = np.sort(rng.uniform(0, 10, (30, 21)), axis=1)
        data = data.drop_vars("time").rename(time="sample").assign_coords(time=(("trajectory", "sample"), times))
    train, test = split(data, 0.3, seed=0)
    scores = benchmark({"ridge": sh.Ridge()}, train, test, lookback=6, horizon=4, folder=folder / "cells")
    examples = Examples(folder / "cells", test, 6, 4)
    about = {"rivals": {"ridge": sh.Ridge()}, "model": model, "made": {"Seed": "7"}, "source": "x = '<script>'"}
    story = Story("Decay <b>", data, scores, examples, **about)
    return write_report(story, folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return report(tmp_path_factory.mktemp("report"))


def test_experiments_with_times_of_their_own_are_told_as_well(tmp_path):
    assert "Who forecasts best" in report(tmp_path, own_times=True)


def test_the_page_needs_nothing_but_itself(page):
    loads = Page(page).loads

    assert len(loads) >= 4
    assert all(address.startswith("data:image/svg+xml;base64,") for address in loads)
    assert not re.search(r"url\(|@import|<script", page)


def test_tags_close_and_texts_of_the_user_are_escaped(page):
    assert Page(page).open == []

    assert "Decay &lt;b&gt;" in page and "&lt;script&gt;" in page
    assert "&lt;S &amp; P&gt;" in page and "<S & P>" not in page


def test_the_page_tells_the_answer_the_model_and_how_it_was_made(page):
    for said in (
        "<strong>Trust ridge",
        "k*S",
        "Linear regression",
        "Seed",
        "5.0\u00a0% measurement noise",
        "21 experiments to learn from",
    ):
        assert said in page
    assert (
        page.index("<strong>Trust") < page.index("Who forecasts best") < page.index("k*S") < page.index("How this was")
    )


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (sh.noise.Normal(0.5), "measurement noise of sd 0.5"),
        (sh.noise.Linear(0.1, 0.2), "measurement noise of sd 0.1 + 20\u00a0% of the value"),
        (sh.noise.Poisson(20), "counting noise at 20 counts a unit"),
        (sh.noise.NegativeBinomial(20, 0.5), "counting noise at 20 counts a unit, with dispersion 0.5"),
        (sh.noise.Growing(0, 0.2, 60), "measurement noise from sd 0 to sd 0.2 at time 60"),
        (sh.noise.AdjustingMean(0.2), "readouts 20\u00a0% nearer to the mean of their series"),
        (
            sh.noise.PerObservable({"A": sh.noise.Autocorrelated(sh.noise.Normal(1), 5)}, sh.noise.Normal(2)),
            "A: measurement noise of sd 1, autocorrelated over 5 units of time; others: measurement noise of sd 2",
        ),
        (
            sh.noise.OneOf([sh.noise.Normal(1), sh.noise.Normal(9)], [9, 1]),
            "for each point measurement noise of sd 1 (90\u00a0%) or measurement noise of sd 9 (10\u00a0%)",
        ),
        (
            sh.noise.InSequence([sh.noise.Lognormal(0.1), sh.noise.Poisson(3)]),
            "10\u00a0% measurement noise, then counting noise at 3 counts a unit",
        ),
    ],
)
def test_noise_is_told_in_words(noise, said):
    assert noise_in_words(noise) == said
