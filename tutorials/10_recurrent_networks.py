# %% [markdown]
# # Recurrent networks: one small step, a hundred times
#
# A network that reads a series value by value and keeps a state. Its gradient travels back through time, and
# on the way it vanishes or explodes: why, how fast, and what clipping and truncation do about it.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "recurrent_networks",
    settings={
        "steps": 100,  # that a gradient travels back
        "width": 128,  # units where gradients are measured
        "radii": (0.9, 1.0, 1.1),  # spectral radius of the recurrent weights
        "awake_radii": (0.9, 1.1, 2.0),  # the same, where inputs keep the units busy
        "block": 20,  # steps between two cuts of truncated back-propagation
        "descent": 300,  # steps down the cliff
        "period": 40,  # of the series
        "noise": 0.2,  # its standard deviation; the wave's amplitude is 1
        "observed": 1010,  # values to learn from; they fill whole batches
        "units": 16,
        "windows": (8, 32),  # past values that the perceptrons see
        "epochs": 100,
        "batch_size": 16,
        "learning_rate": 0.003,
        "seed": 0,
    },
    fast={"descent": 60, "windows": (8,), "epochs": 2, "observed": 370},
)
settings = chapter.settings

# %%
import tracemalloc
from time import perf_counter as clock

import keras
import numpy as np
import pandas as pd

from kerasdl import models, plots, scratch, training

# %% [markdown]
# ## The question
#
# A multilayer perceptron takes so and so many numbers at once. To predict the next value of a series it must
# be shown a window of the last ones, and someone must choose how many: a longer window has more weights, and
# what lies outside is lost. Can a network read one value at a time, for as long as there are values, and
# decide itself what to remember?
#
# ## The idea
#
# Give it a **state** $h$, and let each step compute the next state from the input and the one before:
#
# $$h_t = \tanh(x_t W + h_{t-1} U + b).$$
#
# The weights are the same at every step. Unrolled in time it is an ordinary network, as deep as the sequence
# is long, whose layers share their weights. So back-propagation needs nothing new, only a name:
# **back-propagation through time**. With $\delta_t$ for the gradient of the loss at the inside of the tanh,
#
# $$\delta_t = \Big(\frac{\partial L}{\partial y_t} + \delta_{t+1} U^\top\Big) \odot (1 - h_t^2), \qquad
# \frac{\partial L}{\partial W} = \sum_t x_t^\top \delta_t, \quad
# \frac{\partial L}{\partial U} = \sum_t h_{t-1}^\top \delta_t, \quad
# \frac{\partial L}{\partial b} = \sum_t \delta_t.$$
#
# Here $\partial L / \partial y_t$ is what reaches step $t$ directly, from the loss on its own output.
#
# ## From scratch
#
# Two loops, one forward and one backward. What the first keeps for the second is the **tape**.


# %%
def forward(x, h, W, U, b):
    """All states from the initial one on, (time + 1, batch, units), of inputs (batch, time, features)."""
    tape = [h]
    for t in range(x.shape[1]):
        tape.append(np.tanh(x[:, t] @ W + tape[-1] @ U + b))
    return np.stack(tape)


def backward(gradient, x, tape, W, U):
    """Gradients of W, U and b, given that of every state but the first, (time, batch, units)."""
    to_W, to_U, to_b = np.zeros_like(W), np.zeros_like(U), np.zeros(len(U))
    to_h = np.zeros_like(tape[0])
    for t in reversed(range(x.shape[1])):
        δ = (gradient[t] + to_h) * (1 - tape[t + 1] ** 2)
        to_W += x[:, t].T @ δ
        to_U += tape[t].T @ δ
        to_b += δ.sum(axis=0)
        to_h = δ @ U.T
    return [to_W, to_U, to_b]


# %% [markdown]
# `scratch.RNN` is the same as a layer, with masks, and so is `keras.layers.SimpleRNN`. We give all three the
# same weights and the same sequences, and ask the outputs to equal some random targets. A step of plain
# gradient descent with learning rate 1 moves Keras's weights by exactly the gradient, so it can be read off.

