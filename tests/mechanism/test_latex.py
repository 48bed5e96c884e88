"""A formula in LaTeX is what a paper prints, and always parses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbml_hybrid import load
from sbml_hybrid.mechanism.kinetics import Name, uses
from sbml_hybrid.mechanism.latex import id_to_latex, to_latex
from sbml_hybrid.mechanism.reader import parse_formula


@pytest.fixture(scope="session")
def mathtext():
    """matplotlib's own reader of LaTeX formulas, which knows no cases environment."""
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    return lambda latex: parser.parse(f"${latex}$")


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a/(b + c)", r"\frac{\mathrm{a}}{\mathrm{b} + \mathrm{c}}"),
        ("k_1*KK_pp", r"\mathrm{k}_{\mathrm{1}} \cdot \mathrm{KK}_{\mathrm{pp}}"),
        ("x^(n + 1)", r"{\mathrm{x}}^{\mathrm{n} + 1}"),
        ("(a/b)^2", r"{\left(\frac{\mathrm{a}}{\mathrm{b}}\right)}^{2}"),
        ("(-2)^2", r"{\left(-2\right)}^{2}"),
        ("a - (b - c)", r"\mathrm{a} - \left(\mathrm{b} - \mathrm{c}\right)"),
        ("a - (-b)", r"\mathrm{a} - \left(-\mathrm{b}\right)"),
        ("-a*b", r"-\mathrm{a} \cdot \mathrm{b}"),
        ("a*(-b)", r"\mathrm{a} \cdot \left(-\mathrm{b}\right)"),
        ("sqrt(x) + root(3, x)", r"\sqrt{\mathrm{x}} + \sqrt[3]{\mathrm{x}}"),
        ("alpha_1*exp(-time)", r"\alpha_{\mathrm{1}} \cdot \exp\left(-t\right)"),
        ("rateOf(S)", r"\dot{\mathrm{S}}"),
        ("1.5e-9*pi", r"1.5 \cdot 10^{-9} \cdot \pi"),
        ("abs(x) + floor(time)", r"\left|\mathrm{x}\right| + \left\lfloor t\right\rfloor "),
        ("f(x, 2)", r"\mathrm{f}\left(\mathrm{x}, 2\right)"),
        ("arcsech(x)", r"\operatorname{arcsech}\left(\mathrm{x}\right)"),
        ("(a || b) && !c", r"\left(\mathrm{a} \vee \mathrm{b}\right) \wedge \neg \mathrm{c}"),
        (
            "piecewise(1, a <= 2, 3)",
            r"\begin{cases} 1 & \text{if } \mathrm{a} \leq 2 \\ 3 & \text{otherwise} \end{cases}",
        ),
    ],
)
def test_a_formula_is_printed_as_in_a_paper(text, latex):
    assert to_latex(parse_formula(text)) == latex


@given(data=st.data())
def test_every_formula_is_balanced_and_parses(any_formula, mathtext, data):
    tree = data.draw(any_formula)

    latex = to_latex(tree)

    assert latex.count(r"\left") == latex.count(r"\right")
    assert latex.count(r"\begin{cases}") == latex.count(r"\end{cases}")
    bare = re.sub(r"\\[{}]", "", latex)
    assert bare.count("{") == bare.count("}")
    if not uses(tree, "piecewise"):
        mathtext(latex)


@given(first=st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True), data=st.data())
def test_ids_parse_and_different_ids_look_different(mathtext, first, data):
    second = data.draw(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True) | st.just(first.replace("_", "")))

    mathtext(id_to_latex(first))

    assert (id_to_latex(first) == id_to_latex(second)) == (first == second)


@pytest.mark.parametrize("id", ["a$b", "a%b", "a{b", "a}b", "a^b", "a~b", "a\\b", "S'", "a b"])
def test_a_name_that_is_no_id_does_no_harm(mathtext, id):
    mathtext(id_to_latex(id))


def test_names_may_be_given():
    assert to_latex(parse_formula("Km + S"), names={"Km": "K_M"}) == r"K_M + \mathrm{S}"


def test_a_name_may_be_greek_on_both_sides():
    assert to_latex(Name("beta_gamma")) == r"\beta_{\gamma}"


def test_the_records_of_a_model_are_drawn_in_jupyter():
    model = load(
        "function g(x, y)\n x*y\nend\nmodel m\n"
        " S -> ; k_1*S; S = 10; k_1 = 0.3; p' = -p; p = 1; q := 2*p; r = k_1/2\nend"
    )

    rules = {rule.target: rule for rule in model.rules}
    assert model.part("_J0").law._repr_latex_() == r"$\displaystyle \mathrm{k}_{\mathrm{1}} \cdot \mathrm{S}$"
    assert rules["p"]._repr_latex_() == r"$\displaystyle \dot{\mathrm{p}} = -\mathrm{p}$"
    assert rules["q"]._repr_latex_() == r"$\displaystyle \mathrm{q} = 2 \cdot \mathrm{p}$"
    assert model.initial_assignments[0]._repr_latex_() == (
        r"$\displaystyle \mathrm{r}\left(0\right) = \frac{\mathrm{k}_{\mathrm{1}}}{2}$"
    )
    assert model.functions[0]._repr_latex_() == (
        r"$\displaystyle \mathrm{g}\left(\mathrm{x}, \mathrm{y}\right) = \mathrm{x} \cdot \mathrm{y}$"
    )
