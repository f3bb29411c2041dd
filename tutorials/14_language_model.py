# %% [markdown]
# # Language models: which character comes next?
#
# A deep LSTM learns a text by heart and goes on writing it; recurrent cells are compared by their perplexity
# on text that they have not seen; random against sequential sampling, more text, and two authors in one
# network.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "language_model",
    settings={
        "tokens": 10_000,  # characters that the deep network learns by heart
        "units": 256,
        "layers": 2,
        "steps": 35,
        "batch_size": 32,
        "optimizer": "adam",  # or "sgd"
        "learning_rate": 0.005,
        "samplings": ("sequential", "random"),
        "epochs": 50,
        "cells": ("rnn", "gru", "lstm", "deep gru"),
        "windows": 10_000,  # of 32 characters, one character apart
        "windows_batch": 128,
        "cells_epochs": 5,
        "seeds": 1,
        "author_units": 128,
        "author_tokens": 150_000,  # characters of each author
        "author_steps": 500,  # training steps
        "seed": 0,
    },
    fast={
        "tokens": 1_500,
        "units": 64,
        "layers": 1,
        "steps": 16,
        "batch_size": 8,
        "learning_rate": 0.01,
        "samplings": ("sequential",),
        "epochs": 20,
        "cells": ("rnn",),
        "windows": 2_000,
        "cells_epochs": 3,
        "author_units": 48,
        "author_tokens": 30_000,
        "author_steps": 60,
    },
)
settings = chapter.settings

# %%
import inspect
import re
from time import perf_counter as clock

import keras
import numpy as np
import pandas as pd

from kerasdl import datasets, models, plots, scratch, text, training

COLOURS = plots.colours("A", "B", *settings.cells, "sequential", "random")


def compiled(model, optimizer="adam", learning_rate=0.01):
    """Ready to train, its gradient clipped to a *global* norm of 1."""
    kind = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[optimizer]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(kind(learning_rate, global_clipnorm=1.0), loss)
    return model


# %% [markdown]
# ## The question
#
# A **language model** gives every next token a probability, knowing those before it,
#
# $$P(x_1, \dots, x_T) = \prod_{t=1}^{T} P(x_t \mid x_1, \dots, x_{t-1}).$$
#
# Here a token is one of 27 characters: we keep the letters, all in lower case, and put one space in place of
# whatever stood between two words. The text is a novel, H. G. Wells's *The Time Machine*, where you have it,
# and else the reference manual of the Python language.

# %%
book = chapter.uses(datasets.book())


def letters(prose):
    return re.sub("[^a-z]+", " ", prose.lower()).strip()


vocabulary = text.Vocabulary("abcdefghijklmnopqrstuvwxyz ")
prose = letters(book.text)
tokens = vocabulary.encode(prose)
print(f"{book.title}: {len(tokens):,} characters, beginning with\n{prose[:76]!r}")

# %% [markdown]
# ## The idea
#
# How good is a guess? If it gives the character that comes the probability $p$, its surprise is $-\log p$.
# The mean surprise is the cross-entropy, and its exponential the **perplexity**,
#
# $$\text{perplexity} = \exp\Big(-\frac{1}{T} \sum_{t=1}^{T} \log P(x_t \mid x_1, \dots, x_{t-1})\Big).$$
#
# It says among how many equally likely characters the choice would be just as hard. Perfect foresight has
# perplexity 1, and whoever knows nothing but the alphabet has 27.
#
# Why the exponential of a mean of logarithms? The probability of the whole text is a product of $T$ factors,
# far too small to be written down. Its $T$-th root is the geometric mean of the factors, and perplexity is
# one over that. Its logarithm to base 2 has a meaning of its own: that many bits a character would suffice to
# store the text, for a program that knows our probabilities. To know nothing costs 4.75 bits; a perplexity of
# 8 costs 3.
#
# ## From scratch
#
# Before any network: count. How often does each character follow each pair of characters in the first 10,000
# characters? Such $n$-grams guess the next 5,000. We add 1 to each count, so that nothing is impossible.


