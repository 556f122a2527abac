"""How a model behaves where an average hides it: weak slices, groups, changed rows ("probes"), and what it looks at.

Everything here needs predictions only, never the model: `probes` makes the changed rows beforehand, the judge compares
the answers to them with the answers to the same rows unchanged.
"""
