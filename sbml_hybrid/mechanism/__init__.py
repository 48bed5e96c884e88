"""What a model says: its records, its formulas as trees, and SBML or Antimony in and out."""

from contextlib import suppress

# tellurium brings libSEDML along. Imported after libSBML it takes over libSBML's types for Python, and the kind of a
# formula's node is a nameless pointer from then on; imported before, both work.
with suppress(ImportError):
    import libsedml  # noqa: F401
