# %% [markdown]
# # Polynomial fit: just right, too simple, too few
#
# One cubic, three models: the right one, a straight line, and the right one with two examples to learn from.
# What the training error hides, the error on unseen examples shows. Then the two curves every practitioner
# carries in mind: error against the complexity of the model, and error against the number of examples.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "polynomial_fit",
    settings={
        "examples": 100,  # in the training set; the test set has the same number
        "noise": 0.01,  # standard deviation of the noise on y
        "epochs": 100,
        "batch_size": 10,
        "learning_rate": 0.01,
        "degrees": 12,  # the highest degree of the complexity curve
        "few": 20,  # examples of the smaller training set of the complexity curve
        "sizes": (2, 3, 4, 5, 6, 8, 10, 20, 50, 100),  # training sets of the last curve
        "worlds": 500,  # how often each training set of the two curves is drawn anew
        "seed": 1,
    },
    fast={"epochs": 60, "worlds": 100},
)
settings = chapter.settings

# %%
import keras
import numpy as np
import pandas as pd

from kerasdl import models, plots, training

# %% [markdown]
# ## The question
#
# A model is trained on some examples and used on others. Its error on the first, the **training error**, can
# often be made as small as we like. The error that matters is the **generalisation error**: its expectation
# over examples not yet seen. Nobody can average over all unseen examples, but we can keep some aside and
# measure the error there. Such examples are a **test set**, if they are looked at once, at the very end. If
# we use them to choose between models, they are a **validation set**, and we need another test set.
#
# What is there to choose? Training finds the weights. Everything we fix before it starts is a
# **hyperparameter**: the degree of a polynomial, the learning rate, the number of epochs, the batch size.
# Training cannot choose these for us, because the training error alone would always ask for the most
# flexible model. That is what this chapter is about.
#
# To watch training and test error come apart we need a world whose truth we know. Ours is a cubic with a
# little noise,
#
# $$y = 5 + 1.2\,x - 3.4\,x^2 + 5.6\,x^3 + \epsilon, \qquad x \sim N(0, 1),\quad
# \epsilon \sim N(0, \sigma^2),\quad \sigma = 0.01.$$
#
# The noise cannot be predicted from $x$. So no model, not even the truth itself, can have a smaller expected
# squared error than the variance of the noise, $\sigma^2 = 10^{-4}$.

# %%
TRUTH = {"w1": 1.2, "w2": -3.4, "w3": 5.6, "b": 5.0}


def draw(rng, *rows):
    """Examples of our world: x and y, each (*rows, 1)."""
    x = rng.normal(size=(*rows, 1))
    truth = TRUTH["b"] + TRUTH["w1"] * x + TRUTH["w2"] * x**2 + TRUTH["w3"] * x**3
    return x, truth + rng.normal(0, settings.noise, x.shape)


rng = np.random.default_rng(settings.seed)
x, y = draw(rng, settings.examples)
x_test, y_test = draw(rng, settings.examples)

# %% [markdown]
# ## From scratch
#
# A polynomial is a linear model of the powers of $x$. Call them the features $\phi(x) = (x, x^2, x^3)$; then
# $\hat y = \phi(x)\,w + b$. The loss is the mean squared error of a mini-batch $B$, and its gradients are
#
# $$\frac{\partial L}{\partial w} = \frac{2}{|B|}\,\phi^\top (\hat y - y), \qquad
# \frac{\partial L}{\partial b} = \frac{2}{|B|} \sum (\hat y - y).$$
#
# Mini-batch stochastic gradient descent takes a small step against them for each batch. One epoch is one
# pass over the shuffled training set.


# %%
def powers(x, degree):
    return np.concatenate([x**k for k in range(1, degree + 1)], axis=-1)


def descend(w, b):
    """Train the cubic by hand, from these weights, and return the ones it ends with."""
    kerasdl.set_seed(settings.seed)
    batches = training.Batches(powers(x, 3), y, settings.batch_size)
    for epoch in range(settings.epochs):
        batches.epoch = epoch
        for features, targets in batches:
            error = features @ w + b - targets
            w = w - settings.learning_rate * 2 * features.T @ error / len(error)
            b = b - settings.learning_rate * 2 * error.mean(axis=0)
        if np.abs(w).max() > 1e6:  # the steps are too large: each overshoots farther than the one before
            break
    return w, b


