"""How is an epoch one program on PyTorch? One step is recorded as a graph of torch operations and replayed.

A compiled model goes in; out comes a program that takes steps on data that lie on the device. A recording
costs as much as some dozens of steps: where fewer are to be taken, or where a step can't be recorded (it
reads a number out of a tensor, for instance), the same step runs as it is.
"""

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import torch

from kerasdl import borrowed
from kerasdl.training.programs import contract

WORTH = 60  # steps of one shape, from which on a recording saves more than it costs
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


def forward(model: keras.Model, kind: None) -> Callable[[list], list]:
    """Return what answers batches of inputs with NumPy outputs."""

    def answers(batches: list) -> list:
        model.eval()
        with torch.no_grad():
            found = [
                model.predict_step((keras.tree.map_structure(keras.ops.convert_to_tensor, batch),))
                for batch in batches
            ]
        return keras.tree.map_structure(keras.ops.convert_to_numpy, found)

    return answers


class Program(contract.Program):
    """See :class:`kerasdl.training.programs.contract.Program`. It trains copies of the variables' values."""

    @staticmethod
    def kind(model: keras.Model) -> None:
        return None

    def __init__(self, model: keras.Model, signature: tuple):
        super().__init__(model, signature)
        self._variables = [
            *model.trainable_variables,
            *model.non_trainable_variables,
            *model.optimizer.variables,
            *model.metrics_variables,
        ]
        self._trainable = len(model.trainable_variables)
        self._metrics = slice(len(self._variables) - len(model.metrics_variables), None)
        self._fresh = [variable.value.detach().clone() for variable in model.metrics_variables]
        self._values: list[torch.Tensor] = []
        self._recorded: dict[tuple, Callable | str] = {}

    def put(self, data: Any) -> Any:
        return keras.tree.map_structure(keras.ops.convert_to_tensor, data)

    def take(self) -> None:
        self._values = [variable.value.detach().clone() for variable in self._variables]

    def give(self) -> None:
        with torch.no_grad():
            for variable, value in zip(self._variables, self._values, strict=True):
                variable.value.copy_(value)
        self._values = []
        self.model.eval()

    def reset(self) -> None:
        self._values[self._metrics] = _copies(self._fresh)

    def steps(self, data: Any, rows: Any, start: int, stop: int, training: bool) -> dict[str, Any]:
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
        with torch.enable_grad():  # else a recorded LSTM keeps nothing for its way back
            step = self._step(data, values, [part[0] for part in parts], training, planned)
            for tensors in zip(*parts, strict=True):
                values = step(*values, *tensors)
        found = keras.tree.map_structure(keras.ops.convert_to_numpy, self._results(values))
        self._values = list(values)
        return found

    def _results(self, values: Sequence[torch.Tensor]) -> dict[str, Any]:
        held = list(zip(self._variables[self._metrics], values[self._metrics], strict=True))
        with keras.StatelessScope(state_mapping=held):
            return self.model.get_metrics_result()

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
        for update in (contextlib.nullcontext, lambda: borrowed.one_by_one(self.model.optimizer)):
            try:
                with update(), _draws_put_back(), _dropout_recorded():
                    graph = make_fx(plain)(*_copies(values), *batch)
                with update(), _draws_put_back():
                    recorded = _compiled(graph, [*_copies(values), *batch])
                    # Other values, other rows: what was a number by mistake would now be seen.
                    moved = plain(*_copies(values), *batch)
                    turned = [one.flip(0) for one in batch]
                    with _draws_put_back():
                        expected = plain(*_copies(moved), *turned)
                    if all(map(_close, recorded(*_copies(moved), *turned), expected)):
                        return recorded
                why = "replayed, it gives other numbers"
            except Exception as error:  # noqa: BLE001 - whatever torch's tracer has to say
                why = f"{type(error).__name__}: {error}".splitlines()[0]
        return f"a step can't be recorded: {why}"


@functools.cache
def _kept() -> Callable:
    """Return an operation that says which values dropout keeps: torch's recorders take it as one whole."""

    @torch.library.custom_op("kerasdl::kept", mutates_args=())
    def kept(seed: torch.Tensor, shape: list[int], share: float) -> torch.Tensor:
        generator = torch.Generator(seed.device)
        generator.manual_seed(int(seed[0] + seed[1]) & 0xFFFFFFFF)
        return torch.bernoulli(torch.full(shape, share, device=seed.device), generator=generator).bool()

    return kept


@contextlib.contextmanager
def _dropout_recorded() -> Iterator[None]:
    """Let Keras's dropout, where it has a seed, draw by that operation."""
    module, kept = borrowed.torch_random(), _kept()
    stock = module.dropout

    def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        own = isinstance(seed, keras.random.SeedGenerator) and seed.get_config()["seed"] is not None
        if not (own and 0 < rate < 1):
            return stock(inputs, rate, noise_shape, seed)
        sizes = [one or size for one, size in zip(noise_shape or inputs.shape, inputs.shape, strict=True)]
        return inputs.div(1 - rate).where(kept(seed.next(), sizes, 1 - rate), 0)

    module.dropout = dropout
    try:
        yield
    finally:
        module.dropout = stock


def _draws_put_back() -> contextlib.AbstractContextManager:
    """What PyTorch's generators draw inside, they draw again after it."""
    return torch.random.fork_rng(range(torch.cuda.device_count()))


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
    with warnings.catch_warnings():
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
