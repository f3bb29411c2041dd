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
        "block": 20,  # steps between two cuts of truncated back-propagation
        "steps": 100,  # that a gradient travels back
        "width": 128,  # units where gradients are measured
        "radii": (0.9, 1.0, 1.1),  # spectral radius of the recurrent weights
        "awake_radii": (0.9, 1.1, 2.0),  # the same, where inputs keep the units busy
        "descent": 300,  # steps down the cliff
        "period": 40,  # of the series
        "noise": 0.2,  # its standard deviation; the wave's amplitude is 1
        "observed": 1010,  # values to learn from
        "units": 16,
        "windows": (8, 32),  # past values that the perceptrons see
        "epochs": 100,
        "batch_size": 16,
        "learning_rate": 0.003,
        "seed": 0,
    },
    fast={"descent": 100, "windows": (8,), "epochs": 25, "observed": 530},
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
# A multilayer perceptron takes a fixed number of inputs. To predict the next value of a series it must be
# shown a window of the last ones, and someone has to choose how many: a longer window needs more weights, and
# whatever lies outside it is lost. Can a network read one value at a time, for as long as there are values,
# and decide for itself what to remember?
#
# ## The idea
#
# Give it a **state** $h$, and let each step compute the next state from the new input and the old state:
#
# $$h_t = \tanh(x_t W + h_{t-1} U + b).$$
#
# The two products are one. Put $h$ and $x$ side by side and $U$ on top of $W$, and a recurrent layer is an
# ordinary dense layer whose output comes back as part of its next input:
#
# $$h_t = \tanh\Big([h_{t-1}, x_t] \begin{bmatrix} U \\ W \end{bmatrix} + b\Big).$$
#
# The weights are the same at every step. Unrolled in time this is an ordinary network, as deep as the
# sequence is long, whose layers share their weights. So back-propagation needs nothing new, only a name:
# **back-propagation through time**. Let $\delta_t$ be the gradient of the loss at the inside of the tanh, and
# $\partial L / \partial y_t$ what reaches step $t$ directly, from the loss on its own output. Then
#
# $$\delta_t = \Big(\frac{\partial L}{\partial y_t} + \delta_{t+1} U^\top\Big) \odot (1 - h_t^2), \qquad
# \frac{\partial L}{\partial W} = \sum_t x_t^\top \delta_t, \quad
# \frac{\partial L}{\partial U} = \sum_t h_{t-1}^\top \delta_t, \quad
# \frac{\partial L}{\partial b} = \sum_t \delta_t.$$
#
# ## From scratch
#
# Two loops, one forward and one backward. What the first keeps for the second is called the **tape**.


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
# Is it right? `scratch.RNN` is the same as a layer, and so is `keras.layers.SimpleRNN`. We give all three the
# same weights and the same sequences, and ask the outputs to equal some random targets. Keras does not show
# us its gradient, but a step of plain gradient descent with learning rate 1 moves the weights by exactly that
# much, so it can be read off.

# %%
rng = np.random.default_rng(settings.seed)
batch, time, features, units = 4, 5 * settings.block, 3, 8
x = rng.normal(size=(batch, time, features)).astype("float32")
target = rng.normal(size=(batch, time, units)).astype("float32")
layer = scratch.RNN.random(features, units, settings.seed)
W, U, b = weights = list(layer.parameters.values())

tape = forward(x, np.zeros((batch, units)), W, U, b)
to_states = 2 * (tape[1:] - target.swapaxes(0, 1)) / target.size  # the slope of the mean squared error
by_hand = backward(to_states, x, tape, W, U)
stacked = np.tanh(np.concatenate([tape[0], x[:, 0]], axis=1) @ np.concatenate([U, W]) + b)

layer.forward(x)
layer.backward(to_states.swapaxes(0, 1))
by_layer = list(layer.gradients.values())

