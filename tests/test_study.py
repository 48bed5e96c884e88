"""A study does all of it from one file, the same every time, and nothing twice."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import sbml_hybrid as sh
from sbml_hybrid.errors import DataError, SourceNotFound, StudyError, UnknownName
from sbml_hybrid.study import folder as folders
from sbml_hybrid.study import read_study, run_study
from sbml_hybrid.study.assays import noise_from_text
from sbml_hybrid.study.recipe import make_recipe
from sbml_hybrid.study.rivals import rival, rivals_from_names, rivals_from_tables

MODEL = """
model cascade
  S -> P; k1*S
  P -> Q; k2*P
  S = 10; P = 0; Q = 0
  k1 = 0.3; k2 = 0.2
end
"""
nan, SPREAD = np.nan, np.linspace(0, 20, 5)
WRONG = MODEL.replace("k2*P", "k2*P*P/(1 + P)").replace("model cascade", "model lumped")
STUDY = """
title = "A small cascade"
model = "cascade.ant"
mechanism = "wrong.ant"

[simulate]
draws = 30
end = 20
points = 21

[measure]
observables = { P = "P", both = "P + Q" }
keep = 0.7

[benchmark]
lookback = 6
horizon = 4

[benchmark.rivals]
"series mean" = {}
"another mean" = { kind = "series mean" }
"""


def write(place, study=STUDY, name="small.toml"):
    place.mkdir(parents=True, exist_ok=True)
    (place / "cascade.ant").write_text(MODEL)
    (place / "wrong.ant").write_text(WRONG)
    (place / name).write_text(study)
    return place / name


def files(folder):
    """Return the bytes of every file by its name, but for the seconds that each shard of a run took."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {
        name: re.sub(rb'"seconds": [\d.e-]+', b"", content) if "manifest/" in name else content
        for name, content in found.items()
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return a study that ran to its end: its file and its folder."""
    place = tmp_path_factory.mktemp("study")
    path = write(place)
    return path, run_study(path, place / "out")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Draw none but those of `done`: they take longer than all the rest."""
    monkeypatch.setattr("sbml_hybrid.reporting.report.write_figures", lambda *arguments: {})


@pytest.fixture
def again(done, tmp_path):
    """Return a copy of the finished study's file and folder."""
    path, outcome = done
    copy = tmp_path / "place"
    shutil.copytree(path.parent, copy)
    manifest = copy / "out" / "study.json"
    manifest.write_text(manifest.read_text().replace(str(path.resolve()), str((copy / path.name).resolve())))
    return copy / path.name, copy / "out"


@pytest.fixture
def fits(monkeypatch):
    """Return the list of forecasters that were fitted from here on."""
    seen = []
    original = sh.SeriesMean.fit

    def noted(self, *args, **kwargs):
        seen.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(sh.SeriesMean, "fit", noted)
    return seen


def test_a_study_leaves_data_scores_figures_a_report_and_a_log(done):
    _, outcome = done

    there = {p.name for p in outcome.folder.iterdir()}
    assert {"data.zarr", "scores.parquet", "summary.csv", "costs.csv", "report.html", "log.txt", "study.toml"} <= there
    data = sh.open(outcome.folder / "data.zarr")
    assert {"truth", "readout", "measured", "parameters"} <= set(data.data_vars)
    assert data["observable"].values.tolist() == ["P", "both"]
    assert set(outcome.ranking["forecaster"]) == {"persistence", "series mean", "another mean"}
    assert set(pd.read_csv(outcome.folder / "summary.csv")["against"]) == {"truth", "measurement"}
    pd.testing.assert_frame_equal(pd.read_parquet(outcome.folder / "scores.parquet"), outcome.scores, check_names=False)
    assert "takes about" in (outcome.folder / "log.txt").read_text()


def test_the_same_study_twice_gives_the_same_bytes(done, tmp_path):
    _, outcome = done

    other = run_study(write(tmp_path), tmp_path / "out").folder

    for name in ("data.zarr", "truth.zarr"):
        assert files(other / name) == files(outcome.folder / name)
    for name in ("scores.parquet", "summary.csv"):
        assert (other / name).read_bytes() == (outcome.folder / name).read_bytes()


