"""Laws as a forward and a backward rate."""

import sys
import zipfile
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid import load
from sbml_hybrid.errors import ModelError
from sbml_hybrid.mechanism.initial import InitialValues
from sbml_hybrid.mechanism.kinetics import evaluate, names, to_text
from sbml_hybrid.mechanism.reader import parse_formula
from sbml_hybrid.mechanism.splitting import split, vanishes, without_repetition

MODEL = (
    "compartment C = 2; species A in C, B in C, S in C; {arrow}; A = 3; B = 1; S = 2; "
    "k1 = 2; k2 = 3; K = 5; L = 0.5; n = 2"
)
REVERSIBLE = [
    "C*(k1*A - k2*B)",
    "k1*(A - B/K)",
    "k1*A*(1 - B/(A*K))",
    "C*k1*A - C*k2*B",
    "-k2*B + k1*A",
    "-(k2*B - k1*A)*C",
    "(k1*A/K - k2*B/L)/(1 + A/K + B/L)",
    "C*k1/K*(A - B/L)/(1 + A/K + S/L + (B/L)^n)",
    "piecewise(k1*A - k2*B, S > 1, 2*k1*A - k2*B)",
    "S*(k1*A^n - k2*B^n)*exp(-S)",
]


@lru_cache
def model_of(law: str, arrow: str = "->"):
    return load(MODEL.format(arrow=f"R: A {arrow} B; {law}"))


def at(tree, values):
    return 0.0 if tree is None else evaluate(tree, values)


@pytest.mark.parametrize("law", REVERSIBLE)
@given(values=st.lists(st.floats(1e-3, 1e3), min_size=8, max_size=8))
def test_the_two_directions_are_never_negative_and_their_difference_is_the_law(law, values):
    model = model_of(law)
    numbers = dict(zip(["A", "B", "S", "C", "k1", "k2", "K", "L"], values, strict=True)) | {"n": 2.0}
    reaction = model.part("R")

    forward, backward = split(model, reaction)

    ahead, back = at(forward, numbers), at(backward, numbers)
    assert ahead >= 0 and back >= 0
    rounding = max(1e-9 * (ahead + back), sys.float_info.min)  # numbers smaller than that have few digits
    assert ahead - back == pytest.approx(at(reaction.law.formula, numbers), rel=1e-9, abs=rounding)
    assert vanishes(model, forward, "A") and vanishes(model, backward, "B")


@pytest.mark.parametrize(
    "law", ["k1*A", "k1*A/(K + A)", "k1*A^n/(K^n + A^n)", "k1", "C*k1*A*exp(-S)", "max(0, k1 - A)"]
)
def test_a_law_that_is_never_negative_has_one_direction_whatever_the_arrow(law):
    forward, backward = split(model_of(law), model_of(law).part("R"))

    assert backward is None
    assert names(forward) == names(parse_formula(law))


def test_a_rate_that_a_rule_computes_is_split_through_the_rule():
    model = load(MODEL.format(arrow="R: A -> B; C*v") + "; v := k1*A - w; w := k2*B")

    forward, backward = split(model, model.part("R"))

    assert {to_text(forward), to_text(backward)} == {"C*k1*A", "C*w"}


@pytest.mark.parametrize(
    ("law", "arrow", "said"),
    [
        ("k1*A - k2*B", "=>", "takes away k2\\*B, and the reaction is not reversible"),
        ("k1*A*ln(A)", "->", r"the sign of ln\(A\) is not known"),
        ("k1*(K - A)*B", "->", "does not end where there is no A"),
        ("(A - B)*(k1 - k2*A)", "->", "multiplies two differences"),
        ("k1*A - k2*S", "->", r"k2\*S does not end where there is no B"),
        ("k1*A/(K - B)", "->", "the sign of .* is not known"),
        ("m*A; m = -1", "->", "m is -1"),
    ],
)
def test_what_cannot_be_split_is_refused_with_the_law_and_the_reason(law, arrow, said):
    model = model_of(law, arrow)

    with pytest.raises(ModelError, match=f"'R'.*{said}.*Try: "):
        split(model, model.part("R"))


def test_a_parameter_that_an_event_may_make_negative_is_refused():
    model = load(MODEL.format(arrow="R: A => B; k1*A") + "; at time > 1: k1 = k1 - 1")

    with pytest.raises(ModelError, match="an event may make k1 negative"):
        split(model, model.part("R"))


def test_pairs_of_molecules_are_counted_once_and_other_laws_left_alone():
    molecule = parse_formula("1/V")

    def paired(law, count=2):
        new = without_repetition(parse_formula(law), "A", count, molecule)
        return None if new is None else [evaluate(new, {"A": a / 4, "V": 4.0, "k": 3.0, "B": 2.0}) for a in range(4)]

    pairs = [3 * a * (a - 1) / 16 for a in range(4)]
    assert paired("k*A^2") == paired("k*A*A") == paired("A*k*A") == pytest.approx(pairs)
    assert paired("B*(k*A^2)/B") == pytest.approx(pairs)
    assert paired("k*A^3") == pytest.approx([p * a / 4 for a, p in enumerate(pairs)])
    assert paired("k*A^3", 3) == pytest.approx([0, 0, 0, 3 * 6 / 64])
    assert paired("k*A^2 + B*A*A") == pytest.approx([p * 5 / 3 for p in pairs])
    assert paired("k*A^2/(B + A^2)") is None and paired("k*A") is None and paired("k*A^2 + k*A") is None


def test_every_law_of_real_models_is_split_rightly_or_refused(test_data):
    rng, split_ones = np.random.default_rng(0), 0
    ids = (test_data / "biomodels_core.txt").read_text().split()[:30]
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        texts = [archive.read(id).decode() for id in ids]
    for text in texts:
        model = load(text)
        start = InitialValues(model)
        for reaction in (r for r in model.reactions if r.law is not None):
            try:
                forward, backward = split(model, reaction)
            except ModelError as error:
                assert "Try: " in str(error) and "\n" not in str(error)
                continue
            known = {}

            def value(id, known=known, start=start, model=model):
                species = id in model.reacting
                return known.setdefault(id, rng.uniform(0.1, 10) if species else start[id])

            ahead, back = at(forward, value), at(backward, value)
            law = evaluate(model.written_out(reaction.law.formula), value)
            if (
                np.isfinite(ahead)
                and np.isfinite(back)
                and not names(reaction.law.formula) & model.assignment_rules.keys()
            ):
                assert ahead >= 0 and back >= 0
                assert ahead - back == pytest.approx(law, rel=1e-9, abs=1e-9 * (ahead + back))
                split_ones += backward is not None
    assert split_ones > 20