inputs, initial = keras.Input((None, features)), keras.Input((units,))
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
chapter.exact("[h, x] in one product", apart([stacked], [tape[1]]), within=1e-12)
chapter.exact("gradient: loops against scratch", apart(by_hand, by_layer), within=1e-12)
chapter.exact("gradient: Keras against by hand", apart(by_keras, by_hand), within=1e-4)

# %% [markdown]
# ### Truncated
#
# To compute one gradient we must keep every state of the sequence. A book is one sequence of half a million
# characters, so its time is cut into blocks. The state goes on from block to block; the gradient stops at the
# cut. That is **truncated** back-propagation through time: by hand, `backward(..., truncate=block)`.
#
# Seen in another way, each block is an example of its own whose initial state is what the block before left
# behind. That is how to do it in Keras, and how to check it: the blocks become a batch.

# %%
layer.backward(to_states.swapaxes(0, 1), truncate=settings.block)
truncated = list(layer.gradients.values())


def blocks(values):
    """(batch, time, …) cut along time: (batch · blocks, block, …)."""
    return values.reshape(-1, settings.block, values.shape[-1])


starts = tape[: -1 : settings.block].swapaxes(0, 1).reshape(-1, units)
by_blocks = keras_gradient(blocks(x), starts, blocks(target))
chapter.exact("truncated: Keras in blocks against by hand", apart(by_blocks, truncated), within=1e-4)
print(f"in blocks of {settings.block} the gradient is {apart(truncated, by_hand):.0%} off the full one")

# %% [markdown]
# What do the cuts cost? The longer the blocks, the less is missing from the gradient. How quickly it becomes
# exact depends on how far back the gradient reaches at all, and that is the next question.
#
# ## What happens on the way back
#
# Between $h_t$ and $h_{t+k}$ the chain rule multiplies $k$ times by $U^\top$ and by the slopes
# $1 - h^2 \le 1$. Take a silent network first: no input, so $h = 0$ and every slope is exactly 1. Then
#
# $$\frac{\partial L}{\partial h_t} = \frac{\partial L}{\partial h_{t+k}}\,(U^\top)^k.$$
#
# What becomes of a matrix that is multiplied by itself again and again is told by its **spectral radius**
# $\rho$, the size of its largest eigenvalue. If $U$ is $\rho$ times a rotation, the gradient's norm changes
# by exactly $\rho^k$. If $U$ is a random matrix with that radius, the norm may go its own way for a while,
# and then follows $\rho^k$ too.
#
# Why may it go its own way? The eigenvectors of a rotation stand at right angles, and so each part of the
# gradient shrinks or grows by itself. Those of a random matrix lean on each other: a short vector may be the
# difference of two long ones, and as these turn against each other it grows, although each of them shrinks.
# After some steps the largest eigenvalue has outlived all others, and only $\rho^k$ is left. So read the
# second panel from right to left: its slope at the right is what theory says, its beginning is not.
#
# We measure with $W = I$, so that the gradient at the input of each step is what reaches that step.


# %%
def gradient_norms(recurrent, x):
    """Norm of the gradient that reaches each step from the last, (time,); averaged over the sequences."""
    rnn = scratch.RNN(np.eye(len(recurrent)), recurrent, np.zeros(len(recurrent)))
    gradient = np.zeros_like(rnn.forward(x))
    gradient[:, -1] = np.random.default_rng(settings.seed).normal(size=gradient[:, -1].shape)
    norms = np.sqrt(np.mean(rnn.backward(gradient) ** 2, axis=(0, 2)))[::-1]
    return norms[: settings.steps + 1] / norms[0]


def journeys(matrix, radii, x):
    """One column a spectral radius, one row a step back."""
    return pd.DataFrame({f"ρ = {ρ:g}": gradient_norms(ρ * matrix, x) for ρ in radii})


# %% [markdown]
# Three networks go on this journey: a silent one whose $U$ is ρ times a rotation, a silent one whose $U$ is a
# random matrix of radius ρ, and an awake one with the same random matrix, whose inputs have a standard
# deviation of 0.3. The table shows how much of the gradient is left at the end, the figure the way there; its
# vertical axis is logarithmic, so that a constant factor a step is a straight line.

