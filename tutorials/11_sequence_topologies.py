# %% [markdown]
# # Sequence topologies: one or many in, one or many out
#
# The same recurrent layer, wired in five ways: a wave from two numbers, a verdict on a sentence, a tag for
# each word with one direction and with both, and a network that hears its own output, and drifts.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "sequence_topologies",
    settings={
        "units": 32,
        "steps": 24,  # of a wave
        "waves": 1000,
        "wave_epochs": 40,
        "sentences": 2000,
        "tag_epochs": 10,
        "batch_size": 50,
        "learning_rate": 0.005,
        "keeps": 0.95,  # what the system of the last section keeps from step to step
        "noise": 0.5,  # standard deviation with which it is observed; what drives it has 0.3
        "runs": 400,  # observed
        "horizon": 60,  # steps of each
        "forced_epochs": 100,
        "free_epochs": 20,
        "seed": 0,
    },
    fast={
        "units": 16,
        "waves": 300,
        "wave_epochs": 20,
        "sentences": 500,
        "tag_epochs": 10,
        "learning_rate": 0.01,
        "runs": 200,
        "forced_epochs": 40,
        "free_epochs": 8,
    },
)
settings = chapter.settings

# %%
import textwrap

import keras
import numpy as np
import pandas as pd

from kerasdl import models, plots, text, training

rng = np.random.default_rng(settings.seed)

# %% [markdown]
# One helper trains every network of this chapter in the same way: Adam, the gradient clipped to a global norm
# of 1 as in chapter 10, and the same order of batches for all that are compared.


# %%
def learn(model, x, y, loss, epochs, rate=settings.learning_rate):
    kerasdl.set_seed(settings.seed)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss)
    training.fit(model, x, y, epochs=epochs, batch_size=settings.batch_size, report_every=epochs)
    return model


# %% [markdown]
# ## The question
#
# A recurrent layer takes an input and gives an output at every step. Which of them do we use? That choice has
# nothing to do with the cell; it depends on the task:
#
# | | in | out | here |
# |---|---|---|---|
# | one to one | one | one | a word by itself: is it a name? |
# | one to many | one | a sequence | two numbers: draw the wave |
# | many to one | a sequence | one | a sentence: does it name a person? |
# | many to many | a sequence | one of the same length | a sentence: which words are names? |
# | output recurrence | a sequence | one of the same length | a system that hears what it said |
#
# Where the lengths differ, one network reads and another one writes: that is chapter 15.
#
# In each section below we ask first what the best possible network could do, and only then train one. Where a
# limit is known, a disappointing number speaks for itself: is it the training, or is it the question that was
# put to the network?
#
# ## One to many
#
# One input, a sequence of outputs. When is the input shown? **Once**, at the first step, and the state must
# carry it from there; or **at every step**, so that it is always at hand:
#
# $$h_t = f(x\,[t = 1], h_{t-1}) \qquad\text{or}\qquad h_t = f(x, h_{t-1}).$$
#
# The layers are the same and have equally many weights. In Keras's own layers the second one is a
# `RepeatVector` in front of the recurrent layer; `models.one_to_many` builds both.

# %%
written_out = keras.Sequential(
    [
        keras.Input((2,)),
        keras.layers.RepeatVector(settings.steps),
        keras.layers.GRU(settings.units, return_sequences=True),
        keras.layers.Dense(1),
    ]
)
builder = models.one_to_many(2, settings.steps, 1, "gru", settings.units)
course.agree(chapter, builder, written_out, rng.normal(size=(4, 2)))

# %% [markdown]
# The task: from an amplitude $a$ and a frequency $\omega$, draw $a \sin \omega t$. The learning rate falls to
# 0 along half a cosine, because the last bit of precision needs small steps: at a rate that stays as it is,
# the error jumps about until the end.
#
# The figure shows two waves of the test, the slowest and the fastest.


# %%
def draw_waves(rows):
    a, ω = rng.uniform(0.5, 1.5, rows), rng.uniform(0.2, 0.8, rows)
    waves = a[:, None] * np.sin(ω[:, None] * np.arange(settings.steps))
    return np.stack([a, ω], axis=1).astype("float32"), waves[:, :, None].astype("float32")


