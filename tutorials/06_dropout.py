# %% [markdown]
# # Dropout: train a crowd, ask it once
#
# In each training step a random part of the units is silent, so none can lean on another. This chapter shows
# what that does to the expectation, to the test error, and to a network whose teacher makes mistakes.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "dropout",
    settings={
        "hidden": (256, 256),
        "rates": (0.2, 0.5),  # dropped in each hidden layer
        "epochs": 10,  # on Fashion-MNIST, the published setting
        "batch_size": 256,
        "learning_rate": 0.5,
        "digits_epochs": 100,  # on the digits, forty times fewer pictures
        "digits_batch_size": 64,
        "digits_learning_rate": 0.1,
        "mislabelled": 0.2,  # share of training labels drawn anew in the second experiment
        "passes": 50,  # random passes that are averaged at test time
        "seed": 0,
    },
    fast={"epochs": 1, "digits_epochs": 30, "passes": 10},
)
settings = chapter.settings

# %%
import math

import keras
import numpy as np
import pandas as pd

from kerasdl import datasets, layers, models, plots, training

pictures = chapter.uses(datasets.images())
x, y = pictures.x_train.reshape(len(pictures.x_train), -1), pictures.y_train
x_test, y_test = pictures.x_test.reshape(len(pictures.x_test), -1), pictures.y_test

# %% [markdown]
# ## The question
#
# A network with more weights than examples can learn its training set by heart: one unit spots a detail of
# one picture, another corrects it, and together they are right for the wrong reason. Such **co-adaptation**
# does not survive a new picture. How can a unit be made useful on its own?
#
# ## The idea
#
# In each training step, drop each unit with probability $p$, and divide those that stay by $1 - p$
# (Srivastava et al., 2014):
#
# $$h' = \frac{m \odot h}{1 - p}, \qquad m_i \sim \text{Bernoulli}(1 - p), \qquad
# \operatorname{E}[h'] = h, \qquad \operatorname{Var}[h'] = \frac{p}{1 - p}\, h^2.$$
#
# The mask $m$ holds a 1 for each unit that stays and a 0 for each that is dropped; $\odot$ multiplies unit by
# unit. The division keeps the expectation, so the next layer sees the scale it will see at test time, when
# nothing is dropped. With two hidden layers of 256 units there are $2^{512}$ ways to drop some of them. Each
# step trains another of these thinned networks, and all share the same weights. The whole network at test
# time stands in for their average.
#
# How much noise is that? The next layer adds up many units. If $n$ of them contribute about equally, the sum
# keeps its expectation, and its standard deviation is $\sqrt{p / (1 - p) / n}$ of it: with 256 units and $p =
# \tfrac12$ one sixteenth. What rests on many units hardly notices. What rests on a single one is gone in half
# of the steps. So the noise is small for a crowd and ruinous for a clique, and that is the point.
#
# The rate $p$ is a hyperparameter, chosen before training: 0 is no dropout, and at 1 nothing is left to learn
# with.
#
# ## From scratch


# %%
def dropout(h, p, rng):
    """Drop each unit with probability p and scale the others."""
    if p == 1:
        return np.zeros_like(h)
    return h * (rng.random(h.shape) >= p) / (1 - p)


rng = np.random.default_rng(settings.seed)
h = np.linspace(1, 2, 8)
print("p = 0.5, one draw:       ", dropout(h, 0.5, rng).round(2))
print("p = 0.5, mean of 10,000: ", dropout(np.tile(h, (10_000, 1)), 0.5, rng).mean(axis=0).round(2))
print("p = 0 keeps everything:  ", dropout(h, 0, rng).round(2))
print("p = 1 leaves nothing:    ", dropout(h, 1, rng).round(2))

# %% [markdown]
# ## In Keras's own layers
#
# `keras.layers.Dropout` is a layer of its own and stands behind the layer whose units it drops. The first
# hidden layer gets the smaller rate: what it drops, no later layer can restore. The builder
# `models.mlp(features, hidden, dropout=rates)` makes the same network. While nothing is dropped, equal
# weights must give equal answers.

# %%
rates = ((settings.rates or (0.0,)) * len(settings.hidden))[: len(settings.hidden)]
written_out = keras.Sequential([keras.Input((x.shape[1],))])
for units, rate in zip(settings.hidden, rates, strict=True):
    written_out.add(keras.layers.Dense(units, activation="relu"))
    written_out.add(keras.layers.Dropout(rate))
written_out.add(keras.layers.Dense(10))
course.agree(chapter, models.mlp(x.shape[1], settings.hidden, dropout=rates), written_out, x_test)

# %% [markdown]
# In training there is one difference. Keras's layer draws other units on each backend, because the backends'
# random generators differ. The builder's `kerasdl.layers.Dropout` drops the *same* units on TensorFlow, JAX
# and PyTorch. It draws nothing; it computes. A unit's place $i$, the layer's key and the number of the step
# go through an **integer hash**: multiplications and shifts of 32 bits whose results look like chance. The
# unit is dropped where the result is among the lowest share $p$ of all integers. Here it is by hand.