# %%
width, steps = settings.width, settings.steps
rotation = scratch.orthogonal((width, width), settings.seed)
random = np.random.default_rng(settings.seed).normal(size=(width, width))
random /= np.abs(np.linalg.eigvals(random)).max()
silence = np.zeros((8, steps + 1, width))
# Longer than the way back: the units forget where they started before the stretch that counts begins.
inputs = np.random.default_rng(settings.seed + 1).normal(0, 0.3, (8, steps + 200, width))
travel = {
    "silent, a rotation": journeys(rotation, settings.radii, silence),
    "silent, random": journeys(random, settings.radii, silence),
    "awake, random": journeys(random, settings.awake_radii, inputs),
}
print(f"gradient norm after {steps} steps back, from 1:")
far = pd.DataFrame({title: norms.loc[steps] for title, norms in travel.items()})
print(far.to_string(float_format="{:.2e}".format, na_rep=""))
figure = plots.panels(travel, "steps back", "gradient norm", yscale="log", columns=3, width=3.2)
chapter.figure("gradient_norms", figure)

# %% [markdown]
# Below 1 the gradient **vanishes**: what happened long ago moves the loss by so little that learning is blind
# to it. Above 1 it **explodes**. It arrives unchanged only where $\rho$ is exactly 1, and training moves $U$.
#
# The awake network shows the other half. Inputs push the units away from zero, the slopes fall below 1, and
# the gradient may shrink even where $\rho > 1$. With a still larger $\rho$ the network's own activity becomes
# wild, and the few steep slopes that are left are multiplied by large weights. For a wide network the factor
# that one step brings can be computed. Let $q$ be the variance inside the tanh, $\sigma_x^2$ that of the
# inputs, and $u$ a standard normal number:
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


factors = (travel["awake, random"].loc[steps] ** (1 / steps)).to_frame("factor a step")
factors["in an infinitely wide network"] = [wide_factor(ρ) for ρ in settings.awake_radii]
chapter.table(factors)

# %% [markdown]
# ## The cliff, and clipping by global norm
#
# Against vanishing no change of the *step* helps, because there is nothing to step along; chapter 12 changes
# the cell. Against exploding there is a simple cure (Pascanu, Mikolov and Bengio, 2013). To see it, take the
# smallest network there is, one unit without input, run it for fifty steps, and ask it to end at a height:
#
# $$h_t = \tanh(w h_{t-1} + b), \qquad h_0 = 0.5, \qquad L = (h_{50} - 0.4)^2.$$
#
# It has two numbers to learn, so we can look at its whole loss. For $w > 1$ the unit has two stable states,
# and a hair's breadth of $b$ decides in which of them it ends: the loss has a cliff. Where descent meets the
# cliff the gradient is hundreds of times longer than beside it, and one step throws the weights far away.
# **Clipping** shortens a gradient $g$ that is longer than θ and keeps its direction:
#
# $$g \leftarrow g \, \min\Big(1, \frac{\theta}{\lVert g \rVert}\Big), \qquad
# \lVert g \rVert^2 = \sum_{\text{all weights}} g_i^2.$$


# %%
END, START = 0.4, (1.3, -0.2)  # the height asked for; w and b at the start


def height(w, b):
    """The loss, for weights of any shape."""
    h = np.full(np.shape(w), 0.5)
    for _ in range(50):
        h = np.tanh(w * h + b)
    return (h - END) ** 2


