"""The example that README shows first runs as it stands."""

import re

import pytest


@pytest.mark.slow
def test_the_example_of_readme_runs_as_written(root, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), flags=re.DOTALL)
    (tmp_path / "models").symlink_to(root / "models")
    monkeypatch.chdir(tmp_path)
    names = {}

    exec(compile(code, "README.md", "exec"), names)

    ranking = capsys.readouterr().out
    assert all(name in ranking for name in ["persistence", "GRU", "residual", "series mean"])
    best = names["sh"].summary(names["scores"]).iloc[0]
    assert best["error"] < 0.5  # in standard deviations of the training data
    assert best["skill"] > 0.3


@pytest.mark.parametrize("page", ["README.md", "models/README.md", "docs/index.md", "docs/tutorial.md"])
def test_every_relative_link_leads_somewhere(root, page):
    path = root / page
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())

    missing = [link for link in links if not (path.parent / link).exists()]

    assert not missing
