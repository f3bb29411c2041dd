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
        "units": 8,
        "waves": 100,
        "wave_epochs": 1,
        "sentences": 100,
        "tag_epochs": 1,
        "runs": 100,
        "forced_epochs": 2,
        "free_epochs": 1,
    },
)
settings = chapter.settings

# %%
import keras
import numpy as np
import pandas as pd

from kerasdl import models, plots, text, training

generator = np.random.default_rng(settings.seed)


def learn(model, x, y, loss, epochs, rate=settings.learning_rate):
    kerasdl.set_seed(settings.seed)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss)
    training.fit(model, x, y, epochs=epochs, batch_size=settings.batch_size, report_every=epochs)
    return model


# %% [markdown]
# ## The question
#
# A recurrent layer takes an input and gives an output at every step. What of this do we use? That is a choice
# apart from the cell, and it depends on the task:
#
# | | in | out | here |
# |---|---|---|---|
# | one to one | one | one | a word by itself: is it a name? |
# | one to many | one | a sequence | two numbers: draw the wave |
# | many to one | a sequence | one | a sentence: does it name a person? |
# | many to many | a sequence | as long a one | a sentence: which words are names? |
# | output recurrence | a sequence | as long a one | a system that is driven, and remembers what it did |
#
# Where lengths differ, one network reads and another writes: that is chapter 15.
#
# ## One to many
#
# One input, a sequence of outputs. When is the input shown? **Once**, at the first step, and the state must
# carry it from there; or **at every step**, as a melody is played with the same hand:
#
# $$h_t = f(x\,[t = 1], h_{t-1}) \qquad\text{or}\qquad h_t = f(x, h_{t-1}).$$
#
# The layers are the same and have equally many weights. The task: from an amplitude $a$ and a frequency
# $\omega$, draw $a \sin \omega t$. The learning rate falls to 0 along half a cosine, for the last steps of a
# wave are delicate: a rate that stays throws them about until the end, on each backend elsewhere.


# %%
def draw_waves(rows):
    a, ω = generator.uniform(0.5, 1.5, rows), generator.uniform(0.2, 0.8, rows)
    waves = a[:, None] * np.sin(ω[:, None] * np.arange(settings.steps))
    return np.stack([a, ω], axis=1).astype("float32"), waves[:, :, None].astype("float32")


