"""From trajectories to what an assay reads: observables, noise and gaps."""