def test_two_workers_give_the_same_bytes_as_one(tmp_path):
    study = STUDY.replace("draws = 30", "draws = 80")  # more than one worker takes at a time

    one, two = (
        run_study(write(tmp_path / str(jobs), f"jobs = {jobs}\n" + study), tmp_path / str(jobs) / "out").folder
        for jobs in (1, 2)
    )

    assert files(one / "data.zarr") == files(two / "data.zarr")
    assert (one / "scores.parquet").read_bytes() == (two / "scores.parquet").read_bytes()


def test_starting_again_does_nothing_again(again, fits):
    path, folder = again
    before = {name: content for name, content in files(folder).items() if name not in ("log.txt", "study.json")}

    run_study(path, folder)

    assert not fits
    after = files(folder)
    assert {name: after[name] for name in before} == before
    assert after["log.txt"].decode().count("kept from before") == 2 + 3 + 1  # truth, data, cells, report


def test_an_interrupted_benchmark_goes_on_where_it_stopped(done, tmp_path, fits, monkeypatch):
    _, expected = done
    path = write(tmp_path)
    noted = sh.SeriesMean.fit

    def interrupted(self, *args, **kwargs):
        if len(fits) == 1:
            raise KeyboardInterrupt
        return noted(self, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sh.SeriesMean, "fit", interrupted)
        run_study(path, tmp_path / "out")
    outcome = run_study(path, tmp_path / "out")

    assert len(fits) == 2  # one before the interruption, one after it
    assert (outcome.folder / "scores.parquet").read_bytes() == (expected.folder / "scores.parquet").read_bytes()
    assert [p.name for p in outcome.folder.rglob(".*") if p.is_file()] == [".lock"]


@pytest.mark.parametrize("step", ["truth.zarr", "data.zarr"])
def test_an_interrupted_simulation_or_measurement_goes_on_where_it_stopped(step, tmp_path, monkeypatch):
    from sbml_hybrid.data import shards

    study = STUDY.replace("draws = 30", "draws = 150")  # three shards
    expected = run_study(write(tmp_path / "whole", study), tmp_path / "whole" / "out").folder
    path, written, original = write(tmp_path / "part", study), [], shards.write_shard

    def interrupted(place, start, values, entry):
        if start > 0 and place.path.name == step:
            raise KeyboardInterrupt
        noting(place, start, values, entry)

    def noting(place, start, values, entry):
        written.append((place.path.name, start))
        original(place, start, values, entry)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shards, "write_shard", interrupted)
        run_study(path, tmp_path / "part" / "out")
    monkeypatch.setattr(shards, "write_shard", noting)
    folder = run_study(path, tmp_path / "part" / "out").folder

    assert written == [(name, start) for name in ("truth.zarr", "data.zarr") for start in (0, 64, 128)]
    assert files(folder / "data.zarr") == files(expected / "data.zarr")


def test_an_edited_study_redoes_what_the_edit_touches(again, fits):
    path, folder = again
    before = files(folder)

    path.write_text(STUDY.replace('"another mean" = { kind = "series mean" }', "persistence = {}"))
    run_study(path, folder)
    assert not fits
    path.write_text(STUDY.replace("keep = 0.7", "keep = 0.6"))
    run_study(path, folder)

    after = files(folder)
    assert len(fits) == 2
    same = [name for name in before if name.startswith("truth.zarr")]
    assert same and all(after[name] == before[name] for name in same)
    assert any(after[name] != before[name] for name in before if name.startswith("data.zarr"))


def test_a_folder_of_another_study_is_left_alone(done, tmp_path):
    _, outcome = done
    before = files(outcome.folder)

    with pytest.raises(StudyError, match="holds another study: 'small' of .*small.toml. Choose another folder with -o"):
        run_study(write(tmp_path, STUDY.replace("draws = 30", "draws = 31")), outcome.folder)
    with pytest.raises(StudyError, match="holds another study"):
        run_study(write(tmp_path, 'name = "other"\n' + STUDY), outcome.folder)

    assert files(outcome.folder) == before


def test_foreign_files_are_left_alone(tmp_path):
    path = write(tmp_path / "place")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all my work")

    with pytest.raises(StudyError, match=r"mine holds files that are not of this study \(thesis.tex\)"):
        run_study(path, tmp_path / "mine")
    with pytest.raises(StudyError, match="is a file, and the results need a folder"):
        run_study(path, tmp_path / "mine" / "thesis.tex")

    assert files(tmp_path / "mine") == {"thesis.tex": b"all my work"}