# %%
def ngram_perplexity(seen, asked, n):
    """Perplexity on ``asked`` of the frequencies, in ``seen``, of what follows n − 1 characters."""
    counts = np.ones((27,) * n)
    np.add.at(counts, tuple(seen[i : len(seen) - n + 1 + i] for i in range(n)), 1)
    shares = counts / counts.sum(axis=-1, keepdims=True)
    guesses = shares[tuple(asked[i : len(asked) - n + 1 + i] for i in range(n))]
    return np.exp(-np.log(guesses).mean())


counted = {n: ngram_perplexity(tokens[:10_000], tokens[10_000:15_000], n) for n in (1, 2, 3, 4)}
print("perplexity:", ", ".join(f"{n}-grams {value:.2f}" for n, value in counted.items()))
print(f"the best are {min(counted, key=counted.get)}-grams")

# %% [markdown]
# A longer past helps only while it has been seen before: there are $27^4$, half a million, strings of four
# characters, and 10,000 characters hold few of them. Where a past has never been seen, its 27 made-up counts
# are all there is, and the guess is that of the alphabet. A recurrent network has no such table. Its state is
# what it chose to remember, and similar pasts have similar states.
#
# By hand, the perplexity of a network that has learned nothing yet takes two layers of `scratch`.
# `models.language_model` computes the same.

# %%
kerasdl.set_seed(settings.seed)
reader = compiled(models.language_model(vocabulary, "gru", settings.author_units, 1), learning_rate=0.005)
kernel, recurrent, bias, output, output_bias = reader.get_weights()


def perplexity_of(model, tokens):
    """On windows of 64 characters, each from a state of zeros; 156 of them are ten thousand characters."""
    return text.perplexity(model.evaluate(*text.windows(tokens, 64), batch_size=156, verbose=0))


x, y = text.windows(tokens[:10_000], 64)
h = scratch.GRU(kernel, recurrent, bias).forward(text.one_hot(x, len(vocabulary)))
by_hand = text.perplexity(scratch.SoftmaxCrossEntropy().forward(h @ output + output_bias, y))
ratio = by_hand / perplexity_of(reader, tokens[:10_000])
chapter.exact("perplexity, by hand against the model", ratio, 1, within=1e-5)

# %% [markdown]
# ## In Keras's own layers
#
# Each character becomes a row of 27 numbers with a single 1, the recurrent layers hand on their output at
# every step, and a dense layer makes a logit for each character that may come next:

# %%
read = keras.Input((None,), dtype="int32")
outputs = keras.ops.one_hot(read, len(vocabulary))
for _ in range(settings.layers):
    outputs = keras.layers.LSTM(settings.units, return_sequences=True)(outputs)
written_out = keras.Model(read, keras.layers.Dense(len(vocabulary))(outputs))
builder = models.language_model(vocabulary, "lstm", settings.units, settings.layers)
course.agree(chapter, builder, written_out, x[:4])

# %% [markdown]
# ## A text by heart
#
# This network reads 10,000 characters again and again. The text is cut into long rows that are read side by
# side, a window of characters at a time. In **sequential** sampling each batch goes on where the one before
# ended, and so does the state; the gradient stops at the edge. In **random** sampling the windows are
# shuffled, anew for each epoch, and every window starts from a state of zeros: nothing is learned from
# further back than the window reaches.
#
# Picture the first way as a book cut into scrolls, one for each row of a batch. The first batch holds the
# first window of every scroll, the second the next one, and so on, so each row of a batch continues the same
# row of the one before. `language_model(..., batch_size=...)` keeps the states between batches, and a
# callback sets them to zero where an epoch begins. This is the truncated back-propagation of chapter 10:
# states travel along the whole scroll, gradients only through one window.

