"""Models against measurements."""