x, y = draw_waves(settings.waves)
x_test, y_test = draw_waves(500)
batches = settings.wave_epochs * -(-settings.waves // settings.batch_size)
drawn = {"wave": y_test}
for name, every_step in {"input once": False, "input at every step": True}.items():
    kerasdl.set_seed(settings.seed)
    model = models.one_to_many(2, settings.steps, 1, "gru", settings.units, every_step=every_step)
    falling = keras.optimizers.schedules.CosineDecay(2 * settings.learning_rate, batches)
    learn(model, x, y, "mse", settings.wave_epochs, falling)
    drawn[name] = model.predict(x_test, batch_size=500, verbose=0)
wave_errors = {
    name: np.mean((drawn[name] - y_test) ** 2) / y_test.var()
    for name in ("input once", "input at every step")
}
for name, share in wave_errors.items():
    print(f"{name}: error {share:.4f} of the waves' variance")
shown = {
    "a = {:.2f}, ω = {:.2f}".format(*x_test[place]): pd.DataFrame(
        {name: waves[place, :, 0] for name, waves in drawn.items()}
    )
    for place in np.argsort(x_test[:, 1])[[0, -1]]  # the slowest and the fastest
}
LOOK = {"wave": "0.6", "input once": plots.PALETTE[0], "input at every step": plots.PALETTE[1]}
chapter.figure("waves", plots.panels(shown, "step", "output", colours=LOOK))

# %% [markdown]
# What is shown once must be kept through all that follows, beside the place in the wave. Told again at every
# step, the state has only the place to keep. The two errors say what that is worth here.
#
# ## Sentences
#
# Rose may be a flower or a person; so may Lily, Iris and Ivy, and Jack may be a tool. The word itself does
# not say which; the words around it do. We make sentences of clauses, and in each clause stands one such
# double word. In half of the clauses what is on its left decides, in half what is on its right:

# %%
DOUBLE = (
    "rose lily iris ivy heather violet daisy jasmine holly olive poppy hazel ruby pearl amber crystal coral "
    "jade robin jack bill mark will frank miles rich basil sage clay cliff dale glen"
)
LEFT = {True: ["my friend", "uncle", "dear old", "mr"], False: ["the", "a red", "this old", "some kind of"]}
RIGHT = {
    True: ["laughed aloud", "wrote a letter", "said hello", "told a long story"],
    False: ["petals fell", "seeds are cheap", "dust lay everywhere", "was sold by the pound"],
}
BEFORE = ["yesterday", "then", "that day", "i heard that"]
AFTER = ["stood by the door", "came from the north", "is in the garden", "was there too"]

# %% [markdown]
# `LEFT` and `RIGHT` hold what gives a person (or a thing) away on that side; `BEFORE` and `AFTER` say
# nothing. So each clause has its clue on one side only.


# %%
def clause(doubles):
    """Words, and whether each is a person."""
    person, on_the_left = rng.random(2) < 0.5
    before = rng.choice(LEFT[bool(person)] if on_the_left else BEFORE).split()
    after = rng.choice(AFTER if on_the_left else RIGHT[bool(person)]).split()
    return [*before, rng.choice(doubles), *after], [0] * len(before) + [int(person)] + [0] * len(after)


def sentences(rows, doubles):
    """Texts and tags: one to three clauses each."""
    texts, tags = [], []
    for _ in range(rows):
        words, persons = clause(doubles)
        for _ in range(rng.integers(0, 3)):
            more, who = clause(doubles)
            words, persons = [*words, "and", *more], [*persons, 0, *who]
        texts.append(" ".join(words))
        tags.append(persons)
    return texts, tags


doubles = rng.permutation(DOUBLE.split())
texts, tags = sentences(settings.sentences, doubles[:16])
test_texts, test_tags = sentences(1000, doubles[16:])
for words, persons in list(zip(texts, tags, strict=True))[:3]:
    shown = " ".join(w.upper() if p else w for w, p in zip(words.split(), persons, strict=True))
    print(textwrap.fill(shown, 78, subsequent_indent="  "))

# %% [markdown]
# The test has sixteen other double words: none of its names stands in a sentence to learn from. A vocabulary
# must have an answer to that, a number for whatever is `unknown`. Ours holds the words around alone, so every
# double word is unknown, and nobody can learn by heart that Jack is usually a person.
#
# Inputs are one-hot: a word is a row of zeros with a single 1 at its number. A row of nothing but zeros is
# padding: layers pass over it, and the loss leaves it out.

# %%
frames = " ".join([*LEFT[True], *LEFT[False], *RIGHT[True], *RIGHT[False], *BEFORE, *AFTER, "and"])
vocabulary = text.Vocabulary.of(frames, "word", ["padding", "unknown"])
features = len(vocabulary)


def encode(texts, tags):
    """Inputs (sentences, words, features), tags (sentences, words, 1) and where a double word stands."""
    numbers = vocabulary.encode_all(texts)
    x = text.one_hot(numbers, features) * (numbers != vocabulary.padding)[..., None]
    y = np.zeros((*numbers.shape, 1), "float32")
    for row, persons in zip(y, tags, strict=True):
        row[: len(persons), 0] = persons
    return x.astype("float32"), y, numbers == vocabulary.unknown


x, y, double = encode(texts, tags)
x_test, y_test, double_test = encode(test_texts, test_tags)
print(f"{features} numbers a word, up to {x.shape[1]} words, {double_test.sum()} double words in the test")

# %% [markdown]
# ## Many to one
#
# Does the sentence name a person at all? Only the last output counts, $p = \sigma(h_T V + c)$: by then all
# has been read, and one direction is enough. In Keras's own layers, `Masking` finds the padding:

# %%
written_out = keras.Sequential(
    [
        keras.Input((None, features)),
        keras.layers.Masking(0.0),
        keras.layers.GRU(settings.units),
        keras.layers.Dense(1),
    ]
)
kerasdl.set_seed(settings.seed)
reader = models.many_to_one(features, 1, "gru", settings.units, mask_value=0.0)
course.agree(chapter, reader, written_out, x[:4])

# %% [markdown]
# A share of right answers means little by itself. Beside it stands what costs no training at all: always to
# give the more frequent answer.

# %%
logistic = keras.losses.BinaryCrossentropy(from_logits=True)
named, named_test = y.max(axis=1), y_test.max(axis=1)
learn(reader, x, named, logistic, settings.tag_epochs)
verdict_right = np.mean((reader.predict(x_test, batch_size=500, verbose=0) > 0) == named_test)
frequent = max(named_test.mean(), 1 - named_test.mean())
print(f"names a person or not: {verdict_right:.3f} right; always the more frequent answer: {frequent:.3f}")

# %% [markdown]
# ## Many to many
#
# Which words are persons? Now every output counts, and what it may depend on is the question. The output at
# word $t$ of a network that reads forwards has seen $x_1 … x_t$. Read **both ways**, with a second layer that
# goes from the end to the start, and each output has the whole sentence (Schuster and Paliwal, 1997):
#
# $$h_t = f(x_t, h_{t-1}), \qquad h'_t = f'(x_t, h'_{t+1}), \qquad p_t = \sigma([h_t, h'_t] V + c).$$
#
# Padding needs care here. The second reader begins at the end, and at the end of a short row stand zeros. If
# it took them for words, its state would no longer be empty where the last word comes, and how far from empty
# would depend on the longest sentence beside it. With the mask it passes over them. The check below holds
# the model to that: by hand there is no padding at all.
#
# By hand, two loops over one sentence, the second over its mirror image, whose outputs are turned round
# again:


# %%
def read(x, W, U, b):
    h, outputs = np.zeros(len(U)), []
    for word in x:
        h = np.tanh(word @ W + h @ U + b)
        outputs.append(h)
    return np.array(outputs)


written_out = keras.Sequential(
    [
        keras.Input((None, features)),
        keras.layers.Masking(0.0),
        keras.layers.Bidirectional(keras.layers.SimpleRNN(settings.units, return_sequences=True)),
        keras.layers.Dense(1),
    ]
)
builder = models.many_to_many(features, 1, "rnn", settings.units, bidirectional=True, mask_value=0.0)
course.agree(chapter, builder, written_out, x[:4])

*forwards, W, U, b, V, c = builder.get_weights()
sentence = x[0, : len(tags[0])]
h = np.concatenate([read(sentence, *forwards), read(sentence[::-1], W, U, b)[::-1]], axis=1)
apart = np.abs(h @ V + c - builder.predict(x[:1], verbose=0)[0, : len(sentence)]).max()
chapter.exact("both ways: by hand against the model", apart, within=1e-4)

# %% [markdown]
# How good can each network be on double words? By our own rule, half are decided on the left and half on the
# right, persons and things alike.
#
# - **One to one**, the word by itself, knows nothing: right in ½. To it all double words are the same
#   `unknown`, so what it says of one it says of all.
# - **Forwards** is sure where the left decides, and guesses where it does not: ½ · 1 + ½ · ½ = ¾.
# - **Both ways** can be right in all.

# %%
kerasdl.set_seed(settings.seed)
single = models.linear(features)
is_word = x.any(axis=2)
learn(single, x[is_word], y[is_word], logistic, settings.tag_epochs)
said = {"one to one": single.predict(x_test.reshape(-1, features), batch_size=5000, verbose=0)}
for name, both in {"forwards": False, "both ways": True}.items():
    kerasdl.set_seed(settings.seed)
    tagger = models.many_to_many(features, 1, "rnn", settings.units, bidirectional=both, mask_value=0.0)
    learn(tagger, x, y, logistic, settings.tag_epochs)
    said[name] = tagger.predict(x_test, batch_size=500, verbose=0)

# %% [markdown]
# Three scores: the share of all words that are right, the share of the double words, and **F1** on these, the
# harmonic mean of precision (how many of those called persons are persons) and recall (how many of the
# persons are found).
#
# Why the harmonic mean? Because it is small as soon as one of the two is. A network that calls every double
# word a person finds them all, so its recall is 1, and half of what it says is wrong, so its precision is ½.
# The ordinary mean would give it 0.75, F1 gives 0.67. And one that names a single person, the right one, has
# precision 1 and an F1 of almost 0.

# %%
rows = {}
for name, logits in said.items():
    found, person = logits.reshape(y_test.shape) > 0, y_test > 0
    hits = np.sum(found[double_test] & person[double_test])
    rows[name] = {
        "all words": np.mean((found == person)[x_test.any(axis=2)]),
        "double words": np.mean((found == person)[double_test]),
        "F1": 2 * hits / max(1, found[double_test].sum() + person[double_test].sum()),
    }
tagging = pd.DataFrame(rows).T
chapter.table(tagging, "tagging")

# %% [markdown]
# Mind the first column. Most words are no names, so even a network that knows nothing of them is right in
# nine words of ten. A score over all words hides the task; the double words alone, or F1, show it.
#
# Mind the F1 of the first row as well. A network that sees nothing but `unknown` calls every double word a
# person or none of them, and which of the two is chance. Its F1 is then about ⅔ or 0, and neither says
# anything about what was learned.
#
# The figure takes one sentence of the test that names two persons, and gives each word a bar for each
# network. Where the clue is still to come, the one that reads forwards can only stay near ½.

# %%
fits = (sum(persons) == 2 and 8 <= len(persons) <= 14 for persons in test_tags)
place = next((n for n, fit in enumerate(fits) if fit), 0)
words = [f"{w}*" if p else w for w, p in zip(test_texts[place].split(), test_tags[place], strict=True)]
shown = {name: said[name][place, : len(words), 0] for name in ("forwards", "both ways")}
figure = plots.bars(1 / (1 + np.exp(-pd.DataFrame(shown, index=words))), "probability of a person")
figure.axes[0].tick_params(axis="x", rotation=60)
figure.axes[0].set(title="a person is marked by a star", ylim=(0, 1.05))
chapter.figure("tagging", figure)

# %% [markdown]
# ## Output recurrence
#
# So far the state is hidden, and training must go through time, step after step. If nothing is fed back but
# the *output* (Jordan, 1986), there is a short cut, because in training the outputs are known:
#
# $$h_t = \tanh(x_t W + y_{t-1} U + b), \qquad y_t = h_t V + c.$$
#
# The price is that such a network can remember only what it says. A state of 16 hidden numbers may hold what
# was read ten words ago; one output number holds one number. Where the task is to follow a system whose state
# is its output, that is enough.
#
# **Teacher forcing** (Williams and Zipser, 1989) puts the true $y_{t-1}$ in place of the network's own. Then
# no step waits for another, and training is quick. **Free running** is what comes after: the network hears
# itself. It was never taught that, and whether it matters cannot be seen in its loss. By hand, running free:


# %%
def run_free(x, W, U, b, V, c):
    y, outputs = np.zeros((len(x), len(c))), []
    for t in range(x.shape[1]):
        y = np.tanh(x[:, t] @ W + y @ U + b) @ V + c
        outputs.append(y)
    return np.stack(outputs, axis=1)


kerasdl.set_seed(settings.seed)
forced = models.output_recurrent(1, 1, units=16)
free = models.free_running(forced)  # the same weights, without the teacher
some = rng.normal(size=(4, 20, 1)).astype("float32")
apart = np.abs(run_free(some, *forced.get_weights()) - free.predict(some, verbose=0)).max()
chapter.exact("free running: by hand against the model", apart, within=1e-4)

# %% [markdown]
# Here is a system in which it matters, and in which all can be computed. It keeps a share $a$ of itself and
# is driven by $x$; we observe it with noise:
#
# $$s_t = a s_{t-1} + x_t, \qquad y_t = s_t + \varepsilon_t, \qquad
# \operatorname{Var} x_t = 0.3^2, \quad \operatorname{Var} \varepsilon_t = \sigma^2.$$


# %%
def observe(runs):
    """What drives the system, its state and what is observed, (runs, horizon, 1) each."""
    x = rng.normal(0, 0.3, (runs, settings.horizon, 1))
    state = np.zeros_like(x)
    for t in range(settings.horizon):
        state[:, t] = (settings.keeps * state[:, t - 1] if t else 0) + x[:, t]
    seen = state + rng.normal(0, settings.noise, x.shape)
    return x.astype("float32"), state, seen.astype("float32")


drive, _, seen = observe(settings.runs)
drive_test, state_test, seen_test = observe(2000)

# %% [markdown]
# Two models share these weights: `forced` is told the true output, `free` hears its own. To see what training
# has made of them we ask three things. How much of $y_{t-1}$ is kept? We tell the network 0.5 and then −0.5
# and look how far its answers lie apart. How well does it predict one step after a teacher? And how far does
# it drift from the system when it is left alone?


# %%
def judge():
    """What the weights do now: how much of the past they keep, one step after a teacher, and left alone."""
    told = np.tile([[0.5], [-0.5]], (1, settings.horizon))[..., None].astype("float32")
    high, low = forced.predict([0 * told, told], verbose=0)[:, -1, 0]
    after_teacher = forced.predict([drive_test, seen_test], batch_size=2000, verbose=0)
    alone = free.predict(drive_test, batch_size=2000, verbose=0)
    drift = np.mean((alone - state_test) ** 2, axis=(0, 2))
    return high - low, np.mean((after_teacher - seen_test) ** 2), drift, alone[0, :, 0]


results = {}
learn(forced, [drive, seen], seen, "mse", settings.forced_epochs)
results["with a teacher"] = judge()
learn(free, drive, seen, "mse", settings.free_epochs)  # from there on, through time
results["then freely"] = judge()

# %% [markdown]
# What should come out? The best prediction from the teacher's $y_{t-1}$ does not keep $a$ of it. Part of what
# it is told is noise, and the more noise there is, the less it trusts it: regression on noisy numbers gives a
# slope that is too small,
#
# $$a' = a \, \frac{\sum_t \operatorname{Var} s_t}{\sum_t (\operatorname{Var} s_t + \sigma^2)}.$$
#
# Here is the reason in a line. The slope of the best straight line from $u$ to $v$ is $\operatorname{Cov}(u,
# v) / \operatorname{Var}(u)$. With $u = s_{t-1} + \varepsilon_{t-1}$ and $v = y_t$ the noise of the two has
# nothing in common, so it adds nothing to the covariance, $a \operatorname{Var} s_{t-1}$, and $\sigma^2$ to
# the variance below. The sums are there because the state begins at 0 and its variance grows from step to
# step.
#
# One step ahead, that is right. Left alone there is no noise in what the network hears, and it keeps too
# little: it forgets what drove it, and its error grows step by step to
# $0.3^2 \sum_k (a^k - a'^k)^2$. Trained freely, through time, the best it can do is to become the system.

# %%
a, noise = settings.keeps, settings.noise**2
powers = np.arange(settings.horizon)
variance = np.cumsum(0.3**2 * a ** (2 * powers))  # of the state, step by step
shrunk = a * variance[:-1].sum() / (variance[:-1] + noise).sum()
rows, theory = {}, {}
for name, keeps in {"with a teacher": shrunk, "then freely": a}.items():
    later = (a - keeps) ** 2 * variance[:-1] + keeps**2 * noise
    theory[name] = np.cumsum(0.3**2 * (a**powers - keeps**powers) ** 2)
    found, one_step, drift, _ = results[name]
    rows[name, "found"] = {"keeps": found, "one step": one_step, "alone": drift[-1]}
    best = noise + later.sum() / settings.horizon
    rows[name, "theory"] = {"keeps": keeps, "one step": best, "alone": theory[name][-1]}
outcome = pd.DataFrame(rows).T

# %% [markdown]
# ### What happened
#
# Each way of training has two rows, what was found and what theory says: the share of the past that is kept,
# the error one step after a teacher, and the error at the end of a run alone. In the figure a single run is
# on the left, and on the right the error of all runs, step by step, beside that of always saying 0.

# %%
chapter.table(outcome, "free_running")
alone = {"system": state_test[0, :, 0], **{name: result[3] for name, result in results.items()}}
drifts = {name: result[2] for name, result in results.items()}
drifts |= {"with a teacher, theory": theory["with a teacher"], "saying 0": variance}
shown = {"one run": pd.DataFrame(alone), "squared error, all runs": pd.DataFrame(drifts)}
LOOK = {"system": "0.6", "with a teacher": plots.PALETTE[0], "then freely": plots.PALETTE[1]}
LOOK |= {"with a teacher, theory": plots.PALETTE[4], "saying 0": plots.PALETTE[3]}
figure = plots.panels(shown, "steps left alone", ("output", "squared error"), colours=LOOK)
chapter.figure("free_running", figure)

# %% [markdown]
# Judged one step after a teacher, the first network is the better one as long as there is noise, and a loss
# curve would show nothing else. Left alone it drifts away. The second is worse after the teacher, because it
# believes what it is told, noise and all; and left alone it stays with the system.
#
# Follow the two networks' curves in the right panel from the left. For a few steps they lie together: what
# the networks have not yet had the time to forget, they cannot have wrong. Then the first one rises, towards
# a level between that of the second and that of saying 0 throughout. It does not explode, because the error
# of each step is forgotten as quickly as all else; it is the past that is missing.
#
# So the way of training is part of the question. If you want the next value from the last observed ones,
# train with a teacher. If you want a simulator, let the network run in training as it will have to run later,
# at the price of back-propagation through time. In between lies **scheduled sampling**: more and more of the
# network's own outputs among the teacher's (Bengio et al., 2015).
#
# ## Measured beside reference
#
# Where a closed form exists, it is the reference.

# %%
for name, share in wave_errors.items():
    # Where much is still to be learned, rounding sends the backends further apart.
    chapter.trained(f"wave, {name}: error over variance", share, (0, 0.02), tolerance=0.005 + 0.2 * share)
chapter.trained("many to one: right", verdict_right, (0.98, 1), reference=1)
closed = {"source": "closed form"}
for name, limit in {"one to one": 0.5, "forwards": 0.75, "both ways": 1.0}.items():
    right, band = tagging.loc[name, "double words"], (limit - 0.05, limit + 0.05)
    chapter.trained(
        f"{name}: double words right", right, band, reference=limit, headline=name == "both ways", **closed
    )
chapter.trained("both ways: F1", tagging.loc["both ways", "F1"], (0.97, 1), reference=1, **closed)
for name in results:
    found, best = outcome.loc[(name, "found")], outcome.loc[(name, "theory")]
    band = best["keeps"] - 0.06, best["keeps"] + 0.06
    chapter.trained(f"{name}: keeps", found["keeps"], band, reference=best["keeps"], **closed)
    band = 0.95 * best["one step"], 1.1 * best["one step"]
    chapter.trained(f"{name}: one step", found["one step"], band, reference=best["one step"], **closed)
    band = 0.7 * best["alone"], 1.3 * best["alone"] + 0.05
    chapter.trained(f"{name}: alone, at the end", found["alone"], band, reference=best["alone"], **closed)
chapter.finish()

# %% [markdown]
# ## In short
#
# - Which inputs and outputs of a recurrent layer are used is a choice of its own, apart from the cell.
# - A many-to-many network answers from what it has read so far. If the answer lies ahead, it must read both
#   ways.
# - Count on what is hard. A score over all words hides that nothing was learned about the few that matter.
# - Teacher forcing is quick, and it trains for the next step. A network that will run freely should have been
#   trained freely, or at least partly so.
#
# ## What to try
#
# - `--set noise=0.0`: what does teacher forcing hide now? And with `--set noise=1.0`?
# - `--set keeps=0.5`: why is the drift of a forgetful system small?
# - Read the sentences backwards only. What is its limit on double words?
# - Ask for the sentence's verdict after every word, with `many_to_many`. When does it become sure?
# - `--set steps=60`: for how long can a wave be drawn from an input shown once?
