"""What a pickle may name, exactly: everything else is refused before it is even imported.

scikit-learn's public estimators, by its own list, and the parts that their fitted state is made of; arrays, scalars
and random generators of numpy; scipy's sparse matrices; plain containers. Nothing here starts a program, opens a
file, imports a module by name or calls back what it is given. Two things that look harmless are missing on purpose:
numpy's `_ufunc_reconstruct` imports whatever module it is told, and its universal functions come through it.
"""

from __future__ import annotations

from collections.abc import Iterable

Name = tuple[str, str]
"""Module and qualified name, as they stand in a pickle."""

_LOSSES = (
    "AbsoluteError", "ExponentialLoss", "HalfBinomialLoss", "HalfGammaLoss", "HalfMultinomialLoss", "HalfPoissonLoss",
    "HalfSquaredError", "HalfTweedieLoss", "HalfTweedieLossIdentity", "HuberLoss", "PinballLoss",
)  # fmt: skip
_METRICS = (
    "BrayCurtis", "Canberra", "Chebyshev", "Dice", "Euclidean", "Hamming", "Haversine", "Jaccard", "Mahalanobis",
    "Manhattan", "Minkowski", "RogersTanimoto", "RussellRao", "SEuclidean", "SokalSneath",
)  # fmt: skip

EXPLICIT: dict[str, tuple[str, ...]] = {
    "builtins": (
        "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "range", "set", "slice",
        "str", "tuple",
    ),
    "collections": ("OrderedDict", "defaultdict"),
    "numpy": (
        "ndarray", "dtype", "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "str_", "object_",
    ),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
    "numpy.ma": ("MaskedArray",),
    "numpy.ma.core": ("MaskedArray", "_mareconstruct"),
    "numpy.random._mt19937": ("MT19937",),
    "numpy.random._pcg64": ("PCG64", "PCG64DXSM"),
    "numpy.random._philox": ("Philox",),
    "numpy.random._sfc64": ("SFC64",),
    "numpy.random._pickle": ("__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"),
    "numpy.random.bit_generator": ("SeedSequence", "__pyx_unpickle_SeedSequence"),
    "scipy.interpolate._bsplines": ("BSpline",),
    "scipy.sparse._bsr": ("bsr_matrix", "bsr_array"),
    "scipy.sparse._coo": ("coo_matrix", "coo_array"),
    "scipy.sparse._csc": ("csc_matrix", "csc_array"),
    "scipy.sparse._csr": ("csr_matrix", "csr_array"),
    "scipy.sparse._dia": ("dia_matrix", "dia_array"),
    "scipy.sparse._lil": ("lil_matrix", "lil_array"),
    "sklearn._loss._loss": (*(f"Cy{loss}" for loss in _LOSSES), "__pyx_unpickle_CyHalfMultinomialLoss"),
    "sklearn._loss.link": ("HalfLogitLink", "IdentityLink", "Interval", "LogLink", "LogitLink", "MultinomialLogit"),
    "sklearn._loss.loss": _LOSSES,
    "sklearn.calibration": ("_CalibratedClassifier", "_SigmoidCalibration", "_TemperatureScaling"),
    "sklearn.ensemble._hist_gradient_boosting.binning": ("_BinMapper",),
    "sklearn.ensemble._hist_gradient_boosting.predictor": ("TreePredictor",),
    "sklearn.feature_selection._univariate_selection": ("chi2", "f_classif", "f_regression"),
    "sklearn.gaussian_process._gpc": ("_BinaryGaussianProcessClassifierLaplace",),
    "sklearn.gaussian_process.kernels": (
        "CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern",
        "PairwiseKernel", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel",
    ),
    "sklearn.linear_model._sgd_fast": (
        "EpsilonInsensitive", "Hinge", "ModifiedHuber", "SquaredEpsilonInsensitive", "SquaredHinge",
    ),
    "sklearn.metrics._dist_metrics": (
        *(f"{metric}Distance{width}" for metric in _METRICS for width in ("32", "64")), "newObj",
    ),
    "sklearn.multiclass": ("_ConstantPredictor",),
    "sklearn.neighbors._ball_tree": ("BallTree", "BallTree32", "BallTree64", "newObj"),
    "sklearn.neighbors._kd_tree": ("KDTree", "KDTree32", "KDTree64", "newObj"),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
    "sklearn.tree._tree": ("Tree",),
    "sklearn.utils._bunch": ("Bunch",),
}  # fmt: skip


def allowed_names(trusted_types: Iterable[str]) -> frozenset[Name]:
    """Every name that a pickle may hold.

    Args:
        trusted_types: the policy's additions by full name, `package.module.Class`.
    """
    from sklearn.utils import all_estimators  # type: ignore[import-untyped]

    estimators = {(kind.__module__, kind.__qualname__) for _, kind in all_estimators()}
    explicit = {(module, name) for module, names in EXPLICIT.items() for name in names}
    trusted = {(module, name) for module, _, name in (full.rpartition(".") for full in trusted_types) if module}
    return frozenset(estimators | explicit | trusted)
