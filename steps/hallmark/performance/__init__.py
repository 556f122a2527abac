"""How fast and how large a model is, measured from outside its process, and whether the policy allows that."""
