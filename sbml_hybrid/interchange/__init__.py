"""Where models come from and go to beside files: BioModels by id, live simulators."""