# %%
generator = np.random.default_rng(settings.seed)
batch, time, features, units = 4, 5 * settings.block, 3, 8
x = generator.normal(size=(batch, time, features)).astype("float32")
target = generator.normal(size=(batch, time, units)).astype("float32")
layer = scratch.RNN.random(features, units, settings.seed)
weights = list(layer.parameters.values())

tape = forward(x, np.zeros((batch, units)), *weights)
error = 2 * (tape[1:] - target.swapaxes(0, 1)) / target.size
by_loop = backward(error, x, tape, *weights[:2])

mse = scratch.MeanSquaredError()
mse.forward(layer.forward(x), target)
layer.backward(mse.backward())
by_layer = list(layer.gradients.values())

initial = keras.Input((units,))
inputs = keras.Input((None, features))
simple = keras.layers.SimpleRNN(units, return_sequences=True)
unrolled = keras.Model([inputs, initial], simple(inputs, initial_state=initial))
unrolled.compile(keras.optimizers.SGD(1.0), "mse")


def keras_gradient(x, h, target):
    unrolled.set_weights(weights)
    unrolled.train_on_batch([x, h.astype("float32")], target)
    return [before - after for before, after in zip(weights, unrolled.get_weights(), strict=True)]


def apart(these, those):
    """The largest difference, as a share of the largest entry."""
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(these, those, strict=True))


by_keras = keras_gradient(x, tape[0], target)
print(f"gradient by loops against scratch.RNN: {apart(by_loop, by_layer):.1e}")
print(f"gradient by Keras against by hand:     {apart(by_keras, by_layer):.1e}")

# %% [markdown]
# ## Truncated
#
# To compute one gradient we must keep every state of the sequence. A book is one sequence of half a million
# characters: so time is cut into blocks. The state goes on from block to block, the gradient stops at the
# cut. That is **truncated** back-propagation through time, `backward(..., truncate=20)` by hand.
#
# Seen in another way, each block is an example of its own, with the state that the last one left as its
# initial state. This is how to do it in Keras, and how to check it: the blocks become a batch.

# %%
layer.backward(mse.backward(), truncate=settings.block)
truncated = list(layer.gradients.values())


def blocks(values):
    """(batch, time, …) cut along time: (batch · blocks, block, …)."""
    return values.reshape(-1, settings.block, values.shape[-1])


starts = tape[: -1 : settings.block].swapaxes(0, 1).reshape(-1, units)
by_blocks = keras_gradient(blocks(x), starts, blocks(target))
print(f"truncated gradient, Keras in blocks against by hand: {apart(by_blocks, truncated):.1e}")
print(f"truncated against full gradient: {apart(truncated, by_layer):.2f}, no longer the same")

# %% [markdown]
# What do the cuts cost? The longer the blocks, the less is missing from the gradient. How quickly it becomes
# exact depends on how far back the gradient reaches at all, which is the next question.
#
# ## A hundred steps back
#
# Between $h_t$ and $h_{t+k}$ the chain rule multiplies $k$ times by $U^\top$ and by the slopes $1 - h^2 \le
# 1$. Take a silent network first: no input, so $h = 0$ and every slope is exactly 1. Then
#
# $$\frac{\partial L}{\partial h_t} = \frac{\partial L}{\partial h_{t+k}}\,(U^\top)^k,$$
#
# and what a matrix does when it is multiplied by itself is told by its **spectral radius** $\rho$, the size
# of its largest eigenvalue. If $U$ is $\rho$ times a rotation, the norm is $\rho^k$ without remainder. If it
# is a random matrix with that radius, the norm may do as it likes for a while, and then goes as $\rho^k$.
#
# We measure with $W = I$, so that the gradient at the input of each step is what reaches that step.


# %%
def gradient_norms(recurrent, x):
    """Norm of the gradient that reaches each step from the last, (time,); averaged over the sequences."""
    rnn = scratch.RNN(np.eye(len(recurrent)), recurrent, np.zeros(len(recurrent)))
    gradient = np.zeros_like(rnn.forward(x))
    gradient[:, -1] = np.random.default_rng(settings.seed).normal(size=gradient[:, -1].shape)
    norms = np.sqrt(np.mean(rnn.backward(gradient) ** 2, axis=(0, 2)))[::-1]
    return norms / norms[0]