def test_two_runs_never_work_in_one_folder_at_once(again, fits):
    path, folder = again
    before = (folder / "log.txt").read_bytes()
    busy = pytest.raises(StudyError, match="Another process is at work in .*. Let it end, or choose another folder")

    with folders.Folder.claim(folder, "small", path, "content"), busy:
        run_study(path, folder)
    assert (folder / "log.txt").read_bytes() == before
    run_study(path, folder)  # the folder is free again

    assert not fits


def test_results_need_a_folder_on_a_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "place")

    with pytest.raises(StudyError, match="s3://bucket/out is far away, and the results need a folder on a disk"):
        run_study(path, "s3://bucket/out")

    assert [p.name for p in tmp_path.iterdir()] == ["place"]


def test_results_go_under_runs_by_default_and_a_moved_study_may_go_on(done, tmp_path, monkeypatch, fits):
    path, _ = done
    monkeypatch.chdir(tmp_path)

    with folders.Folder.claim(tmp_path / "runs" / "small", "small", path, "content") as kept:
        assert kept.path.is_dir()
    with folders.Folder.claim(tmp_path / "runs" / "small", "small", tmp_path / "small.toml", "content") as moved:
        pass

    assert json.loads((moved.path / "study.json").read_text())["source"] == str(tmp_path / "small.toml")
    with pytest.raises(StudyError, match="holds another study"):  # moved and edited
        run_study(path)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (
            "keep = 0.7",
            "kepe = 0.7",
            UnknownName,
            r"No setting 'kepe' in \[measure\] of .*, line 13. Did you mean 'keep'",
        ),
        ("[measure]", "[mesure]", UnknownName, r"No setting 'mesure' in .*, line 11. Did you mean 'measure'"),
        ('"series mean" =', "rigde =", UnknownName, r"No forecaster 'rigde' in \[benchmark.rivals\].*mean 'ridge'"),
        ('{ kind = "series mean" }', "{}", UnknownName, "No forecaster 'another mean'"),
        ('"series mean" = {}', "ridge = { depth = 3 }", UnknownName, r"No setting 'depth' in \[benchmark.rivals\]"),
        ('"P + Q"', '"P + R"', UnknownName, "'R'"),
        ("draws = 30", "draws = 0", StudyError, r"draws must be a whole number, 1 or more, got 0 .*, line 7"),
        ("draws = 30", "draws = 1", DataError, "1 draws? .*test"),
        ("draws = 30", "draws = true", StudyError, "draws must be a whole number"),
        ("keep = 0.7", "keep = 7", StudyError, "keep must lie in 0 to 1, got 7"),
        ("keep = 0.7", 'noise = "lognormal"', StudyError, "The noise 'lognormal' cannot be read. Write a kind"),
        ("keep = 0.7", 'noise = "normal:-1"', StudyError, "The noise 'normal:-1': sd must be zero or more, got -1.0"),
        ("keep = 0.7", 'noise = "poison:1"', UnknownName, "poison"),
        ("keep = 0.7", 'noise = "linear:1"', StudyError, "The noise 'linear:1' does not have the numbers that its"),
        ("end = 20", "", StudyError, r"\[simulate\] in .* needs either end \(and points\) or times"),
        ("end = 20", "end = 0", StudyError, "end must be above 0"),
        ("keep = 0.7", "[split]\ntest = 0", ValueError, "test must lie between 0 and 1, got 0"),
        ("keep = 0.7", "[split]\ntest = 0.01", DataError, "test=0.01 of 30 draws leaves none to test on"),
        ("keep = 0.7", '[split]\nby = "well"', StudyError, r'by must be "draw" or "condition", got .well. .*, line 14'),
        (
            "keep = 0.7",
            '[split]\nby = "condition"',
            StudyError,
            r'by = "condition" in \[split\] of .* needs \[simulate.',
        ),
        (
            "points = 21",
            "points = [5, 9]",
            StudyError,
            r"points may be \[fewest, most\] with irregular = true only, got \(5",
        ),
        (
            "end = 20",
            "end = 20\nirregular = true\njitter = 1.0",
            StudyError,
            "irregular times in .* need end and points, and neither times nor jitter",
        ),
        ("horizon = 4", "", StudyError, r"\[benchmark\] in .* lacks 'horizon'"),
        ("horizon = 4", "horizon = 40", StudyError, r"lookback 6 \+ horizon 40 = 46 time points, but .* at 21"),
        ('model = "cascade.ant"', "", StudyError, "names no model"),
        ('"cascade.ant"', '"cascad.ant"', SourceNotFound, "There is no file .*cascad.ant, which .*line 3 names"),
        ("[measure]", "[measure", StudyError, "is not valid TOML: .*line 11"),
        ("lookback = 6", 'lookback = 6\nknown = ["k3"]', UnknownName, "No varied quantity 'k3'"),
        ("draws = 30", 'draws = 30\nof = ["k3"]', UnknownName, "k3"),
    ],
)
def test_a_bad_study_has_its_one_clear_message_and_leaves_nothing(tmp_path, old, new, error, message):
    assert old in STUDY
    path = write(tmp_path / "place", STUDY.replace(old, new, 1))

    with pytest.raises(error, match=message):
        run_study(path, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_missing_study_is_told_with_those_that_are_there(tmp_path):
    path = write(tmp_path)

    with pytest.raises(SourceNotFound, match=r"There is no study file at .*smal.toml. Studies in .*: small.toml"):
        read_study(path.with_name("smal.toml"))


def test_the_studies_of_the_repository_can_be_read(root):
    studies = sorted((root / "studies").glob("*.toml"))

    assert studies
    for path in studies:
        assert read_study(path).title


def test_noise_is_read_from_text():
    assert noise_from_text("lognormal:0.1") == sh.noise.Lognormal(cv=0.1)
    assert noise_from_text("normal: 2") == sh.noise.Normal(sd=2.0)
    assert noise_from_text("poisson:100") == sh.noise.Poisson(scale=100)
    assert noise_from_text("linear:0.1, 0.05") == sh.noise.Linear(a=0.1, b=0.05)
    assert noise_from_text("negative-binomial:20,0.1") == sh.noise.NegativeBinomial(scale=20, dispersion=0.1)
    assert noise_from_text("growing:0,0.2,60") == sh.noise.Growing(start=0, end=0.2, until=60)


def test_forecasters_use_as_many_processes_as_the_study_says():
    tables = {"random forest": {}, "small": {"kind": "random forest", "jobs": 1}, "ridge": {}}

    rivals = rivals_from_tables(tables, None, "here", jobs=2)

    assert [rivals["random forest"].jobs, rivals["small"].jobs] == [2, 1]


def test_rivals_are_named_as_people_write_them():
    rivals = rivals_from_names("persistence,series-mean, Random_Forest,ridge")

    assert list(rivals) == ["persistence", "series mean", "random forest", "ridge"]
    assert isinstance(rivals["random forest"], sh.RandomForest)
    with pytest.raises(StudyError, match="'residual' knows the equations of a model, and none is given"):
        rivals_from_names("residual")
    with pytest.raises(UnknownName, match="No forecaster 'gro'.*Did you mean 'GRU'"):
        rival("gro", {}, None, "here")


def test_a_study_without_a_benchmark_makes_its_data(tmp_path, done):
    alone = STUDY[: STUDY.index("[benchmark]")]
    path = write(tmp_path / "alone", alone)

    made = sh.generate(path, tmp_path / "out")

    assert sh.open(made.data).equals(sh.open(done[1].folder / "data.zarr"))
    assert made.overview.ok == 30 and (made.folder / "overview.png").is_file()
    with pytest.raises(StudyError, match="has no .benchmark.*sbml-hybrid generate"):
        run_study(path, tmp_path / "out")


def test_a_study_says_laws_by_pattern_relative_tied_and_from_a_file(tmp_path):
    said = """end = 20
priors."k?" = { kind = "Relative", prior = { kind = "Normal", mean = 1, sd = 0.5 } }
priors.start = { kind = "Table", source = "start.csv", columns = ["init(S)"] }
priors.tied.kind = "Joint"
priors.tied.laws."init(P)" = { kind = "Beta", a = 2, b = 2 }
priors.tied.formulas = { "init(Q)" = "1 - init(P)" }
design = "sobol"
"""
    path = write(tmp_path, STUDY.replace("end = 20\n", said))
    (tmp_path / "start.csv").write_text("init(S),chain\n8,0\n9,0\n12,1\n")

    draws = make_recipe(read_study(path)).draws.rows(0, 30)

    assert list(draws.columns) == ["k1", "k2", "init(S)", "init(P)", "init(Q)"]
    assert set(draws["init(S)"]) == {8, 9, 12}
    assert (draws["init(Q)"] == 1 - draws["init(P)"]).all()
    assert (draws > 0).all().all()
    assert draws.attrs["design"]["priors"]["k1"]["prior"] == {"kind": "Normal", "mean": 0.3, "sd": 0.15}


def test_an_edited_table_of_draws_is_drawn_from_anew(tmp_path):
    said = """end = 20
of = []
priors.fit = { kind = "Table", source = "posterior.csv" }
"""
    path, table = write(tmp_path, STUDY.replace("end = 20\n", said)), tmp_path / "posterior.csv"
    table.write_text("k1,k2\n1,2\n")
    sh.generate(path, tmp_path / "out")

    table.write_text("k1,k2\n3,4\n")
    data = sh.open(sh.generate(path, tmp_path / "out").data)

    assert (data["parameters"].values == [3, 4]).all()


def test_generated_data_is_what_the_benchmark_goes_on_with(tmp_path):
    path = write(tmp_path / "both")
    sh.generate(path, tmp_path / "out")
    before = files(tmp_path / "out" / "data.zarr")

    run_study(path, tmp_path / "out")

    assert files(tmp_path / "out" / "data.zarr") == before


EVERYTHING = """
model = "cascade.ant"

[simulate]
draws = 6
end = 20
points = 11
jitter = 0.3
float32 = true
quantities = ["S", "P", "_J0"]
run = { kind = "ProcessNoise", sd = 0.1, correlation_time = 5.0, grid = 2.0, seed = 4 }
priors.dose = { kind = "LogUniform", low = 1.0, high = 5.0 }

[simulate.conditions]
control = {}
dosed = { inputs = [{ kind = "Dose", species = "S", amount = "dose", time = 5.0 }] }
slowed = { values = { k1 = 0.1 }, knock_outs = ["_J1"] }

[measure]
observables = { P = "P", both = "S + P" }
noise.kind = "PerObservable"
noise.noises.P = { kind = "Linear", a = 0.05, b = 0.1 }
noise.default = { kind = "Lognormal", cv = 0.2 }
plates = { batches = 2, wells = 12 }
effects = [{ kind = "Batch", cv = 0.1 }]
scaling = { scale = { P = 10.0 } }
replicates = 2
constraints = [{ kind = "Bounds", low = 0.0 }]
limits = { high = 40.0 }
gaps = [{ kind = "RandomFraction", keep = 0.8 }, { kind = "DropOut", probability = 0.2 }]
seed = 7
"""


def test_a_study_says_all_that_the_verbs_can_do(tmp_path):
    path = write(tmp_path / "all", EVERYTHING)
    model = sh.load(tmp_path / "all" / "cascade.ant")
    priors = {**sh.around(model, 1.5), "dose": sh.priors.LogUniform(1.0, 5.0)}
    dose = sh.Dose("S", "dose", time=5.0)
    truth = sh.simulate(
        model,
        sh.sample(priors, 6, seed=0),
        times=sh.jittered(np.linspace(0, 20, 11), 18, sd=0.3, seed=0),
        conditions=[
            sh.Condition("control"),
            sh.Condition("dosed", inputs=dose),
            sh.Condition("slowed", {"k1": 0.1}, knock_outs="_J1"),
        ],
        run=sh.ProcessNoise(sd=0.1, correlation_time=5.0, grid=2.0, seed=4),
        quantities=["S", "P", "_J0"],
        dtype="float32",
    )
    expected = sh.measure(
        truth,
        {"P": "P", "both": "S + P"},
        sh.noise.PerObservable({"P": sh.noise.Linear(0.05, 0.1)}, default=sh.noise.Lognormal(0.2)),
        plates=sh.Plates(batches=2, wells=12),
        effects=sh.effects.Batch(cv=0.1),
        scaling=sh.Scaling(scale={"P": 10.0}),
        replicates=2,
        constraints=sh.constraints.Bounds(low=0.0),
        limits=sh.Limits(high=40.0),
        gaps=[sh.gaps.RandomFraction(0.8), sh.gaps.DropOut(probability=0.2)],
        seed=7,
    )

    made = sh.generate(path, tmp_path / "out")

    xr.testing.assert_equal(sh.open(made.data).load(), expected)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DropOut", "DropIn", r"gaps in \[measure\] of .*No .*'DropIn'.*Did you mean 'DropOut'"),
        ("ProcessNoise", "Noise", r"No .*'Noise'"),
        ('"dose", time', '"doses", time', r"No prior 'doses'.*Did you mean 'dose'"),
        ("knock_outs", "knock_out", r"No setting 'knock_out'.*Did you mean 'knock_outs'"),
        ("Linear", "Linea", r"noise in \[measure\] of .*'Linea'"),
        ("wells = 12", "well = 12", r"plates in \[measure\]"),
    ],
)
def test_what_a_study_says_wrong_is_told_with_its_place(tmp_path, old, new, message):
    path = write(tmp_path, EVERYTHING.replace(old, new, 1))
    with pytest.raises((StudyError, UnknownName), match=message):
        sh.generate(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_makes_steady_states(tmp_path):
    said = """
model = "open.ant"
[simulate]
draws = 5
fold = 2
steady_state = true
[measure]
noise = "lognormal:0.1"
"""
    path = write(tmp_path, said)
    (tmp_path / "open.ant").write_text("model open\n  -> A; v; A -> ; k*A; A = 1; v = 2; k = 0.5\nend\n")

    made = sh.generate(path, tmp_path / "out")

    data = sh.open(made.data)
    v, k = (data["parameters"].sel(parameter=name).values for name in "vk")
    np.testing.assert_allclose(data["truth"].values[:, 0, 0], v / k, rtol=1e-9)
    treated = said.replace(
        "[measure]",
        """[simulate.conditions.control]
[simulate.conditions.dosed]
values = { v = 6.0 }
[measure]""",
    )
    data = sh.open(sh.generate(write(tmp_path, treated), tmp_path / "treated").data)
    k = data["parameters"].sel(parameter="k").values
    assert data["condition"].values.tolist() == ["control", "dosed"] * 5
    np.testing.assert_allclose(data["truth"].values[1::2, 0, 0], 6 / k[1::2], rtol=1e-9)
    two = said.replace(
        "[measure]",
        """before = { v = "past" }
priors.past = { kind = "Discrete", values = [1, 3] }
conditions.own = {}
[measure]""",
    ).replace("[simulate]\ndraws = 5", "[simulate]\ndraws = { k = 2, v = 1, past = 2 }\ndesign = 'grid'")
    data = sh.open(sh.generate(write(tmp_path, two), tmp_path / "two").data)
    assert json.loads(data.attrs["run"])["before"] == [["v", "past"]]
    assert (data["status"] == 0).all() and data["parameters"].sel(parameter="past").values.tolist() == [1, 3, 1, 3]
    with pytest.raises(StudyError, match="before in .simulate. of .* needs steady_state = true"):
        sh.generate(write(tmp_path, two.replace("steady_state = true", "end = 3")), tmp_path / "other")
    with pytest.raises(StudyError, match="A steady state has no times. Try: steady_state = true"):
        sh.generate(
            write(tmp_path, said.replace("steady_state = true", 'end = 3\nrun.kind = "SteadyState"')),
            tmp_path / "other",
        )
    with pytest.raises(StudyError, match="jitter has no meaning with steady_state"):
        sh.generate(write(tmp_path, said.replace("fold = 2", "jitter = 1.0")), tmp_path / "other")


@pytest.mark.parametrize(
    ("said", "times"),
    [
        ("end = 20\npoints = 5\njitter = [0, 0, 1, 1, 2]", lambda: sh.jittered(SPREAD, 4, sd=[0, 0, 1, 1, 2], seed=0)),
        ("end = 20\npoints = [3, 6]\nirregular = true", lambda: sh.irregular(4, (3, 6), 20, seed=0)),
        ("end = 20\npoints = 4\nirregular = true", lambda: sh.irregular(4, 4, 20, seed=0)),
        ("times = [[0, 1], [2, 5, 9], [0, 3], [1]]", lambda: [[0, 1, nan], [2, 5, 9], [0, 3, nan], [1, nan, nan]]),
    ],
)
def test_a_study_says_times_of_each_trajectory_s_own(tmp_path, said, times):
    recipe = make_recipe(read_study(write(tmp_path, STUDY.replace("end = 20\npoints = 21", said).replace("30", "4"))))

    np.testing.assert_array_equal(recipe.times, times())
    np.testing.assert_array_equal(recipe.trial["time"], times())


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("times = [[0, 1], [2, 5, 9]]", r"times has 2 lists, one per trajectory, and there are 30 .*\[simulate\]"),
        ("times = [[0, 1], 3]", r"times must be a list of numbers"),
        ("times = [[0, 1]]\njitter = 0.1", "times of each trajectory's own .* need no jitter"),
        ("end = 9\nirregular = true\njitter = 0.1", "need end and points, and neither times nor jitter"),
        ("times = [1, 2]\nirregular = true", "need end and points, and neither times nor jitter"),
        ("end = 9\npoints = [3, 6]", r"points may be \[fewest, most\] with irregular = true only, got \(3, 6\)"),
        ("end = 9\npoints = [6, 3]\nirregular = true", r"points must be .*the fewest and the most.*\[simulate\] of"),
        ("end = 9\njitter = [0.1, 0.2]", r"one for each of 101 times.*\[simulate\] of"),
        ("end = 9\ndesign = 'grid'\ndraws = { k1 = 0 }", "draws must be a whole number, 1 or more"),
    ],
)
def test_times_and_levels_that_cannot_be_are_refused_with_their_place(tmp_path, said, message):
    study = STUDY.replace("draws = 30\n", "" if "draws" in said else "draws = 30\n")
    with pytest.raises(StudyError, match=message):
        sh.generate(write(tmp_path, study.replace("end = 20\npoints = 21", said)), tmp_path / "out")


