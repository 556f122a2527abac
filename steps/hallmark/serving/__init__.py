"""The model server that goes into images of models without a Containerfile: `python3 -m serving`.

build-image copies this folder as it is. It needs Python's standard library, numpy, and what loads the model (skops with
scikit-learn, or onnxruntime); nothing else of Hallmark is in such an image, so that any base with Python will do.
"""
