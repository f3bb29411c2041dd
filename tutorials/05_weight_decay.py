# %% [markdown]
# # Weight decay: two hundred weights, twenty examples
#
# More weights than examples, so the training error can be made zero in endlessly many ways. A penalty on
# large weights chooses among them. Three ways to write it, one step.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "weight_decay",
    settings={
        "inputs": 200,
        "examples": 20,
        "test_examples": 100,
        "noise": 0.01,  # standard deviation of the noise on y
        "bias": 0.05,  # of the truth
        "decay": 3.0,  # λ
        "decays": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
        "epochs": 100,
        "batch_size": 5,
        "learning_rate": 0.003,
        "worlds": 500,  # draws that tell how far to trust one
        "seed": 0,
    },
    fast={"worlds": 50},
)
settings = chapter.settings

# %%
import math

import keras
import numpy as np
import pandas as pd

from kerasdl import models, plots, training

# %% [markdown]
# ## The question
#
# The truth is simple: every input counts a little,
#
# $$y = 0.05 + \sum_{i=1}^{200} 0.01\,x_i + \epsilon, \qquad x_i \sim N(0, 1),\quad
# \epsilon \sim N(0, 0.01^2).$$
#
# But there are 200 weights to learn from 20 examples. Twenty equations leave 180 directions of the weights
# free: along these, the data do not say what a weight should be, and gradient descent never moves it. What
# the weights were at the start they remain. Ours start at $N(0, 1)$, a hundred times too large.


# %%
def draw(rng, rows):
    """Examples of our world: x of shape (rows, inputs) and y of shape (rows, 1)."""
    x = rng.normal(size=(rows, settings.inputs))
    y = settings.bias + 0.01 * x.sum(axis=1, keepdims=True) + rng.normal(0, settings.noise, (rows, 1))
    return x, y


rng = np.random.default_rng(settings.seed)
x, y = draw(rng, settings.examples)
x_test, y_test = draw(rng, settings.test_examples)
start = [rng.normal(size=(settings.inputs, 1)), np.zeros(1)]

# %% [markdown]
# ## The idea
#
# Add to the loss, here half the squared error, what large weights cost:
#
# $$L(w, b) + \frac{\lambda}{2} \lVert w \rVert^2.$$
#
# How much they cost is a hyperparameter, $\lambda$: like the degree in chapter 4, it is fixed before
# training. The training error alone would always choose 0. The gradient of the penalty is $\lambda w$, so a
# step of gradient descent reads
#
# $$w \leftarrow (1 - \eta\lambda)\,w - \eta\, \frac{\partial L}{\partial w}, \qquad
# b \leftarrow b - \eta\, \frac{\partial L}{\partial b}.$$
#
# Before each step the weights shrink by a constant factor: they *decay*. Where the data pull at a weight,
# pull and decay come to a balance. Where they do not, only the decay is left, and after $t$ steps the start
# has shrunk to $(1 - \eta\lambda)^t$ of itself. The bias is left alone. It multiplies no input, so a large
# bias makes the model no less smooth, and shrinking it would only move the mean of the predictions.
#
# ## From scratch
#
# One more scaling to know: some texts write the penalty as $\frac{\lambda}{2n} \lVert w \rVert^2$, with $n$
# the number of examples in the batch. Their weights shrink by $1 - \eta\lambda / n$, so their $\lambda$ is
# $n$ times ours.

# %%
DECAY = {"λ/2 ‖w‖²": lambda λ, n: λ, "λ/(2n) ‖w‖²": lambda λ, n: λ / n}


def descend(λ, penalty="λ/2 ‖w‖²", batch_size=settings.batch_size, epochs=settings.epochs):
    """Train by hand, on the builder's batches; weights and bias at the end, (inputs + 1,)."""
    kerasdl.set_seed(settings.seed)
    batches = training.Batches(x, y, batch_size)
    w, b = start
    for epoch in range(epochs):
        batches.epoch = epoch
        for x_batch, y_batch in batches:
            error = x_batch @ w + b - y_batch
            pull = x_batch.T @ error / len(error)
            w = w - settings.learning_rate * (pull + DECAY[penalty](λ, batch_size) * w)
            b = b - settings.learning_rate * error.mean(axis=0)
    return np.append(w, b)


# %% [markdown]
# ## In Keras's own layers
#
# The model is one `Dense` layer. In Keras there are two ways to let its weights decay.
#
# - A **regulariser** adds its penalty to the loss. `keras.regularizers.L2(l)` is $l \lVert w \rVert^2$,
#   *without* the half, so it wants $l = \lambda / 2$. It belongs to one array of weights; we give it to the
#   kernel and leave the bias free.
# - An **optimizer** can shrink the weights itself, `weight_decay=λ`. It shrinks all of them, unless the bias
#   is excluded by name.