x, y = draw_waves(settings.waves)
x_test, y_test = draw_waves(500)
drawn, wave_errors = {}, {}
falling = keras.optimizers.schedules.CosineDecay(
    2 * settings.learning_rate, settings.wave_epochs * -(-settings.waves // settings.batch_size)
)
for name, every_step in {"input once": False, "input at every step": True}.items():
    kerasdl.set_seed(settings.seed)
    model = models.one_to_many(2, settings.steps, 1, "gru", settings.units, every_step=every_step)
    learn(model, x, y, "mse", settings.wave_epochs, falling)
    drawn[name] = model.predict(x_test, batch_size=settings.batch_size, verbose=0)
    wave_errors[name] = np.mean((drawn[name] - y_test) ** 2) / y_test.var()
    print(f"{name}: {model.count_params()} weights, error {wave_errors[name]:.4f} of the waves' variance")
with plots.canvas(columns=2, width=4.5, height=3, sharey=True) as (figure, axes):
    for place, ax in enumerate(axes[0]):
        curves = {"wave": y_test[place, :, 0], **{name: one[place, :, 0] for name, one in drawn.items()}}
        plots.lines(
            {name: (np.arange(settings.steps), curve) for name, curve in curves.items()},
            xlabel="step",
            ylabel="" if place else "output",
            title="a = {:.2f}, ω = {:.2f}".format(*x_test[place]),
            ax=ax,
        )
    axes[0, 0].get_legend().remove()
    axes[0, 1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
chapter.figure("waves", figure)

# %% [markdown]
# Both can do it. But what is shown once must be kept through all that follows, and the frequency gets
# blurred: the wave ends out of step. Told again at every step, the state has only the phase to keep.
#
# ## Sentences
#
# Rose may be a flower or a person; so may Lily, Iris, Ivy, and Jack may be a tool. The word itself does not
# say which, the words around it do. We make sentences of clauses, and in each clause stands one such word. In
# half of the clauses what is on its left decides, in half what is on its right:


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


def clause(doubles):
    """Words, and whether each is a person."""
    person, on_the_left = generator.random(2) < 0.5
    before = generator.choice(LEFT[bool(person)] if on_the_left else BEFORE).split()
    after = generator.choice(AFTER if on_the_left else RIGHT[bool(person)]).split()
    return [*before, generator.choice(doubles), *after], [0] * len(before) + [int(person)] + [0] * len(after)


def sentences(rows, doubles):
    """Texts and tags: one to three clauses each."""
    texts, tags = [], []
    for _ in range(rows):
        words, persons = [], []
        for number in range(generator.integers(1, 4)):
            more, who = clause(doubles)
            words += (["and"] if number else []) + more
            persons += ([0] if number else []) + who
        texts.append(" ".join(words))
        tags.append(persons)
    return texts, tags


doubles = generator.permutation(DOUBLE.split())
texts, tags = sentences(settings.sentences, doubles[:16])
test_texts, test_tags = sentences(1000, doubles[16:])
for words, persons in list(zip(texts, tags, strict=True))[:3]:
    print(" ".join(w.upper() if p else w for w, p in zip(words.split(), persons, strict=True)))

# %% [markdown]
# The test has sixteen other double words: none of its names stands in a sentence to learn from. A vocabulary
# must have an answer to that, a number for whatever is `unknown`. Ours holds the words around alone, so every
# double word is unknown, and nobody can learn by heart that Jack is usually a person.
#
# Inputs are one-hot, and a row of zeros is padding: layers pass over it, and the loss leaves it out.

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
# has been read, and one direction is enough.

# %%
logistic = keras.losses.BinaryCrossentropy(from_logits=True)
kerasdl.set_seed(settings.seed)
reader = models.many_to_one(features, 1, "gru", settings.units, mask_value=0.0)
learn(reader, x, y.max(axis=1), logistic, settings.tag_epochs)
verdict = reader.predict(x_test, batch_size=500, verbose=0) > 0
verdict_right = np.mean(verdict == y_test.max(axis=1))
most_frequent = max(y_test.max(axis=1).mean(), 1 - y_test.max(axis=1).mean())
print(f"names a person or not: {verdict_right:.3f} right; the more frequent answer: {most_frequent:.3f}")

# %% [markdown]
# ## Many to many
#
# Which words are persons? Now every output counts, and what it may depend on is the question. The output at
# word $t$ of a network that reads forwards has seen $x_1 … x_t$. Read **both ways**, with a second layer that
# goes from the end to the start, and each output has the whole sentence (Schuster and Paliwal, 1997):
#
# $$h_t = f(x_t, h_{t-1}), \qquad h'_t = f'(x_t, h'_{t+1}), \qquad p_t = \sigma([h_t, h'_t] V + c).$$
#
# How good can each be on double words? By our own rule, half are decided on the left and half on the right,
# persons and things alike.
#
# - **One to one**, the word by itself, knows nothing: right in ½.
# - **Forwards** is sure where the left decides, and guesses where it does not: ½ · 1 + ½ · ½ = ¾.
# - **Both ways** can be right in all.

# %%
kerasdl.set_seed(settings.seed)
single = models.linear(features)
by_word = x.any(axis=2)
learn(single, x[by_word], y[by_word], logistic, settings.tag_epochs)
said = {"one to one": single.predict(x_test.reshape(-1, features), batch_size=5000, verbose=0)}
taggers = {}
for name, both in {"forwards": False, "both ways": True}.items():
    kerasdl.set_seed(settings.seed)
    tagger = models.many_to_many(features, 1, "rnn", settings.units, bidirectional=both, mask_value=0.0)
    taggers[name] = learn(tagger, x, y, logistic, settings.tag_epochs)
    said[name] = tagger.predict(x_test, batch_size=500, verbose=0)
said = {name: logits.reshape(y_test.shape) for name, logits in said.items()}

rows = {}
for name, logits in said.items():
    right, found = (logits > 0) == (y_test > 0), logits[double_test] > 0
    true_persons = y_test[double_test] > 0
    hits = np.sum(found & true_persons)
    rows[name] = {
        "all words": right[x_test.any(axis=2)].mean(),
        "double words": right[double_test].mean(),
        "F1": 2 * hits / max(1, found.sum() + true_persons.sum()),
    }
tagging = pd.DataFrame(rows).T
print(tagging.round(3).to_string())
chapter.history("tagging", tagging)

# %% [markdown]
# Look at the first column: most words are no names, so whoever never says "person" is right in nine words of
# ten. A score over all words hides the task; the double words alone, or F1, show it.

# %%
place = next(
    n
    for n, persons in enumerate(test_tags)
    if sum(persons) == 2 and any(phrase in test_texts[n] for phrase in LEFT[True])
)
words = test_texts[place].split()
with plots.canvas(width=0.55 * len(words) + 1, height=3.2) as (figure, axes):
    ax, at = axes[0, 0], np.arange(len(words))
    for shift, (name, logits) in zip((-0.2, 0.2), list(said.items())[1:], strict=True):
        ax.bar(at + shift, 1 / (1 + np.exp(-logits[place, : len(words), 0])), width=0.38, label=name)
    ax.set_xticks(
        at, [f"{w}*" if p else w for w, p in zip(words, test_tags[place], strict=True)], rotation=60
    )
    ax.set(ylabel="probability of a person", title="a person is marked by a star", ylim=(0, 1.05))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
chapter.figure("tagging", figure)

# %% [markdown]
# ### By hand
#
# Two loops over one sentence, the second over its mirror image, whose outputs are turned round again:


# %%
def read(x, W, U, b):
    h, outputs = np.zeros(len(U)), []
    for word in x:
        h = np.tanh(word @ W + h @ U + b)
        outputs.append(h)
    return np.array(outputs)


*forwards, W, U, b, V, c = taggers["both ways"].get_weights()
sentence = x_test[place, : len(words)]
h = np.concatenate([read(sentence, *forwards), read(sentence[::-1], W, U, b)[::-1]], axis=1)
by_hand = np.abs(h @ V + c - said["both ways"][place, : len(words)]).max()
print(f"both ways by hand against the model: {by_hand:.1e}")

# %% [markdown]
# ## Output recurrence
#
# So far the state is hidden, and training must go through time, step after step. If nothing is fed back but
# the *output* (Jordan, 1986), there is a short cut, for in training the outputs are known:
#
# $$h_t = \tanh(x_t W + y_{t-1} U + b), \qquad y_t = h_t V + c.$$
#
# **Teacher forcing** (Williams and Zipser, 1989) puts the true $y_{t-1}$ in place of the network's own. Then
# no step waits for another, and training is quick. **Free running** is what comes after: the network hears
# itself. It was never taught that, and whether it matters cannot be seen in its loss.
#
# Here is a system in which it matters, and in which all can be computed. It keeps a share $a$ of itself and
# is driven by $x$; we observe it with noise:
#
# $$s_t = a s_{t-1} + x_t, \qquad y_t = s_t + \varepsilon_t, \qquad
# \operatorname{Var} x_t = 0.3^2, \quad \operatorname{Var} \varepsilon_t = \sigma^2.$$


# %%
def observe(runs):
    """What drives the system, its state and what is observed, (runs, horizon, 1) each."""
    x = generator.normal(0, 0.3, (runs, settings.horizon, 1))
    state = np.zeros_like(x)
    for t in range(settings.horizon):
        state[:, t] = (settings.keeps * state[:, t - 1] if t else 0) + x[:, t]
    seen = state + generator.normal(0, settings.noise, x.shape)
    return x.astype("float32"), state, seen.astype("float32")


drive, _, seen = observe(settings.runs)
drive_test, state_test, seen_test = observe(2000)
kerasdl.set_seed(settings.seed)
forced = models.output_recurrent(1, 1, units=16)
free = models.free_running(forced)  # the same weights, without the teacher


def judge():
    """What the weights do now: one step after a teacher, left alone, and how much of the past they keep."""
    after_teacher = forced.predict([drive_test, seen_test], batch_size=2000, verbose=0)
    alone = free.predict(drive_test, batch_size=2000, verbose=0)
    told = np.tile([[0.5], [-0.5]], (1, settings.horizon))[..., None].astype("float32")
    high, low = forced.predict([0 * told, told], verbose=0)[:, -1, 0]
    return {
        "keeps": high - low,
        "one step": np.mean((after_teacher - seen_test) ** 2),
        "alone": alone[0, :, 0],
        "drift": np.mean((alone - state_test) ** 2, axis=(0, 2)),
    }


results = {}
learn(forced, [drive, seen], seen, "mse", settings.forced_epochs)
results["with a teacher"] = judge()
learn(free, drive, seen, "mse", settings.free_epochs)  # from there on, through time
results["then freely"] = judge()

# %% [markdown]
# What should come out? The best prediction from the teacher's $y_{t-1}$ does not keep $a$ of it. Part of what
# it is told is noise, and it trusts it the less: regression on noisy numbers gives a slope that is too small,
#
# $$a' = a \, \frac{\sum_t \operatorname{Var} s_t}{\sum_t (\operatorname{Var} s_t + \sigma^2)}.$$
#
# One step ahead, that is right. Left alone there is no noise in what the network hears, and it keeps too
# little: it forgets what drove it, and its error grows step by step to
# $0.3^2 \sum_k (a^k - a'^k)^2$. Trained freely, through time, the best it can do is the system itself.

# %%
a, noise = settings.keeps, settings.noise**2
powers = np.arange(settings.horizon)
variance = np.cumsum(0.3**2 * a ** (2 * powers))  # of the state, step by step
shrunk = a * variance[:-1].sum() / (variance[:-1] + noise).sum()
expected = {"with a teacher": shrunk, "then freely": a}
drift = {name: np.cumsum(0.3**2 * (a**powers - keeps**powers) ** 2) for name, keeps in expected.items()}


def one_step(keeps):
    """Mean squared error of predicting y from the observed past, the first step included."""
    later = (a - keeps) ** 2 * variance[:-1] + keeps**2 * noise
    return noise + later.sum() / settings.horizon


outcome = pd.DataFrame(
    {
        name: {
            "keeps": found["keeps"],
            "keeps, theory": expected[name],
            "one step": found["one step"],
            "one step, theory": one_step(expected[name]),
            "alone": found["drift"][-1],
            "alone, theory": drift[name][-1],
        }
        for name, found in results.items()
    }
).T

# %% [markdown]
# ## What happened

# %%
print(outcome.round(3).to_string())
chapter.history("free_running", outcome)
with plots.canvas(columns=2, width=5.2) as (figure, axes):
    time = np.arange(1, settings.horizon + 1)
    curves = {"system": state_test[0, :, 0], **{name: found["alone"] for name, found in results.items()}}
    plots.lines(
        {name: (time, curve) for name, curve in curves.items()},
        xlabel="step",
        ylabel="output, left alone",
        ax=axes[0, 0],
    )
    curves = {name: found["drift"] for name, found in results.items()}
    curves |= {"with a teacher, theory": drift["with a teacher"], "saying 0": variance}
    plots.lines(
        {name: (time, curve) for name, curve in curves.items()},
        xlabel="steps left alone",
        ylabel="squared error from the system",
        ax=axes[0, 1],
    )
    axes[0, 1].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.08))
