"""Opening the package is quick, loads no engine, and survives every order of imports that can be survived."""

import importlib.util
import itertools
import os
import subprocess
import sys

import pytest

ENGINES = ("roadrunner", "tellurium", "libsbml", "antimony", "keras", "tensorflow", "jax", "torch", "sklearn", "scipy")
HEAVY = (*ENGINES, "numpy", "pandas", "xarray", "zarr", "pyarrow", "matplotlib", "joblib")
NEIGHBOURS = ("tensorflow", "keras", "jax", "torch", "tellurium", "antimony", "pyarrow", "sbml_hybrid")

# What follows the imports: a model is read, simulated and written again, then TensorFlow and tellurium work beside it.
EVERYTHING = """
import numpy as np
import sbml_hybrid as sh

model = sh.load("S -> ; k*S; S = 10; k = 0.3")
truth = sh.simulate(model, sh.sample(sh.around(model, fold=2), 2, seed=0), times=np.linspace(0, 5, 6))
assert np.isfinite(truth["truth"]).all()
assert "S" in model.to_antimony()

import tensorflow as tf
import keras

assert float(tf.reduce_sum(tf.linalg.matmul(tf.ones((8, 8)), tf.ones((8, 8))))) == 512
assert keras.layers.Dense(2)(keras.ops.ones((1, 3))).shape == (1, 2)

import tellurium

assert tellurium.loada("S -> ; k*S; S = 10; k = 0.3").simulate(0, 1, 3).shape == (3, 2)
again = sh.load("S -> ; k*S; S = 10; k = 0.3")
assert again == model
np.testing.assert_array_equal(sh.simulate(model, times=[0, 1])["truth"], sh.simulate(again, times=[0, 1])["truth"])
print("survived")
"""


def run(code: str) -> str:
    """Run `code` in a new interpreter and return what it printed; a crash fails the test with its last words."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, f"exit {done.returncode} after:\n{code}\n{done.stderr[-2000:]}"
    return done.stdout


def curable(order: tuple[str, ...]) -> bool:
    """Tell whether the package can do anything about `order`.

    It cannot where the user opens TensorFlow and then tellurium before anything of ours has run.
    """
    opens_tensorflow = {"tensorflow"}
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        opens_tensorflow.add("keras")
    return not ("tellurium" in order and opens_tensorflow.intersection(order[: order.index("tellurium")]))


def skip_if_absent(*names: str) -> None:
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


def test_importing_the_package_loads_no_engine():
    loaded = run("import sys, sbml_hybrid; print(*sys.modules)").split()

    assert not set(HEAVY).intersection(loaded)


def test_importing_the_package_takes_less_than_a_third_of_a_second():
    code = "import time; start = time.perf_counter(); import sbml_hybrid; print(time.perf_counter() - start)"

    quickest = min(float(run(code)) for _ in range(5))

    assert quickest < 0.3


def test_looking_at_the_names_loads_no_engine():
    loaded = run("import sys, sbml_hybrid; dir(sbml_hybrid); print(*sys.modules)").split()

    assert not set(HEAVY).intersection(loaded)


def test_importing_the_package_leaves_logging_and_the_backend_alone():
    run(
        "import logging, os; before = dict(os.environ); import sbml_hybrid; "
        "assert dict(os.environ) == before and not logging.root.handlers"
    )


@pytest.mark.parametrize("first", ["tensorflow", "tellurium", "sbml_hybrid"])
def test_everything_works_whatever_was_imported_first(first):
    skip_if_absent(first)

    assert "survived" in run(f"import {first}\n{EVERYTHING}")


@pytest.mark.slow
@pytest.mark.parametrize("order", filter(curable, itertools.permutations(NEIGHBOURS, 2)), ids=" then ".join)
def test_everything_works_after_any_two_in_either_order(order):
    skip_if_absent(*order)

    assert "survived" in run("".join(f"import {name}\n" for name in order) + EVERYTHING)


@pytest.mark.slow
@pytest.mark.parametrize("tellurium", ["first", "afterwards"])
def test_everything_works_after_all_of_them(tellurium):
    others = [name for name in NEIGHBOURS if name != "tellurium" and importlib.util.find_spec(name)]
    order = ["tellurium", *others] if tellurium == "first" else others

    assert "survived" in run("".join(f"import {name}\n" for name in order) + EVERYTHING)


def test_tellurium_after_libsbml_is_an_error_that_says_what_to_do():
    said = run("""
import libsbml
import tellurium
import sbml_hybrid as sh

try:
    print(sh.load("S -> ; k*S; S = 10; k = 0.3"))
except sh.errors.ModelError as error:
    print(error)
""")

    assert "import tellurium or sbml_hybrid's models before libsbml" in said or "<Model" in said