def descend(limit, learning_rate=0.03):
    """Gradient descent on w and b: the places passed, and the loss and the gradient's norm there."""
    (w, b), path = START, []
    for _ in range(settings.descent):
        rnn = scratch.RNN([[1.0]], [[w]], [b])
        last = rnn.forward(np.zeros((1, 50, 1)), initial_state=np.full((1, 1), 0.5))[0, -1, 0]
        gradient = np.zeros((1, 50, 1))
        gradient[0, -1] = 2 * (last - END)
        rnn.backward(gradient)
        norm = np.linalg.norm([rnn.gradients["recurrent_kernel"][0, 0], rnn.gradients["bias"][0]])
        path.append([w, b, (last - END) ** 2, norm])
        step = scratch.clip_by_global_norm(rnn.gradients, limit)
        w -= learning_rate * step["recurrent_kernel"][0, 0]
        b -= learning_rate * step["bias"][0]
    return pd.DataFrame(path, columns=["w", "b", "loss", "gradient norm"])


paths = {"no clipping": descend(limit=1e9), "clipped at θ = 1": descend(limit=1.0)}
for name, path in paths.items():
    jump = np.hypot(path.w.diff(), path.b.diff()).max()
    print(f"{name}: longest step {jump:.2g}, loss at the end {path.loss.iloc[-1]:.2g}")

# %% [markdown]
# On the left the loss as a landscape, with both ways through it; on the right the length of the gradient at
# each step, before it is clipped.

# %%
with plots.canvas(columns=2, width=4.2) as (figure, axes):
    ax = axes[0, 0]
    grid = np.meshgrid(np.linspace(0.9, 1.4, 241), np.linspace(-0.25, 0.15, 241))
    ax.contourf(*grid, height(*grid), levels=14, cmap="Greys", alpha=0.6)
    for color, (name, path) in zip(plots.PALETTE, paths.items(), strict=False):
        ax.plot(path.w, path.b, linewidth=0.9, color=color)
        ax.plot(path.w[:25], path.b[:25], "o", markersize=4, color=color)
        axes[0, 1].plot(path.index, path["gradient norm"].clip(1e-12), color=color, label=name)
    ax.plot(*START, "k*", markersize=11)
    ax.annotate("start", START, (6, -4), textcoords="offset points")
    ax.set(xlabel="w", ylabel="b", xlim=(0.9, 1.4), ylim=(-0.25, 0.15), title="the loss, darker is higher")
    axes[0, 1].axhline(1, **plots.REFERENCE, label="θ")
    axes[0, 1].set(xlabel="step", ylabel="gradient norm, unclipped", yscale="log", ylim=(1e-5, 1e4))
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
chapter.figure("cliff", figure)

# %% [markdown]
# The dots are the first twenty-five steps, and both paths start along the same way. Without clipping, meeting
# the cliff throws the weights far off; with clipping they go on in short steps.
#
# Why clip and not simply choose a smaller learning rate? A rate small enough for the cliff would be hundreds
# of times too small for everywhere else, and descent would hardly move. Clipping takes short steps only where
# the gradient is long. It says: at such a place the gradient tells the direction, but its length tells
# nothing about how far that direction holds.
#
# In Keras clipping is `global_clipnorm=`. Mind the name: `clipnorm=` clips every array by itself, so large
# ones shrink while small ones stay, and the step turns away from the gradient. One step of each shows it.

# %%
whole = np.concatenate([g.ravel() for g in by_hand])
limit = float(np.linalg.norm(by_hand[0]) / 2)
clipped = {}
for option in ("global_clipnorm", "clipnorm"):
    simple.set_weights(weights)
    optimizer = keras.optimizers.SGD(1.0, **{option: limit})
    optimizer.apply([keras.ops.cast(g, "float32") for g in by_hand], simple.trainable_weights)
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
# one. For a book of half a million characters and 256 units, in numbers of four bytes, that is half a
# gigabyte for a single sequence. So with the sequence in one piece the memory grows in proportion to its
# length; in blocks, each backward before the next forward, it stays where it is. The time grows either way,
# and no number of cores helps: step $t$ cannot begin before step $t - 1$ is done. Python can tell how much
# memory its arrays took at most, and a clock the rest.


