"""What the gate of the code does beside running tools: notebooks, locks, advisories, licences, the baseline."""
