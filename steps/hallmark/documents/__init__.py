"""The documents people write: the model's description and the validators' policy."""
