# %% [markdown]
# # Gated cells: a number kept for a hundred steps
#
# Two numbers are shown, a long noise follows, and then their sum is asked for. A plain recurrent network
# cannot learn it. LSTM, GRU and their relatives can, if their gates start open for long enough.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "gated_cells",
    settings={
        "length": 110,  # of a sequence; the first number must be kept for at least half of it
        "cells": ("rnn", "mgu", "gru", "lstm", "peephole"),
        "keras_start": True,  # train one more LSTM, whose forget gate starts as Keras starts it
        "units": 32,
        "examples": 1000,
        "epochs": 30,
        "few": 100,  # sequences in the section on overfitting
        "few_length": 30,
        "few_epochs": 200,
        "test_examples": 2000,
        "batch_size": 50,
        "learning_rate": 0.01,
        "seed": 0,
    },
    fast={
        "length": 30,
        "cells": ("rnn", "gru"),
        "keras_start": False,
        "examples": 500,
        "epochs": 40,
        "few_epochs": 100,
    },
)
settings = chapter.settings

# %%
from time import perf_counter as clock

import keras
import numpy as np
import pandas as pd

from kerasdl import layers, models, plots, scratch, training

# %% [markdown]
# ## The question
#
# The **adding problem** (Hochreiter and Schmidhuber, 1997). Each step shows two numbers: one drawn evenly
# from 0 to 1, and a mark, which is 1 at two steps and 0 elsewhere. The first mark is among the first ten
# steps, the second before the middle. At the end of the sequence the sum of the two marked numbers is asked
# for: the first of them must be kept until then, and all the other numbers must not disturb it.
#
# Whoever has learned nothing says 1 every time, and errs by the variance of a sum of two even draws,
# $2 \cdot \tfrac{1}{12} = 0.167$ in the mean of squares.


