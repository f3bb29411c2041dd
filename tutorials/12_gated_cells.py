# %% [markdown]
# # Gated cells: a number kept for a hundred steps
#
# Two numbers are shown, a long noise follows, and then their sum is asked for. A plain recurrent network
# cannot learn it. LSTM, GRU and peephole LSTM can, if their gates start open for long enough.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "gated_cells",
    settings={
        "length": 110,  # of a sequence; the first number must be kept for at least 10 steps fewer
        "cells": ("rnn", "gru", "lstm", "peephole"),
        "units": 32,
        "examples": 1000,
        "epochs": 30,
        "report_every": 2,  # epochs between two points of a learning curve
        "few": 100,  # sequences in the section on overfitting
        "few_length": 30,
        "few_epochs": 200,
        "test_examples": 2000,
        "batch_size": 50,
        "learning_rate": 0.01,
        "seed": 0,
    },
    fast={"length": 30, "cells": ("lstm",), "examples": 400, "epochs": 2, "few_epochs": 2},
)
settings = chapter.settings
if settings.length < 30 or settings.few_length < 30:
    raise ValueError("length and few_length: take at least 30, for two numbers and a wait")

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
# steps, the second before the middle. At the end of the sequence the sum of the two marked numbers is to be
# said: the first of them must be kept for a hundred steps, and a hundred others must not disturb it.
#
# Who has learned nothing says 1 every time and errs by the variance of a sum of two even draws,
# $2 \cdot \tfrac{1}{12} = 0.167$ in the mean of squares.