# %%
learned = tokens[: settings.tokens]
batch, epochs = settings.batch_size, settings.epochs
by_heart, deep = pd.DataFrame(index=pd.RangeIndex(1, epochs + 1, name="epoch")), {}
for name in chapter.track(settings.samplings, "a text by heart"):
    kerasdl.set_seed(settings.seed)
    rows = batch if name == "sequential" else None
    model = models.language_model(vocabulary, "lstm", settings.units, settings.layers, batch_size=rows)
    deep[name] = compiled(model, settings.optimizer, settings.learning_rate)
    began = clock()
    if name == "sequential":
        x, y = text.sequential_windows(learned, settings.steps, batch)
        guards = [training.ResetState(), training.StopOnNaN()]
        fed = {"batch_size": batch, "shuffle": False, "callbacks": guards, "verbose": 0}
        loss = model.fit(x, y, epochs=epochs, **fed).history["loss"]
    else:
        x, y = text.random_windows(learned, settings.steps, settings.seed)
        loss = training.fit(model, x, y, epochs=epochs, batch_size=batch)["loss"]
    by_heart[name] = np.exp(loss)
    speed = epochs * x.size / (clock() - began)
    print(f"{name}: train perplexity {by_heart[name].iloc[-1]:.3f}, {speed:,.0f} tokens/s")

chapter.history("by_heart", by_heart)
look = {"yscale": "log", "reference": {"perfect": 1.0}, "colours": COLOURS}
chapter.figure("by_heart", plots.lines(by_heart, "epoch", "train perplexity", **look))

# %% [markdown]
# The two curves do not measure quite the same thing. A window that starts from a state of zeros opens with
# characters whose past nobody can know, so the line of random sampling stays above 1, however well the text
# is known.
#
# ### It goes on writing
#
# `models.generate` hands the state from character to character. At temperature 0 it takes the likeliest one;
# above, it draws: logits are divided by the temperature first, so that a high one dares more.
#
# In probabilities, at temperature $\tau$, that is $p_k^{1/\tau}$, made to sum to 1 again. With $\tau =
# \tfrac12$ they are squared: what is twice as likely becomes four times as likely. Compare the three lines.
# One that always takes the likeliest character is safe and may run in circles; one that draws by the
# network's own probabilities makes, now and then, a choice from which it must find back.

# %%
author = deep[settings.samplings[0]]
prompt = prose[200:220]
print(f"the text:\n  {prose[200:275]!r}")
for temperature in (0.0, 0.5, 1.0):
    written = models.generate(author, prompt, 55, temperature, seed=settings.seed)
    print(f"temperature {temperature}:\n  {written!r}")
written = models.generate(author, prose[:20], 70)
heart = np.mean([a == b for a, b in zip(written[20:], prose[20:90], strict=True)])
print(f"of the 70 characters after its first 20 it writes this share by heart: {heart:.2f}")

# %% [markdown]
# ## Text that it has not seen
#
# To know a text by heart is not to know the language. So now the network has 32 units, reads windows of 32
# characters that start at each of the first 10,000, and is asked for the 5,000 windows after. This is the
# setting of a textbook, *Dive into Deep Learning* 1.0.3, where the same cell has another perplexity in each
# framework. There a batch holds 1,024 windows and training takes 50 to 100 epochs of plain gradient descent.
# But windows one character apart say nearly the same: we take 128, and Adam, and need a tenth of the epochs.
#
# With so little text a network soon knows it by heart, and then guesses worse on what is new. To stop where
# the validation perplexity is lowest would be to choose by the very text that is to judge. Instead the number
# of epochs is set beforehand, one for all cells, and the learning rate falls to 0 over them along half a
# cosine (Loshchilov and Hutter, 2017). What is reported is the end of training.