# %%
def mask_by_hand(size, p, key, step):
    """True where a unit is kept; integers of 32 bits that wrap around."""
    key, step, i = np.uint32(key), np.uint32(step), np.arange(size, dtype=np.uint32)
    with np.errstate(over="ignore"):  # wrapping is meant
        z = i * np.uint32(0x9E3779B9) + (key + step * np.uint32(0x85EBCA6B))
        z = (z ^ (z >> 16)) * np.uint32(0x7FEB352D)
        z = z + (key * np.uint32(0xC2B2AE35) + step * np.uint32(0x27D4EB2F))
        z = (z ^ (z >> 15)) * np.uint32(0x846CA68B)
    return z.view(np.int32) >= round(p * 2**32) - 2**31


layer, ones = layers.Dropout(0.3, seed=settings.seed), np.ones((64, 256), "float32")
key = int(keras.ops.convert_to_numpy(layer.seed_generator.state.value)[0])
steps = [keras.ops.convert_to_numpy(layer(ones, training=True)) for _ in range(20)]
by_hand = [mask_by_hand(ones.size, 0.3, key, step).reshape(ones.shape) for step in range(20)]
strays = sum(np.sum((a != 0) != b) for a, b in zip(steps, by_hand, strict=True))
kept, expectation = np.mean([a != 0 for a in steps]), np.mean(steps)
still = np.abs(keras.ops.convert_to_numpy(layer(ones)) - ones).max()
print(f"units that the layer and the hash by hand treat differently: {strays} of {20 * ones.size}")
print(f"kept {kept:.4f}, mean output {expectation:.4f}, change at inference {still}")
chapter.exact("units dropped unlike the hash by hand", strays, within=0, source="uint32 in NumPy")
for name, value, expected in (("kept share, p = 0.3", kept, 0.7), ("mean of ones", expectation, 1)):
    deviation = expected * np.sqrt(0.3 / 0.7 / (20 * ones.size))
    chapter.exact(name, value, expected, within=5 * deviation, tolerance=1e-6, source="binomial, 5 σ")
chapter.exact("change at inference", still, within=0, source="nothing is dropped")

# %% [markdown]
# ## With the builder
#
# Two networks, one without dropout and one with it, start with the same weights and see the same batches. So
# what differs at the end is the work of dropout alone. Each is trained twice, first on the labels as they are
# and then, begun anew, on labels that are partly wrong. (Put a `keras.Sequential` of your own in place of one
# of them.)
#
# How long and how fast depends on the pictures in use: the settings whose names begin with `digits` are for
# the digits, the others for Fashion-MNIST.

# %%
if pictures.is_real:
    epochs, batch_size, rate = settings.epochs, settings.batch_size, settings.learning_rate
else:
    epochs, batch_size = settings.digits_epochs, settings.digits_batch_size
    rate = settings.digits_learning_rate


