"""How good predictions are on labels that the model never had, and how sure that is."""