# %%
x, y = text.windows(tokens, steps=32, stride=1)
seen = slice(0, settings.windows)
asked = slice(settings.windows, settings.windows + settings.windows // 2)
rows, unseen = [], {}
seeds = range(settings.seed, settings.seed + settings.seeds)
for name, seed in chapter.track([(name, seed) for name in settings.cells for seed in seeds], "cells"):
    kerasdl.set_seed(seed)
    depth, cell = (2, name.removeprefix("deep ")) if name.startswith("deep ") else (1, name)
    model = models.language_model(vocabulary, cell, units=32, layers=depth)
    steps = settings.cells_epochs * -(-settings.windows // settings.windows_batch)
    compiled(model, learning_rate=keras.optimizers.schedules.CosineDecay(0.01, steps))
    how = {"epochs": settings.cells_epochs, "batch_size": settings.windows_batch}
    history = np.exp(training.fit(model, x[seen], y[seen], validation_data=(x[asked], y[asked]), **how))
    unseen[name] = history["val_loss"]
    rows.append([name, seed, model.count_params(), *history[["loss", "val_loss"]].iloc[-1]])

# %% [markdown]
# ### What happened
#
# The table has the perplexity on the training windows and on the new ones (`valid`) at the end of training.
# `from` and `to` are the best and the worst of the starts that `seeds` asks for.

# %%
runs = pd.DataFrame(rows, columns=["cell", "seed", "parameters", "train", "valid"]).set_index("cell")
chapter.history("cells", runs)
cells = runs.groupby("cell", sort=False)[["parameters", "train", "valid"]].median()
cells["from"], cells["to"] = runs.groupby("cell")["valid"].min(), runs.groupby("cell")["valid"].max()
TEXTBOOK = {  # PyTorch, TensorFlow, JAX
    "rnn": (7.24, 7.43, 7.31),
    "gru": (6.55, 9.74, 7.27),
    "lstm": (7.42, 7.46, 7.51),
    "deep gru": (6.11, 6.73, 6.61),
}
if book.is_real:
    table = pd.DataFrame(TEXTBOOK, index=["PyTorch", "TensorFlow", "JAX"]).T.add_prefix("textbook, ")
    chapter.table(cells.join(table))
else:
    chapter.table(cells)
better = cells.index[cells["valid"] < counted[3]]
print(f"counting 3-grams: {counted[3]:.2f}; better than that: {', '.join(better) or 'none'}")
look = {"reference": {"counting 3-grams": counted[3]}, "colours": COLOURS}
chapter.figure("cells", plots.lines(unseen, "epoch", "validation perplexity", **look))

# %% [markdown]
# One number of epochs does not suit all. Where a curve still falls, the cell would have liked more; where it
# rises again, the network has begun to know its text by heart, and the more parameters it has, the sooner.
# Where the novel is there, compare with the textbook's numbers: the cells lie closer together than what its
# three frameworks make of one and the same GRU.
#
# ## More text, and two authors
#
# Ten thousand characters teach few words. What do fifteen times as many bring, if the number of training
# steps stays the same? And when two authors share one network, does each of them lose by it? Author A wrote
# the text so far. Author B is the Python reference; where that is the text already, B is a file of Python's
# library, `argparse.py`, whose letters are code.

# %%
if book.is_real:
    from pydoc_data.topics import topics

    other, other_title = "\n".join(topics[name] for name in sorted(topics)), "the Python reference"
else:
    import argparse

    other, other_title = inspect.getsource(argparse), "the source of argparse"
other_tokens = vocabulary.encode(letters(other))
share = min(settings.author_tokens, len(tokens) - 10_000, len(other_tokens) - 10_000)
held_out = {"A": tokens[share : share + 10_000], "B": other_tokens[share : share + 10_000]}
corpora = {
    "a little of A": tokens[: share // 15],
    "A": tokens[:share],
    "B": other_tokens[:share],
    "A and B": np.concatenate([tokens[:share], other_tokens[:share]]),
}
print(f"A: {book.title}\nB: {other_title}\n{share:,} characters of each")

# %% [markdown]
# Four networks start from the same weights and take the same number of steps, each on windows drawn at random
# from what it may read: a fifteenth of A, all of A, all of B, and both. Then all are asked about pages of A
# and of B that nobody has read.
#
# Below the table each writes seventy characters after "the", at temperature ½: whom do you recognise?

# %%
start = training.snapshot(reader)
asked, said = {}, {}
for name, corpus in chapter.track(list(corpora.items()), "authors"):
    training.restore(start)
    rng = np.random.default_rng(settings.seed)
    places = rng.integers(0, len(corpus) - 65, (settings.author_steps * 32, 1)) + np.arange(65)
    windows = corpus[places]
    reader.fit(windows[:, :-1], windows[:, 1:], batch_size=32, shuffle=False, verbose=0)
    asked[name] = {who: perplexity_of(reader, part) for who, part in held_out.items()}
    said[name] = models.generate(reader, "the ", 70, temperature=0.5, seed=settings.seed)
authors = pd.DataFrame(asked).T.rename_axis("learned from")
print("perplexity on new pages of A and of B")
chapter.table(authors, "authors")
for name, written in said.items():
    print(f"{name}:\n  {written!r}")

# %%
look = {"yscale": "log", "reference": {"knowing nothing": 27}, "colours": COLOURS}
chapter.figure("authors", plots.bars(authors, "perplexity on new pages", "learned from", **look))

# %% [markdown]
# In the full setting the network that read little of A has learned it by heart. On new pages of the same
# author it is worse than knowing nothing, because it is sure and wrong. The one that read fifteen times as
# much, in the same number of steps, is far better. Reading the other author helps less than reading the same
# amount of this one. And the network that read both is about as good for each of them as the network that
# read that author alone, though it had only half of its steps for each: from the first characters it finds
# out whom it reads.
#
# ## Measured beside reference
#
# The textbook's deep LSTM reaches a train perplexity of 1.0 on the novel in 500 epochs of gradient descent;
# ours takes a tenth of them, with Adam. Its own setting is
# `--set optimizer=sgd --set learning_rate=2 --set epochs=500`; it takes longer than this chapter should.
# Perplexities of another text are its own and have no reference.

# %%
band = (7.8, 7.9) if book.is_real else (7.0, 11.0)
chapter.trained("counting 3-grams", counted[3], band, source="counts alone")
HEART = {"sequential": (1.1, 1.0, "d2l 0.17, 500 epochs"), "random": (1.25, 1.5, "d2l 0.17, RNN")}
for name, reached in by_heart.iloc[-1].items():
    most, reference, source = HEART[name]
    known = {"reference": reference, "source": source, "headline": name == "sequential"}
    chapter.trained(f"by heart, {name}: train perplexity", reached, (1.0, most), tolerance=0.03, **known)
chapter.trained("by heart: characters as in the text", heart, (0.5, 1.0), reference=1.0)
for name, valid in cells["valid"].items():
    best = min(TEXTBOOK.get(name, [12.0])) if book.is_real else None
    known = {"reference": best, "source": "d2l 1.0.3, its best framework"} if best else {}
    band = (1.0, 1.03 * best if best else 12.0)
    chapter.trained(f"{name}: validation perplexity", valid, band, tolerance=0.25, **known)
real = {"A": [(4.7, 5.9), (1.0, 1.25)], "B": [(4.3, 5.4), (0.97, 1.15)]}
for who in ("A", "B"):
    band, cost = real[who] if book.is_real else [(1.5, 8.0), (0.9, 1.5)]
    both, alone = authors.loc["A and B", who], authors.loc[who, who]
    chapter.trained(f"authors: A and B, asked about {who}", both, band, tolerance=0.25)
    chapter.trained(f"authors: what the other costs {who}", both / alone, cost, reference=1, tolerance=0.03)
chapter.finish()

# %% [markdown]
# ## In short
#
# - A language model gives each next token a probability, and perplexity says among how many equally likely
#   tokens it hesitates.
# - Counting is the baseline that any network has to beat on text that neither has seen.
# - In sequential sampling the state goes from batch to batch; in random sampling every window starts from
#   nothing.
# - More text helps more than another cell, and one network can serve two authors.
# - Perplexities are comparable only on the same text with the same alphabet.
#
# ## What to try
#
# - `--set optimizer=sgd --set learning_rate=2 --set epochs=100`: nearer to the textbook's setting. How far is
#   it after twice the number of epochs that Adam had?
# - `--set seeds=3`: how far apart do three starts of the same cell lie, and how far the cells?
# - Take `global_clipnorm` away. Which network notices first?
# - Give the network that read both authors a prompt of A and then one of B. After how many characters does it
#   write like the right one? Measure it by the perplexity of each next character.
# - `text.Vocabulary.of(book.text)` keeps capitals and full stops. Why is the perplexity no longer comparable?
# - `kerasdl data fetch time_machine` brings the novel.
