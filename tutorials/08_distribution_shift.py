# %% [markdown]
# # Distribution shift: the world moves after training
#
# Handwritten digits whose pictures move, whose classes become more or less common, and whose labels change
# meaning: three shifts, each noticed, measured and, as far as it can be, repaired.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "distribution_shift",
    settings={
        "strength": 2.0,  # of the covariate shift: 0 none, 1 clear, 3 severe
        "ratio": "auto",  # family of the density ratio; "linear" is quick
        "test_rows": 500,  # of each side in a two-sample test
        "epochs": 60,
        "batch_size": 256,
        "learning_rate": 0.03,
        "noise": 0.35,  # of the old scanner; pixels run from 0 to 1
        "target_rows": 1000,  # unlabelled pictures after the label shift
        "draws": 100,  # bootstrap draws behind an interval
        "before": 2000,  # rows of a stream before its labels change meaning
        "after": 1000,
        "width": 1,  # rows over which they change; 1 is from one row to the next
        "streams": 40,  # that each monitor reads
        "window": 300,  # rows after the alarm to learn the new meaning from
        "seed": 0,
    },
    fast={"ratio": "linear", "test_rows": 150, "epochs": 20, "draws": 10, "streams": 4},
)
settings = chapter.settings

# %%
import keras
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from kerasdl import datasets, models, plots, shift, training

# %% [markdown]
# ## The question
#
# A test error is a promise about pictures that come from where the training pictures came from. Training
# rows are drawn from a **source** distribution $p(x, y)$, the model is used on a **target** $q(x, y)$, and
# nothing obliges the two to be equal. If they may differ in any way, nothing can be learned about the second
# from the first. So we ask what stands still:
#
# | shift | moves | stands still |
# |---|---|---|
# | covariate | $p(x)$ | $p(y \mid x)$ |
# | label | $p(y)$ | $p(x \mid y)$ |
# | concept | $p(y \mid x)$ | often $p(x)$ |
#
# Which line applies is knowledge about the world; no table of numbers can tell it. To see each remedy work,
# we make each shift on purpose on real pictures. Then the truth is known.

# %%
pictures = chapter.uses(datasets.images())
x = np.concatenate([pictures.x_train, pictures.x_test])[:1797, ..., 0]  # there are 1,797 digits
if pictures.is_real:
    x = x.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4))  # 28 × 28 to 7 × 7: fewer columns to weigh by
x = x.reshape(len(x), -1)
y = np.concatenate([pictures.y_train, pictures.y_test])[: len(x)]
print(f"{len(x)} pictures of {x.shape[1]} pixels in {len(pictures.class_names)} classes")

# %% [markdown]
# ## In Keras's own layers
#
# The chapter needs two small networks: a line that answers one question with yes or no, and a network with
# one hidden layer that tells the ten classes apart. Written out, the second is

# %%
penalty = keras.regularizers.L2(3e-3)
written_out = keras.Sequential(
    [
        keras.Input((x.shape[1],)),
        keras.layers.Dense(32, activation="relu", kernel_regularizer=penalty),
        keras.layers.Dense(10, kernel_regularizer=penalty),
    ]
)

# %% [markdown]
# The builders `models.linear` and `models.mlp` make them with initial weights that are the same on every
# backend. Each training below begins anew from these weights and takes the same number of steps, whatever
# the number of rows; `weights` says how much each row counts.


# %%
def compiled(model, loss):
    """The model ready to train, and its state to begin each training from."""
    model.compile(keras.optimizers.Adam(settings.learning_rate), loss)
    return model, training.snapshot(model)


def train(network, x, y, weights=None):
    """Train from the initial state, and return the model."""
    model, start = network
    training.restore(start)
    kerasdl.set_seed(settings.seed)  # the same batches each time
    epochs = max(1, round(settings.epochs * 1000 / len(x)))
    how = {"epochs": epochs, "report_every": epochs, "batch_size": settings.batch_size}
    training.fit(model, x, y, sample_weight=np.ones(len(x)) if weights is None else weights, **how)
    return model


