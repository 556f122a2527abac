"""ONNX files: good ones, of the operators that converters of scikit-learn's models write, and hostile ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ["setosa", "versicolor", "virginica"]


def linear(columns: Sequence[str] | None = None, *, features: int = 4, zipmap: bool = True) -> Any:
    """A linear classifier of three classes; `columns`: an input for each feature, else one matrix."""
    nodes = []
    if columns:
        inputs = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1]) for name in columns]
        nodes += [helper.make_node("Concat", list(columns), ["joined"], axis=1)]
        nodes += [helper.make_node("Cast", ["joined"], ["X"], to=TensorProto.FLOAT)]
        features = len(columns)
    else:
        inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, features])]
    weights = np.random.default_rng(0).normal(size=(3, features))
    nodes.append(
        helper.make_node(
            "LinearClassifier",
            ["X"],
            ["label", "scores"],
            domain="ai.onnx.ml",
            classlabels_strings=CLASSES,
            coefficients=weights.ravel().tolist(),
            intercepts=[0.0, 0.1, 0.2],
            multi_class=1,
            post_transform="SOFTMAX",
        )
    )
    outputs = [helper.make_tensor_value_info("label", TensorProto.STRING, [None])]
    if zipmap:
        nodes.append(helper.make_node("ZipMap", ["scores"], ["maps"], domain="ai.onnx.ml", classlabels_strings=CLASSES))
        maps = helper.make_sequence_type_proto(
            helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        )
        outputs.append(helper.make_value_info("maps", maps))
    else:
        outputs.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 3]))
    return whole(nodes, inputs, outputs)


def by_place(marked: Sequence[bool]) -> Any:
    """`linear` without probabilities, but in a batch of `len(marked)` rows it says setosa where one is marked."""
    model = linear(zipmap=False)
    (classifier,) = model.graph.node
    classifier.output[0] = "honest"
    given = {"marked": np.array(marked), "length": np.array([len(marked)]), "said": np.array(["setosa"], dtype=object)}
    tensors = [numpy_helper.from_array(array, name) for name, array in given.items()]
    no = helper.make_tensor("no", TensorProto.BOOL, [1], [False])

    def branch(node: Any) -> Any:
        return helper.make_graph([node], "branch", [], [helper.make_tensor_value_info("m", TensorProto.BOOL, [None])])

    nodes = [
        classifier,
        helper.make_node("Shape", ["X"], ["shape"], end=1),
        helper.make_node("Equal", ["shape", "length"], ["all"]),
        helper.make_node(
            "If",
            ["all"],
            ["mask"],
            then_branch=branch(helper.make_node("Identity", ["marked"], ["m"])),
            else_branch=branch(helper.make_node("ConstantOfShape", ["shape"], ["m"], value=no)),
        ),
        helper.make_node("Where", ["mask", "said", "honest"], ["label"]),
    ]
    return whole(nodes, list(model.graph.input), [model.graph.output[0]], initializer=tensors)


def regressor(features: int = 2) -> Any:
    node = helper.make_node(
        "LinearRegressor",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        coefficients=[1.0] * features,
        intercepts=[0.5],
    )
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, features])]
    return whole([node], inputs, [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])])


def whole(nodes: list[Any], inputs: list[Any], outputs: list[Any], **graph: Any) -> Any:
    made = helper.make_graph(nodes, "model", inputs, outputs, **graph)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=imports, ir_version=8)


def write(path: Path, model: Any) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def _with_tensor(change: Callable[[Any, Path], None]) -> Callable[[Path, Path], Any]:
    """A writer of a file whose extra tensor `change(tensor, canary)` has spoilt."""

    def make(path: Path, canary: Path) -> None:
        model = linear()
        tensor = numpy_helper.from_array(np.zeros(4, np.float32), "secret")
        change(tensor, canary)
        model.graph.initializer.append(tensor)
        write(path, model)

    return make


def _external(location: str) -> Callable[[Any, Path], None]:
    def change(tensor: Any, canary: Path) -> None:
        where = location.format(canary=canary)
        onnx.external_data_helper.set_external_data(tensor, where)
        tensor.ClearField("raw_data")

    return change


def _huge(tensor: Any, _: Path) -> None:
    del tensor.dims[:]
    tensor.dims.extend([1 << 40, 1 << 20])


def _negative(tensor: Any, _: Path) -> None:
    del tensor.dims[:]
    tensor.dims.extend([-4])


def _nested(path: Path, canary: Path) -> None:
    """The tensor in another file is that of a Constant in a branch of an If."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "secret")
    _external("{canary}")(tensor, canary)
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["v"], value=tensor)],
        "branch",
        [],
        [helper.make_tensor_value_info("v", TensorProto.FLOAT, [4])],
    )
    model = linear()
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "condition"))
    model.graph.node.append(helper.make_node("If", ["condition"], ["w"], then_branch=branch, else_branch=branch))
    write(path, model)


def _custom(domain: str, operator: str) -> Callable[[Path, Path], None]:
    def make(path: Path, canary: Path) -> None:
        model = linear()
        model.graph.node.append(helper.make_node(operator, ["X"], ["w"], domain=domain, library=str(canary)))
        model.opset_import.append(helper.make_opsetid(domain, 1))
        write(path, model)

    return make


def _function(path: Path, _: Path) -> None:
    model = linear()
    model.functions.append(
        helper.make_function(
            "", "Identity", ["X"], ["Y"], [helper.make_node("Abs", ["X"], ["Y"])], [helper.make_opsetid("", 17)]
        )
    )
    write(path, model)


def _bomb(path: Path, _: Path) -> None:
    """A few bytes that ask for a tensor of 4 TB when the model is asked."""
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["much"]),
        helper.make_node("ReduceSum", ["much"], ["sum"], keepdims=0),
        helper.make_node("Add", ["X", "sum"], ["Z"]),
        helper.make_node(
            "LinearRegressor", ["Z"], ["Y"], domain="ai.onnx.ml", coefficients=[1.0] * 4, intercepts=[0.5]
        ),
        helper.make_node("Cast", ["Y"], ["label"], to=TensorProto.INT64),
    ]
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])]
    outputs = [helper.make_tensor_value_info("label", TensorProto.INT64, [None, 1])]
    write(path, whole(nodes, inputs, outputs, initializer=[shape]))


HOSTILE: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "tensor in a file above": (_with_tensor(_external("../../../../../../../etc/hostname")), "in another file"),
    "tensor at an absolute path": (_with_tensor(_external("{canary}")), "in another file"),
    "tensor in a file beside": (_with_tensor(_external("model.bin")), "in another file"),
    "tensor in a file, nested": (_nested, "in another file"),
    "operator of a library": (_custom("evil", "Run"), "operators of evil"),
    "operator of the runtime": (_custom("com.microsoft", "EPContext"), "operators of com.microsoft"),
    "function of its own": (_function, "functions"),
    "tensor of a size that cannot be": (_with_tensor(_huge), "of a size"),
    "tensor of a negative size": (_with_tensor(_negative), "of a size"),
    "cut short": (lambda path, _: path.write_bytes(linear().SerializeToString()[:-40]), "is no"),
    "operator that does not exist": (_custom("ai.onnx.ml", "Nothing"), "no valid ONNX"),
    "only a beginning": (lambda path, _: path.write_bytes(b"\x08\x08\x12\x00"), "no valid ONNX"),
}
"""How it is written, and the words of its refusal."""

BOMB = _bomb
