"""Real servers for tests, on the loopback, each with a port, a folder and a password of its own."""