width, steps = settings.width, settings.steps
rotation = scratch.orthogonal((width, width), settings.seed)
random = np.random.default_rng(settings.seed).normal(size=(width, width))
random /= np.abs(np.linalg.eigvals(random)).max()
silence = np.zeros((8, steps + 1, width))
noise = np.random.default_rng(settings.seed + 1).normal(0, 0.3, (8, 3 * steps, width))
travel = {
    "silent, ρ times a rotation": {ρ: gradient_norms(ρ * rotation, silence) for ρ in settings.radii},
    "silent, random matrix": {ρ: gradient_norms(ρ * random, silence) for ρ in settings.radii},
    # The units forget where they started before the stretch that counts begins.
    "awake, random matrix": {ρ: gradient_norms(ρ * random, noise)[: steps + 1] for ρ in settings.awake_radii},
}
with plots.canvas(columns=3, width=4.4, sharey=True) as (figure, axes):
    for ax, (title, norms) in zip(axes[0], travel.items(), strict=True):
        plots.lines(
            {f"ρ = {ρ:g}": (range(len(n)), n) for ρ, n in norms.items()},
            xlabel="steps back",
            ylabel="gradient norm" if ax is axes[0, 0] else "",
            yscale="log",
            ax=ax,
            title=title,
        )
chapter.figure("gradient_norms", figure)
far = pd.DataFrame({title: {ρ: n[steps] for ρ, n in norms.items()} for title, norms in travel.items()})
far = far.sort_index().rename_axis("ρ")
print(f"gradient norm after {steps} steps back, from 1:")
print(far.to_string(float_format="{:.2e}".format, na_rep=""))

# %% [markdown]
# Below 1 the gradient **vanishes**: what happened a hundred steps ago moves the loss by so little that
# learning is blind to it. Above 1 it **explodes**. Only at 1 exactly does it arrive, and training moves $U$.
#
# The awake network shows the other half. Inputs push the units away from zero, the slopes fall below 1, and
# the gradient loses a factor even where $\rho > 1$; with a larger $\rho$ the network's own activity becomes
# wild, and the few steep slopes it has are multiplied by large weights. For a wide network the factor a step
# can be computed. If $q$ is the variance inside the tanh, and $u$ is standard normal,
#
# $$q = \rho^2 \operatorname{E}[\tanh^2(\sqrt q\,u)] + \sigma_x^2, \qquad
# \text{factor} = \rho \sqrt{\operatorname{E}[(1 - \tanh^2(\sqrt q\,u))^2]}$$
#
# (Poole et al., 2016, for depth; Chen, Pennington and Schoenholz, 2018, for time).

# %%
nodes, share = np.polynomial.hermite_e.hermegauss(101)
share = share / share.sum()


def wide_factor(ρ, spread=0.3):
    ρ = ρ * np.sqrt(width * random.var())  # theory speaks of the weights' variance, ρ² / width on average
    q = 1.0
    for _ in range(1000):
        q = ρ**2 * np.tanh(np.sqrt(q) * nodes) ** 2 @ share + spread**2
    return ρ * np.sqrt((1 - np.tanh(np.sqrt(q) * nodes) ** 2) ** 2 @ share)


measured_factor = {ρ: norms[steps] ** (1 / steps) for ρ, norms in travel["awake, random matrix"].items()}
for ρ, factor in measured_factor.items():
    print(f"awake, ρ = {ρ:g}: factor a step {factor:.4f}, in an infinitely wide network {wide_factor(ρ):.4f}")