# %%
def draw(generator, rows, length):
    """Sequences (rows, length, 2) and their sums (rows, 1)."""
    x = np.zeros((rows, length, 2), "float32")
    x[..., 0] = generator.uniform(size=(rows, length))
    row = np.arange(rows)
    places = generator.integers(0, 10, rows), generator.integers(10, length // 2, rows)
    for place in places:
        x[row, place, 1] = 1
    return x, sum(x[row, place, 0] for place in places)[:, None]


generator = np.random.default_rng(settings.seed)
x, y = draw(generator, settings.examples, settings.length)
x_test, y_test = draw(generator, settings.test_examples, settings.length)
with plots.canvas(width=8, height=2.4) as (figure, axes):
    time, marked = np.arange(settings.length), x[0, :, 1] == 1
    ax = axes[0, 0]
    ax.bar(time, x[0, :, 0], color="0.8", label="number")
    ax.bar(time[marked], x[0, marked, 0], color=plots.PALETTE[1], label="marked")
    ax.set(xlabel="step", ylabel="number", title=f"one sequence; answer {y[0, 0]:.2f}")
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
chapter.figure("problem", figure)

# %% [markdown]
# ## The idea
#
# In a plain recurrent network everything that is remembered goes through a matrix and a tanh at every step.
# Its gradient is multiplied a hundred times, and chapter 10 showed what becomes of it. So do not multiply:
# keep a memory $c$ that is *added to*, and let the network itself decide when. What decides is a **gate**, a
# number between 0 and 1 for each unit, computed from the input and the state:
#
# $$i, f, o = \sigma(x_t W + h_{t-1} U + b), \qquad g = \tanh(x_t W_g + h_{t-1} U_g + b_g),$$
# $$c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh c_t.$$
#
# That is the **LSTM** (Hochreiter and Schmidhuber, 1997; the forget gate $f$ is by Gers, Schmidhuber and
# Cummins, 2000): write through $i$, keep through $f$, show through $o$. Where $f$ is 1 and $i$ is 0, a number
# stays as it is for as long as you like, and so does its gradient.
#
# A **peephole** LSTM lets the gates look at $c$ even while $o$ hides it (Gers and Schmidhuber, 2000). A
# **GRU** (Cho et al., 2014) makes do with one state and couples keeping and writing in one gate:
#
# $$z, r = \sigma(x_t W + h_{t-1} U + b), \qquad h_t = z \odot h_{t-1} + (1 - z) \odot \tilde h.$$
#
# ## From scratch


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(x, W, U, b, P=None, form="per_unit"):
    """The last output of an LSTM, (batch, units), and with P of a peephole LSTM in one of its two forms."""
    h = c = np.zeros((len(x), len(U)))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
        if P is None:
            to_i = to_f = to_o = 0
        elif form == "per_unit":  # one weight a unit and gate
            to_i, to_f, to_o = P[:, None] * c
        else:  # a matrix for each gate
            to_i, to_f, to_o = np.split(c @ P, 3, axis=1)
        c = sigmoid(f + to_f) * c + sigmoid(i + to_i) * np.tanh(g)
        if P is not None and form == "per_unit":
            to_o = P[2] * c  # the output gate sees the new memory
        h = sigmoid(o + to_o) * np.tanh(c)
    return h


def gru(x, W, U, b, reset_after=True, z_keeps=True):
    """The last output of a GRU, (batch, units)."""
    units = len(U)
    past_bias, bias = (b[1], b[0]) if reset_after else (0, b)
    h = np.zeros((len(x), units))
    for t in range(x.shape[1]):
        from_x = x[:, t] @ W + bias
        from_h = h @ U + past_bias
        z = sigmoid(from_x[:, :units] + from_h[:, :units])
        r = sigmoid(from_x[:, units : 2 * units] + from_h[:, units : 2 * units])
        past = r * from_h[:, 2 * units :] if reset_after else (r * h) @ U[:, 2 * units :]
        candidate = np.tanh(from_x[:, 2 * units :] + past)
        h = z * h + (1 - z) * candidate if z_keeps else (1 - z) * h + z * candidate
    return h


# %% [markdown]
# ### The same name, four layers
#
# Two things about a GRU are settled differently from text to text, and weights taken from one to the other
# then compute something else, without a word.
#
# - **What z means.** Keras and PyTorch write $h = z \odot h_- + (1-z) \odot \tilde h$: z *keeps*. Others
#   write $h = (1-z) \odot h_- + z \odot \tilde h$: z *renews*. Since $1 - \sigma(a) = \sigma(-a)$, changing
#   the sign of $W_z$, $U_z$ and $b_z$ turns one into the other.
# - **When r acts.** As published, before the matrix: $\tilde h = \tanh(x W_h + (r \odot h_-) U_h + b_h)$; in
#   Keras's default, `reset_after=True`, after it: $\tilde h = \tanh(x W_h + b_h + r \odot (h_- U_h + b'_h))$,
#   which lets one matrix product serve all gates, as the fast kernels of graphics cards want it. No change
#   of weights turns one into the other; only while $r = 1$ are they the same.
#
# All against Keras's layers and ours, with weights at random, biases and peepholes too.

# %%
few = generator.normal(size=(5, 12, 2)).astype("float32")
CELLS = {
    "LSTM": (keras.layers.LSTM(6), lstm, {}),
    "peephole": (layers.PeepholeLSTM(6), lstm, {}),
    "peephole, full": (layers.PeepholeLSTM(6, form="full"), lstm, {"form": "full"}),
    "GRU, reset after": (keras.layers.GRU(6), gru, {}),
    "GRU, reset before": (keras.layers.GRU(6, reset_after=False), gru, {"reset_after": False}),
}
by_hand = {}
for name, (layer, function, options) in CELLS.items():
    layer.build(few.shape)
    weights = [generator.normal(0, 0.5, w.shape).astype("float32") for w in layer.get_weights()]
    layer.set_weights(weights)
    output = keras.ops.convert_to_numpy(layer(few))
    by_hand[name] = np.abs(function(few, *weights, **options) - output).max()

W, U, b = CELLS["GRU, reset before"][0].get_weights()
renewing = [np.concatenate([-w[..., :6], w[..., 6:]], axis=-1) for w in (W, U, b)]
r_open = b + np.repeat([0, 50, 0], 6)  # a bias so large that r = 1
keeping = gru(few, W, U, b, reset_after=False)
pairs = {
    "z renews, weights as they are": (gru(few, W, U, b, False, z_keeps=False), keeping),
    "z renews, signs changed": (gru(few, *renewing, False, z_keeps=False), keeping),
    "r acts after": (gru(few, W, U, np.stack([b, 0 * b])), keeping),
    "r acts after, but r = 1": (gru(few, W, U, np.stack([r_open, 0 * b])), gru(few, W, U, r_open, False)),
}
conventions = pd.Series({name: np.abs(one - other).max() for name, (one, other) in pairs.items()})
print("by hand against the layer, largest difference")
print(pd.Series(by_hand).map("{:.0e}".format).to_string())
print("\na GRU whose z keeps and whose r acts before, against another with its weights")
print(conventions.map("{:.2g}".format).to_string())

# %% [markdown]
# ## How long does a gate hold?
#
# Along $c$ the gradient is multiplied by $f$ at each step, and by nothing else that must be small. A gate
# that is on average $f$ keeps $f^{100}$ of it: its memory lasts about $1 / (1 - f)$ steps. Now look at where
# gates start. With a bias of 0 they are $\sigma(0) = \tfrac12$. Keras starts $f$ with a bias of 1, at 0.73:
# after a hundred steps $0.73^{100} = 2 \cdot 10^{-14}$ are left, not better than a plain network. From there
# it cannot learn to open, for what would teach it does not arrive.
#
# Since $1 / (1 - \sigma(b)) = 1 + e^b$, a bias of $b = \ln(\tau - 1)$ gives a memory of τ steps. If all we
# know is that memories of up to $T$ steps may be needed, let the units have different ones (**chrono
# initialisation**, Tallec and Ollivier, 2018):
#
# $$b_f \sim \ln \mathcal U(1, T - 1), \qquad b_i = -b_f,$$
#
# and the same for the $z$ of a GRU that keeps. With all other weights at zero the memory's gradient can be
# measured without remainder.


# %%
def memory_left(bias, steps=100):
    """Share of the gradient of c that is left so many steps back, in an LSTM of one unit and weights of 0."""
    cell = scratch.LSTM(np.zeros((1, 4)), np.zeros((1, 4)), [0.0, bias, 0.0, 0.0])
    cell.forward(np.zeros((1, steps, 1)))
    cell.backward(np.zeros((1, steps, 1)), final_gradient=(np.zeros((1, 1)), np.ones((1, 1))))
    return cell.initial_gradient[1][0, 0]


BIASES = {"0": 0.0, "1, Keras": 1.0, "ln 99": np.log(99)}
left = {name: memory_left(bias) for name, bias in BIASES.items()}
for name, share in left.items():
    f = sigmoid(BIASES[name])
    print(f"forget bias {name}: f = {f:.3f}, gradient after 100 steps {share:.2e}, f¹⁰⁰ = {f**100:.2e}")


def chrono(layer, length, generator):
    """Start a Keras GRU, LSTM or peephole LSTM with memories of up to ``length`` steps."""
    weights, units = layer.get_weights(), layer.units
    keep = np.log(generator.uniform(1, length - 1, units))
    if weights[0].shape[1] == 3 * units:  # z, r and the candidate; the first row belongs to the input
        weights[2][0, :units] = keep
    else:  # i, f, g, o
        weights[2][: 2 * units] = np.concatenate([-keep, keep])
    layer.set_weights(weights)


# %% [markdown]
# ## Concisely
#
# `models.many_to_one` reads a sequence with the cell of our choice and answers at its end. All learn from the
# same batches; the gated ones start with memories as long as the sequences. One more LSTM starts as Keras
# starts it.


# %%
def build(cell, length):
    kerasdl.set_seed(settings.seed)
    model = models.many_to_one(2, cell=cell, units=settings.units)
    if cell != "rnn" and length:
        chrono(model.get_layer(f"{cell}_1"), length, np.random.default_rng(settings.seed))
    model.compile(keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0), "mse")
    return model


