"""The repository's promises about itself: names, versions, pins, and nothing that only one machine knows."""

import importlib.metadata
import inspect
import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import sbml_hybrid as sh

MODULES = {"priors", "noise", "gaps", "effects", "constraints", "penalties", "metrics", "plots", "errors"}


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def texts(root):
    """Return every text file of the repository by name."""
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    texts = {}
    for name in listed.stdout.splitlines():
        try:
            texts[name] = (root / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):  # pictures; files just removed
            continue
    assert "pyproject.toml" in texts
    return texts


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a registry's host", r"py" + r"pi\.org|python" + r"hosted\.|npm" + r"js\.|index-" + "url"),
        ("a path of one machine", r"(?<![\w.$}/:])/(work|root|opt|home|Users|tmp)/\w"),
        ("an unfinished end", r"\b(TO" + "DO|FIX" + r"ME)\b"),
    ],
)
def test_the_repository_holds_nothing_that_only_one_machine_knows(texts, what, pattern):
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]

    assert not found, f"{what}:\n" + "\n".join(found)


def test_the_installed_version_is_the_package_s():
    try:
        installed = importlib.metadata.version("sbml-hybrid")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("sbml-hybrid is imported from a checkout and not installed")

    assert installed == sh.__version__


def test_the_changelog_has_the_version(root):
    assert f"## {sh.__version__}" in (root / "docs" / "changelog.md").read_text()


@pytest.mark.parametrize("name", [n for n in sh.__all__ if n != "__version__"])
def test_every_public_name_opens_and_says_what_it_is(name):
    assert inspect.getdoc(getattr(sh, name)), f"sbml_hybrid.{name} has no docstring"
    assert inspect.ismodule(getattr(sh, name)) == (name in MODULES)


@pytest.mark.parametrize("name", [n for n in sh.__all__ if n != "__version__"])
def test_the_documentation_lists_every_public_name(root, name):
    reference = (root / "docs" / "api.md").read_text()

    assert re.search(rf"\b(sh|sbml_hybrid)\.{name}\b", reference)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'simulat'"):
        sh.simulat  # noqa: B018


def test_every_dependency_has_a_tested_version_within_its_bounds(root, project):
    pins = {}
    for line in (root / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            pins.setdefault(pin.name, []).append(pin)
    extras = project["optional-dependencies"]
    wanted = [Requirement(r) for group in [project["dependencies"], *extras.values()] for r in group]

    for requirement in wanted:
        assert requirement.name in pins, f"{requirement.name} has no tested version in constraints.txt"
        for pin in pins[requirement.name]:
            (version,) = (Version(s.version) for s in pin.specifier)
            assert version in requirement.specifier


def test_one_tested_version_for_each_supported_python(root):
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    requirements = [Requirement(line) for line in lines]

    for python in ("3.11", "3.12", "3.13"):
        names = [r.name for r in requirements if r.marker is None or r.marker.evaluate({"python_version": python})]
        assert len(names) == len(set(names))
        assert "libroadrunner" in names
