"""How is an epoch one program on PyTorch? One step is recorded as a graph of torch operations and replayed.

A compiled model goes in; out comes a program that takes steps on data that lie on the device. A recording
costs as much as some hundred steps: where fewer are to be taken, or where a step can't be recorded (it reads
a number out of a tensor, for instance), the same step runs as it is.
"""

import contextlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import torch

from kerasdl import borrowed, devices
from kerasdl.training.programs import contract

WORTH = 120  # steps of one shape, from which on a recording saves more than it costs
CLOSE = 1e-4  # a replayed step and the same one as it is, relative to the largest number


def obstacle(model: keras.Model) -> str | None:
    """Return why PyTorch can't make a program of this model's training, or None."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return "the processes of torch.distributed take their rows from Keras's own loop"
    if any(isinstance(module, keras.layers.TorchModuleWrapper) for module in model.modules()):
        return "a module of torch keeps its parameters to itself"
    if model.jit_compile:
        return "the model is compiled with jit_compile=True"
    return None


def free_memory() -> float | None:
    """Return how many bytes the device that trains has free, or None where it does not say."""
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None


class Program(contract.Program):
    """See :class:`kerasdl.training.programs.contract.Program`. It trains copies of the variables' values."""

    def __init__(self, model: keras.Model, signature: tuple):
        super().__init__(model, signature)
        tracker = devices.loss_tracker(model)
        self._variables = [
            *model.trainable_variables,
            *model.non_trainable_variables,
            *model.optimizer.variables,
            *model.metrics_variables,
        ]
        self._trainable = len(model.trainable_variables)
        places = {id(variable): place for place, variable in enumerate(self._variables)}
        self._mean = [places[id(variable)] for variable in (tracker.total, tracker.count)]
        self._values: list[torch.Tensor] = []
        self._recorded: dict[tuple, Callable | str] = {}

    def put(self, data: Any) -> Any:
        return keras.tree.map_structure(keras.ops.convert_to_tensor, data)

    def begin(self) -> None:
        self._values = [variable.value.detach().clone() for variable in self._variables]

    def end(self) -> None:
        with torch.no_grad():
            for variable, value in zip(self._variables, self._values, strict=True):
                variable.value.copy_(value)
        self._values = []
        self.model.eval()

    def steps(self, data: Any, rows: Any, start: int, stop: int, training: bool) -> float:
        if self.model.training != training:
            self.model.train(training)
        parts = [
            array.index_select(0, chosen[start:stop].flatten())
            .view(stop - start, *chosen.shape[1:], *array.shape[1:])
            .unbind()
            for array, chosen in zip(keras.tree.flatten(data), rows, strict=True)
        ]
        values = [value.clone() for value in self._values]  # an interrupt leaves those of the last chunk
        planned = self.planned[training, tuple(rows[0].shape[1:])]
        step = self._step(data, values, [part[0] for part in parts], training, planned)
        for tensors in zip(*parts, strict=True):
            values = step(*values, *tensors)
        total, count = (values[place] for place in self._mean)
        loss = float(total / count)
        self._values = list(values)
        return loss

    def _step(self, data: Any, values: list, batch: list, training: bool, planned: int) -> Callable:
        """Return the step, recorded where it can be and where that is worth its cost."""
        plain = self._plain(data, training)
        recorded: Callable | str = f"fewer than {WORTH} steps of one size are not worth a recording"
        key = (training, *((tuple(one.shape), one.dtype) for one in batch))
        if planned >= WORTH:
            if key not in self._recorded:
                self._recorded[key] = self._record(plain, values, batch)
            recorded = self._recorded[key]
        if isinstance(recorded, str):
            self.refusal = recorded if training else self.refusal
            return plain
        return recorded

    def _plain(self, data: Any, training: bool) -> Callable:
        """Return Keras's step as a function from variables' values and a batch to new values."""
        model, variables, moved = self.model, self._variables, self._trainable * training
        number = len(variables)

        def step(*tensors: torch.Tensor) -> list[torch.Tensor]:
            values = [value.detach().requires_grad_() for value in tensors[:moved]]
            values += tensors[moved:number]
            scope = keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)))
            batch = keras.tree.pack_sequence_as(data, tensors[number:])
            with scope, torch.set_grad_enabled(training):
                (model.train_step if training else model.test_step)(batch)
            return [scope.get_current_value(variable).detach() for variable in variables]

        return step

    def _record(self, plain: Callable, values: list, batch: list) -> Callable | str:
        """Return a step as a graph, or why it can't be one."""
        from torch.fx.experimental.proxy_tensor import make_fx  # takes long to import

        # As it is, an optimizer may read its rate as a number; variable by variable it does not.
        for update in (contextlib.nullcontext(), borrowed.one_by_one(self.model.optimizer)):
            try:
                with update:
                    graph = make_fx(plain)(*_copies(values), *batch)
                    recorded = _compiled(graph, [*_copies(values), *batch])
                    # Other values, other rows: what was a number by mistake would now be seen.
                    moved = plain(*_copies(values), *batch)
                    turned = [one.flip(0) for one in batch]
                    expected = plain(*_copies(moved), *turned)
                    if all(map(_close, recorded(*_copies(moved), *turned), expected)):
                        return recorded
                why = "replayed, it gives other numbers"
            except Exception as error:  # noqa: BLE001 - whatever torch's tracer has to say
                why = f"{type(error).__name__}: {error}".splitlines()[0]
        return f"a step can't be recorded: {why}"


def _copies(values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """A step may change its arguments in place."""
    return [value.clone() for value in values]


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    one, other = one.double(), other.double()
    return bool(((one - other).abs().max() <= CLOSE * other.abs().max()) if one.numel() else True)


def _compiled(graph: torch.fx.GraphModule, example: list[torch.Tensor]) -> Callable:
    """Return a recorded graph as a function that needs no Python between its operations."""
    for node in graph.graph.nodes:
        if node.target is torch.ops.aten.detach.default:  # nothing is differentiated any more
            node.replace_all_uses_with(node.args[0])
    graph.graph.eliminate_dead_code()
    for node in graph.graph.nodes:
        if node.op == "call_function" and any(map(_truths, node.args)):
            _script(node)
    graph.recompile()
    with warnings.catch_warnings(), torch.no_grad():
        # Ten times quicker than the same graph called from Python, and part of every torch 2.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        return torch.jit.trace(lambda *tensors: tuple(graph(*tensors)), tuple(example), check_trace=False)


def _truths(argument: Any) -> bool:
    return isinstance(argument, list) and any(one is True for one in argument)


def _script(node: torch.fx.Node) -> None:
    """Turn an operation that takes a list of truth values, and leaves out some results, into a compiled one.

    The tracer refuses both; the compiler of source does not.
    """
    tensors = [one for one in node.args if isinstance(one, torch.fx.Node)]
    names = [f"tensor_{place}" for place in range(len(tensors))]
    given = iter(names)
    call = ", ".join(next(given) if isinstance(one, torch.fx.Node) else repr(one) for one in node.args)
    operation = str(node.target).removesuffix(".default")
    used = sorted({user.args[1] for user in node.users})
    source = (
        f"def call({', '.join(names)}):\n    found = torch.ops.{operation}({call})\n"
        f"    return ({', '.join(f'found[{place}]' for place in used)},)\n"
    )
    unit = torch.jit.CompilationUnit(source)
    for user in list(node.users):
        user.args = (node, used.index(user.args[1]))

    def compiled(*tensors: torch.Tensor) -> Any:
        return unit.call(*tensors)

    node.target, node.args = compiled, tuple(tensors)
