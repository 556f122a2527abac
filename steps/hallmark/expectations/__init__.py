"""great-expectations suites: read strictly, and run so that an expectation that looked at nothing does not pass."""
