"""Who acts on whom is what the formulas say, through rules and functions as well."""

import zipfile

import pytest

import sbml_hybrid as sh
from sbml_hybrid.mechanism.wiring import Link, wiring


def links(text, role):
    return {(link.source, link.target) for link in wiring(sh.load(text)).links if link.role == role}


def test_reactants_lead_to_the_reaction_and_the_reaction_to_its_products():
    found = wiring(sh.load("R: A + 2 B => C + A + A; k*A*B; A = 1; B = 1; C = 0; k = 1")).links

    assert set(found) == {
        Link("A", "R", "reactant"),
        Link("B", "R", "reactant", "2"),
        Link("R", "C", "product"),
        Link("R", "A", "product", "2"),
    }


def test_what_else_the_law_depends_on_is_a_modifier():
    assert links("R: A => B; k*A*E/(1 + I); A = 1; B = 0; E = 1; I = 1; k = 1; species E, I", "modifier") == {
        ("E", "R"),
        ("I", "R"),
    }


@pytest.mark.parametrize(("arrow", "known"), [("=>", {("B", "R")}), ("->", set())])
def test_a_product_in_the_law_is_news_only_where_the_reaction_is_one_way(arrow, known):
    assert links(f"R: A {arrow} B; k*(A - B); A = 1; B = 0; k = 1", "modifier") == known


def test_an_assignment_rule_hands_influence_on():
    text = """
    function f(x) x^2 end
    R: A => ; V*A; V := f(w) + 1; w := 2*M; A = 1; M = 1; species M
    """

    assert links(text, "modifier") == {("M", "R")}


def test_a_total_that_the_reactions_conserve_acts_on_nothing():
    conserved = "R: A => B; k*A/T; Q: B => A; k*B; T := A + B; A = 1; B = 0; k = 1"
    leaking = conserved + "; L: B => ; k*B"

    assert links(conserved, "modifier") == set()
    assert ("B", "R") in links(leaking, "modifier")


@pytest.mark.parametrize("moved", ["species $A", "A' = 1", "at time > 1: A = 3"])
def test_a_total_with_a_part_that_something_else_moves_does_act(moved):
    text = f"R: A => B; k*A/T; Q: B => A; k*B; T := A + B; A = 1; B = 0; k = 1; {moved}"
    text = text.replace("R: A =>", "R: $A =>").replace("=> A; k*B", "=> $A; k*B") if "time" not in moved else text

    assert ("B", "R") in links(text, "modifier")


def test_rate_rules_and_events_link_what_they_depend_on_to_what_they_move():
    text = """
    x' = a*y - x; y' = -x; a = 1; x = 1; y = 1
    species S; S = 1; R: S => ; S
    at y > 2: S = 5
    """
    found = wiring(sh.load(text))

    assert set(found.quantities) == {"S", "x", "y"}
    assert links(text, "rule") == {("y", "x"), ("x", "y"), ("y", "S")}


def test_the_rate_of_another_reaction_hands_influence_on():
    assert links("R: A => B; k*A*E; Q: C => D; R*C; A = 1; C = 1; E = 1; k = 1; species E", "modifier") == {
        ("E", "R"),
        ("A", "Q"),
        ("E", "Q"),
    }


def test_a_chain_of_rules_is_followed():
    chain = "; ".join(f"p{i} := p{i + 1} + 1" for i in range(40))

    assert links(f"R: A => ; p0*A; {chain}; p40 := M; A = 1; M = 1; species M", "modifier") == {("M", "R")}


def test_every_link_joins_what_is_there(test_data):
    with zipfile.ZipFile(test_data / "biomodels.zip") as archive:
        for name in (test_data / "biomodels_core.txt").read_text().split()[:12]:
            model = sh.load(archive.read(name).decode())
            found = wiring(model)
            ends = {*found.quantities, *found.reactions}
            assert all({link.source, link.target} <= ends for link in found.links)
            taking = [(r.id, {p.species for p in r.reactants}) for r in model.reactions]
            for id, species in taking:
                assert {x.source for x in found.links if x.role == "reactant" and x.target == id} == species