# %%
def draw(rows, length):
    """Sequences (rows, length, 2) and their sums (rows, 1)."""
    x = np.zeros((rows, length, 2), "float32")
    x[..., 0] = rng.uniform(size=(rows, length))
    row, early = np.arange(rows), min(10, length // 4)
    places = rng.integers(0, early, rows), rng.integers(early, length // 2, rows)
    for place in places:
        x[row, place, 1] = 1
    return x, sum(x[row, place, 0] for place in places)[:, None]


rng = np.random.default_rng(settings.seed)
x, y = draw(settings.examples, settings.length)
x_test, y_test = draw(settings.test_examples, settings.length)

# %% [markdown]
# This is one of them. The two black bars are all that matters; the rest is there to be ignored.

# %%
with plots.canvas(width=8, height=2.6) as (figure, axes):
    steps, marked = np.arange(settings.length), x[0, :, 1] == 1
    axes[0, 0].bar(steps, x[0, :, 0], color="0.8", label="number")
    axes[0, 0].bar(steps[marked], x[0, marked, 0], color="0.1", label="marked")
    axes[0, 0].set(xlabel="step", ylabel="number", title=f"one sequence; its answer is {y[0, 0]:.2f}")
    figure.legend(frameon=False, loc="outside right upper")
chapter.figure("problem", figure)

# %% [markdown]
# ## The idea
#
# In a plain recurrent network everything that is remembered goes through a matrix and a tanh at every step.
# Its gradient is multiplied a hundred times, and chapter 10 showed what becomes of it. So do not multiply:
# keep a memory $c$ that is *added to*, and let the network itself decide when. What decides is a **gate**, a
# number between 0 and 1 for each unit, computed from the input and the state.
#
# ### LSTM
#
# Three gates, each with weights of its own, say how much to write ($i$, the input gate), to keep ($f$, the
# forget gate) and to show ($o$, the output gate); $g$ is what could be written:
#
# $$i = \sigma(x_t W_i + h_{t-1} U_i + b_i), \qquad f = \sigma(x_t W_f + h_{t-1} U_f + b_f),$$
# $$o = \sigma(x_t W_o + h_{t-1} U_o + b_o), \qquad g = \tanh(x_t W_g + h_{t-1} U_g + b_g),$$
# $$c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh c_t$$
#
# (Hochreiter and Schmidhuber, 1997; the forget gate is by Gers, Schmidhuber and Cummins, 2000). Where $f$ is
# 1 and $i$ is 0, a number stays as it is for as long as you like, and so does its gradient. Put side by side,
# $W = [W_i, W_f, W_g, W_o]$ is one matrix, so all four products are one. Keras stores its weights like this.
#
# ### Peephole LSTM
#
# The gates of an LSTM see $h$ only, so while $o$ hides the memory they cannot know what is in it.
# **Peepholes** let them look at $c$ (Gers and Schmidhuber, 2000), with one weight for each unit and gate. The
# input and the forget gate see the old memory, the output gate the new one:
#
# $$i = \sigma(x_t W_i + h_{t-1} U_i + p_i \odot c_{t-1} + b_i), \qquad
# f = \sigma(x_t W_f + h_{t-1} U_f + p_f \odot c_{t-1} + b_f),$$
# $$o = \sigma(x_t W_o + h_{t-1} U_o + p_o \odot c_t + b_o).$$
#
# ### GRU
#
# A **GRU** (Cho et al., 2014) makes do with one state. A reset gate $r$ says how much of the past a new
# candidate $\tilde h$ may use; an update gate $z$ says how much of the old state is kept, and what is not
# kept is written anew:
#
# $$z = \sigma(x_t W_z + h_{t-1} U_z + b_z), \qquad r = \sigma(x_t W_r + h_{t-1} U_r + b_r),$$
# $$\tilde h = \tanh(x_t W_h + (r \odot h_{t-1}) U_h + b_h), \qquad
# h_t = z \odot h_{t-1} + (1 - z) \odot \tilde h.$$
#
# ### Minimal gated unit
#
# Can one gate do? In the **minimal gated unit** (Zhou, Wu, Zhang and Zhou, 2016) $f$ resets and renews:
#
# $$f = \sigma(x_t W_f + h_{t-1} U_f + b_f), \qquad
# \tilde h = \tanh(x_t W_h + (f \odot h_{t-1}) U_h + b_h), \qquad
# h_t = (1 - f) \odot h_{t-1} + f \odot \tilde h.$$
#
# ## From scratch


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(x, W, U, b, P=(0, 0, 0)):
    """The last output of an LSTM, (batch, units); with P, (3, units), that of a peephole LSTM."""
    h = c = np.zeros((len(x), len(U)))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
        c = sigmoid(f + P[1] * c) * c + sigmoid(i + P[0] * c) * np.tanh(g)
        h = sigmoid(o + P[2] * c) * np.tanh(c)
    return h


def gru(x, W, U, b, reset_after=True, z_keeps=True):
    """The last output of a GRU, (batch, units)."""
    past_bias, bias = (b[1], b[0]) if reset_after else (0, b)
    h = np.zeros((len(x), len(U)))
    for t in range(x.shape[1]):
        x_z, x_r, x_h = np.split(x[:, t] @ W + bias, 3, axis=1)
        h_z, h_r, h_h = np.split(h @ U + past_bias, 3, axis=1)
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        past = r * h_h if reset_after else (r * h) @ U[:, 2 * len(U) :]
        candidate = np.tanh(x_h + past)
        h = z * h + (1 - z) * candidate if z_keeps else (1 - z) * h + z * candidate
    return h


def mgu(x, W, U, b):
    """The last output of a minimal gated unit, (batch, units)."""
    h = np.zeros((len(x), len(U)))
    for t in range(x.shape[1]):
        x_f, x_h = np.split(x[:, t] @ W + b, 2, axis=1)
        f = sigmoid(x_f + h @ U[:, : len(U)])
        h = (1 - f) * h + f * np.tanh(x_h + (f * h) @ U[:, len(U) :])
    return h


# %% [markdown]
# Each of them against the layer of its name, with random weights, biases and peepholes too:

# %%
n = 6
some = rng.normal(size=(5, 12, 2)).astype("float32")
CELLS = {
    "LSTM": (keras.layers.LSTM(n), lstm, {}),
    "peephole": (layers.PeepholeLSTM(n), lstm, {}),
    "GRU, reset after": (keras.layers.GRU(n), gru, {}),
    "GRU, reset before": (keras.layers.GRU(n, reset_after=False), gru, {"reset_after": False}),
    "MGU": (layers.MGU(n), mgu, {}),
}
for name, (layer, function, options) in CELLS.items():
    layer.build(some.shape)
    layer.set_weights([rng.normal(0, 0.5, w.shape).astype("float32") for w in layer.get_weights()])
    output = keras.ops.convert_to_numpy(layer(some))
    by_hand = function(some, *layer.get_weights(), **options)
    chapter.exact(f"{name}: by hand against the layer", np.abs(by_hand - output).max(), within=1e-5)

# %% [markdown]
# ### The same name, four layers
#
# Two things about a GRU are settled differently from text to text, and weights taken from one to the other
# then compute something else, without a word.
#
# - **What z means.** With $h_-$ for the state before, Keras and PyTorch write $h = z \odot h_- + (1-z) \odot
#   \tilde h$: z *keeps*. Others write $h = (1-z) \odot h_- + z \odot \tilde h$: z *renews*, as the gate of
#   the minimal gated unit does. Since $1 - \sigma(a) = \sigma(-a)$, changing the sign of $W_z$, $U_z$ and
#   $b_z$ turns one into the other.
# - **When r acts.** As published, before the matrix: $(r \odot h_-) U_h$. In Keras's default,
#   `reset_after=True`, after it: $\tilde h = \tanh(x W_h + b_h + r \odot (h_- U_h + b'_h))$, which lets one
#   matrix product serve all gates, as the fast kernels of graphics cards want it. No change of weights turns
#   one into the other; only while $r = 1$ are they the same.

# %%
W, U, b = CELLS["GRU, reset before"][0].get_weights()
renewing = [np.concatenate([-w[..., :n], w[..., n:]], axis=-1) for w in (W, U, b)]
r_open = b + np.repeat([0, 50, 0], n)  # a bias so large that r = 1
keeping = gru(some, W, U, b, reset_after=False)
conventions = {
    "z renews, weights as they are": (gru(some, W, U, b, False, z_keeps=False), keeping),
    "r acts after": (gru(some, W, U, np.stack([b, 0 * b])), keeping),
    "z renews, signs changed": (gru(some, *renewing, False, z_keeps=False), keeping),
    "r acts after, but r = 1": (gru(some, W, U, np.stack([r_open, 0 * b])), gru(some, W, U, r_open, False)),
}
off_by = pd.Series({name: np.abs(a - b).max() for name, (a, b) in conventions.items()}, name="off by")
print("a GRU whose z keeps and whose r acts before, against another with its weights")
chapter.table(off_by)
for name in ("z renews, signs changed", "r acts after, but r = 1"):
    chapter.exact(f"GRU: {name}, off by", off_by[name], within=1e-12)

# %% [markdown]
# ## How long does a gate hold?
#
# Along $c$ the gradient is multiplied by $f$ at each step, and by nothing else that has to be small. A gate
# that is on average $f$ keeps $f^{100}$ of it after a hundred steps: its memory lasts about $1 / (1 - f)$
# steps. Now look at where gates start. With a bias of 0 they are $\sigma(0) = \tfrac12$. Keras starts $f$
# with a bias of 1, at 0.73: after a hundred steps $0.73^{100} = 2 \cdot 10^{-14}$ are left, no better than a
# plain network. From there it can hardly learn to open, because what would teach it does not arrive.
#
# How near to 1 is near enough? A gate of 0.99 lasts about a hundred steps: $0.99^{100} = 0.37$, the $1/e$ by
# which such a time is commonly measured. One of 0.95 leaves 0.6 % after as long.
#
# Since $1 / (1 - \sigma(b)) = 1 + e^b$, a bias of $b = \ln(\tau - 1)$ gives a memory of τ steps. If all we
# know is that memories of up to $T$ steps may be needed, let the units have different ones (**chrono
# initialisation**, Tallec and Ollivier, 2018):
#
# $$b_f \sim \ln \mathcal U(1, T - 1), \qquad b_i = -b_f,$$
#
# where $\mathcal U(1, T - 1)$ is a number drawn evenly between 1 and $T - 1$. The same holds for the $z$ of a
# GRU that keeps, and the negative of it for a gate that renews. With all other weights at zero, nothing but
# the gate is left, and the gradient of the memory can be measured.


# %%
def memory_left(bias, steps=100):
    """Share of the gradient of c that is left so many steps back, in an LSTM of one unit and weights of 0."""
    cell = scratch.LSTM(np.zeros((1, 4)), np.zeros((1, 4)), [0.0, bias, 0.0, 0.0])
    cell.forward(np.zeros((1, steps, 1)))
    cell.backward(np.zeros((1, steps, 1)), final_gradient=(np.zeros((1, 1)), np.ones((1, 1))))
    return cell.initial_gradient[1][0, 0]


for name, bias in {"0": 0.0, "1, Keras": 1.0, "ln 99": np.log(99)}.items():
    f, left = sigmoid(bias), memory_left(bias)
    print(f"forget bias {name}: f = {f:.3f}, left after 100 steps {left:.2e}, f¹⁰⁰ = {f**100:.2e}")
    chapter.exact(f"forget bias {name}: left after 100 steps, over f¹⁰⁰", left / f**100, 1, within=1e-9)


def chrono(layer, length):
    """Start a recurrent layer's gates with memories of up to ``length`` steps; one without gates stays."""
    weights, units = layer.get_weights(), layer.units
    keep = np.log(np.random.default_rng(settings.seed).uniform(1, length - 1, units))
    gates = weights[0].shape[1] // units
    if gates == 2:  # of a minimal gated unit: f, which renews, and the candidate
        weights[2][:units] = -keep
    if gates == 3:  # of a GRU: z, r and the candidate; the first row of biases belongs to the input
        weights[2][0, :units] = keep
    if gates == 4:  # of an LSTM: i, f, g, o
        weights[2][: 2 * units] = np.concatenate([-keep, keep])
    layer.set_weights(weights)


# %% [markdown]
# ## In Keras's own layers
#
# A recurrent layer that returns nothing but its last output, and a dense layer that makes the answer of it:

# %%
written_out = keras.Sequential(
    [keras.Input((None, 2)), keras.layers.LSTM(settings.units), keras.layers.Dense(1)]
)
kerasdl.set_seed(settings.seed)
course.agree(chapter, models.many_to_one(2, cell="lstm", units=settings.units), written_out, x[:4])

# %% [markdown]
# `models.many_to_one` builds it with the cell of our choice. All networks learn from the same batches, and
# gates start with memories as long as the sequences. One more LSTM starts as Keras starts it.


# %%
def build(cell, length):
    kerasdl.set_seed(settings.seed)
    # Or a network of your own that begins with keras.Input((None, 2)).
    model = models.many_to_one(2, cell=cell, units=settings.units)
    for layer in model.layers:
        if isinstance(layer, keras.layers.RNN) and length:
            chrono(layer, length)
    return model


def learn(model, x, y, epochs):
    model.compile(keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0), "mse")
    kerasdl.set_seed(settings.seed)  # the same batches for all
    every = 2 if epochs % 2 == 0 else 1
    return training.fit(model, x, y, epochs=epochs, batch_size=settings.batch_size, report_every=every)


def error(model, x, y):
    return np.mean((model.predict(x, batch_size=500, verbose=0) - y) ** 2)


names = {"rnn": "RNN", "mgu": "MGU", "gru": "GRU", "lstm": "LSTM", "peephole": "peephole LSTM"}
runs = {names[cell]: (cell, settings.length) for cell in settings.cells}
if settings.keras_start:
    runs["LSTM, forget bias 1"] = ("lstm", None)
curves, rows = {}, {}
for name, (cell, length) in chapter.track(list(runs.items()), "cells"):
    model, began = build(cell, length), clock()
    loss = learn(model, x, y, settings.epochs).loss
    loss.index *= -(-settings.examples // settings.batch_size)
    curves[name] = loss
    rows[name] = {
        "parameters": model.count_params(),
        "seconds": clock() - began,
        "training error": error(model, x, y),
        "test error": error(model, x_test, y_test),
        "steps to 0.01": (loss < 0.01).idxmax() if (loss < 0.01).any() else np.nan,
    }

# %% [markdown]
# ## What happened
#
# One row a cell; the figure follows the training error, and its dotted line is that of always saying 1.

# %%
table = pd.DataFrame(rows).T.astype({"parameters": int})
chapter.table(table, "adding")
labels = ("training steps", "mean squared error")
figure = plots.lines(curves, *labels, yscale="log", reference={"saying 1": 1 / 6})
chapter.figure("adding", figure)

# %% [markdown]
# In the full setting the plain network says 1 to the end, and so does the LSTM whose memory starts at four
# steps: with many times the patience it may still find out. Those whose gates start open learn within a few
# hundred steps; the last column counts how many passed before the training error was below a hundredth.
#
# Compare the cells by their parameters: for each unit the plain network computes one sum, the minimal gated
# unit two, the GRU three and the LSTM four. More gates do not make this problem easier: one that keeps a
# number untouched is all it needs. Peepholes could help where something has to be timed to the step without
# an input that tells; nothing has to be here. The seconds hold the compilation too, and say more about the
# backend than about the cell: run the chapter on another one and see.
#
# ## Few examples
#
# More weights, more room to learn by heart: does a small cell generalise better? A hundred short sequences,
# many passes, and the same networks, with memories for the shorter length:

# %%
x_few, y_few = draw(settings.few, settings.few_length)
x_short, y_short = draw(settings.test_examples, settings.few_length)
rows = {}
for cell in chapter.track(settings.cells, "few examples"):
    model = build(cell, settings.few_length)
    learn(model, x_few, y_few, settings.few_epochs)
    rows[names[cell]] = {
        "parameters": model.count_params(),
        "training error": error(model, x_few, y_few),
        "test error": error(model, x_short, y_short),
    }
few = pd.DataFrame(rows).T.astype({"parameters": int})
few["test over training"] = few["test error"] / few["training error"]
chapter.table(few, "few_examples")

# %% [markdown]
# It is the network with the fewest weights that learns by heart. Over thirty steps its gradient does arrive,
# so it fits the hundred sums; but what it has found is a list, and on other sequences it may be worse than
# saying 1. The gated cells have more weights and find the rule. What protects from overfitting is not a small
# number of weights, but that the right answer is easy to say with them: for a cell that can keep a number
# untouched, the rule is simpler than the list.
#
# ## Measured beside reference
#
# The number of parameters can be counted from the equations: a sum has a weight for each of the two inputs,
# one for each unit of the state, and a bias (a GRU's has two); peepholes add three weights a unit. The goal
# of 0.01 is the inventors' own.

# %%
n = settings.units
COUNTS = {
    "rnn": n * (n + 3),
    "mgu": 2 * n * (n + 3),
    "gru": 3 * n * (n + 4),  # with a second bias, for r acts after
    "lstm": 4 * n * (n + 3),
    "peephole": 4 * n * (n + 3) + 3 * n,
}
for cell in settings.cells:
    count = models.many_to_one(2, cell=cell, units=n).count_params()
    chapter.exact(f"{names[cell]}: parameters", count, COUNTS[cell] + n + 1, within=0)
for name, (cell, length) in runs.items():
    measured, known = table.loc[name, "test error"], {"reference": 1 / 6, "source": "saying 1"}
    band = (0.15, 0.25)  # no better than saying 1; how much worse depends on where the last step leaves it
    if cell != "rnn" and length:
        band, known = (0, 0.01), {"reference": 0.01, "source": "H. & S. 1997, their goal"}
    chapter.trained(f"{name}: test error", measured, band, headline=name == "GRU", **known)
for name, measured in few["test error"].items():
    band = (0.15, 0.6) if name == "RNN" else (0, 0.02)
    chapter.trained(f"few examples, {name}: test error", measured, band)
chapter.finish()

# %% [markdown]
# ## In short
#
# - A gate is a number between 0 and 1 for each unit that decides what is written, kept and shown. Where it
#   keeps, nothing is multiplied away.
# - A memory whose gate is $f$ lasts about $1/(1-f)$ steps, so the bias of a gate should start with the time
#   in mind that has to be bridged.
# - One, two, three or four sums for each unit: minimal gated unit, GRU and LSTM differ in size more than in
#   what they can keep.
# - A GRU is not a GRU: ask what z means and when r acts before you carry weights over.
#
# ## What to try
#
# - `--set length=60`, then 30: from what length on does the plain network fail?
# - `--set length=300`: do the gates hold? Which of them is slowest to learn?
# - Give `chrono` a length of 20 for sequences of 110. How sharp is the need for an open gate?
# - `--set cells=lstm --set epochs=120`: when does the LSTM with forget bias 1 leave the line?
# - Write the GRU with `z_keeps=False` as a Keras layer. Which sign must its chrono bias have?
