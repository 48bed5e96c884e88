"""Real files, damaged at random: a model or one of our errors, in a worker that may die."""

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("mutate", Path(__file__).with_name("mutate.py"))
mutate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mutate)


def test_sixty_damaged_files_give_a_model_or_a_reason(test_data):
    counts, findings = mutate.fuzz(range(20_000, 20_060), test_data, share=10, seconds=8)

    assert not findings
    assert sum(counts.values()) > 5


@pytest.mark.slow
def test_many_damaged_files_give_a_model_or_a_reason(test_data):
    counts, findings = mutate.fuzz(range(30_000, 33_000), test_data, seconds=40)

    assert not findings
    assert sum(counts.values()) > 100 and len(counts) > 3


def test_a_mutant_is_a_function_of_its_number(test_data):
    assert mutate.mutant(7, test_data) == mutate.mutant(7, test_data) != mutate.mutant(8, test_data)
