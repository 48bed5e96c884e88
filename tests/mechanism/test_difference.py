"""What differs between two models is said once, in plain words, and nothing else is."""

import zipfile

import pytest

from sbml_hybrid import diff, load
from sbml_hybrid.cli import main

MODEL = (
    "function f(x, y)\n x/(y + x)\nend\nmodel m\n compartment C = 2; species A in C, B in C; A = 10; B = 0\n"
    " R1: A => B; k1*f(A, K); k1 = 0.3; K = 2; y := A + B; p = 1; p' = -p; q = 2*k1; z = 1\n"
    " E1: at (A < 1): z = 5\n unit nM = 1e-9 mole / litre; k1 has nM\nend"
)

# Change of the text -> the differences in words.
CHANGES = {
    ("k1 = 0.3", "k1 = 0.5"): ["k1: 0.3 -> 0.5"],
    ("k1 = 0.3", "k1 = 0.30000000000000004"): ["k1: 0.3 -> 0.30000000000000004"],
    ("A = 10", "A = 11"): ["initial concentration of A: 10 -> 11"],
    ("A = 10", "A = 11/C"): ["initial concentration of A: 10 -> nothing", "initial amount of A: nothing -> 11"],
    ("B in C", "$B in C"): ["B became a boundary species"],
    ("compartment C = 2", "compartment C = 3"): ["size of C: 2 -> 3"],
    ("k1*f(A, K)", "k1*A"): ["law of R1: k1*f(A, K) -> k1*A"],
    ("A => B;", "A -> B;"): ["R1 became reversible"],
    ("A => B;", "2 A => B;"): ["equation of R1: A -> B -> 2 A -> B"],
    ("y := A + B", "y := A - B"): ["assignment rule for y: A + B -> A - B"],
    ("p' = -p", "p' = -2*p"): ["rate rule for p: -p -> -2*p"],
    ("q = 2*k1", "q = 3*k1"): ["initial assignment for q: 2*k1 -> 3*k1"],
    ("A < 1", "A < 2"): ["trigger of E1: A < 1 -> A < 2"],
    ("z = 5", "z = 6"): ["assignment to z of E1: 5 -> 6"],
    ("at (A", "at 3 after (A"): ["delay of E1: nothing -> 3"],
    ("x/(y + x)", "x/(y - x)"): ["function f: (x, y) = x/(y + x) -> (x, y) = x/(y - x)"],
    ("1e-9 mole", "1e-6 mole"): ["unit nM: nM -> ", "unit of k1: nM -> "],
    ("k1 has nM", "K has nM"): ["unit of k1: nM -> nothing", "unit of K: nothing -> nM"],
    ("R1:", "R2:"): [
        "reaction R1 (A -> B) is only in the first model",
        "reaction R2 (A -> B) is only in the second model",
    ],
}


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=str)
def test_each_difference_is_said_in_words_and_only_it(old, new):
    assert MODEL.count(old) == 1

    found = diff(load(MODEL), load(MODEL.replace(old, new)))

    expected = CHANGES[old, new]
    assert len(found) == len(expected)
    for difference, words in zip(found, expected, strict=True):
        assert difference.text.startswith(words)
        assert difference.before != difference.after


def test_a_model_does_not_differ_from_itself_however_it_is_written():
    model = load(MODEL)

    again = diff(model, load(MODEL.replace("A => B", "1 A => B").replace("k1*f(A, K)", "(k1)*f( A,K )")))

    assert not again and len(again) == 0 and str(again) == "no differences"
    assert "no differences" in again._repr_html_()


def test_every_core_model_equals_itself_read_from_its_own_text(test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        for name in (test_data / "biomodels_core.txt").read_text().split("\n")[:12]:
            model = load(archive.read(name.strip()).decode())
            assert not diff(model, load(model.to_sbml()))


def test_differences_are_records_that_can_be_counted_and_read():
    found = diff(load(MODEL), load(MODEL).set({"k1": 0.5}).add_species("X"))

    assert found and len(found) == 2
    assert {(d.what, d.id) for d in found.differences} == {("value", "k1"), ("species", "X")}
    value = next(d for d in found if d.id == "k1")
    assert (value.before, value.after) == (0.3, 0.5)
    assert "species X is only in text, k1 = 0.5, with X" in str(found)


def test_the_difference_of_b_and_a_is_that_of_a_and_b_turned_round():
    a, b = load(MODEL), load(MODEL).set_law("R1", "k1*A").make_boundary("A").set({"C": 3})

    forth = {(d.what, d.id, d.before, d.after) for d in diff(a, b)}
    back = {(d.what, d.id, d.after, d.before) for d in diff(b, a)}

    assert forth == back


def test_what_is_shown_in_jupyter_is_escaped():
    html = diff(load("p = 1"), load('p = 1; p is "<script>"'))._repr_html_()

    assert "<script>" not in html and "&lt;script&gt;" in html


def test_the_command_says_differences_and_ends_as_diff_does(tmp_path, capsys):
    (tmp_path / "a.ant").write_text(MODEL)
    (tmp_path / "b.ant").write_text(MODEL.replace("k1 = 0.3", "k1 = 0.5"))

    assert main(["diff", str(tmp_path / "a.ant"), str(tmp_path / "a.ant")]) == 0
    assert capsys.readouterr().out == "no differences\n"
    assert main(["diff", str(tmp_path / "a.ant"), str(tmp_path / "b.ant")]) == 1
    assert capsys.readouterr().out == "k1: 0.3 -> 0.5\n"
    assert main(["diff", str(tmp_path / "a.ant"), str(tmp_path / "c.ant")]) == 2
