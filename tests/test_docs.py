"""The pages say all there is to set, and their study file runs."""

import argparse
import dataclasses
import re

import pytest

import sbml_hybrid as sh
from sbml_hybrid.options import parser
from sbml_hybrid.study import file


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "studies.md").read_text()


def test_every_setting_of_a_study_is_on_its_page(page):
    sections = re.split(r"^##+ `\[(\w+)\]`$", page, flags=re.MULTILINE)
    said = dict(zip(sections[1::2], sections[2::2], strict=True))

    for name, kind in file._SECTIONS.items():
        for one in dataclasses.fields(kind):
            assert f"`{one.name}`" in said[name].split("\n##")[0], f"[{name}] {one.name}"
    for name in file._TOP:
        assert f"`{name}`" in sections[0]


def test_every_verb_and_option_is_on_the_page(page):
    (verbs,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    rows = {row.split()[1].strip("`"): row for row in page.splitlines() if row.startswith("| `")}

    for name, verb in verbs.choices.items():
        for action in verb._actions:
            long = [option for option in action.option_strings if option.startswith("--") and option != "--help"]
            assert all(f"`{option}`" in rows[name] for option in long), f"{name} {long}"


def test_the_study_on_the_page_is_one(page, root, tmp_path):
    text, plan = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "studies").mkdir()
    (tmp_path / "models").symlink_to(root / "models")
    (tmp_path / "studies" / "influenza.toml").write_text(text)

    study = file.read_study(tmp_path / "studies" / "influenza.toml")

    assert list(study.benchmark.rivals) == ["ridge", "random forest"]

    plan = 'model = "../models/huang_ferrell_1996.ant"\n' + plan.replace("draws = 200", "draws = 6")
    (tmp_path / "studies" / "plan.toml").write_text(plan)
    made = sh.generate(tmp_path / "studies" / "plan.toml", tmp_path / "out")
    data = sh.open(made.data)
    assert dict(data["measured"].sizes) == {"trajectory": 12, "replicate": 2, "sample": 13, "observable": 1}
    assert set(data["condition"].values) == {"control", "dosed"} and (data["censored"] == -1).any()
