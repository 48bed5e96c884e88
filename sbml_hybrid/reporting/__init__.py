"""The report: one page that says which forecaster to trust, with the pictures first."""

from sbml_hybrid.reporting.report import Story, write_figures, write_report

__all__ = ["Story", "write_figures", "write_report"]
