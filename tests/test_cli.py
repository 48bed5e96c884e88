"""The command line mirrors the API, says errors in one line, and stops politely."""

import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import sbml_hybrid as sh
from sbml_hybrid.cli import main

MODEL = "model decay\n  S -> P; k*S\n  S = 10; P = 0; k = 0.3\nend\n"


STUDY = """
model = "decay.ant"

[simulate]
draws = DRAWS
end = 10
points = 21

[benchmark]
lookback = 6
horizon = 4

[benchmark.rivals]
"series mean" = {}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decay.ant").write_text(MODEL)
    return tmp_path


def say(command):
    """Return the exit code of a command line, also where argparse decides it."""
    try:
        return main(shlex.split(command))
    except SystemExit as stop:
        return stop.code


def test_describe_shows_reactions_with_their_laws(place, capsys):
    assert say("describe decay.ant") == 0

    said = capsys.readouterr().out
    assert "S <-> P" in said and "k*S" in said


def test_draw_writes_the_picture_of_the_api(place, capsys):
    assert say("draw decay.ant -o network.svg") == 0

    assert capsys.readouterr().out == "Wrote network.svg\n"
    sh.plots.network(sh.load("decay.ant")).save("api.svg")
    assert (place / "network.svg").read_text().count("<path") == (place / "api.svg").read_text().count("<path")


def test_the_verbs_do_what_the_api_does(place, capsys):
    simulated = "simulate decay.ant --fold 1.5 --draws 12 --end 10 --points 21 --seed 4 --jobs 1 -o truth.zarr"
    assert say(simulated) == 0
    measured = "measure truth.zarr --noise lognormal:0.1 --keep 0.5 --seed 1 --jobs 2 -o"
    assert say(f"{measured} data.zarr") == say(f"{measured} data.nc") == 0
    assert say(f"{measured} data.zarr") == 0  # there is nothing left to do

    model = sh.load("decay.ant")
    draws = sh.sample(sh.around(model, fold=1.5), 12, seed=4)
    truth = sh.simulate(model, draws, times=np.linspace(0, 10, 21))
    expected = sh.measure(truth, noise=sh.noise.Lognormal(cv=0.1), keep=0.5, seed=1)
    found = sh.open("data.zarr")
    assert found.identical(sh.open(sh.save(expected, "expected.zarr")))
    assert found.identical(sh.open("data.nc"))
    assert say("measure truth.zarr --seed 2 -o data.zarr") == 2
    assert say(f"{measured} data.nc") == 2
    assert sh.open("data.zarr").identical(found)
    assert "12 trajectories, 1 quantities varied, 0 failed." in capsys.readouterr().out


def test_an_assays_schedule_replicates_and_limits_can_be_said(place):
    say("simulate decay.ant --draws 5 --end 10 --points 21 -o truth.zarr")

    assert say("measure truth.zarr --schedule 0 2 5 --replicates 3 --low 0.5 --high 9 --seed 1 -o data.zarr") == 0

    truth, limits = sh.open("truth.zarr"), sh.Limits(low=0.5, high=9)
    expected = sh.measure(truth, schedule=[0, 2, 5], replicates=3, limits=limits, seed=1)
    assert sh.open("data.zarr").identical(sh.open(sh.save(expected, "expected.zarr")))
    assert sh.open("data.zarr")["censored"].any()


def test_benchmark_ends_with_a_ranking_and_a_report(place, capsys):
    say("simulate decay.ant --draws 20 --end 10 --points 21 -o truth.zarr")
    say("measure truth.zarr --observables S S+P --keep 0.8 -o data.zarr")
    capsys.readouterr()

    code = say("benchmark data.zarr --rivals persistence,ridge --lookback 6 --horizon 4 --seed 3 -o out/")

    said = capsys.readouterr().out
    assert code == 0
    assert "forecaster" in said and "ridge" in said
    assert said.rstrip().endswith("Open out/report.html")
    assert (place / "out" / "report.html").is_file()


def test_a_table_of_ones_own_is_benchmarked_without_a_model(place, capsys):
    rng = np.random.default_rng(0)
    lines = ["trajectory,time,observable,value"]
    for series in range(12):
        rate = rng.uniform(0.1, 0.4)
        lines += [f"dish {series},{t},Erk,{np.exp(-rate * t) * rng.normal(1, 0.05):.4f}" for t in range(15)]
    (place / "lab.csv").write_text("\n".join(lines) + "\n")

    assert say("benchmark lab.csv --rivals ridge --lookback 6 --horizon 4 -o out") == 0

    page = (place / "out" / "report.html").read_text()
    assert "the next measurements" in page and "The model that made the data" not in page
    assert say("benchmark lab.csv --rivals residual --lookback 6 --horizon 4 -o out2") == 2
    assert "knows the equations of a model, and none is given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("describe nothing.ant", "No model at nothing.ant"),
        ("draw decay.ant --currency ATP -o n.png", "No species 'ATP' in decay.ant"),
        ("draw decay.ant -o n.gifff", "is not supported"),
        ("simulate decay.ant --end 0 -o t.zarr", "--end must be above 0"),
        ("simulate decay.ant --end 5 --points 1 -o t.zarr", "--points must be 2 or more"),
        ("simulate decay.ant --end 5 --draws 0 -o t.zarr", "n must be a whole number of 1 or more, got 0"),
        ("simulate decay.ant --end 5 --of k2 -o t.zarr", "k2"),
        ("simulate decay.ant --end 5 -o t.csv", "t.csv is no Zarr folder"),
        ("simulate decay.ant --end five -o t.zarr", "argument --end: invalid float value: 'five'"),
        ("simulate decay.ant --end 5", "required: -o/--output"),
        ("measure t.zarr -o data.zarr", "There is no dataset at t.zarr"),
        ("measure t.zarr --noise loud -o data.zarr", "'loud'"),
        ("measure decay.ant -o decay.ant", "decay.ant is there already"),
        ("benchmark t.zarr --lookback 5 --horizon 5 -o out", "There is no dataset at t.zarr"),
        ("measure t.zarr --low high -o data.zarr", "argument --low: invalid float value: 'high'"),
        ("run study.toml", "There is no study file at study.toml"),
        ("runn study.toml", "invalid choice: 'runn'"),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(place, capsys, command, message):
    before = sorted(place.iterdir())

    code = say(command)

    said = capsys.readouterr().err
    assert code == 2
    assert said.startswith("error: ") and said.count("\n") == 1
    assert message in said
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize("verb", ["describe", "draw", "simulate", "measure", "benchmark", "run"])
def test_every_verb_has_its_help(verb, capsys):
    assert say(f"{verb} --help") == 0

    assert "usage: sbml-hybrid " + verb in capsys.readouterr().out


def test_help_opens_no_engine(tmp_path):
    code = (
        "import sys\nfrom sbml_hybrid.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'roadrunner', 'tensorflow', 'keras', 'xarray', 'pandas'} & set(sys.modules)))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.rstrip().endswith("[]")


def _listen_to_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs hand down that it is ignored


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_ctrl_c_says_in_one_line_how_to_go_on_and_going_on_ends_well(place):
    (place / "study.toml").write_text(STUDY.replace("DRAWS", "2000"))
    command = [sys.executable, "-m", "sbml_hybrid.cli", "run", "study.toml", "-o", "out"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_listen_to_ctrl_c
    )
    while not (place / "out" / "truth.zarr").is_dir() and running.poll() is None:
        time.sleep(0.02)

    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)

    assert running.returncode == 130, said
    assert said.rstrip().splitlines()[-1] == "Stopped. The same command goes on where it stopped."
    assert "Traceback" not in said
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert (place / "out" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_a_killed_run_leaves_nothing_half_written_and_goes_on(place):
    (place / "study.toml").write_text(STUDY.replace("DRAWS", "300"))
    command = [sys.executable, "-m", "sbml_hybrid.cli", "run", "study.toml", "-o"]
    assert subprocess.run([*command, "whole"], capture_output=True).returncode == 0

    for number, after in enumerate([0.0, 0.5, 1.5, 3.0]):
        folder = place / f"killed {number}"
        running = subprocess.Popen([*command, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not folder.is_dir() and running.poll() is None:
            time.sleep(0.01)
        time.sleep(after)
        running.kill()
        running.wait()

        if (folder / "data.zarr").exists():  # its finished rows are right, and it says which are still pending
            data = sh.open(folder / "data.zarr")
            done = data["status"].values != -1
            assert data.isel(trajectory=done).identical(sh.open(place / "whole" / "data.zarr").isel(trajectory=done))
        if (folder / "scores.parquet").exists():
            assert (folder / "scores.parquet").read_bytes() == (place / "whole" / "scores.parquet").read_bytes()
        assert subprocess.run([*command, folder], capture_output=True).returncode == 0
        assert (folder / "scores.parquet").read_bytes() == (place / "whole" / "scores.parquet").read_bytes()
        assert [path.name for path in folder.rglob(".*")] == [".lock"]


def test_data_is_generated_from_a_study_and_told_of(place, capsys):
    (place / "small.toml").write_text(STUDY.replace("DRAWS", "12"))

    assert say("generate small.toml -o out") == 0
    told = capsys.readouterr().out
    assert "12 ok, 0 failed" in told and "Wrote out/data.zarr" in told

    assert say("overview out/truth.zarr -o told.png") == 0
    assert "12 ok, 0 failed" in capsys.readouterr().out
    assert (place / "told.png").stat().st_size > 1000


def test_an_estimate_is_said_and_nothing_is_written(place, capsys):
    assert say("simulate decay.ant --draws 1000 --end 10 --points 11 --float32 --estimate -o truth.zarr") == 0

    said = capsys.readouterr().out.replace("\u00a0", " ")
    assert said.startswith("1 000 trajectories: about ") and said.rstrip().endswith("on 1 job, 110 kB")
    assert not (place / "truth.zarr").exists()
