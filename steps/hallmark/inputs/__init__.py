"""Opens the data that a gate judges, wherever it lies and whatever its format is: `hallmark.inputs.opening`."""