# %% [markdown]
# ## The cliff, and clipping by global norm
#
# Against vanishing no change of the *step* helps, for there is nothing to step along; chapter 12 changes the
# cell. Against exploding there is a simple cure (Pascanu, Mikolov and Bengio, 2013). Take the smallest
# network there is, one unit without input, run fifty steps, and ask it to end at a height:
#
# $$h_t = \tanh(w h_{t-1} + b), \qquad h_0 = 0.5, \qquad L = (h_{50} - 0.4)^2.$$
#
# It has two numbers to learn, so we can look at its loss. For $w > 1$ the unit has two stable states, and a
# hair's breadth of $b$ decides in which of them it ends: the loss has a cliff. Where descent meets it, the
# gradient is hundreds of times larger than anywhere else, and one step throws the weights out of the picture.
# **Clipping** shortens a gradient $g$ that is longer than θ, and keeps its direction:
#
# $$g \leftarrow g \, \min\Big(1, \frac{\theta}{\lVert g \rVert}\Big), \qquad
# \lVert g \rVert^2 = \sum_{\text{all weights}} g_i^2.$$


# %%
def height(w, b, end=0.4):
    """The loss, for weights of any shape."""
    h = np.full(np.shape(w), 0.5)
    for _ in range(50):
        h = np.tanh(w * h + b)
    return (h - end) ** 2


def descend(limit, learning_rate=0.03):
    """Gradient descent on w and b: the places passed, the loss there and the norm of the gradient there."""
    w, b, path = 1.3, -0.2, []
    for _ in range(settings.descent):
        rnn = scratch.RNN([[1.0]], [[w]], [b])
        last = rnn.forward(np.zeros((1, 50, 1)), initial_state=np.full((1, 1), 0.5))[0, -1, 0]
        gradient = np.zeros((1, 50, 1))
        gradient[0, -1] = 2 * (last - 0.4)
        rnn.backward(gradient)
        norm = np.linalg.norm([rnn.gradients["recurrent_kernel"][0, 0], rnn.gradients["bias"][0]])
        path.append([w, b, (last - 0.4) ** 2, norm])
        step = scratch.clip_by_global_norm(rnn.gradients, limit)
        w -= learning_rate * step["recurrent_kernel"][0, 0]
        b -= learning_rate * step["bias"][0]
    return pd.DataFrame(path, columns=["w", "b", "loss", "gradient norm"])


paths = {"no clipping": descend(limit=1e9), "clipped at 1": descend(limit=1.0)}
with plots.canvas(columns=2, width=4.8) as (figure, axes):
    grid = np.meshgrid(np.linspace(0.7, 1.5, 241), np.linspace(-0.25, 0.15, 241))
    ax = axes[0, 0]
    ax.contourf(*grid, height(*grid), levels=14, cmap="Greys", alpha=0.7)
    for color, (name, path) in zip(plots.PALETTE, paths.items(), strict=False):
        ax.plot(path.w, path.b, marker="o", markersize=3, color=color, label=name)
    ax.plot(1.3, -0.2, marker="*", markersize=12, color=plots.PALETTE[2], linestyle="", label="start")
    ax.set(xlabel="w", ylabel="b", xlim=(0.7, 1.5), ylim=(-0.25, 0.15), title="the loss, darker is higher")
    ax.legend(frameon=True, loc="lower left")
    plots.lines(
        {name: (path.index, path["gradient norm"].clip(1e-12)) for name, path in paths.items()},
        xlabel="step",
        ylabel="gradient norm, before clipping",
        yscale="log",
        reference={"θ": 1},
        ax=axes[0, 1],
    )
chapter.figure("cliff", figure)
for name, path in paths.items():
    jump = np.hypot(path.w.diff(), path.b.diff()).max()
    print(f"{name}: longest step {jump:.2g}, loss at the end {path.loss.iloc[-1]:.2g}")

# %% [markdown]
# In Keras it is `global_clipnorm=`. Mind the name: `clipnorm=` clips every array by itself, so large ones
# shrink and small ones stay, and the step turns. A step of each shows it.