kerasdl.set_seed(settings.seed)
line = compiled(
    # The ridge penalty of scikit-learn's default on a thousand rows.
    models.linear(x.shape[1], l2=5e-4),
    keras.losses.BinaryCrossentropy(from_logits=True),
)
network = compiled(
    models.mlp(x.shape[1], hidden=(32,), l2=3e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
course.agree(chapter, network[0], written_out, x)

# %% [markdown]
# ## Covariate shift: photographs and drawings
#
# A model learns cats and dogs from photographs and is then shown drawings. A drawn cat is a cat all the same:
# what a picture means stands still, $p(y \mid x) = q(y \mid x)$, but the pictures are others.
#
# How do we make such a shift from pictures of one kind? We deal them out to a source and a target, with a
# chance that depends on the picture alone and never on its label. So $p(y \mid x)$ stands still by
# construction, and the true weights are known.
#
# The question to answer: *is this one of the classes from five on?* For digits: is it five or more? The model
# is a line, and a line through all pixels is not the truth. So it spends its few parameters where most
# training pictures are. The pictures' **first principal axis** is the direction in which they differ most
# from each other. The target leans to one side of it, which means other shapes and other classes. The labels
# of the target are used for nothing but to count the errors.


# %%
def first_axis(x):
    """The standardised pictures and the direction in which they vary most."""
    z = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    axis = np.linalg.svd(z, full_matrices=False)[2][0]
    return z, axis * np.sign(axis[np.abs(axis).argmax()])


large = (y >= 5).astype("float32")
z, axis = first_axis(x)
leaning = {"strength": settings.strength, "random_state": settings.seed}
made = shift.simulate.covariate_shift(x, direction=axis, **leaning)
source, target = made.source, made.target


def accuracies(weights, source, target):
    """Share of right answers on source and target after training on the source with these weights."""
    model = train(line, x[source], large[source][:, None], weights)
    right = (model.predict(x, verbose=0, batch_size=2000)[:, 0] > 0) == large
    return right[source].mean(), right[target].mean()


plain = accuracies(None, source, target)
print(f"{len(source)} source rows, {len(target)} target rows")
print(f"right on the source: {plain[0]:.1%}, on the target: {plain[1]:.1%}")

# %% [markdown]
# ### The test that notices
#
# Without labels no error can be counted on the target, but the pictures can be compared. A **two-sample
# test** computes how far apart two sets of rows are. Then it shuffles which row belongs to which set, many
# times. If the true split is among the most extreme, the sets differ. `MMDTest` asks whether rows are more
# alike within a set than across the two (a kernel measures how alike), `C2STest` lets a classifier try to
# tell the sets apart, and `ShiftTest` combines several statistics. A test that always cries "shift" would
# notice too, so each is also given rows that have not moved.
#
# What do the numbers in the table say? A **p-value** is the share of such shuffles that part the rows at
# least as far as the true split does. Below 0.05 we call it a shift, and so are wrong in one case of twenty
# where nothing has moved. A small p-value says that chance is no good explanation. It does not say how large
# the shift is: with enough rows the smallest one is found. That is why the sections below ask for weights and
# errors.

# %%
unmoved = np.random.default_rng(settings.seed).permutation(source)
halves = np.array_split(unmoved, 2)
options = {"max_rows": settings.test_rows, "random_state": settings.seed}
tests = [shift.ShiftTest(**options), shift.MMDTest(**options), shift.C2STest(**options)]
found = pd.DataFrame(
    {
        type(test).__name__: {
            "moved": test.fit(x[source]).test(x[target]).p_value,
            "not moved": test.fit(x[halves[0]]).test(x[halves[1]]).p_value,
        }
        for test in tests
    }
)
print("p-values:")
chapter.table(found)

# %% [markdown]
# ### Which pixels?
#
# "It has moved" is half an answer. `shift.compare` asks as `ShiftTest` does, then asks each column, names
# what moved in it and how much, and says what to do next. Hundreds of questions at once would raise false
# alarms by the dozen, so its p-values for columns are corrected for their number. The figure draws how far
# each pixel's mean moved, in standard deviations. Where it is blue, the target has less ink, where it is red,
# more: these are the shapes to which the first principal axis points.

# %%
side = round(x.shape[1] ** 0.5)
pixels = [f"pixel {row},{column}" for row in range(side) for column in range(side)]
tables = [pd.DataFrame(x[rows], columns=pixels) for rows in (source, target)]
compared = shift.compare(*tables, **options)
print(compared)
moves = compared.table.set_index("column").loc[pixels, "difference"].to_numpy().reshape(side, side)
moves = np.nan_to_num(moves)  # a pixel without ink anywhere has not moved
most = max(np.abs(moves).max(), 1e-9)
with plots.canvas(width=5, height=4) as (figure, axes):
    shown = axes[0, 0].imshow(moves, cmap="RdBu_r", vmin=-most, vmax=most)
    figure.colorbar(shown, label="move, in standard deviations")
    axes[0, 0].set(xlabel="column", ylabel="row")
    axes[0, 0].grid(False)
chapter.figure("pixels", figure)

# %% [markdown]
# ### The weights that repair it
#
# The error we want is an expectation over $q$; the rows we have come from $p$. But
#
# $$E_q[\ell(x, y)] = E_p\!\left[\frac{q(x)}{p(x)}\,\ell(x, y)\right] = E_p[w(x)\,\ell(x, y)],$$
#
# so each training row counts the more, the more pictures like it the target has (Shimodaira 2000). Neither
# density is needed, only their ratio, and a classifier that tells target from source knows it. With equal
# numbers of rows from both, its odds are $P(\text{target} \mid x) / P(\text{source} \mid x) = q(x) / p(x)$.
#
# By hand: a logistic regression by Newton's method, $P(\text{target} \mid x) = \sigma(z^\top b)$ with a
# ridge penalty on all coefficients but the constant. The weights are $e^{z^\top b}$, scaled to mean 1.
#
# Newton's method takes the curvature into account as well as the slope. Near the minimum it doubles the
# number of right digits with every step, so a few steps reach the last one; each asks for the solution of a
# linear system, which for some sixty unknowns costs nothing.


# %%
def logistic_weights(x_source, x_target, penalty=10.0, steps=25):
    """Importance weights of the source rows, mean 1."""
    both = np.concatenate([x_source, x_target]).astype("float64")
    side = np.repeat([0.0, 1.0], [len(x_source), len(x_target)])
    scale = both.std(axis=0)
    both = (both - both.mean(axis=0)) / np.where(scale > 0, scale, 1)
    both = np.concatenate([both, np.ones((len(both), 1))], axis=1)
    b, ridge = np.zeros(both.shape[1]), np.full(both.shape[1], penalty)
    ridge[-1] = 0
    for _ in range(steps):
        p = 1 / (1 + np.exp(-both @ b))
        gradient = both.T @ (side - p) - ridge * b
        curvature = (both.T * (p * (1 - p))) @ both + np.diag(ridge)
        b += np.linalg.solve(curvature, gradient)
    weights = np.exp(both[: len(x_source)] @ b)
    return weights / weights.mean(), np.abs(gradient).max()


def agreement(weights, true):
    """Correlation of the logarithms; nothing where all weights of one kind are equal."""
    logs = np.log(weights), np.log(true)
    return np.corrcoef(*logs)[0, 1] if min(log.std() for log in logs) > 1e-12 else np.nan


by_hand, slope = logistic_weights(x[source], x[target])
ratio = shift.DiscriminativeRatio(settings.ratio, random_state=settings.seed).fit(x[source], x[target])
weights = {
    "no weights": np.ones(len(source)),
    "by hand": by_hand,
    "DiscriminativeRatio": ratio.weights_,
    "true weights": made.weights,
}
rows = {}
for name, w in chapter.track(list(weights.items()), "weights"):
    rows[name] = dict(zip(("source", "target"), accuracies(w, source, target), strict=True))
    rows[name]["correlation with the true"] = agreement(w, made.weights)
    rows[name] |= shift.diagnose(w, x[source], x[target])
covariate = pd.DataFrame(rows).T
chapter.table(covariate.T, "covariate_shift", digits=3)
print("families in use:", ", ".join(ratio.families_))
unreached = ratio.diagnostics_["unreached_share"]
print(f"{unreached:.1%} of the target's pictures resemble no source picture")
lost = plain[0] - plain[1]
weighted = covariate.loc["DiscriminativeRatio"]
won, paid = weighted["target"] - plain[1], plain[0] - weighted["source"]
print(f"Right answers: the shift takes {lost:.1%}; DiscriminativeRatio wins back {won:.1%}")
print(f"on the target and costs {paid:.1%} on the source.")

# %% [markdown]
# ### What happened
#
# Where the weights win on the target, they pay with accuracy on the source: a line cannot be right
# everywhere, and they tell it where to be right. The diagnostics, which need no labels, tell the price.
#
# - **effective fraction**: with these weights a thousand rows are worth only this share of a thousand.
# - **max weight, tail share**: how much hangs on the single heaviest row, and on the heaviest 1 %.
# - **imbalance before and after**: the farthest that a pixel's mean lies from the target's, in standard
#   deviations. Weights that do their work bring it down. Weights learned from this sample may balance it even
#   better than the true ones, which are right only on average.
#
# All four look at source rows. A picture that only the target has shows in none of them, and no weight of
# another picture can stand for it. So `DiscriminativeRatio` counts these too: its `unreached_share` is
# printed above.
#
# The first of these diagnostics is worth a formula. A weighted mean of $n$ independent numbers of equal
# variance has the variance of a plain mean of $n_\text{eff} = \left(\sum_i w_i\right)^2 / \sum_i w_i^2$
# numbers (Kish, 1965). If all weights are equal that is $n$. If one weight is far larger than all others
# together, it is 1: the model then learns from a single row.
#
# Which classifier does `DiscriminativeRatio` use? By default several kinds, from a logistic regression like
# ours to boosted trees, are tried on rows held out, and the simple one stays unless a freer one is clearly
# better. The line "families in use" says which it was; `--set ratio=linear` allows the simple one alone.
#
# The first figure shows what weighting does: the weighted source should cover the target. Where the target
# reaches farther than any source row, no weight can follow. The second figure compares the right answers on
# both sides.

# %%
position = z @ axis
bins = np.linspace(position.min(), position.max(), 30)
kinds = {"source": (source, None), "target": (target, None), "source, weighted": (source, ratio.weights_)}
with plots.canvas(width=6) as (figure, axes):
    for (label, (chosen, w)), dash in zip(kinds.items(), plots.DASHES, strict=False):
        look = {"density": True, "histtype": "step", "linestyle": dash, "linewidth": 1.8, "label": label}
        axes[0, 0].hist(position[chosen], bins, weights=w, **look)
    axes[0, 0].set(xlabel="place along the first principal axis", ylabel="density")
    figure.legend(loc="outside lower center", ncols=3)
chapter.figure("covariate_shift", figure)
sides = covariate[["source", "target"]].rename(index={"DiscriminativeRatio": "Discriminative\nRatio"})
chapter.figure("weights", plots.bars(sides, "share of right answers"))

# %% [markdown]
# ### Where weighting makes it worse, and the gate
#
# Let the target's pictures be drawn with a broader pen instead: the shift now runs along the sum of all
# pixels, the ink. It is real and severe, and a test sees it. But a broad five is a five for the same reasons
# as a thin one, so the line without weights may do no worse there. Then weights have little bias to remove,
# and what they bring is variance: fewer effective rows.
#
# Nobody should have to guess which case it is. `flatten_weights(w, tau="iwcv")` returns $w^\tau$ at mean 1,
# with $\tau$ chosen from 0 (no weights) to 1 (all of them) by importance-weighted cross-validation, and 0
# unless the gain exceeds twice its standard error (Sugiyama, Krauledat and Müller 2007). It takes 25 fits;
# scikit-learn's logistic regression, the same model as our line, makes them in seconds.

# %%
ink = shift.simulate.covariate_shift(
    x, direction=np.ones(x.shape[1]), strength=3.0, random_state=settings.seed
)
print(f"more ink: ShiftTest p = {tests[0].fit(x[ink.source]).test(x[ink.target]).p_value:.4f}")
gate = LogisticRegression(solver="newton-cholesky")
rows = {}
for name, split in {"other shapes": made, "more ink": ink}.items():
    data = {"X": x[split.source], "y": large[split.source]}
    chosen = shift.flatten_weights(split.weights, tau="iwcv", estimator=gate, **data)
    cases = {"no weights": None, "all the weights": split.weights, "gate": chosen}
    rows[name] = {title: accuracies(w, split.source, split.target)[1] for title, w in cases.items()}
    logs = np.log(chosen).std(), np.log(split.weights).std()
    rows[name]["tau"] = logs[0] / logs[1] if logs[1] > 1e-12 else np.nan
gated = pd.DataFrame(rows).T
print("share of right answers on the target, and the tau that the gate chose:")
chapter.table(gated, "gate", digits=3)

# %% [markdown]
# The gate is careful: it acts on proof alone. Where weights only cost, it lays them aside. Where they repair
# something, it takes them as soon as the source can prove it, and a hundred effective rows prove little: then
# it leaves a gain behind (compare the row of the other shapes), and the model is no worse than it was.
# Whoever knows that the target lies where the model is wrong may be bolder. A test that alarms is no reason
# to act: it says that pictures have moved, not that the model minds.
#
# ## Label shift: a clinic in another season
#
# A clinic learns in summer to tell illnesses by their symptoms and is asked again in winter. Influenza looks
# as it always does, $p(x \mid y) = q(x \mid y)$, but there is much more of it. The disease causes the
# symptoms, not the other way round. So in winter the same fever should be read as influenza more often.
#
# Ours: symptoms are pictures from a noisy scanner, so that they are doubtful. A network learns them while all
# ten classes are equally common. Then two of them make up most of what comes in.
#
# The doctor is the network, trained on summer's pictures. Has anything moved in winter? `BBSDTest` compares
# what the doctor says in both seasons, and needs no label for it.

# %%
order = np.random.default_rng(settings.seed).permutation(len(x))
learn, valid, later = order[:700], order[700:1200], order[1200:]

prior = np.full(10, 0.025)
prior[[1, 8]] = 0.5, 0.3
winter = shift.simulate.label_shift(y[later], prior, settings.target_rows, random_state=settings.seed)
arrived = later[winter.rows]
truth = np.bincount(y[arrived], minlength=10) / len(arrived)


def scan(rows, seed):
    """The pictures as the old scanner sees them."""
    noise = np.random.default_rng([settings.seed, seed]).normal(0, settings.noise, (len(rows), x.shape[1]))
    return (x[rows] + noise).astype("float32")


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


doctor = train(network, scan(learn, 0), y[learn])
p_valid = softmax(doctor.predict(scan(valid, 1), verbose=0))
p_winter = softmax(doctor.predict(scan(arrived, 2), verbose=0))
summer_accuracy = (p_valid.argmax(axis=1) == y[valid]).mean()
winter_accuracy = (p_winter.argmax(axis=1) == y[arrived]).mean()
print(f"right in summer: {summer_accuracy:.1%}, in winter: {winter_accuracy:.1%}")
noticed = shift.BBSDTest(kind="hard").fit(p_valid).test(p_winter)
print(f"Have the diagnoses shifted? p = {noticed.p_value:.1e}")

# %% [markdown]
# ### The new shares, from diagnoses alone
#
# The doctor makes mistakes, but rows kept aside with their labels show which. Take those of class $k$: what
# probability does the doctor give to class $j$, on average? Multiply it by the share of class $k$ in summer,
# and call it $C_{jk}$. Now let only the shares move, each by a factor $w_k$. Then the doctor's mean
# probabilities $\hat q_j$ in winter must be
#
# $$\hat q_j = \sum_k C_{jk}\,w_k, \qquad \text{so} \qquad w = C^{-1} \hat q$$
#
# (black-box shift estimation; Lipton, Wang and Smola 2018). Try it with two illnesses and a doctor who is
# right in nine cases of ten, whichever it is. In winter 58 % of the diagnoses name the first. If its true
# share is $q$, then $0.9\,q + 0.1\,(1 - q) = 0.58$, and so $q = 0.6$: the mistakes had hidden a part of the
# shift.
#
# With ten classes that is one line of linear algebra. `LabelShiftEM` is the better default. It first
# **calibrates** the probabilities, so that of the diagnoses given with probability 0.8 about eight in ten are
# right. Then it finds the shares under which the winter's pictures are most likely, with a 95 % interval for
# each (Saerens, Latinne and Decaestecker 2002; Alexandari, Kundaje and Shrikumar 2020). The interval is a
# **bootstrap**: the estimate is repeated on rows drawn anew from those at hand, and the interval tells how
# far that moves it.
#
# The idea of the second takes two lines. If we knew the shares, Bayes' rule would give each winter picture's
# probabilities; if we knew these, their means would be the shares. So begin with the summer's shares and do
# the two in turn until nothing changes: this is **expectation maximisation**, and every round makes the
# winter's pictures likelier.

# %%
one_hot = np.eye(10)[y[valid]]
confusion = p_valid.T @ one_hot / len(valid)
class_weights = np.linalg.solve(confusion, p_winter.mean(axis=0))

bbse = shift.BBSE(draws=0, random_state=settings.seed).fit(y[valid], p_valid).estimate(p_winter)
em = shift.LabelShiftEM(draws=settings.draws, random_state=settings.seed).fit(y[valid], p_valid)
em.estimate(p_winter)
shares = pd.DataFrame(
    {
        "summer": em.source_prior_,
        "winter": truth,
        "counted": np.bincount(p_winter.argmax(axis=1), minlength=10) / len(arrived),
        "by hand": class_weights * one_hot.mean(axis=0),
        "BBSE": bbse.prior_,
        "EM": em.prior_,
        "low": em.interval_[:, 0],
        "high": em.interval_[:, 1],
    },
    index=pd.Index(pictures.class_names, name="class"),
)
chapter.table(shares, "shares", digits=2)
errors = shares[["summer", "counted", "by hand", "BBSE", "EM"]].sub(shares["winter"], axis=0)
errors = errors.abs().sum() / 2  # total variation: the share of rows put into a wrong class
print("distance from the true shares:")
chapter.table(errors.rename("distance"), digits=3)

# %% [markdown]
# ### The repair needs no retraining
#
# Bayes' rule says how a diagnosis changes with the shares: multiply each probability by
# $w_k = q(y{=}k) / p(y{=}k)$ and make them sum to 1 again. That is `adapt_proba`. Doubtful pictures now tip
# towards what is common.

# %%
adapted_accuracy = (em.adapt_proba(p_winter).argmax(axis=1) == y[arrived]).mean()
print(f"right in winter: {winter_accuracy:.1%} as trained, {adapted_accuracy:.1%} adapted")
covered = int(((em.interval_[:, 0] <= prior) & (prior <= em.interval_[:, 1])).sum())

with plots.canvas(width=8) as (figure, axes):
    ax, places = axes[0, 0], np.arange(10)
    ax.bar(places, shares["winter"], color="0.85", width=0.8, label="true shares in winter")
    ax.plot(places, shares["summer"], "_", color="0.35", markersize=22, label="shares in summer")
    for name, place, mark, number in (("counted", -0.25, "^", 4), ("by hand", 0, "s", 5)):
        ax.plot(places + place, shares[name], mark, color=plots.PALETTE[number], label=name)
    reach = np.clip([em.prior_ - em.interval_[:, 0], em.interval_[:, 1] - em.prior_], 0, None)
    look = {"fmt": "o", "color": plots.PALETTE[3], "capsize": 3, "label": "EM, 95 % interval"}
    ax.errorbar(places + 0.25, em.prior_, reach, **look)
    ax.set(xlabel="class", ylabel="share", xticks=places, xticklabels=pictures.class_names)
    figure.legend(loc="outside lower center", ncols=3)
chapter.figure("label_shift", figure)

# %% [markdown]
# The figure shows the true shares as grey bars, those of summer as short lines and the three estimates side
# by side. Counting the diagnoses goes only part of the way, because the doctor expects what was common in
# summer. Both corrections go on from there, and only EM says how sure it is.
#
# ### When both shifts hold at once
#
# Covariate and label shift do not always exclude each other. If the label is a function of the picture, so
# that no picture is doubtful, then $p(y \mid x)$ is 0 or 1 and stands still whatever else moves. A shift of
# the classes is then a covariate shift too, and the importance weight of a picture is that of its class,
# $q(x)/p(x) = q(y)/p(y)$. Clear digits are nearly like that: switch the noise of the scanner off.
#
# So we may choose the method. The one for label shift has ten numbers to find, one a class. The one for
# covariate shift has to find a function of all pixels. Few numbers are found more exactly than many, so where
# both hold, work with what looks like labels.

# %%
reader = train(network, x[learn], y[learn])
p_clear, p_clear_winter = (softmax(reader.predict(x[rows], verbose=0)) for rows in (valid, arrived))
clear = (
    shift.LabelShiftEM(draws=0, random_state=settings.seed).fit(y[valid], p_clear).estimate(p_clear_winter)
)
true_weights = (prior / em.source_prior_)[y[valid]]
pixels = shift.DiscriminativeRatio("linear", random_state=settings.seed).fit(x[valid], x[arrived])
both = pd.Series(
    {
        "by class": agreement(np.clip(clear.class_weights_[y[valid]], 1e-6, None), true_weights),
        "by pixels": agreement(pixels.weights_, true_weights),
    },
    name="correlation with the true weights",
)
chapter.table(both, digits=3)

# %% [markdown]
# ## Concept shift: words whose meaning moves
#
# What a word stands for changes from place to place and from year to year. Ask people all over a country what
# they call a sweet fizzy drink: west of some border they say one word, east of it another. That is a map, and
# a model of it is a line on the map. Now the border moves, because young people move or speak like their
# neighbours. The places $x$ where people live are what they were; what they say there, $y$, is not:
# $p(y \mid x)$ moves. Here is the whole effect on a square country, its border at 0.5 and then at 0.65.

# %%
rng = np.random.default_rng(settings.seed)
homes = rng.uniform(size=(2000, 2))  # where people live: x₁ is how far east
words_before, words_after = (homes[:, 0] > border for border in (0.5, 0.65))
speech = LogisticRegression(C=1e6).fit(homes, words_before)
wrong_before, wrong_after = (np.mean(speech.predict(homes) != words) for words in (words_before, words_after))
new_homes = rng.uniform(size=(2000, 2))
same_homes = shift.KSTest().fit(homes).test(new_homes).p_value
print(f"wrong before the border moved: {wrong_before:.1%}, after: {wrong_after:.1%}")
print(f"Have people moved house? p = {same_homes:.2f}")
with plots.canvas(columns=2, width=3.6, sharey=True) as (figure, axes):
    for ax, words, title in zip(
        axes[0], (words_before, words_after), ("last year", "this year"), strict=True
    ):
        some = slice(150)
        plots.regions(speech.decision_function, homes[some], words[some].astype(int), ax, title)
chapter.figure("map", figure)

# %% [markdown]
# The colour of the ground is the model, learned last year. This year it is wrong on the whole strip between
# the two borders, about 15 % of the country. No test on $x$ can see that, because nothing happens to $x$. No
# weights can mend it, because every weight would still teach last year's words. Labels must be watched as
# they come in.
#
# ### A stream of labels
#
# Now with pictures: a stream, each with its label, in which what was called 3 is called 8 from some row on,
# and the other way round. A **monitor** reads one number a row, 1 where the model was wrong, and keeps a
# bounded memory. `ADWIN` drops the old part of a window when its mean differs too much from the new part's;
# `DDM` is a control chart of the error rate; `PageHinkley` is a cumulative sum; `HDDM` compares means by
# Hoeffding's bound.
#
# How should we judge a monitor? An early alarm is worth nothing if it is always alarmed. So each reads many
# streams and is judged by two numbers: the **delay** in rows from the change to the alarm, and the **false
# alarms** in 10,000 rows where nothing changed.
#
# The two pull against each other. Whoever wants an alarm after twenty rows must judge by twenty rows, and the
# error rate of twenty rows wanders widely by chance alone: with one error in ten, the standard deviation of
# their mean is $\sqrt{0.1 \cdot 0.9 / 20} = 0.07$. Every monitor is some compromise between the two, and a
# table that shows only one of them is worth nothing.

# %%
MEANING = {3: 8, 8: 3}
answers = reader.predict(x, verbose=0, batch_size=2000).argmax(axis=1)
monitors = {
    "ADWIN": shift.ADWIN(),
    "DDM": shift.DDM(),
    "PageHinkley": shift.PageHinkley(threshold=15),
    "HDDM": shift.HDDM("A"),
}


def stream_of(number):
    """A stream's pictures and labels, and where the model is wrong."""
    lengths = {"before": settings.before, "after": settings.after, "width": settings.width}
    stream = shift.simulate.concept_shift(y[later], mapping=MEANING, random_state=number, **lengths)
    seen = later[stream.rows]
    return seen, stream.y, (answers[seen] != stream.y).astype(float)


def read(monitor, wrong):
    """The rows at which the monitor alarms: before the change, and from it on."""
    monitor.reset()
    at = np.array(monitor.update_many(wrong), dtype=int)
    return at[at < settings.before], at[at >= settings.before]


alarms = []
for number in chapter.track(range(settings.streams), "streams"):
    _, _, wrong = stream_of(number)
    for name, monitor in monitors.items():
        false, true = read(monitor, wrong)
        alarms.append([name, len(false), true[0] - settings.before if len(true) else np.nan])
alarms = pd.DataFrame(alarms, columns=["monitor", "false alarms", "delay"]).groupby("monitor", sort=False)
judged = pd.DataFrame(
    {
        "median delay": alarms["delay"].median(),
        "longest delay": alarms["delay"].max(),
        "missed": alarms["delay"].apply(lambda delays: delays.isna().sum()),
        "false alarms in 10,000 rows": alarms["false alarms"].mean() * 10_000 / settings.before,
    }
)
chapter.table(judged, "monitors", digits=3)

# %% [markdown]
# `DDM` remembers the luckiest stretch it ever saw and compares with that for ever after. So the longer a
# stream lasts without any change, the likelier it cries wolf: compare its false alarms with the others'. Each
# monitor can be traded: `threshold`, `delta` and `drift_confidence` move it between early and sure.
#
# ### After the alarm
#
# The alarm says *when*, and so which rows still teach the truth. How should the model be mended? Three models
# face pictures that none of them was trained on, labelled with the new meaning: the old model; one trained on
# all rows ever seen, old meaning and new; one trained on the rows after ADWIN's alarm alone. More data is not
# better data if it teaches what is no longer true.
#
# The figure is one stream from its first row to its last: how often the old model was wrong in the last
# hundred rows, and a mark wherever a monitor alarms. Marks before the dotted line are false alarms.

# %%
seen, labels, wrong = stream_of(settings.seed)
_, heard = read(monitors["ADWIN"], wrong)
alarm = int(heard[0]) if len(heard) else settings.before  # where ADWIN misses it, somebody tells us
now = slice(alarm + 1, alarm + 1 + settings.window)
meant = np.array([MEANING.get(label, label) for label in y[valid].tolist()])
all_rows, all_labels = (
    np.concatenate([learn, seen[: now.stop]]),
    np.concatenate([y[learn], labels[: now.stop]]),
)
lessons = {"all rows ever seen": (all_rows, all_labels), "rows after the alarm": (seen[now], labels[now])}
retrained = {"not at all": (answers[valid] == meant).mean()}
for name, (rows, taught) in lessons.items():
    said = train(network, x[rows], taught).predict(x[valid], verbose=0).argmax(axis=1)
    retrained[name] = (said == meant).mean()
print("share of right answers on new pictures, by what the model was retrained on:")
chapter.table(pd.Series(retrained, name="right"), digits=3)

with plots.canvas(width=7) as (figure, axes):
    ax = axes[0, 0]
    ax.plot(pd.Series(wrong).rolling(100).mean(), color="0.2", linewidth=1, label="error rate, last 100 rows")
    for level, ((name, monitor), mark) in enumerate(zip(monitors.items(), plots.MARKERS, strict=False)):
        at = np.concatenate(read(monitor, wrong))
        ax.plot(at, np.full(len(at), 0.36 + 0.03 * level), mark, color=plots.PALETTE[6 + level], label=name)
    ax.axvline(settings.before, **plots.REFERENCE, label="the meaning changes")
    ax.set(xlabel="row of the stream", ylabel="error rate", ylim=(0, 0.5))
    figure.legend(loc="outside lower center", ncols=3)
chapter.figure("concept_shift", figure)

# %% [markdown]
# ## Measured beside reference
#
# The bands hold three seeds of the digits, and some more. On Fashion-MNIST the same steps run, but the
# numbers are others and have no reference yet: there they are shown without being held to anything.

# %%
chapter.exact("logistic regression by hand: gradient at its end", slope, within=1e-6, source="a minimum")
if shares["by hand"].min() > 0:  # BBSE sets a negative share to 0
    chapter.exact("BBSE by hand", (shares["by hand"] - shares["BBSE"]).abs().max(), within=1e-4)
apart = abs(compared.result.p_value - found.loc["moved", "ShiftTest"])
chapter.exact("compare's verdict: p, less ShiftTest's", apart, within=1e-12)
posterior = p_winter * bbse.class_weights_
posterior /= posterior.sum(axis=1, keepdims=True)
chapter.exact("Bayes' rule by hand", np.abs(posterior - bbse.adapt_proba(p_winter)).max(), within=1e-6)
strip = np.mean((homes[:, 0] > 0.5) & (homes[:, 0] <= 0.65))
chapter.exact("map: share of people between the borders", strip, 0.15, within=0.04, source="its area, 5 σ")

SEEDS = "no reference yet" if pictures.is_real else "three seeds"


def trained(name, measured, band, tolerance, reference=None, source=SEEDS, **more):
    band = (-np.inf, np.inf) if pictures.is_real else band
    chapter.trained(name, measured, band, reference=reference, source=source, tolerance=tolerance, **more)


right = covariate["target"]
truly = {"reference": right["true weights"], "source": "the true weights"}
trained("covariate: right on the target, no weights", right["no weights"], (0.68, 0.83), 0.01)
trained("covariate: right, weights by hand", right["by hand"], (0.85, 0.94), 0.01, **truly)
name = "covariate: right, DiscriminativeRatio"
trained(name, right["DiscriminativeRatio"], (0.85, 0.94), 0.01, **truly, headline=True)
name = "covariate: log weights by hand, correlation with the true"
trained(name, covariate.loc["by hand", "correlation with the true"], (0.92, 1), 1e-6, 1, "the true weights")
trained("covariate: ShiftTest, p where moved", found.loc["moved", "ShiftTest"], (0, 0.05), 0, 0, "the level")
trained(
    "covariate: ShiftTest, p where not", found.loc["not moved", "ShiftTest"], (0.05, 1), 0, 0.5, "its mean"
)
thick = gated.loc["more ink"]
trained("more ink: what weighting costs", thick["no weights"] - thick["all the weights"], (0, 0.06), 0.015)
behind = (gated[["no weights", "all the weights"]].max(axis=1) - gated["gate"]).max()
trained("gate: most that it leaves behind", behind, (-0.02, 0.2), 0.015, None, "the price of caution")
safe = (gated["gate"] - gated["no weights"]).min()
trained("gate: right answers, less those without weights", safe, (-0.02, 0.2), 0.015, None, "it does no harm")
trained("label: distance from the true shares, counted", errors["counted"], (0.1, 0.4), 0.02)
trained("label: distance, by hand", errors["by hand"], (0, 0.15), 0.02, 0, "the truth")
trained("label: distance, EM", errors["EM"], (0, 0.1), 0.02, 0, "the truth")
summer = {"reference": summer_accuracy, "source": "in summer"}
trained("label: right in winter, as trained", winter_accuracy, (0.5, 0.85), 0.02, **summer)
trained("label: right in winter, adapted", adapted_accuracy, (0.7, 0.95), 0.02, **summer, headline=True)
trained("label: intervals that hold the truth, of 10", covered, (8, 10), 1, 9.5, "the level")
trained("both: weights by class, correlation", both["by class"], (0.95, 1), 0.01, 1, "the true weights")
trained("both: weights by pixels, correlation", both["by pixels"], (0.5, 0.99), 0.02, 1, "the true weights")
for name, row in judged.iterrows():
    trained(f"{name}: median delay (rows)", row["median delay"], (10, 200), 15)
    trained(f"{name}: false alarms in 10,000 rows", row["false alarms in 10,000 rows"], (0, 12), 2, 0, "none")
before = {"reference": (answers[valid] == y[valid]).mean(), "source": "before the change"}
trained("concept: right, not retrained", retrained["not at all"], (0.7, 0.85), 0.01)
trained("concept: right, retrained on all rows", retrained["all rows ever seen"], (0.6, 0.88), 0.03)
name = "concept: right, retrained after the alarm"
trained(name, retrained["rows after the alarm"], (0.87, 0.98), 0.02, **before, headline=True)
chapter.finish()

# %% [markdown]
# ## In short
#
# - Ask what stands still. Covariate shift: what a picture means. Label shift: what a class looks like.
#   Concept shift: perhaps what pictures there are, but not their meaning.
# - Covariate shift is repaired by weights $q(x)/p(x)$, at the price of fewer effective rows, and only where
#   the model is too simple to be right everywhere.
# - Label shift is repaired without retraining: estimate the new shares from the diagnoses, then apply Bayes'
#   rule.
# - Concept shift shows in labels alone. A monitor says when, and the rows after it teach the new meaning.
# - A test says that the world has moved. Only errors say whether the model minds.
#
# ## What to try
#
# - `--set strength=3.0`, then 4: what do the effective fraction and the warning say, and when do the weights
#   stop paying?
# - Replace the line by `models.mlp(x.shape[1], (64,), 1)`. A model that can hold the truth everywhere needs
#   no weights if it has the rows. Does it?
# - Test the winter's pictures for a covariate shift with `MMDTest`: it alarms. Why would importance weights
#   on $x$ be a poor answer to a change of shares?
# - `--set noise=0.7`: the illnesses look alike. Which intervals grow?
# - `--set window=50`, then 1000: how long should one wait after the alarm? Every row waited for is read with
#   the old model.
# - `--set width=1000`: a slow change. Which monitor minds it most?