# %% [markdown]
# ## In Keras's own layers
#
# A linear model of three features is one `Dense` layer with one unit and no activation: three weights and a
# bias.

# %%
written_out = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

# %% [markdown]
# `models.polynomial(degree)` is the same model with the powers taken inside, so that it can be fed with $x$.
# Given equal weights, the two must give equal answers. And trained from equal weights on equal batches, the
# model must end where our own steps end: `set_seed` fixes the initial weights and the order of the batches.


# %%
def train(model, x, y):
    """Train on these examples; the history of training error and test error, epoch by epoch."""
    kerasdl.set_seed(settings.seed)  # the order of the batches
    model.compile(keras.optimizers.SGD(settings.learning_rate), "mse")
    how = {"epochs": settings.epochs, "batch_size": settings.batch_size}
    return training.fit(model, x, y, validation_data=(x_test, y_test), **how)


kerasdl.set_seed(settings.seed)
cubic = models.polynomial(3)
same = course.agree(chapter, cubic, written_out, x, powers(x, 3))
by_hand = descend(*written_out.get_weights())
history = train(cubic, x, y)
learned = {"truth": TRUTH.values(), "by hand": np.append(*by_hand)}
if same:  # and not a network of your own
    learned["Keras"] = np.append(*cubic.get_weights())
learned = pd.DataFrame(learned, index=TRUTH.keys())
chapter.table(learned)
if same:
    apart = (learned["Keras"] - learned["by hand"]).abs().max() / learned["by hand"].abs().max()
    chapter.exact("cubic: by hand against builder, worst coefficient", apart, within=1e-4)

# %% [markdown]
# ## Three models
#
# Now the comparison: the right model; a straight line; and the right model again, with two examples only.
# (Put a `keras.Sequential` of your own in place of any of them: any model that makes one number out of one
# number will do.)
#
# With another seed the two examples may lie so far out that this learning rate is too large for them. Then
# the training stops and says so; the second exercise asks why.

# %%
trials = {  # the model, and how many examples it sees
    "just right: cubic": (cubic, settings.examples),
    "underfit: line": (models.polynomial(1), settings.examples),
    "overfit: two examples": (models.polynomial(3), 2),
}
histories = {"just right: cubic": history}
for title, (model, rows) in chapter.track(list(trials.items())[1:], "two more models"):
    histories[title] = train(model, x[:rows], y[:rows])

# %% [markdown]
# ## What happened
#
# Each panel shows the training error and the error on the test set, epoch by epoch. The axis is logarithmic:
# otherwise the first epochs would be all there is to see. One thing about the solid line: Keras reports the
# mean over the steps of an epoch, while the model is still learning. Where learning is quick, it lies above
# the error at the end of the epoch, and so even above the test error.
#
# - **Just right.** Both errors fall together, towards the variance of the noise, and the coefficients
#   approach those of the truth.
# - **Underfit.** A straight line cannot bend. Both errors stay high, on the examples it has seen and on the
#   others: more data and more training do not help.
# - **Overfit.** Two examples cannot fix four numbers. The training error falls and the test error does not
#   follow: the model has learned the examples, not the world.

# %%
SIDES = ["training error", "test error"]
columns = dict(zip(["loss", "val_loss"], SIDES, strict=True))
chapter.figure("learning_curves", plots.learning_curves(histories, columns, "mean squared error"))

with plots.canvas(columns=3, sharey=True) as (figure, axes):
    for ax, (title, (model, rows)) in zip(axes[0], trials.items(), strict=True):
        points = {"training set": (x[:rows, 0], y[:rows, 0]), "test set": (x_test[:, 0], y_test[:, 0])}
        answer = {"model": lambda grid, model=model: model.predict(grid[:, None], verbose=0)[:, 0]}
        plots.fits(points, answer, ax, title)
chapter.figure("fits", figure)

errors = {
    title: [model.evaluate(u, v, verbose=0) for u, v in ((x[:rows], y[:rows]), (x_test, y_test))]
    for title, (model, rows) in trials.items()
}
errors = pd.DataFrame.from_dict(errors, "index", columns=SIDES)
print("after the last epoch:")
chapter.table(errors, "errors")

