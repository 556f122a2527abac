"""What people and their tools read: SARIF, figures, and the page about a whole run."""
