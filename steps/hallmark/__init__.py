"""Hallmark's step commands: each runs anywhere, takes flags and files, and leaves files and an exit code."""

__version__ = "0.1.0"