# %%
λ = settings.decay
penalised = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(λ / 2))
written_out = keras.Sequential([keras.Input((settings.inputs,)), penalised])
written_out.summary()


def half_squared_error(y, prediction):
    return keras.ops.mean(keras.ops.square(prediction - y), axis=-1) / 2


def train(model, weight_decay=None, epochs=settings.epochs):
    """Train from our start; the history, and weights and bias at the end."""
    kerasdl.set_seed(settings.seed)
    model.set_weights(start)
    optimizer = keras.optimizers.SGD(settings.learning_rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer, half_squared_error, metrics=[half_squared_error])
    how = {"batch_size": settings.batch_size, "report_every": math.gcd(epochs, 5)}
    history = training.fit(model, x, y, epochs=epochs, validation_data=(x_test, y_test), **how)
    return history, np.concatenate([part.ravel() for part in model.get_weights()])


# %% [markdown]
# The builder `models.linear(features, l2=l)` is the model written out above, with this $l$. Now there are
# five ways to take the same step: the two penalties by hand, the layer with its regulariser, the builder with
# its `l2`, and the optimizer's own decay. For some epochs we train all of them from the same start on the
# same batches. If the equations are right, they end at the same weights.

# %%
some = min(10, settings.epochs)
by_hand = descend(λ, epochs=some)
ways = {
    "λ/(2n) by hand": descend(λ * settings.batch_size, "λ/(2n) ‖w‖²", epochs=some),
    "Dense, L2(λ/2)": train(written_out, epochs=some)[1],
    "regulariser, L2(λ/2)": train(models.linear(settings.inputs, l2=λ / 2), epochs=some)[1],
    "optimizer, weight_decay=λ": train(models.linear(settings.inputs), weight_decay=λ, epochs=some)[1],
}
apart = {name: np.abs(weights - by_hand).max() for name, weights in ways.items()}
print(f"farthest of any weight from the penalty by hand after {some} epochs:")
chapter.table(pd.Series(apart, name="difference"), digits=2)
size = np.abs(by_hand).max()
for name, difference in apart.items():
    chapter.exact(f"{name}: off by", difference / size, within=2e-5, source="the same steps")

# %% [markdown]
# They are one. They part company as soon as the optimizer is not plain gradient descent: Adam divides a
# penalty's gradient, like any other, by its own size, but leaves a decay that is part of the step whole. That
# is what the W in AdamW stands for (Loshchilov and Hutter, 2019).
#
# ## What happened
#
# Without decay, and with it, for all epochs. (Put a `keras.Sequential` of your own in place of the builder.
# Since `train` sets its weights to our start, let it be a `keras.Input` and one `Dense` layer.)
#
# Each panel of the figure is one of the two runs. Its curves leave the penalty out, so the panels can be
# compared; the table adds how long the weights have become.

# %%
runs = {value: train(models.linear(settings.inputs, l2=value / 2)) for value in (0, λ)}
histories = {f"λ = {value:g}": history for value, (history, _) in runs.items()}
columns = {"half_squared_error": "training set", "val_half_squared_error": "test set"}  # without the penalty
chapter.figure("learning_curves", plots.learning_curves(histories, columns, "half squared error"))


def losses(weights):
    """Training and test loss of weights and bias, (inputs + 1,)."""
    w, b = weights[:-1], weights[-1]
    return [np.mean((u @ w + b - v[:, 0]) ** 2) / 2 for u, v in ((x, y), (x_test, y_test))]


results = {f"λ = {value:g}": [np.linalg.norm(w[:-1]), *losses(w)] for value, (_, w) in runs.items()}
chapter.table(pd.DataFrame.from_dict(results, "index", columns=["‖w‖", "training loss", "test loss"]))
free = max(0, settings.inputs - settings.examples)
print(f"{free} directions are free; a start of N(0, 1) has √{free} = {free**0.5:.1f} in them.")

# %% [markdown]
# Without decay the training loss falls to almost nothing and the test loss hardly moves: the purest
# overfitting there is. Only what the twenty examples touch was learned. The other 180 directions are as they
# started, and the norm of the weights says so. With decay the training loss stays a little higher, the norm
# is small, and the test loss falls a hundredfold and more.
#
# Does the start shrink as the equation says? A step shrinks $w$ and adds a sum of examples, nothing else. So
# take away from the weights what lies in the span of the examples, that is, what sums of them can reach. No
# example has touched the rest, and after $t$ steps it must be $(1 - \eta\lambda)^t$ of what it was.

