"""Checks of tables beyond their suites: leakage, bias, duplicates, empty columns, and the rows that failed."""
