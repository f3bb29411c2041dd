# %% [markdown]
# # Encoder and decoder: read it all, then write
#
# Dates in words become dates in digits: "march the third nineteen eighty four" is 1984-03-03. One network
# reads, another writes, and between them stands one vector. It is enough for one date, too small for three,
# and attention mends that.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "encoder_decoder",
    settings={
        "most": 3,  # dates in a line
        "units": 64,
        "examples": 10000,  # lines of one date
        "epochs": 16,
        "list_examples": 6000,  # lines of one to `most` dates
        "list_epochs": 8,
        "test_examples": 200,  # for each number of dates
        "batch_size": 100,
        "learning_rate": 0.01,  # at the start; it falls to 0 along a cosine
        "pairs": "fra.txt",  # sentence pairs, looked for in the folder KERASDL_DATA
        "pair_examples": 600,
        "pair_epochs": 100,
        "seed": 0,
    },
    fast={
        "most": 2,
        "units": 32,
        "examples": 1000,
        "epochs": 6,
        "list_examples": 2000,
        "test_examples": 50,
        "learning_rate": 0.02,
    },
)
settings = chapter.settings

# %%
import math
import re
import textwrap
from datetime import date

import keras
import numpy as np
import pandas as pd

from kerasdl import models, plots, training
from kerasdl.datasets import store
from kerasdl.text import Vocabulary, bleu

# %% [markdown]
# ## The question
#
# A recurrent network answers at each step, or once at the end. A translation is neither: it may be longer or
# shorter than what it translates, and its words come in another order. Our small language of dates has all of
# that. A date is said in four ways, in four to ten words, and always written with ten characters.
#
# The code below makes the language. A year has a formal form ("nineteen hundred and eighty four") and an
# everyday one ("nineteen eighty four"); `say` puts day, month and year together in four ways, and `lines`
# draws days and ways at random.


# %%
def split(text):
    return text.split()