# %%
span = np.linalg.qr(x.T)[0]
steps = settings.epochs * -(-settings.examples // settings.batch_size)


def untouched(w):
    """The part of weights (inputs,) in the directions that no example shows."""
    return w - span @ (span.T @ w)


for value, (_, weights) in runs.items():
    left = untouched(weights[:-1])
    formula = (1 - settings.learning_rate * value) ** steps * untouched(start[0][:, 0])
    lengths = np.linalg.norm(left), np.linalg.norm(formula)
    print("λ = {:g}: outside the span ‖w‖ = {:.4f}, by the formula {:.4f}".format(value, *lengths))
    off = np.linalg.norm(left - formula) / np.linalg.norm(start[0])
    chapter.exact(f"λ = {value:g}: free directions off (1 - ηλ)^t", off, within=1e-4)

# %% [markdown]
# ### How much decay?
#
# For each λ: what gradient descent reaches in these steps, and the exact minimiser, which for a linear model
# is **ridge regression**: with $n$ centred examples, $w = (X^\top X + n\lambda I)^{-1} X^\top y$.
#
# What does it do to the directions that the examples do know? Along an eigenvector of $X^\top X$ with
# eigenvalue $s$, plain least squares would find some number, and ridge takes the share $s / (s + n\lambda)$
# of it. A direction that the examples show well, with a large $s$, keeps nearly all; one they hardly show is
# pulled to 0; and one they do not show at all, $s = 0$, is 0. Decay is a matter of degree: the less the data
# say, the more the penalty does.
#
# There is a second way to read λ. Suppose that we believed, before seeing any data, that each weight is drawn
# from $N(0, \tau^2)$. Then the likeliest weights, given the examples, are those of ridge regression with
# $\lambda = \sigma^2 / (n \tau^2)$. More noise asks for more decay, and more examples for less.


# %%
def ridge(λ):
    """Weights and bias that minimise loss and penalty together, (inputs + 1,)."""
    mean, offset = x.mean(axis=0), y.mean()
    centred = x - mean
    curvature = centred.T @ centred + len(x) * λ * np.eye(settings.inputs)
    w = np.linalg.solve(curvature, centred.T @ (y - offset))[:, 0]
    return np.append(w, offset - mean @ w)


some_λ = λ or 1
weights = ridge(some_λ)  # where loss and penalty together are least, their gradient is 0
slope = x.T @ (x @ weights[:-1] + weights[-1] - y[:, 0]) / len(x) + some_λ * weights[:-1]
chapter.exact("ridge: gradient of loss and penalty", np.abs(slope).max(), within=1e-6, source="a minimum")

rows = {}
for value in chapter.track(settings.decays, "decays"):
    descended, least = descend(value), ridge(value)
    norms = np.linalg.norm(descended[:-1]), np.linalg.norm(least[:-1])
    rows[value] = [norms[0], *losses(descended), norms[1], losses(least)[1]]
columns = ["‖w‖", "training loss", "test loss", "‖w‖, ridge", "test loss, ridge"]
by_decay = pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("λ")
chapter.table(by_decay, "by_decay")
drawn = {
    "losses": by_decay[["training loss", "test loss", "test loss, ridge"]],
    "weights": by_decay[["‖w‖", "‖w‖, ridge"]].assign(**{"‖w‖, the truth": 0.01 * settings.inputs**0.5}),
}
figure = plots.panels(drawn, "λ", ["half squared error", "‖w‖"], "log", "log")
chapter.figure("decays", figure)
nothing = losses(np.append(np.zeros(settings.inputs), y.mean()))[1]
best = by_decay["test loss, ridge"]
print(f"test loss of ridge, at best: {best.min():.4f}, at λ = {best.idxmin():g}")
print(f"test loss with all weights 0: {nothing:.4f}")

# %% [markdown]
# With a small λ these few steps do not reach the minimiser: a start is forgotten only after several times $1
# / (\eta\lambda)$ steps. So this setting stops early as well as decaying, and the two are hard to tell apart.
# In the left panel compare the two curves of the test loss: where they meet, the steps have sufficed. The
# right panel says the same of the weights: with little decay most of their random start is still there, with
# much they end shorter than the truth.
#
# And compare the two last numbers. Whoever learns nothing and predicts the mean, all weights zero, has a test
# loss of about $\tfrac12 \cdot 200 \cdot 0.01^2 = 0.01$. The best λ is hardly better: twenty examples cannot
# tell two hundred small weights. Decay protects from nonsense; it does not know the truth.
#
# ## How far to trust one draw?
#
# The published figures are one world each, and so are ours. How much would another draw of the examples and
# of the start change them? By hand, many worlds can be trained at once: all arrays get one more axis in
# front, that of the worlds, and every step of gradient descent is one step in each of them. Then we look
# where the middle 99 % of the results lie.


# %%
def worlds(λ, batch_size):
    """‖w‖ and test loss in many worlds, each (worlds,), after the same epochs."""
    rng = np.random.default_rng(settings.seed + 1)
    count = max(2, min(settings.worlds, 10_000 // settings.examples))  # large worlds take long
    x, x_test = (rng.normal(size=(count, n, settings.inputs)) for n in (settings.examples, 100))
    truth = (settings.bias + 0.01 * u.sum(axis=2) for u in (x, x_test))
    y, y_test = (exact + rng.normal(0, settings.noise, exact.shape) for exact in truth)
    w, b = rng.normal(size=(count, settings.inputs)), np.zeros((count, 1))
    for _ in range(settings.epochs):
        order = rng.permutation(settings.examples)  # worlds may share it: their examples differ
        for begin in range(0, settings.examples, batch_size):
            rows = order[begin : begin + batch_size]
            error = (x[:, rows] @ w[:, :, None])[:, :, 0] + b - y[:, rows]
            pull = (error[:, None] @ x[:, rows])[:, 0] / len(rows)
            w = w - settings.learning_rate * (pull + λ * w)
            b = b - settings.learning_rate * error.mean(axis=1, keepdims=True)
    error = (x_test @ w[:, :, None])[:, :, 0] + b - y_test
    return np.linalg.norm(w, axis=1), np.mean(error**2, axis=1) / 2


spread = {}
for value, batch_size in chapter.track([(0, 5), (λ, 5), (0, 1), (λ, 1)], "many worlds"):
    for name, values in zip(("‖w‖", "test loss"), worlds(value, batch_size), strict=True):
        spread[f"λ = {value:g}, batch {batch_size}: {name}"] = np.percentile(values, [0.5, 50, 99.5])
chapter.table(pd.DataFrame(spread, index=["99 % lie above", "median", "below"]).T, digits=3)

# %% [markdown]
# ## Measured beside reference
#
# The bands are those 99 %, a little widened. One edition trains with batches of five; the other takes one
# example at a time, so five times the steps, and decays further.

# %%
D2L, EARLIER = "Zhang et al., d2l 0.17", "Zhang et al., 2018–20 edition"
plain, decayed = "λ = 0", f"λ = {λ:g}"
one_by_one = {value: np.linalg.norm(descend(value, batch_size=1)[:-1]) for value in (0, λ)}
for name, value, band, published, source in (
    (f"{plain}: ‖w‖", results[plain][0], (11.6, 15.3), 13.52, D2L),
    (f"{plain}: test loss", results[plain][2], (53, 144), 72.8, D2L),
    (f"{plain}, batch 1, by hand: ‖w‖", one_by_one[0], (11.6, 15.3), 15.1, EARLIER),
    (f"{decayed}: ‖w‖", results[decayed][0], (0.30, 0.43), 0.350, D2L),
    (f"{decayed}: test loss", results[decayed][2], (0.045, 0.30), 0.092, D2L),
    (f"{decayed}, batch 1, by hand: ‖w‖", one_by_one[λ], (0.02, 0.065), 0.035, EARLIER),
):
    known = {"reference": published, "source": source, "headline": name.endswith("test loss")}
    chapter.trained(name, value, band, tolerance=1e-4 * max(1, band[1]), **known)
chapter.finish()

# %% [markdown]
# ## In short
#
# - With fewer examples than weights, what the data do not determine stays as it was at the start.
# - A penalty $\tfrac{\lambda}{2} \lVert w \rVert^2$ shrinks the weights by $1 - \eta\lambda$ in each step of
#   gradient descent. As a regulariser in Keras it is `L2(λ/2)`, in an optimizer `weight_decay=λ`.
# - The bias is usually left free.
# - Decay keeps weights from being nonsense. It does not replace data.
#
# ## What to try
#
# - `--set decay=30` and `--set decay=0.3`: which weights are too small, and which were not forgotten in time?
# - Forget the half: `L2(λ)` in `penalised`. What does the run answer?
# - `--set examples=400`: more equations than weights. Does decay still help?
# - `--set noise=1`: now even the best λ has something to do for the twenty examples. Where is it?
# - Leave out `exclude_from_weight_decay`. The bias of the truth is only 0.05: `--set bias=5`, and look again.
