"""The run side: scenario files, stages, thresholds, and what a load tester concludes from a run."""
