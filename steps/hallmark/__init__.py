"""Hallmark's step commands: each runs anywhere, takes flags and files, and leaves files and an exit code."""