def learn(model, x, y, epochs, report_every):
    kerasdl.set_seed(settings.seed)  # the same batches for all
    batch_size = settings.batch_size
    return training.fit(model, x, y, epochs=epochs, batch_size=batch_size, report_every=report_every)


def error(model, x, y):
    return np.mean((model.predict(x, batch_size=settings.batch_size, verbose=0) - y) ** 2)


names = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM", "peephole": "peephole LSTM"}
runs = {names[cell]: (cell, settings.length) for cell in settings.cells}
if not chapter.fast:
    runs["LSTM, forget bias 1"] = ("lstm", None)
histories, rows = {}, {}
for name, (cell, length) in chapter.track(list(runs.items()), "cells"):
    model = build(cell, length)
    began = clock()
    history = learn(model, x, y, settings.epochs, settings.report_every)
    histories[name] = history.index * len(x) // settings.batch_size, history.loss
    rows[name] = {
        "parameters": model.count_params(),
        "training (s)": clock() - began,
        "training error": error(model, x, y),
        "test error": error(model, x_test, y_test),
    }
table = pd.DataFrame(rows).T.astype({"parameters": int})

# %% [markdown]
# ## What happened

# %%
print(table.round({"training (s)": 1, "training error": 4, "test error": 4}).to_string())
chapter.history("adding", table)
chapter.figure(
    "adding",
    plots.lines(
        histories,
        xlabel="training steps",
        ylabel="mean squared error",
        yscale="log",
        reference={"saying 1": 1 / 6},
    ),
)

