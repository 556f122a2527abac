"""Model files: told apart by their bytes, made canonical, and loaded without running what they may hide."""
