"""Who forecasts best: error measures, the benchmark that fills a table with them, and what the table says."""