# %% [markdown]
# The plain network says 1 to the end, and so does the LSTM whose memory starts at four steps: with many times
# the patience it may still find out. Those whose gates start open learn within a few hundred steps, and the
# error falls to a hundredth of the baseline's.
#
# Peepholes change little here: nothing in this problem has to be timed to the step without an input that
# tells. The GRU has three quarters of the LSTM's weights, for three products a step instead of four. The
# seconds hold the compilation too, and say more about the backend than about the cell: run the chapter on
# another one and see.
#
# ## Few examples
#
# More weights, more room to learn by heart. A hundred short sequences, many passes, and the same networks
# (with memories for the shorter length):

# %%
x_few, y_few = draw(generator, settings.few, settings.few_length)
x_short, y_short = draw(generator, settings.test_examples, settings.few_length)
by_heart = {}
for cell in chapter.track(settings.cells, "few examples"):
    model = build(cell, settings.few_length)
    learn(model, x_few, y_few, settings.few_epochs, settings.few_epochs)
    by_heart[names[cell]] = {
        "parameters": model.count_params(),
        "training error": error(model, x_few, y_few),
        "test error": error(model, x_short, y_short),
    }
few_table = pd.DataFrame(by_heart).T.astype({"parameters": int})
few_table["test over training"] = few_table["test error"] / few_table["training error"]
print(few_table.round({"training error": 5, "test error": 4, "test over training": 1}).to_string())
chapter.history("few_examples", few_table)

# %% [markdown]
# The network with the fewest weights learns by heart: over thirty steps its gradient does arrive, it fits
# the hundred sums, and on others it is worse than saying 1. The gated ones have three and four times its
# weights and find the rule. What protects from overfitting is not a small number of weights, but that the
# right answer is easy to say with them: for a cell that can keep a number untouched, the rule is simpler
# than the list.

# %% [markdown]
# ## Measured beside reference

# %%


def check(name, measured, band, tolerance, reference=None, source="our trials"):
    chapter.trained(name, measured, band, reference=reference, source=source, tolerance=tolerance)


for name, difference in by_hand.items():
    chapter.exact(
        f"{name}: by hand against the layer",
        difference,
        within=1e-5,
        tolerance=1e-5,
        source="the same equations",
    )
for name, difference in conventions.items():
    same = name in ("z renews, signs changed", "r acts after, but r = 1")
    band = (0, 1e-5) if same else (0.01, 2)
    check(f"GRU: {name}, off by", difference, band, 1e-5, 0 if same else None, "algebra")
for name, share in left.items():
    exact = sigmoid(BIASES[name]) ** 100
    band = exact * (1 - 1e-9), exact * (1 + 1e-9)
    check(f"forget bias {name}: left after 100 steps", share, band, 1e-9 * exact, exact, "f¹⁰⁰")
n = settings.units
COUNTS = {
    "rnn": n * (n + 3),
    "gru": 3 * n * (n + 4),
    "lstm": 4 * n * (n + 3),
    "peephole": 4 * n * (n + 3) + 3 * n,
}
for name, (cell, length) in runs.items():
    count = COUNTS[cell] + n + 1
    chapter.exact(
        f"{name}: parameters", table.loc[name, "parameters"], count, within=0, source="the equations"
    )
    stuck = cell == "rnn" or length is None
    check(
        f"{name}: test error",
        table.loc[name, "test error"],
        (0.15, 0.19) if stuck else (0, 0.01),
        0.01,
        1 / 6 if stuck else 0.01,
        "saying 1: 2/12" if stuck else "H. & S. 1997, their goal",
    )
for name, row in few_table.iterrows():
    plain = name == "RNN"
    band = (0.15, 0.6) if plain else (0, 0.02)
    check(f"few examples, {name}: test error", row["test error"], band, 0.2 if plain else 0.01)
chapter.finish()

# %% [markdown]
# ## What to try
#
# - `--set length=60`, then 30: from what length on does the plain network fail?
# - `--set length=300`: do the gates hold? Which of them is slowest to learn?
# - Give `chrono` a length of 20 for sequences of 110. How sharp is the need for an open gate?
# - Train the LSTM with forget bias 1 for ten times as long. When does its error leave the line?
# - Write the GRU with `z_keeps=False` as a Keras layer. Which sign must its chrono bias have?