def compiled(model):
    """The model ready to train, and everything that training moves as it was at the start."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    return model, training.snapshot(model)


def train(model, start, labels):
    """Train from the start; the history, and at its end error and loss on the training and the test set."""
    kerasdl.set_seed(settings.seed)
    training.restore(start)
    how = {"epochs": epochs, "report_every": math.gcd(epochs, max(1, epochs // 10))}
    history = training.fit(model, x, labels, batch_size=batch_size, validation_data=(x_test, y_test), **how)
    # Once more on the training set, with nothing dropped: its column of the history is taken while training.
    loss, accuracy = model.evaluate(x, labels, verbose=0)
    last = history.iloc[-1]
    found = {"training error": 1 - accuracy, "training loss": loss}
    return history, {**found, "test error": 1 - last.val_accuracy, "test loss": last.val_loss}


networks = {}
for name, dropped in (("without dropout", 0.0), ("with dropout", rates)):
    kerasdl.set_seed(settings.seed)
    networks[name] = compiled(models.mlp(x.shape[1], settings.hidden, dropout=dropped))

histories, found = {}, {}
for name, (model, start) in chapter.track(list(networks.items()), "true labels"):
    histories[name], found["true labels", name] = train(model, start, y)

# %% [markdown]
# ## What happened
#
# The figure shows each network's loss from epoch to epoch, the table what it has reached at the end.

# %%
curves = {"loss": "training set, while training", "val_loss": "test set"}
chapter.figure("learning_curves", plots.learning_curves(histories, curves, "cross-entropy"))
chapter.table(pd.DataFrame(found).T)

# %% [markdown]
# While training, the network with dropout shows the higher loss: it is measured with many of its units
# silent. That says nothing about the network as it will be used. For this the table measures both once more,
# whole, on the training set and on the test set.
#
# Where pictures are easy and labels right, there is little to gain: compare the two test errors. The gain
# grows with the harm that learning by heart can do. So let the teacher make mistakes: a share of the training
# labels is drawn at random. The test labels stay true. A network that memorises the mistakes will repeat
# them.
#
# Can memorising be seen? Whoever has learned the truth and nothing else is right on just those training
# labels that are true, and the first line below says how many are not. What a network has above that share,
# it has by heart. In the figure follow both lines of a panel: while the first one climbs beyond that share,
# what becomes of the second?

# %%
rng = np.random.default_rng(settings.seed)
labels = np.where(rng.random(len(y)) < settings.mislabelled, rng.integers(0, 10, len(y)), y)
print(f"{np.mean(labels != y):.1%} of the training labels are wrong")
noisy = {}
for name, (model, start) in chapter.track(list(networks.items()), "mistaken labels"):
    noisy[name], found["mistaken labels", name] = train(model, start, labels)
chapter.table(pd.DataFrame(found).T, "errors")
columns = {"accuracy": "training set, while training", "val_accuracy": "test set"}
chapter.figure("mistaken_labels", plots.learning_curves(noisy, columns, "accuracy", log=False))
for kind in ("true labels", "mistaken labels"):
    without, with_dropout = (found[kind, name]["test error"] for name in networks)
    print(f"{kind}: test error without dropout less the one with it: {without - with_dropout:.2%}")

# %% [markdown]
# ## At test time
#
# In which sense does the whole network stand in for the average? With a single layer of dropout in front of a
# softmax it is exact: the whole layer's probabilities are the normalised *geometric* mean of those of all
# thinned ones, because the logits of the whole are the mean of the thinned logits. With more layers it is an
# approximation, and how good it is can only be measured.
#
# The network that was trained last has seen the mistaken labels, with dropout. There are three ways to ask
# it: whole, as the layer does by itself; with dropout left on, a mistake that costs accuracy and gives
# another answer each time; and by what the whole network stands in for, the average of many thinned networks'
# probabilities. The last is dear, since every answer costs all the passes that are averaged. But it has a use
# of its own: where the thinned networks contradict each other, the answer is to be doubted (Gal and
# Ghahramani, 2016).

# %%
model = networks["with dropout"][0]
whole = keras.ops.convert_to_numpy(model(x_test))
passes = [
    keras.ops.convert_to_numpy(keras.ops.softmax(model(x_test, training=True)))
    for _ in chapter.track(range(settings.passes), "thinned networks")
]
asked = {
    "whole": np.mean(whole.argmax(axis=1) == y_test),
    "one thinned": np.mean([np.mean(p.argmax(axis=1) == y_test) for p in passes]),
    "average of thinned": np.mean(np.mean(passes, axis=0).argmax(axis=1) == y_test),
}
chapter.table(pd.Series(asked, name="accuracy"))

# %% [markdown]
# ## Measured beside reference
#
# The bands of the digits hold the results of eight seeds. Those of Fashion-MNIST are the published range,
# 0.836 to 0.871, widened; they are untested, for we had no copy of it.

# %%
if pictures.is_real:
    source, published = "Zhang et al., d2l 0.17 and 1.0.3", {("true labels", "with dropout"): 0.845}
    bands = (0.82, 0.90), (0.82, 0.90), (0.60, 0.90), (0.75, 0.90)
else:
    source, published = "eight seeds", {}
    bands = (0.96, 0.99), (0.96, 0.99), (0.85, 0.98), (0.93, 0.985)
for which, band in zip(found, bands, strict=True):
    name, accuracy = f"{', '.join(which)}: test accuracy", 1 - found[which]["test error"]
    known = {"reference": published.get(which), "source": source, "headline": which[0] == "mistaken labels"}
    chapter.trained(name, accuracy, band, tolerance=0.02, **known)
less = asked["average of thinned"] - asked["whole"]
known = {"reference": 0, "source": "Srivastava et al. 2014", "tolerance": 0.02}
chapter.trained("average of thinned, less whole: accuracy", less, (-0.02, 0.02), **known)
chapter.finish()

# %% [markdown]
# ## In short
#
# - Dropout silences a random part of the units in each training step and scales the others, so that the
#   expectation stays the same.
# - At test time nothing is dropped; the whole network stands in for the average of all thinned ones.
# - It helps where a network could memorise mistakes. Where labels are right and pictures easy, it changes
#   little.
# - A training loss measured with units dropped cannot be compared with one without: measure both whole.
#
# ## What to try
#
# - `--set rates=0.5,0.5` and `--set rates=0.8,0.8`: when does dropping more begin to cost?
# - `--set mislabelled=0.5`: half of the labels drawn at random. How much is left without dropout?
# - `--set hidden=32,32`: does a network that is too small to memorise need dropout?
# - Stop early instead: in the figure of the mistaken labels, where would you have stopped without dropout?
