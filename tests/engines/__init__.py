"""What runs a scenario: tkn-solo on this machine, or a real Tekton. Both give back the same kind of thing."""