# %% [markdown]
# ## How complex should a model be?
#
# The line was too simple and the cubic is right. What about degree 6, or 12? A polynomial of degree $d$ has
# $d + 1$ coefficients, and the degree is the hyperparameter that sets the **complexity** of the model: a
# higher degree can do all that a lower one can, and more.
#
# To compare degrees fairly, nothing else may interfere: not the learning rate, not the number of steps. A
# polynomial has the great advantage that its best coefficients can be computed at once. Least squares has
# the **closed form** $w = \Phi^{+} y$, where $\Phi$ holds the features of all examples and $\Phi^{+}$ is its
# pseudo-inverse. It is so quick that we draw the world hundreds of times and need not trust a single draw.
# (The features are Hermite's polynomials: the same functions as the powers, but safe to compute with at
# degree 12.)


# %%
def hermite(x, degree):
    """Hermite's polynomials 0 … degree of x (…, 1), of variance 1 where x is normal: (…, degree + 1)."""
    factorials = np.cumprod([1.0, *range(1, degree + 1)])
    return np.polynomial.hermite_e.hermevander(x[..., 0], degree) / np.sqrt(factorials)


def least_squares_errors(degree, rows):
    """Training and test error of the best polynomial in each of many worlds, (2, worlds)."""
    rng = np.random.default_rng([settings.seed, rows])  # the same worlds for every degree
    seen, unseen = draw(rng, settings.worlds, rows), draw(rng, settings.worlds, 100)
    w = np.linalg.pinv(hermite(seen[0], degree)) @ seen[1]
    return [np.mean((hermite(u, degree) @ w - v) ** 2, axis=(1, 2)) for u, v in (seen, unseen)]


degrees = range(1, settings.degrees + 1)
by_degree = {
    rows: np.array([least_squares_errors(degree, rows) for degree in degrees])  # (degree, side, world)
    for rows in dict.fromkeys([settings.few, settings.examples])
}
middle = {
    f"{rows} examples": pd.DataFrame(np.median(found, axis=2), degrees, SIDES)
    for rows, found in by_degree.items()
}
floor = {"variance of the noise": settings.noise**2} if settings.noise else {}
figure = plots.panels(middle, "degree", "mean squared error", yscale="log", reference=floor)
chapter.figure("complexity", figure)
for title, table in middle.items():
    training_best, test_best = table.idxmin()
    print(f"{title}: least training error at degree {training_best}, least test error at degree {test_best}")

# %% [markdown]
# The training error can only fall: degree $d + 1$ contains degree $d$. The test error is high as long as the
# model is too simple to follow the truth, falls when it can, and then it turns: this is the famous **U**,
# with underfitting on its left and overfitting on its right. Its left arm is *bias*: what the model cannot
# express. Its right arm is *variance*: each further coefficient is one more number to estimate from the same
# noisy examples, and its error is added to the answer.
#
# Compare the two panels. The fewer the examples, the sooner the right arm rises and the higher it climbs,
# because the additional coefficients are estimated badly. So the best complexity is no property of the world
# alone: it depends on how much data there is to pay for it. And the arm is steep only where nothing restrains
# the coefficients; the next chapter restrains them.
#
# How far below the noise does the training error fall? If the model contains the truth, each of its $d + 1$
# coefficients absorbs one example's share of the noise:
#
# $$\operatorname{E}[\text{training error}] = \sigma^2 \left(1 - \frac{d + 1}{n}\right).$$
#
# This holds from degree 3 to degree $n - 1$, where the number of coefficients is that of the examples and no
# error is left at all. Our worlds can test both claims: in none of them may a higher degree raise the
# training error, and the mean of their training errors must come to the formula, up to the chance that is
# left in a mean.

# %%
for rows, found in by_degree.items():
    # From about degree 15 on, rounding decides which directions of the features can be told apart.
    rise = np.diff(found[:14, 0] / found[0, 0], axis=0).max(initial=0)
    chapter.exact(f"training error by degree, {rows} examples: largest rise", rise, within=1e-5)