SMALL = split(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
TENS = split("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = split(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
MONTHS = split("january february march april may june july august september october november december")
OTHERS = split("the of and oh hundred thousand thirtieth")


def number(n):
    return SMALL[n] if n < 20 else TENS[n // 10] + (f" {SMALL[n % 10]}" if n % 10 else "")


def ordinal(n):
    if n <= 20:
        return ORDINALS[n]
    return "thirtieth" if n == 30 else f"{TENS[n // 10]} {ORDINALS[n % 10]}"


def year(n, formal):
    century, rest = divmod(n, 100)
    if not rest:
        return "two thousand" if n == 2000 else f"{number(century)} hundred"
    if n < 2000 or n > 2009:
        between = " hundred and" if formal else " oh" if rest < 10 else ""
        return f"{number(century)}{between} {number(rest)}"
    return f"two thousand and {number(rest)}"


def say(day, form):
    month = MONTHS[day.month - 1]
    return (
        f"the {ordinal(day.day)} of {month} {year(day.year, True)}",
        f"{month} the {ordinal(day.day)} {year(day.year, False)}",
        f"{month} {number(day.day)} {year(day.year, False)}",
        f"{year(day.year, True)} {month} {number(day.day)}",
    )[form]


rng = np.random.default_rng(settings.seed)
calendar = np.arange(date(1900, 1, 1).toordinal(), date(2100, 1, 1).toordinal())
rng.shuffle(calendar)
unseen, seen = calendar[:5000], calendar[5000:]


def lines(days, rows, count):
    """Pairs (words, digits), each line of `count` dates drawn from these days."""
    drawn = [[date.fromordinal(int(day)) for day in row] for row in rng.choice(days, (rows, count))]
    forms = rng.integers(4, size=(rows, count))
    spoken = [" and ".join(map(say, row, form)) for row, form in zip(drawn, forms, strict=True)]
    written = [" ".join(day.isoformat() for day in row) for row in drawn]
    return list(zip(spoken, written, strict=True))


for form in range(4):
    day = date(1984, 3, 3)
    print(f"{say(day, form):48} → {day}")

# %% [markdown]
# Of all days from 1900 to 2099, one in fifteen is kept for the test: they stand in no line to learn from, in
# none of the four forms.
#
# ## The idea
#
# Two networks (Sutskever, Vinyals and Le, 2014; Cho et al., 2014). The **encoder** reads the words
# $x_1 … x_n$ and keeps nothing but its last state. The **decoder** begins with this state. It is a language
# model: it is shown what has been written so far, and it says what comes next.
#
# $$s_0 = h_n, \qquad s_t = \mathrm{GRU}(y_{t-1}, s_{t-1}), \qquad
# p(y_t \mid y_{<t}, x) = \operatorname{softmax}(s_t V + c).$$
#
# Two extra tokens make the lengths free. $y_0$ is `begin`; and when the decoder says `end`, the answer is
# complete. A third, `padding`, fills up the shorter lines of a batch, and a mask keeps it out of the states,
# of attention and of the loss.
#
# Why must padding be kept out with such care? Without the mask a short line would be followed by a row of
# `padding` tokens that the encoder reads too, and its last state would be that after the last of them. The
# same words would then have another vector in another batch, depending on the longest line beside them. With
# the mask the state stands still from the last word on.
#
# **Teacher forcing**: in training the decoder is not shown its own last character but the right one. So its
# inputs are known beforehand, $y_0 … y_{m-1}$, and its targets are the same one step on, $y_1 … y_m$.
#
# `encode` makes these three arrays of a list of pairs: what the encoder reads, what the decoder is shown, and
# what it should say.

# %%
source = Vocabulary(sorted({*SMALL, *TENS, *ORDINALS, *MONTHS, *OTHERS}), "word", ["padding"])
target = Vocabulary("0123456789- ", reserved=["padding", "begin", "end"])


def encode(pairs, source, target):
    """Inputs and targets for teacher forcing."""
    words, digits = zip(*pairs, strict=True)
    x = [source.encode_all(words), target.encode_all(digits, begin=True)]
    return x, target.encode_all(digits, end=True)


(read, shown), wanted = encode([("march three nineteen eighty four", "1984-03-03")], source, target)
print("the encoder reads ", source.decode(read[0]))
print("the decoder sees  ", target.decode(shown[0]))
print("and should say    ", target.decode(wanted[0]))

# %% [markdown]
# ## In Keras's own layers
#
# The encoder is a recurrent layer that returns its last state, the decoder one that begins with it. Tokens
# enter as one-hot vectors, and each layer is told which of them are padding.

# %%
read, shown = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
words, characters = keras.ops.one_hot(read, len(source)), keras.ops.one_hot(shown, len(target))
encoder = keras.layers.GRU(settings.units, return_state=True)
decoder = keras.layers.GRU(settings.units, return_sequences=True)
_, state = encoder(words, mask=read != source.padding)
outputs = decoder(characters, initial_state=state, mask=shown != target.padding)
written_out = keras.Model([read, shown], keras.layers.Dense(len(target))(outputs))

kerasdl.set_seed(settings.seed)
plain = models.encoder_decoder(source, target, "gru", settings.units)
short = lines(unseen, 3 * settings.test_examples, 1)
course.agree(chapter, plain, written_out, encode(short[:4], source, target)[0])

# %% [markdown]
# `models.encoder_decoder` is just this, with a mask for the loss as well. With a teacher no step waits for an
# answer, so a line goes through in one piece.
#
# Three helpers: one trains with a teacher, at a rate that falls to 0 along half a cosine; one lets a model
# write its answers; one says which of them are right from the first character to the last.


# %%
def learn(model, pairs, epochs, vocabularies=(source, target)):
    """Train a model on pairs, at a rate that falls along a cosine; its loss by epoch."""
    x, y = encode(pairs, *vocabularies)
    steps = epochs * math.ceil(len(pairs) / settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss)
    kerasdl.set_seed(settings.seed)
    every = 2 if epochs % 2 == 0 else 1
    options = {"epochs": epochs, "batch_size": settings.batch_size, "report_every": every}
    return training.fit(model, x, y, **options).loss


def answers(model, pairs):
    texts = [words for words, _ in pairs]
    return models.translate(model, texts, length=11 * settings.most, batch_size=len(texts))


def exact(said, pairs):
    """Which answers are right in every character."""
    return np.array([text == right for text, (_, right) in zip(said, pairs, strict=True)])


curves = {"one date": learn(plain, lines(seen, settings.examples, 1), settings.epochs)}
said = answers(plain, short)
one_date = exact(said, short).mean()
print(f"exact on dates that it has never seen: {one_date:.3f}")
for (words, right), text in list(zip(short, said, strict=True))[:3]:
    print(f"  {words}\n    → {text}{'' if text == right else ', wrong'}")

# %% [markdown]
# ## Writing without a teacher
#
# `models.translate` decodes **greedily**: starting from `begin`, it takes the likeliest character at each
# step and shows it to the decoder at the next one. It hands the state from step to step. The slow way needs
# no state: give the model all that has been written so far, over and over. Both must write the same.
#
# Greedy is not the same as likeliest. The likeliest answer as a whole may begin with a character that is not
# the likeliest at first. **Beam search** keeps several beginnings and drops the worst at each step; for
# dates, where after the first digits there is hardly any doubt, it would change little, and for sentences it
# helps a little.
#
# The slow way also shows what the state is worth. Without it a line of $m$ characters costs at least $1 + 2 +
# \dots + m$ steps of the decoder, with it $m$.


# %%
def by_loop(model, pairs, length):
    """Greedy decoding that runs the whole model again for every character."""
    (read, _), _ = encode(pairs, source, target)
    written = np.full((len(pairs), length + 1), target.padding, "int32")
    written[:, 0] = target.begin
    going = np.ones(len(pairs), bool)
    for t in range(length):
        logits = model.predict_on_batch([read, written[:, :-1]])[:, t]
        logits[:, [target.padding, target.begin]] = -np.inf
        written[:, t + 1] = np.where(going, logits.argmax(axis=1), target.padding)
        going &= written[:, t + 1] != target.end
    return target.decode_all(written)


# %% [markdown]
# ## One vector for all
#
# Whatever the line says must pass through $h_n$, a vector of fixed size. For one date it is large enough. Now
# the lines hold several dates, and the same network goes on learning with these. As before, the test lines
# have days that it has never been shown, and there are equally many of them for each number of dates.
#
# How much is there to carry? Two hundred years have 73,049 days, so a date is $\log_2 73{,}049 \approx 16$
# bits, and three dates are 48 or 49. By that count a vector of 64 numbers has room for many. But room is not
# all. The encoder must learn to write each date into a place of its own, the decoder must learn to find it
# there, and neither has anything to learn from but the gradient of a loss. What a vector could hold is one
# thing; what training makes it hold is another, and that is what we measure.

# %%
counts = range(1, settings.most + 1)
lists = [pair for n in counts for pair in lines(seen, settings.list_examples // settings.most, n)]
tests = {n: lines(unseen, settings.test_examples, n) for n in counts}
everything = [pair for pairs in tests.values() for pair in pairs]
print(textwrap.fill("{} → {}".format(*everything[-1]), 78))
curves["lists, one vector"] = learn(plain, lists, settings.list_epochs)

# %% [markdown]
# ## Attention
#
# Let the decoder look back (Bahdanau, Cho and Bengio, 2015). The encoder has an output at every word, and
# they can all be kept: $h_1 … h_n$ is a memory as long as the line. At each step the decoder compares its
# output $s_t$ with each of them, the more alike the larger the weight, and takes the weighted mean along
# (Luong, Pham and Manning, 2015):
#
# $$a_{ti} = \frac{e^{s_t \cdot h_i}}{\sum_j e^{s_t \cdot h_j}}, \qquad c_t = \sum_i a_{ti} h_i, \qquad
# \tilde s_t = \tanh([s_t, c_t] W + b),$$
#
# and $\tilde s_t$ takes the place of $s_t$ before the output. This network starts from nothing and learns
# from the lists alone.
#
# Three things are worth seeing in these equations. The weights of a row are positive and sum to 1, so $c_t$
# is always a mean of what was read, never larger. Nothing in them says at which place a word stood: places
# are found by what the encoder's states hold, since each has read its neighbours too. And the number of
# comparisons is the product of the two lengths, which is nothing for a line and much for a book.

# %%
kerasdl.set_seed(settings.seed)
attentive = models.encoder_decoder(source, target, "gru", settings.units, attention=True)
curves["lists, attention"] = learn(attentive, lists, settings.list_epochs)
print(f"{plain.count_params():,} weights with one vector, {attentive.count_params():,} with attention")

# %% [markdown]
# From scratch these are a few lines. We take the encoder's and the decoder's outputs out of the model,
# `memory` for the $h_i$ and `states` for the $s_t$; what the lines make of them must be the model's logits.
# Padding gets the score $-\infty$, so that its weight is $e^{-\infty} = 0$. And the slow loop must write what
# `translate` writes.

# %%
inside = keras.Model(attentive.inputs, [*attentive.get_layer("attention").input, attentive.output])
longest = tests[settings.most][:20]
(read, shown), _ = encode(longest, source, target)
states, memory, logits = inside.predict([read, shown], batch_size=len(read), verbose=0)

scores = states @ memory.swapaxes(1, 2)
scores[np.broadcast_to(read[:, None] == source.padding, scores.shape)] = -np.inf
weights = np.exp(scores - scores.max(axis=2, keepdims=True))
weights /= weights.sum(axis=2, keepdims=True)
W, b = attentive.get_layer("mix").get_weights()
V, c = attentive.get_layer("output").get_weights()
mixed = np.tanh(np.concatenate([states, weights @ memory], axis=2) @ W + b)
counted = shown != target.padding
gap = np.abs((mixed @ V + c - logits)[counted]).max() / np.abs(logits).max()
chapter.exact("attention: by hand against the model", gap, within=1e-4)
same = np.mean(np.array(by_loop(attentive, longest, 11 * settings.most)) == answers(attentive, longest))
chapter.exact("greedy: by a loop against translate, equal", same, 1, within=0.1)

# %% [markdown]
# The weights $a_{ti}$ can be looked at. A row for each character that is written, a column for each word that
# was read:

# %%
words, characters = longest[0][0].split(), longest[0][1]
looks = pd.DataFrame(weights[0, : len(characters), : len(words)], list(characters), words)
labels = ("word read", "character to write", "where the decoder looks, black is 1")
chapter.figure("attention", plots.shades(looks, *labels, size=0.2))

# %% [markdown]
# Nobody told it where to look. Each row is one character, and dark are the words that it is made of, or
# their neighbours, whose states have read them too.
#
# Read the picture by its rows. The order of the dark places is not that of the words: the year is written
# first, whether it was said first or last, and there the decoder jumps. Rows of hyphens need no word at all,
# and what they look at is of no consequence.
#
# ## Two scores
#
# For a date only the whole counts: **exact match**. A translation may be good and use other words, so it is
# scored by the pieces it shares with a translation made by a person: **BLEU** (Papineni et al., 2002),
#
# $$\text{BLEU} = \exp\Big(\min\big(0, 1 - \tfrac rc\big)\Big) \prod_{n=1}^{4} p_n^{1/4},$$
#
# where $p_n$ is the share of the answer's pieces of $n$ tokens that the reference has too, and the first
# factor punishes an answer whose length $c$ is less than the reference's $r$. Here the tokens are characters.
# A piece counts only as often as the reference has it. Why? The paper's own example is "the the the the the
# the the" against "the cat is on the mat": without this rule it would be perfect, with it $p_1 = 2/7$.

# %%
p1 = bleu("the the the the the the the", "the cat is on the mat", k=1)
chapter.exact("BLEU: seven times the", p1, 2 / 7, within=1e-9, source="Papineni et al. 2002")

# %% [markdown]
# Both networks now answer lines with one date, with two, and so on, all of days that they have never seen.
# For each answer we note whether it is right, its BLEU, and how many words had to be read.

# %%
rows = []
for name, model in {"one vector": plain, "attention": attentive}.items():
    said = answers(model, everything)
    rows.append(
        pd.DataFrame(
            {
                "network": name,
                "dates": np.repeat(counts, settings.test_examples),
                "words": [len(words.split()) for words, _ in everything],
                "exact match": exact(said, everything),
                "BLEU": [bleu(list(a), list(right)) for a, (_, right) in zip(said, everything, strict=True)],
            }
        )
    )
    print(f"{name}: {said[-1]}")
judged = pd.concat(rows)
table = judged.groupby(["network", "dates"])[["exact match", "BLEU"]].mean()

# %% [markdown]
# ## What happened
#
# The table has both scores for each network and each number of dates. On the left of the figure is the loss
# of the three trainings, measured with a teacher. On the right is the share of exact answers, without one, by
# the number of words that had to be read, in groups of four. That is where to look for the edge.

# %%
chapter.table(table, "lengths")
judged["words"] = judged["words"] // 4 * 4 + 1.5  # in groups of four
by_length = judged.groupby(["words", "network"])["exact match"].agg(["mean", "size"])
by_length = by_length["mean"].where(by_length["size"] >= settings.test_examples // 10).unstack("network")
by_length = by_length.add_prefix("lists, ")  # named as on the left, and so in the same colours
with plots.canvas(columns=2, width=4.4) as (figure, axes):
    labels = ("epoch", "cross-entropy a character (nats)")
    plots.lines(curves, *labels, yscale="log", ax=axes[0, 0], title="learning, with a teacher")
    look = {"title": "unseen dates, no teacher", "colours": plots.colours(*curves)}
    plots.lines(by_length, "words read", "share of exact answers", ax=axes[0, 1], **look)
    axes[0, 1].set_ylim(-0.05, 1.05)
    for ax in axes[0]:
        ax.get_legend().remove()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)
chapter.figure("lengths", figure)

# %% [markdown]
# In the full setting the network with one vector still knows single dates, nearly as well as before, but of
# longer lines hardly any is right. What it writes are dates, as its printed answer shows; but which ones were
# said cannot be read from the vector any more. More units and more training should move this edge further
# out; try it. With attention there is no such edge, and it learns faster too, at the price of a layer more.
#
# BLEU is kinder. Most answers that are wrong share many of their pieces with the right ones, because dates
# look alike. A score that is hardly ever 0 tells two bad models apart; it does not tell whether a date can be
# used.
#
# Look at the loss on the left once more. With a teacher even the vector that is too small seems to learn:
# after "20" and "4" and "-" the next character is not hard. Teacher forcing measures the next step from a
# right past. Only free decoding shows what the network does with a past of its own.
#
# ## Sentences
#
# The same two functions translate sentences. Put a file of pairs, one pair a line with a tab between, into
# the folder `KERASDL_DATA`: for French, `fra.txt` from the page manythings.org/anki. The file begins with its
# shortest sentences. We learn those, and show BLEU as *Dive into Deep Learning* does (pieces of one and two
# words, weights ½ and ¼), on some that were learned and on others that were not.
#
# `read_pairs` parts words from punctuation. Sentences whose translation has a word that was not learned are
# left out, since nobody could write it. Without such a file the cell says so, and the chapter goes on.


# %%
def read_pairs(path, count):
    """The first pairs of a file, in small letters, words and punctuation marks separated by spaces."""

    def tidy(text):
        return " ".join(re.findall(r"[\w'’-]+|[^\w\s]", text.lower()))

    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if any(len(row) < 2 for row in rows[:count]):
        raise ValueError(f"{path}: each line holds two texts with a tab between")
    return [(tidy(row[0]), tidy(row[1])) for row in rows[:count]]


folder = store.data_folder()
if folder and (folder / settings.pairs).is_file():
    pairs = read_pairs(folder / settings.pairs, settings.pair_examples + 100)
    order = np.random.default_rng(settings.seed).permutation(len(pairs))
    pairs = [pairs[n] for n in order]
    learned, others = pairs[:-100], pairs[-100:]
    ours, theirs = (
        Vocabulary.of(texts, "word", ["padding", "begin", "end", "unknown"])
        for texts in zip(*learned, strict=True)
    )
    kerasdl.set_seed(settings.seed)
    translator = models.encoder_decoder(ours, theirs, "gru", settings.units, attention=True)
    known = [pair for pair in others if theirs.unknown not in theirs.encode(pair[1])]
    learn(translator, learned, settings.pair_epochs, (ours, theirs))
    for name, some in (("learned", learned[:100]), ("not learned", known)):
        said = models.translate(translator, [text for text, _ in some], length=20)
        each = [bleu(one, right, k=2, weights="halving") for one, (_, right) in zip(said, some, strict=True)]
        print(f"{name}: mean BLEU {np.mean(each):.3f} over {len(some)} sentences")
        for one, (text, right), points in list(zip(said, some, each, strict=True))[:4]:
            print(f"  {text} → {one} ({points:.2f}; {right})")
else:
    print(f"no {settings.pairs} in KERASDL_DATA: dates alone")

# %% [markdown]
# ## Measured beside reference
#
# Nobody else has measured this language of dates, so the references are an aim of our own: 99 of 100 lines
# right. For the network with one vector the bands say what it cannot do. They are the chapter's claim as much
# as the others: if it could read two dates, there would be no need of attention.

# %%
score, pieces = table["exact match"], table["BLEU"]
chapter.trained("one date, one vector: exact", one_date, (0.98, 1), reference=0.99, source="the aim")
chapter.trained("1 date, one vector: exact, after lists", score["one vector", 1], (0.8, 1))
for n in counts:
    name = f"{n} date{'s' * (n > 1)}, attention: exact"
    band, last = (0.98, 1), n == settings.most
    chapter.trained(name, score["attention", n], band, reference=0.99, source="the aim", headline=last)
for n in counts[1:]:
    chapter.trained(f"{n} dates, one vector: exact", score["one vector", n], (0, 0.2))
    chapter.trained(f"{n} dates, one vector: BLEU", pieces["one vector", n], (0.3, 0.85))
chapter.finish()

# %% [markdown]
# ## In short
#
# - The encoder reads everything, the decoder begins with its last state and writes until it says `end`: so
#   lengths may differ.
# - Training is with a teacher, writing without: judge a model by what it writes on its own.
# - One vector of fixed size is too small for long inputs. Attention keeps all states and lets each step
#   choose.
# - Choose the score for the use: exact match where only the whole counts, BLEU where parts are worth
#   something.
#
# ## What to try
#
# - `--set units=128 --set most=2`: how far does a vector of twice the size reach?
# - `--set most=5`: does attention hold? Which lines does it get wrong, and where does it look then?
# - Read the words from the last to the first, as Sutskever, Vinyals and Le did. Who gains by it, and why?
# - Use `"lstm"` for both halves: its state has two vectors. Is the edge further out?
# - Say a date in a way of your own that is made of known words. Is it understood?
