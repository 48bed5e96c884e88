"""From draws to trajectories: what varies, how it is drawn, and the solver."""