# %%
def there_and_back(length, block):
    """Both passes; in blocks, the state goes on from one to the next."""
    rnn, x, state = scratch.RNN.random(8, 64, settings.seed), np.zeros((8, block, 8)), None
    for _ in range(length // block):
        rnn.backward(np.ones_like(rnn.forward(x, initial_state=state)))
        state = rnn.final_state


def cost(length, block):
    """Most memory taken at any time, in MB, and seconds, the shortest of three."""
    tracemalloc.start()
    there_and_back(length, block)
    megabytes = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    seconds = []
    for _ in range(3):
        began = clock()
        there_and_back(length, block)
        seconds.append(clock() - began)
    return megabytes, min(seconds)


# %% [markdown]
# For each length we run both passes in one piece and in blocks. In the figure both axes are logarithmic: a
# straight line that rises by a factor of ten where the length does means "in proportion", a level line
# "constant".

# %%
ways = ("in one piece", "in blocks")
costs = {
    length: [*cost(length, length), *cost(length, settings.block)]
    for length in (settings.block * 2**n for n in range(6))
}
costs = pd.DataFrame.from_dict(costs, "index", columns=pd.MultiIndex.from_product([ways, ("MB", "s")]))
costs = costs.rename_axis("steps").swaplevel(axis="columns").sort_index(axis="columns")
chapter.table(costs, "memory")
shown = {"memory": costs["MB"], "time": costs["s"]}
labels = ("peak memory (MB)", "time (s)")
figure = plots.panels(shown, "length of the sequence (steps)", labels, xscale="log", yscale="log")
chapter.figure("memory", figure)

# %% [markdown]
# ## One series, two networks
#
# Now let it learn. The series is a wave with noise, $y_t = \sin(2\pi t / p) + \sigma \epsilon_t$, and the
# next value is to be predicted. Whoever knew the phase would err by the noise alone, $\sigma^2$ in the mean
# of squares. The phase has to be read off noisy values, and the more of them, the better.
#
# For a window of $k$ values the best *linear* predictor can be computed, from the autocovariance
# $r_j = \tfrac12 \cos(2\pi j / p) + \sigma^2\,[j = 0]$ of the series: solve $R a = r$, and the error that is
# left is $r_0 - r^\top a$.
#
# Where do these equations come from? The error $\operatorname{E}[(y_t - \sum_j a_j y_{t-j})^2]$ is a
# quadratic function of the $a_j$, and where its slope is 0, each lag gives one equation: $\sum_j r_{i-j}\,
# a_j = r_i$. Any series whose autocovariance is known has its best linear predictor in this way (Yule, 1927).
# So for once we know beforehand what a network can reach, and whether it is the training or the window that
# falls short.

# %%
warm_up = max(100, *settings.windows)  # values that are read before the first prediction counts
count = settings.observed + warm_up + 2000
clean = np.sin(2 * np.pi * np.arange(count) / settings.period)
series = clean + settings.noise * np.random.default_rng(settings.seed).normal(size=count)
seen, unseen = np.split(series.astype("float32"), [settings.observed])


def linear_limit(window):
    """Mean squared error of the best linear predictor from this many past values."""
    r = 0.5 * np.cos(2 * np.pi / settings.period * np.arange(window + 1))
    r[0] += settings.noise**2
    lags = np.arange(window)
    R = r[np.abs(np.subtract.outer(lags, lags))]
    return max(0.0, r[0] - r[1:] @ np.linalg.lstsq(R, r[1:])[0])  # without noise many are perfect


def windows(values, length):
    """Every stretch of that many values and the one that follows: (stretches, length + 1)."""
    return np.lib.stride_tricks.sliding_window_view(values, length + 1)


# %% [markdown]
# ### In Keras's own layers
#
# The recurrent network reads stretches of fifty values and says at each of them what comes next: a recurrent
# layer that returns its output at every step, and a dense layer that turns each output into a prediction.
# `models.many_to_many` builds the same in one line. Given the same weights, both must answer alike.

# %%
written_out = keras.Sequential(
    [
        keras.Input((None, 1)),
        keras.layers.SimpleRNN(settings.units, return_sequences=True),
        keras.layers.Dense(1),
    ]
)
kerasdl.set_seed(settings.seed)
recurrent = models.many_to_many(1, cell="rnn", units=settings.units)
course.agree(chapter, recurrent, written_out, windows(seen, 50)[:4, :-1, None])

# %% [markdown]
# The perceptrons get the same number of parameters as the recurrent network, and windows of different
# lengths. All learn by Adam, with the gradient clipped to a global norm of 1.


# %%
def learn(model, x, y, batch_size):
    model.compile(keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0), "mse")
    kerasdl.set_seed(settings.seed)
    epochs = settings.epochs
    training.fit(model, x, y, epochs=epochs, batch_size=batch_size, report_every=epochs)


