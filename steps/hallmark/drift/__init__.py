"""Whether the distribution of a column has changed: statistics, stored profiles, and the gate's part about it."""
