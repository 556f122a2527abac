"""The host backend: this machine's tools stand in for the step images, each step in a bubblewrap sandbox."""