stretches = windows(seen, 50)[::5]
learn(recurrent, stretches[:, :-1, None], stretches[:, 1:, None], settings.batch_size)
networks, limits = {"RNN": recurrent}, {"RNN": settings.noise**2}
for window in chapter.track(settings.windows, "perceptrons"):
    kerasdl.set_seed(settings.seed)
    hidden = max(1, round((recurrent.count_params() - 1) / (window + 2)))
    perceptron = models.mlp(window, (hidden,), 1)
    pairs = windows(seen, window)
    learn(perceptron, pairs[:, :-1], pairs[:, -1:], 4 * settings.batch_size)
    networks[f"MLP, window {window}"] = perceptron
    limits[f"MLP, window {window}"] = linear_limit(window)

# %% [markdown]
# All are tested on two thousand values that follow those they learned from, one step ahead. Then they are
# **left alone**: each is fed its own predictions, a hundred steps on, from two hundred places.


# %%
def next_value(model, past):
    """What a network expects after each row of past values: (rows,)."""
    window = model.input_shape[1] or warm_up
    x = past[:, -window:].reshape(-1, window, *model.input_shape[2:])
    return model.predict_on_batch(x).reshape(len(x), -1)[:, -1]


horizon, places = 100, np.arange(0, 2000 - 100, 9)
context = np.stack([unseen[place : place + warm_up] for place in places])
truth = np.stack([clean[settings.observed + warm_up + place :][:horizon] for place in places])
alone, drift, rows = {"wave without noise": truth[0]}, {}, {}
for name, model in networks.items():
    pairs, run = windows(unseen, warm_up), context
    for _ in range(horizon):
        run = np.column_stack([run, next_value(model, run)])
    alone[name] = run[0, warm_up:]
    drift[name] = np.mean((run[:, warm_up:] - truth) ** 2, axis=0)
    rows[name] = {
        "parameters": model.count_params(),
        "one step: MSE": np.mean((next_value(model, pairs[:, :-1]) - pairs[:, -1]) ** 2),
        "the least": limits[name],
        "alone, 10 steps": drift[name][9],
        "alone, 100 steps": drift[name][99],
    }

# %% [markdown]
# ### What happened
#
# In the table a row for each network. In the figure, on the left, what each says from one place on, beside
# the wave as it would be without noise; on the right its squared error, averaged over all places.

# %%
table = pd.DataFrame(rows).T.astype({"parameters": int})
chapter.table(table, "series")
print(f"nearest to the wave after {horizon} steps alone: {table['alone, 100 steps'].idxmin()}")
shown = {"one place": pd.DataFrame(alone), "error, all places": pd.DataFrame(drift)}
labels = ("value", "squared error")
chapter.figure("series", plots.panels(shown, "steps left alone", labels))

