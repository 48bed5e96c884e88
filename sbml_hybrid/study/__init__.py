"""A study: everything from a model to a report, from one file, in steps that are not done twice."""

from sbml_hybrid.study.file import Study, read_study
from sbml_hybrid.study.steps import Generated, Outcome, generate, run_benchmark, run_study

__all__ = ["Generated", "Outcome", "Study", "generate", "read_study", "run_benchmark", "run_study"]