# %%
whole = np.concatenate([g.ravel() for g in by_layer])
limit = float(np.linalg.norm(by_layer[0]) / 2)
clipped = {}
for option in ("global_clipnorm", "clipnorm"):
    simple.set_weights(weights)
    optimizer = keras.optimizers.SGD(1.0, **{option: limit})
    optimizer.apply([keras.ops.cast(g, "float32") for g in by_layer], simple.trainable_weights)
    moved = zip(weights, simple.get_weights(), strict=True)
    step = np.concatenate([(before - after).ravel() for before, after in moved])
    cosine = step @ whole / np.linalg.norm(step) / np.linalg.norm(whole)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    clipped[option] = np.linalg.norm(step) / limit, angle
    print(f"{option}: norm {clipped[option][0]:.4f} θ, turned by {angle:.1f}°")

# %% [markdown]
# ## Time and memory grow with the length
#
# The tape holds every state of every sequence in the batch, and the backward loop is as long as the forward
# one. Python can tell how much memory its arrays took at most. With the sequence in one piece that grows with
# its length; in blocks, each backward before the next forward, it stays where it is. (The time grows either
# way, and no number of cores helps: step $t$ cannot begin before step $t - 1$ is done.)


# %%
def peak(length, block):
    """Most memory that both passes take at any time, in bytes; the state goes from block to block."""
    rnn, x, state = scratch.RNN.random(8, 64, settings.seed), np.zeros((8, block, 8)), None
    tracemalloc.start()
    for _ in range(length // block):
        rnn.backward(np.ones_like(rnn.forward(x, initial_state=state)))
        state = rnn.final_state
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


lengths = [settings.block * 2**n for n in range(6)]
memory = pd.DataFrame(
    {"in one piece": [peak(n, n) for n in lengths], "in blocks": [peak(n, settings.block) for n in lengths]},
    index=pd.Index(lengths, name="steps"),
)
print((memory / 1e6).round(2).add_suffix(" (MB)").to_string())
chapter.history("memory", memory)
chapter.figure(
    "memory",
    plots.lines(
        {name: (memory.index, memory[name] / 1e6) for name in memory},
        xlabel="length of the sequence (steps)",
        ylabel="peak memory (MB)",
        xscale="log",
        yscale="log",
    ),
)

# %% [markdown]
# ## One series, two networks
#
# Now let it learn. The series is a wave with noise, $y_t = \sin(2\pi t / 40) + 0.2\,\epsilon_t$; the next
# value is to be predicted. Whoever knew the phase would err by the noise alone, 0.04 in the mean of squares.
# The phase has to be read off noisy values, and the more of them, the better.
#
# For a window of $k$ values the best *linear* predictor can be computed, from the autocovariance
# $r_j = \tfrac12 \cos(2\pi j / 40) + 0.04\,[j = 0]$ of the series: solve $R a = r$, and what is left is
# $r_0 - r^\top a$.

# %%
count = settings.observed + 2000
clean = np.sin(2 * np.pi * np.arange(count) / settings.period)
series = clean + settings.noise * np.random.default_rng(settings.seed).normal(size=count)
series = series.astype("float32")
seen, unseen = series[: settings.observed], series[settings.observed :]
warm_up = 100  # values that are read before the first prediction counts


def linear_limit(window):
    """Mean squared error of the best linear predictor from this many past values."""
    r = 0.5 * np.cos(2 * np.pi / settings.period * np.arange(window + 1))
    r[0] += settings.noise**2
    lags = np.arange(window)
    return r[0] - r[1:] @ np.linalg.solve(r[np.abs(np.subtract.outer(lags, lags))], r[1:])


# %% [markdown]
# The recurrent network reads stretches of fifty values and says at each what comes next: it is
# `models.many_to_many`, a recurrent layer and an affine one, here with the cell of this chapter. The
# perceptrons get as many parameters, and windows of eight values, too few, and of thirty-two.


# %%
def windows(values, length):
    """Every stretch of that many values and the one that follows: (stretches, length + 1)."""
    return np.lib.stride_tricks.sliding_window_view(values, length + 1)


def learn(model, x, y, batch_size):
    model.compile(keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0), "mse")
    kerasdl.set_seed(settings.seed)
    epochs, began = settings.epochs, clock()
    training.fit(model, x, y, epochs=epochs, batch_size=batch_size, report_every=epochs)
    return clock() - began