# %% [markdown]
# "The least" is the best that a linear predictor could do with this window, and for the RNN, whose state may
# hold any number of values, the noise itself. A perceptron can come out a little below its line, because it
# need not be linear.
#
# Left alone, small errors feed on themselves. A network that has learned the period a little too long falls
# behind a little more with every wave, and one that read the phase badly is behind from the start. Behind by
# an angle $\varphi$, it errs by $1 - \cos\varphi$ in the mean of squares: at 9° that is 0.01, at 60° it is ½,
# no better than always saying 0, and at 90° it is 1. With a period of 40, a wave that is 1 % too long is 9°
# behind after a hundred steps. A good prediction of the next step does not promise a good one a hundred steps
# on: compare the columns.
#
# A perceptron with a long window is a strong rival on a short, regular past, and it sees all its windows at
# once instead of step after step. But someone had to choose the window.
#
# ## Measured beside reference
#
# For a rotation $\rho^k$ is exact. For a random matrix it is where the norm ends up, so we take the second
# half of the way. The awake networks stand beside infinitely wide ones, the predictors beside the best
# linear one.

# %%
late = far / pd.DataFrame({title: norms.loc[steps // 2] for title, norms in travel.items()})
for ρ in settings.radii:
    norm = far.loc[f"ρ = {ρ:g}", "silent, a rotation"]
    chapter.exact(f"ρ = {ρ:g}, rotation: norm {steps} steps back, over ρᵏ", norm / ρ**steps, 1, within=1e-9)
    factor = late.loc[f"ρ = {ρ:g}", "silent, random"] ** (1 / (steps - steps // 2))
    chapter.trained(f"ρ = {ρ:g}, random: factor a step", factor, (0.98 * ρ, 1.02 * ρ), reference=ρ)
for ρ, (factor, wide) in factors.iterrows():
    band = 0.93 * wide, 1.07 * wide
    chapter.trained(f"{ρ}, awake: factor a step", factor, band, reference=wide, source="infinite width")
chapter.exact("global_clipnorm: step over θ", clipped["global_clipnorm"][0], 1, within=1e-3)
chapter.exact("global_clipnorm: turned by (°)", clipped["global_clipnorm"][1], within=0.1)
for (name, path), band in zip(paths.items(), ((0.1, 1), (0, 1e-3)), strict=True):
    chapter.trained(f"cliff, {name}: loss at the end", path.loss.iloc[-1], band)
chapter.trained("clipnorm: turned by (°)", clipped["clipnorm"][1], (1, 90))
growth = costs["MB"].iloc[-1] / costs["MB"].iloc[-3]
chapter.trained("memory in one piece, 4 times the length", growth["in one piece"], (3.6, 4.2), reference=4)
chapter.trained("memory in blocks, 4 times the length", growth["in blocks"], (0.9, 1.1), reference=1)
for name, error in table["one step: MSE"].items():
    band = sorted((0.038, 0.055 if name == "RNN" else 1.2 * limits[name]))
    best = {"reference": limits[name], "source": "the least", "headline": name == "RNN"}
    chapter.trained(f"{name}: one step, MSE", error, band, **best)
chapter.finish()

# %% [markdown]
# ## In short
#
# - A recurrent layer is a dense layer whose output comes back as part of its next input; unrolled in time it
#   is a deep network with shared weights, and back-propagation through it needs nothing new.
# - The gradient is multiplied by the same matrix at every step back: it vanishes or explodes like $\rho^k$,
#   unless inputs and slopes change the factor.
# - Clipping by global norm shortens a step and keeps its direction. It cures explosions, not vanishing.
# - Truncation bounds the memory that training takes, and with it how far back a gradient can reach.
# - A good prediction of the next step does not promise a good one a hundred steps on.
#
# ## What to try
#
# - `--set radii=0.99,1.0,1.01`: how far must one look to tell them apart? And with `--set steps=1000`?
# - `--set block=1`: what does truncation to a single step leave of the gradient of $U$?
# - Look at the cliff with `END = -0.4`. Does clipping always get there?
# - `--set noise=0.5`: what is lost with more noise, and by whom?
# - `--set windows=64`: with the same number of parameters, how many hidden units has that perceptron left?
# - Replace the recurrent network by a `keras.Sequential` of your own with an `LSTM` in it. Is it better?
