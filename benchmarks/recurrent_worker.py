"""The process of one backend in ``recurrent.py``: reads questions as JSON lines, answers with seconds."""

import json
import sys
import time

import keras
import numpy as np

from kerasdl import layers

BACKEND = keras.backend.backend()
TIME, FEATURES, CALLS = 35, 28, 2


def layer(candidate: str, cell: str, units: int, bidirectional: bool):
    """One recurrent layer that returns sequences, ours or stock Keras's."""
    if candidate == "ours":
        one = getattr(layers, cell)(units, return_sequences=True)
    elif cell == "PeepholeLSTM":
        one = keras.layers.RNN(layers.PeepholeLSTMCell(units), return_sequences=True)
    else:
        one = getattr(keras.layers, cell)(units, return_sequences=True)
    return keras.layers.Bidirectional(one) if bidirectional else one


def arrays(batch: int, width: int, mask: bool):
    """Inputs, the gradient that comes back, and right-padded lengths as a mask."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, TIME, FEATURES)).astype("float32")
    back = rng.normal(size=(batch, TIME, width)).astype("float32")
    lengths = rng.integers(TIME // 2, TIME + 1, size=batch)
    return x, back, np.arange(TIME) < lengths[:, None] if mask else None


def keras_step(candidate, cell, batch, units, layers, bidirectional, mask):
    """Return a function that runs forward and backward once."""
    inputs = outputs = keras.Input((TIME, FEATURES), batch_size=batch)
    masks = keras.Input((TIME,), batch_size=batch, dtype="bool")
    for _ in range(layers):
        outputs = layer(candidate, cell, units, bidirectional)(outputs, mask=masks if mask else None)
    model = keras.Model([inputs, masks], outputs)
    x, back, m = arrays(batch, outputs.shape[-1], mask)
    m = np.ones((batch, TIME), bool) if m is None else m
    weights = [v.value for v in model.trainable_variables]
    frozen = [v.value for v in model.non_trainable_variables]
    x, back, m = map(keras.ops.convert_to_tensor, (x, back, m))

    def loss(x, weights):
        found, _ = model.stateless_call(weights, frozen, [x, m])
        return keras.ops.sum(found * back)

    if BACKEND == "jax":
        import jax

        step = jax.jit(jax.grad(loss, argnums=(0, 1)))
        return lambda: jax.block_until_ready(step(x, weights))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def run(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = keras.ops.sum(model([x, m]) * back)
            return tape.gradient(value, [x, *(v.value for v in model.trainable_variables)])

        step = tf.function(run, jit_compile=True, autograph=False)
        return lambda: [g.numpy() for g in step(x)[:1]]
    x.requires_grad_(True)
    recurrent = [one for one in model.layers if not isinstance(one, keras.layers.InputLayer)]

    def step():
        x.grad = None
        model.zero_grad()
        found = x
        for one in recurrent:  # a functional model, uncompiled, would add a millisecond of its own
            found = one(found, mask=m if mask else None)
        keras.ops.sum(found * back).backward()

    return step


def raw_torch(cell, batch, units, layers, bidirectional, mask):
    import torch

    kind = getattr(torch.nn, {"SimpleRNN": "RNN"}.get(cell, cell))
    model = kind(FEATURES, units, layers, batch_first=True, bidirectional=bidirectional)
    x, back, m = arrays(batch, units * (1 + bidirectional), mask)
    x, back = torch.tensor(x, requires_grad=True), torch.tensor(back)

    def step():
        x.grad = None
        model.zero_grad()
        given = x
        if mask:
            lengths = torch.tensor(m.sum(axis=1))
            given = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        found = model(given)[0]
        if mask:
            found, _ = torch.nn.utils.rnn.pad_packed_sequence(found, True, total_length=TIME)
        (found * back).sum().backward()

    return step


def raw_scan(cell, batch, units, layers, bidirectional, mask):
    """The cell as one would write it in JAX: a scan over steps, differentiated by JAX."""
    import jax
    import jax.numpy as jnp

    sigmoid, tanh = jax.nn.sigmoid, jnp.tanh

    def step_of(w):
        def lstm(state, a):
            h, c = state
            i, f, g, o = jnp.split(a @ w[0] + h @ w[1] + w[2], 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * tanh(g)
            return sigmoid(o) * tanh(c), c

        def gru(state, a):
            (h,) = state
            of_x, of_h = a @ w[0] + w[2][0], h @ w[1] + w[2][1]
            x_z, x_r, x_n = jnp.split(of_x, 3, axis=1)
            h_z, h_r, h_n = jnp.split(of_h, 3, axis=1)
            z = sigmoid(x_z + h_z)
            return (z * h + (1 - z) * tanh(x_n + sigmoid(x_r + h_r) * h_n),)

        return {"LSTM": lstm, "GRU": gru, "SimpleRNN": lambda s, a: (tanh(a @ w[0] + s[0] @ w[1] + w[2]),)}[
            cell
        ]

    def run(x, w, m):
        def step(state, inputs):
            a, keep = inputs
            new = step_of(w)(state, a)
            new = tuple(jnp.where(keep, n, s) for n, s in zip(new, state, strict=True)) if mask else new
            return new, new[0]

        start = (jnp.zeros((batch, units)),) * (2 if cell == "LSTM" else 1)
        _, hs = jax.lax.scan(step, start, (jnp.swapaxes(x, 0, 1), jnp.swapaxes(m, 0, 1)[..., None]))
        return jnp.swapaxes(hs, 0, 1)

    x, back, m = arrays(batch, units * (1 + bidirectional), mask)
    m = jnp.ones((batch, TIME), bool) if m is None else jnp.asarray(m)
    weights, width = [], FEATURES
    for _ in range(layers):
        built = [layer("stock", cell, units, False) for _ in range(1 + bidirectional)]
        for one in built:
            one.build((batch, TIME, width))
        weights.append([[v.value for v in one.trainable_variables] for one in built])
        width = units * (1 + bidirectional)

    def loss(x, weights):
        for directions in weights:
            found = [run(x, directions[0], m)]
            if bidirectional:
                found.append(run(x[:, ::-1], directions[1], m[:, ::-1])[:, ::-1])
            x = jnp.concatenate(found, axis=-1)
        return (x * back).sum()

    step = jax.jit(jax.grad(loss, argnums=(0, 1)))
    return lambda: jax.block_until_ready(step(jnp.asarray(x), weights))


def fit_step(candidate, cell, batch, units, steps=12):
    """Return a function that trains ``steps`` batches by Keras's fit, or by hand on raw torch."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, FEATURES, size=(batch * steps, TIME)).astype("int32")
    targets = np.roll(tokens, -1, axis=1)
    if candidate == "raw torch":
        import torch

        kind = getattr(torch.nn, {"SimpleRNN": "RNN"}.get(cell, cell))
        embed, one = torch.nn.Embedding(FEATURES, FEATURES), kind(FEATURES, units, batch_first=True)
        head = torch.nn.Linear(units, FEATURES)
        parts = [*embed.parameters(), *one.parameters(), *head.parameters()]
        optimizer = torch.optim.SGD(parts, 0.5)
        x, y = torch.tensor(tokens).long(), torch.tensor(targets).long()

        def loop():
            for n in range(0, len(x), batch):
                optimizer.zero_grad()
                logits = head(one(embed(x[n : n + batch]))[0])
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y[n : n + batch].flatten())
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parts, 1.0)
                optimizer.step()

        return loop
    inputs = keras.Input((TIME,), dtype="int32")
    hidden = layer(candidate, cell, units, False)(keras.layers.Embedding(FEATURES, FEATURES)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(FEATURES)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5, global_clipnorm=1.0), loss)
    return lambda: model.fit(tokens, targets, batch_size=batch, epochs=1, verbose=0, shuffle=False)


