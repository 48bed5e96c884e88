"""What a model says: its records, its formulas as trees, and SBML or Antimony in and out."""
