"""One module an external tool: pure argv builders, pure parsers."""