degree = max(3, min(settings.degrees, 14) // 2)
for rows, found in by_degree.items() if degree <= settings.degrees else ():
    name, mean = f"degree {degree}, {rows} examples: mean training error", found[degree - 1, 0].mean()
    left = max(rows - degree - 1, 0) / rows  # of the noise
    expected = settings.noise**2 * left
    chance = settings.noise**2 * np.sqrt(2 * left / rows / settings.worlds)
    print(f"{name} {mean:.3g}, by the formula {expected:.3g}")
    chapter.exact(name, mean, expected, within=5 * chance + 1e-12)

# %% [markdown]
# ## How many examples are enough?
#
# The cubic again, in its best possible fit, on ever larger training sets.

# %%
by_size = np.array([least_squares_errors(3, size) for size in settings.sizes])  # (size, side, world)
by_size = pd.DataFrame(np.median(by_size, axis=2), pd.Index(settings.sizes, name="examples"), SIDES)
chapter.table(by_size, "by_size", digits=3)
shown = by_size.where(by_size > 1e-20)  # below lies rounding: the error is 0
labels = "examples in the training set", "mean squared error"
chapter.figure("training_set_size", plots.lines(shown, *labels, "log", "log", reference=floor))

# %% [markdown]
# Four coefficients pass through any four points, so up to four examples the training error is 0, and says
# nothing. The test error says what it is worth: enormous at two and three examples, which leave coefficients
# undetermined. At four they are determined, but each carries the whole noise of the points. From five on the
# training error has something to tell. It rises, the test error falls, and both approach the variance of the
# noise: the closer they are, the less there is to gain from more examples.
#
# The three networks above did not get as far: gradient descent had a limited number of steps. Error from too
# few examples and error from too little training are two things, and only the closed form separates them.
#
# ## How far to trust one draw?
#
# $x^3$ has long tails, so one extreme $x$ moves an error a lot, and a published figure is one draw. Where do
# the line's errors fall in all our worlds?

# %%
for side, values in zip(SIDES, by_degree[settings.examples][0], strict=True):
    low, median, high = np.percentile(values, [2.5, 50, 97.5])
    print(f"line, {side}: median {median:.0f}, 95 % in {low:.0f} … {high:.0f}")

# %% [markdown]
# ## Measured beside reference
#
# The published figures are one draw each, from other random numbers than ours. So the bands of the line and
# of the two examples are about as wide as draws differ. That of the cubic is narrow: it has the noise alone
# to fight.

# %%
right, line, two = errors.to_numpy()
apart = 1e-6 + 1e-5 * right  # float32 differs by a share, which counts while errors are still large
for name, value, band, published, tolerance in (
    ("cubic: training error", right[0], (7e-5, 1.4e-4), 1e-4, apart[0]),
    ("cubic: test error", right[1], (7e-5, 1.5e-4), 1e-4, apart[1]),
    ("line: training error", line[0], (41, 680), 249, 0.01),
    ("line: test error", line[1], (60, 770), 168, 0.01),
    ("two examples: training error", two[0], (0, 5), 1.2, 1e-3),
    ("two examples: test error", two[1], (5, 800), 166, 0.1),
):
    known = {"source": "Zhang et al., 2018–20 edition", "headline": name.endswith("test error")}
    chapter.trained(name, value, band, reference=published, tolerance=tolerance, **known)
if same:
    worst, known = (learned["Keras"] - learned["truth"]).abs().max(), {"reference": 0, "source": "the truth"}
    chapter.trained("cubic: worst coefficient error", worst, (0, 0.05), tolerance=1e-4, **known)
chapter.finish()

# %% [markdown]
# ## In short
#
# - The training error says how well a model fits what it has seen; only unseen examples say what it has
#   learned.
# - Too simple: both errors are high. Too flexible for the data: the training error is low and the test error
#   high.
# - Test error against complexity is a U where data is scarce. With more data its right arm sinks.
# - Hyperparameters are chosen on validation data, never on the training error and never on the test set.
#
# ## What to try
#
# - `--set noise=1.0`: where do the errors of the cubic settle now? And those of the line?
# - `--set learning_rate=0.1`: why does training stop? The largest stable step depends on the largest $x^6$ in
#   a batch.
# - `--set sizes=2,3,4,5,6`: four numbers to learn. How many examples does it take?
# - `--set few=13`: thirteen examples for up to thirteen coefficients. Where is the least test error, and what
#   becomes of the training error?
# - Can a hundred examples carry three coefficients too many? Read degree 6 in the right panel of
#   `complexity`, then look again with `--set noise=5`.