kerasdl.set_seed(settings.seed)
recurrent = models.many_to_many(1, cell="rnn", units=settings.units)
stretches = windows(seen, 50)[::5]
seconds = [learn(recurrent, stretches[:, :-1, None], stretches[:, 1:, None], settings.batch_size)]
parameters = recurrent.count_params()

perceptrons = {}
for window in chapter.track(settings.windows, "perceptrons"):
    kerasdl.set_seed(settings.seed)
    hidden = round((parameters - 1) / (window + 2))
    perceptrons[window] = models.mlp(window, (hidden,), 1)
    pairs = windows(seen, window)
    seconds.append(learn(perceptrons[window], pairs[:, :-1], pairs[:, -1:], 4 * settings.batch_size))

# %% [markdown]
# Both are tested on two thousand values that follow those they learned from, one step ahead. Then they are
# left alone: each is fed its own predictions, a hundred steps on, from two hundred places. By hand this is
# one loop for all places at once, with the weights that Keras has found.

# %%
one_step = {"RNN": recurrent.predict(unseen[None, :-1, None], verbose=0)[0, warm_up - 1 :, 0]}
for window, model in perceptrons.items():
    past = windows(unseen, window)[warm_up - window :, :-1]
    one_step[f"MLP, window {window}"] = model.predict(past, batch_size=500, verbose=0)[:, 0]

horizon, places = 100, np.arange(warm_up, 2000 - 100, 9)
context = np.stack([unseen[place - warm_up : place] for place in places]).astype(float)


def run_recurrent(model):
    W, U, b, V, c = (w.astype(float) for w in model.get_weights())
    h, said = forward(context[:, :, None], np.zeros((len(places), len(U))), W, U, b)[-1], []
    for _ in range(horizon):
        said.append(h @ V + c)
        h = np.tanh(said[-1] @ W + h @ U + b)
    return np.concatenate(said, axis=1)


def run_perceptron(model, window):
    W, b, V, c = (w.astype(float) for w in model.get_weights())
    values = context[:, -window:]
    for _ in range(horizon):
        values = np.append(values, np.maximum(values[:, -window:] @ W + b, 0) @ V + c, axis=1)
    return values[:, window:]


free = {"RNN": run_recurrent(recurrent)}
free |= {f"MLP, window {window}": run_perceptron(model, window) for window, model in perceptrons.items()}
truth = np.stack([clean[settings.observed + place :][:horizon] for place in places])
errors = {name: np.mean((run - truth) ** 2, axis=0) for name, run in free.items()}

limits = {"RNN": settings.noise**2} | {f"MLP, window {k}": linear_limit(k) for k in perceptrons}
table = pd.DataFrame(
    {
        "parameters": [parameters, *(model.count_params() for model in perceptrons.values())],
        "training (s)": np.round(seconds, 1),
        "one step: MSE": [np.mean((said - unseen[warm_up:]) ** 2) for said in one_step.values()],
        "best linear": limits.values(),
        "free, from the wave, 10 steps": [error[9] for error in errors.values()],
        "100 steps": [error[99] for error in errors.values()],
    },
    index=list(limits),
)
print(table.round(4).to_string())
chapter.history("series", table)
with plots.canvas(columns=2, width=5.5) as (figure, axes):
    ax, shown = axes[0, 0], 40
    ax.scatter(range(-shown, 0), context[0, -shown:], s=14, color="0.5", label="observed")
    ax.plot(range(horizon), truth[0], color="0.7", label="wave without noise")
    for (name, run), dash in zip(free.items(), plots.DASHES, strict=False):
        ax.plot(range(horizon), run[0], linestyle=dash, label=name)
    ax.set(xlabel="step", ylabel="value", title="left alone", ylim=(-1.9, 1.9))
    ax.legend(frameon=False, ncols=2, loc="upper right", fontsize=9)
    plots.lines(
        {name: (range(1, horizon + 1), error) for name, error in errors.items()},
        xlabel="steps left alone",
        ylabel="squared error from the wave",
        yscale="log",
        ax=axes[0, 1],
    )