chapter.figure("free_running", figure)

# %% [markdown]
# Judged one step after a teacher, the first network is the better one, and a loss curve would show nothing
# else. Left alone it loses more than half of what there is to know. The second is worse after the teacher,
# because it believes what it is told, noise and all; and alone it stays with the system.
#
# So the way of training is part of the question. Whoever wants the next value from the last observed ones
# trains with a teacher. Whoever wants a simulator lets the network run as it will have to, at the price of
# back-propagation through time. In between lies **scheduled sampling**: more and more of the network's own
# outputs among the teacher's (Bengio et al., 2015).
#
# ## Measured beside reference
#
# Where a closed form exists, it is the reference. The other bands hold what our trials gave, with a margin.

# %%


def check(name, measured, band, tolerance, reference=None, source="our trials"):
    chapter.trained(name, measured, band, reference=reference, source=source, tolerance=tolerance)


chapter.exact(
    "both ways: by hand against the model", by_hand, within=1e-4, tolerance=1e-4, source="the same equations"
)
for name, share in wave_errors.items():
    check(f"wave, {name}: error over variance", share, (0, 0.02), 0.005)
check("many to one: right", verdict_right, (0.98, 1), 0.02, 1, "all has been read")
for name, limit in {"one to one": 0.5, "forwards": 0.75, "both ways": 1.0}.items():
    band = limit - 0.05, min(1, limit + 0.05)
    check(f"{name}: double words right", tagging.loc[name, "double words"], band, 0.03, limit, "closed form")
check("both ways: F1", tagging.loc["both ways", "F1"], (0.97, 1), 0.02, 1, "closed form")
for name, row in outcome.iterrows():
    exact = row["keeps, theory"]
    check(f"{name}: keeps", row["keeps"], (exact - 0.06, exact + 0.06), 0.03, exact, "closed form")
    exact = row["one step, theory"]
    check(f"{name}: one step", row["one step"], (0.95 * exact, 1.1 * exact), 0.02, exact, "closed form")
    exact = row["alone, theory"]
    band = (0.7 * exact, 1.3 * exact) if exact else (0, 0.05)
    check(f"{name}: alone, error at the end", row["alone"], band, 0.1, exact, "closed form")
chapter.finish()

# %% [markdown]
# ## What to try
#
# - `--set noise=0.0`: what does teacher forcing hide now? And with `--set noise=1.0`?
# - `--set keeps=0.5`: why is the drift of a forgetful system small?
# - Read the sentences backwards only. What is its limit on double words?
# - Say each sentence's verdict after every word, with `many_to_many`. When does it become sure?
# - `--set steps=60`: for how long can a wave be drawn from an input shown once?