def test_a_study_says_how_many_levels_each_quantity_of_a_grid_has(tmp_path):
    study = STUDY.replace("draws = 30", 'draws = { k1 = 3, k2 = 2 }\ndesign = "grid"')

    recipe = make_recipe(read_study(write(tmp_path, study)))

    expected = sh.sample(sh.around(recipe.model, 1.5), {"k1": 3, "k2": 2}, seed=0, design="grid")
    pd.testing.assert_frame_equal(recipe.draws.rows(0, 6), expected)


def test_a_whole_condition_can_be_held_out(tmp_path):
    study = EVERYTHING.replace("replicates = 2", "").replace(
        "[measure]", "[split]\nby = 'condition'\ntest = 0.4\n[measure]"
    )
    rivals = '[benchmark]\nlookback = 4\nhorizon = 3\nrivals = { "series mean" = {} }\n'

    outcome = run_study(write(tmp_path / "place", study + rivals), tmp_path / "out")

    data = sh.open(outcome.folder / "data.zarr")
    _, test = sh.split(data, test=0.4, seed=2, by="condition")
    assert len(set(test["condition"].values)) == 1
    assert set(outcome.scores["n_train"]) == {6} and outcome.scores["draw"].nunique() == 6  # of one by draw: 4 and 2
    assert "40% of the conditions, whole" in outcome.report.read_text()


def test_forecasters_compete_on_conditions_batches_and_times_of_their_own(tmp_path):
    rivals = """
mechanism = "wrong.ant"
[benchmark]
lookback = 4
horizon = 3
known = ["dose"]
rivals = { "series mean" = {}, ridge = {} }
"""
    mechanism, benchmark = rivals.split("[benchmark]")
    path = write(tmp_path, mechanism + EVERYTHING.replace("replicates = 2", "") + "[benchmark]" + benchmark)

    outcome = run_study(path, tmp_path / "out")

    assert set(outcome.ranking["forecaster"]) >= {"series mean", "ridge"}
    words = outcome.report.read_text()
    assert "ProcessNoise(" in words and "control, dosed, slowed" in words and "DropOut(" in words