def peak() -> float:
    """GFLOP/s of a large float32 matrix product."""
    import torch

    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    times = []
    for _ in range(8):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(times) / 1e9


def main():
    prepared = {}
    print(json.dumps({"keras": keras.__version__, "backend": BACKEND}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        do, candidate = question.pop("do"), question.pop("candidate", None)
        answer = None
        if do == "peak":
            answer = peak()
        elif do == "forget":
            prepared.clear()
            keras.utils.clear_session(free_memory=True)
        elif do == "prepare":
            # What draws initial weights is compiled once a shape, for whoever comes first.
            layer("stock", *(question[name] for name in ("cell", "units", "bidirectional"))).build(
                (question["batch"], TIME, FEATURES)
            )
            began = time.perf_counter()
            if question.pop("kind") == "fit":
                step = fit_step(candidate, question["cell"], question["batch"], question["units"])
                calls = 1
            else:
                makers = {"raw torch": raw_torch, "raw scan": raw_scan}
                make = makers.get(candidate)
                step = make(**question) if make else keras_step(candidate, **question)
                calls = CALLS
            step()
            answer = time.perf_counter() - began  # trace, compile and one step
            step()
            prepared[candidate] = step, calls
        else:
            step, calls = prepared[candidate]
            began = time.perf_counter()
            for _ in range(calls):
                step()
            answer = (time.perf_counter() - began) / calls
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