chapter.figure("series", figure)

# %% [markdown]
# With a short window the perceptron comes down to what such a window allows, even a little below, for it need
# not be linear. The recurrent network, of as many parameters, comes closer to the noise: its state holds more
# than eight values.
#
# Left alone, small errors feed on themselves: a period learned one step too long is two and a half steps
# behind after a hundred, and whoever read the phase badly was so from the start. Which network holds the wave
# best to the end is chance; with other seeds they change places.
#
# The longer window does as well, which is worth knowing: on a short, regular past a perceptron with a window
# is a strong rival, and all its windows can be computed at once. But someone had to choose the thirty-two.
#
# ## Measured beside reference
#
# What is exact is held to its closed form. The bands of the trained networks hold what five seeds gave in our
# trials, with a margin.

# %%


def check(name, measured, band, tolerance, reference=None, source="our trials"):
    chapter.trained(name, measured, band, reference=reference, source=source, tolerance=tolerance)


SAME, OURS = "the same derivative", "our trials"
chapter.exact("gradient: loops against scratch", apart(by_loop, by_layer), within=1e-12, source=SAME)
chapter.exact(
    "gradient: Keras against by hand", apart(by_keras, by_layer), within=1e-4, tolerance=1e-4, source=SAME
)
chapter.exact(
    "truncated: Keras in blocks against by hand",
    apart(by_blocks, truncated),
    within=1e-4,
    tolerance=1e-4,
    source=SAME,
)
for ρ, norms in travel["silent, ρ times a rotation"].items():
    exact = ρ**steps
    check(
        f"ρ = {ρ:g}, rotation: norm {steps} steps back",
        norms[steps],
        (exact * (1 - 1e-9), exact * (1 + 1e-9)),
        1e-9 * exact,
        exact,
        "ρᵏ",
    )
for ρ, norms in travel["silent, random matrix"].items():
    late = (norms[steps] / norms[steps // 2]) ** (2 / steps)
    check(f"ρ = {ρ:g}, random: factor a step", late, (0.98 * ρ, 1.02 * ρ), 1e-9, ρ, "the spectral radius")
for ρ, factor in measured_factor.items():
    wide = wide_factor(ρ)
    check(
        f"ρ = {ρ:g}, awake: factor a step", factor, (0.93 * wide, 1.07 * wide), 1e-6, wide, "infinite width"
    )
for name, path in paths.items():
    band = (0.1, 1) if name == "no clipping" else (0, 1e-3)
    check(f"cliff, {name}: loss at the end", path.loss.iloc[-1], band, 1e-6, source=OURS)
check("global_clipnorm: step over θ", clipped["global_clipnorm"][0], (0.999, 1.001), 1e-3, 1, "definition")
chapter.exact(
    "global_clipnorm: turned by (°)", clipped["global_clipnorm"][1], within=0.1, source="definition"
)
check("clipnorm: turned by (°)", clipped["clipnorm"][1], (1, 90), 0.1, source=OURS)
growth = memory.iloc[-1] / memory.iloc[-3]
check("memory in one piece, 4 times the length", growth["in one piece"], (3.6, 4.2), 0.1, 4, "proportional")
check("memory in blocks, 4 times the length", growth["in blocks"], (0.9, 1.1), 0.1, 1, "constant")
for name, row in table.iterrows():
    low = settings.noise**2
    high = 0.055 if name == "RNN" else 1.2 * limits[name]
    check(f"{name}: one step, MSE", row["one step: MSE"], (0.95 * low, high), 0.003, limits[name], "best")
chapter.finish()

# %% [markdown]
# ## What to try
#
# - `--set radii=0.99,1.0,1.01`: how far must one look to tell them apart? And at `--set steps=1000`?
# - `--set block=1`: what does truncation to a single step leave of the gradient of $U$?
# - Draw the cliff for `end=-0.4` and from other starts. Does clipping always get there?
# - `--set noise=0.5`: what is lost with noise, and by whom?
# - `--set windows=64`: with as many parameters, how many hidden units has that perceptron left?
