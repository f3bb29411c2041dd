# %% [markdown]
# # Polynomial fit: just right, too simple, too few
#
# One cubic, three models: the right one, a straight line, and the right one with two examples to learn from.
# What the training error hides, the error on unseen examples shows.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "polynomial_fit",
    settings={
        "examples": 100,  # in the training set, and as many in the test set
        "noise": 0.01,  # standard deviation of the noise on y
        "epochs": 100,
        "report_every": 1,  # epochs between two points of a learning curve
        "batch_size": 10,
        "learning_rate": 0.01,
        "sizes": (2, 5, 10, 20, 50, 100),  # training sets for the last section
        "seed": 1,
    },
    fast={"epochs": 20, "report_every": 5, "sizes": (2, 10, 100)},
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
# be made as small as we like; the error that matters is the **generalisation error**, its expectation over
# examples not yet seen. We cannot compute an expectation over the unseen, but we can estimate it on examples
# that were kept aside: a **test set**, or, where we mean to use the answer to choose between models, a
# **validation set**, so that the test set stays unseen until the end.
#
# To see the three come apart we need a world whose truth we know. Ours is a cubic with a little noise,
#
# $$y = 5 + 1.2\,x - 3.4\,x^2 + 5.6\,x^3 + \epsilon, \qquad x \sim N(0, 1),\quad
# \epsilon \sim N(0, 0.01^2).$$
#
# No model, not the truth itself, can have a mean squared error below the variance of the noise,
# $0.01^2 = 10^{-4}$.

# %%
TRUTH = pd.Series({"w1": 1.2, "w2": -3.4, "w3": 5.6, "b": 5.0})


def draw(generator, rows):
    """Examples of our world: x and y, each (rows, 1)."""
    x = generator.normal(size=(rows, 1))
    y = 5 + 1.2 * x - 3.4 * x**2 + 5.6 * x**3 + generator.normal(0, settings.noise, (rows, 1))
    return x.astype("float32"), y.astype("float32")


generator = np.random.default_rng(settings.seed)
x, y = draw(generator, settings.examples)
x_test, y_test = draw(generator, settings.examples)

# %% [markdown]
# ## From scratch
#
# The features are the powers $\phi(x) = (x, x^2, x^3)$, the model is linear in them,
# $\hat y = \phi(x)\,w + b$, and the loss is the mean squared error of a mini-batch $B$. Its gradients are
#
# $$\frac{\partial L}{\partial w} = \frac{2}{|B|}\,\phi^\top (\hat y - y), \qquad
# \frac{\partial L}{\partial b} = \frac{2}{|B|} \sum (\hat y - y),$$
#
# and mini-batch stochastic gradient descent steps against them, one shuffled pass over the data an epoch.


# %%
def powers(x, degree):
    return np.concatenate([x**k for k in range(1, degree + 1)], axis=1)


def descend(w, b):
    """Train the cubic by hand, from these weights, and return the ones it ends with."""
    batches = training.Batches(x, y, settings.batch_size)
    for epoch in range(settings.epochs):
        batches.epoch = epoch
        for x_batch, y_batch in batches:
            features = powers(x_batch, 3)
            error = features @ w + b - y_batch
            w = w - settings.learning_rate * 2 * features.T @ error / len(error)
            b = b - settings.learning_rate * 2 * error.mean(axis=0)
    return w, b


kerasdl.set_seed(settings.seed)
start = models.polynomial(3).get_weights()
by_hand = descend(*start)

# %% [markdown]
# ## Concisely
#
# `models.polynomial(degree)` is that model; its weights are the coefficients. The seed fixes initial weights
# and batch order, so the two runs should end at the same place.


# %%
def train(degree, rows=settings.examples):
    """A polynomial trained on the first rows of the training set, and its history."""
    kerasdl.set_seed(settings.seed)
    model = models.polynomial(degree)
    model.compile(keras.optimizers.SGD(settings.learning_rate), "mse")
    history = training.fit(
        model,
        x[:rows],
        y[:rows],
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        report_every=settings.report_every,
        validation_data=(x_test, y_test),
    )
    return model, history


cases = {"just right: cubic": (3, settings.examples), "underfit: line": (1, settings.examples)}
cases["overfit: two examples"] = (3, 2)
runs = {title: train(*case) for title, case in chapter.track(list(cases.items()), "three models")}

cubic, history = runs["just right: cubic"]
w, b = cubic.get_weights()
learned = pd.DataFrame({"truth": TRUTH, "learned": [*w[:, 0], *b]})
learned["by hand"] = [*by_hand[0][:, 0], *by_hand[1]]
print(learned.round(4).to_string())

# %% [markdown]
# ## What happened
#
# Each panel shows the training error and the error on the test set, epoch by epoch. The axis is logarithmic:
# otherwise the first epochs would be all there is to see.
#
# - **Just right.** Both errors fall together to the variance of the noise. The gap between them is small, and
#   the coefficients are those of the truth.
# - **Underfit.** A straight line cannot bend. Both errors stay high: more data and more training do not
#   help, and the small gap between them says so.
# - **Overfit.** Two examples cannot fix four numbers. The training error falls as far as the steps allow,
#   and the test error stays a hundred times above it: the model has learned the examples, not the world.

# %%
chapter.figure(
    "learning_curves",
    plots.learning_curves(
        {title: history for title, (_, history) in runs.items()},
        {"loss": "training set", "val_loss": "test set"},
        ylabel="mean squared error",
    ),
)

with plots.canvas(columns=3, sharey=True) as (figure, axes):
    for ax, (title, (model, _)) in zip(axes[0], runs.items(), strict=True):
        seen = cases[title][1]
        plots.fits(
            {"training set": (x[:seen, 0], y[:seen, 0]), "test set": (x_test[:, 0], y_test[:, 0])},
            {"model": lambda grid, model=model: model.predict(grid[:, None], verbose=0)[:, 0]},
            ax,
            title,
        )
chapter.figure("fits", figure)

table = pd.DataFrame({title: history.iloc[-1] for title, (_, history) in runs.items()}).T
print(table.rename(columns={"loss": "training error", "val_loss": "test error"}).to_string())

# %% [markdown]
# ## How many examples are enough?
#
# The cubic again, given as many steps each time but ever more examples. With few examples the training error
# is the lower of the two; as they grow, it rises and the test error falls, until both meet at the noise.

# %%
rows = []
for size in chapter.track(settings.sizes, "training-set sizes"):
    kerasdl.set_seed(settings.seed)
    model = models.polynomial(3)
    model.compile(keras.optimizers.SGD(settings.learning_rate), "mse")
    steps_an_epoch = -(-size // settings.batch_size)
    epochs = settings.epochs * settings.examples // settings.batch_size // steps_an_epoch
    training.fit(
        model, x[:size], y[:size], epochs=epochs, batch_size=settings.batch_size, report_every=epochs
    )
    errors = [model.evaluate(*data, verbose=0) for data in ((x[:size], y[:size]), (x_test, y_test))]
    rows.append([size, *errors])
by_size = pd.DataFrame(rows, columns=["examples", "training error", "test error"]).set_index("examples")
print(by_size.to_string())
chapter.history("by_size", by_size)
chapter.figure(
    "training_set_size",
    plots.lines(
        {column: (by_size.index, by_size[column]) for column in by_size},
        xlabel="examples in the training set",
        ylabel="mean squared error",
        xscale="log",
        yscale="log",
        reference={"variance of the noise": settings.noise**2},
    ),
)

# %% [markdown]
# ## How far to trust one draw?
#
# $x^3$ has long tails: one extreme x moves an error a lot. Least squares has a closed form, so we can draw
# the world two thousand times and see where the line's errors fall. A published figure is one such draw, and
# so is ours; the line's bands below hold 95 % of them.

# %%
lines = []
for seed in range(2000):
    (u, v), (u_test, v_test) = [draw(np.random.default_rng([seed, part]), 100) for part in (0, 1)]
    slope, intercept = np.polyfit(u[:, 0], v[:, 0], 1)
    lines.append([np.mean((slope * a + intercept - c) ** 2) for a, c in ((u, v), (u_test, v_test))])
low, middle, high = np.percentile(lines, [2.5, 50, 97.5], axis=0)
for side, name in enumerate(["training", "test"]):
    print(f"line, {name} error: median {middle[side]:.0f}, 95 % in {low[side]:.0f} … {high[side]:.0f}")

# %% [markdown]
# ## Measured beside reference

# %%
SOURCE = "Zhang et al., 2018–20 edition"
final = {title: run[1].iloc[-1] for title, run in runs.items()}
right, line, two = final.values()
AGREE = 1e-5  # the share by which float32 may differ; it counts while the errors are still large

chapter.trained(
    "cubic: training error",
    right.loss,
    (7e-5, 1.4e-4),
    reference=1e-4,
    source=SOURCE,
    tolerance=1e-6 + AGREE * right.loss,
)
chapter.trained(
    "cubic: test error",
    right.val_loss,
    (7e-5, 1.5e-4),
    reference=1e-4,
    source=SOURCE,
    tolerance=1e-6 + AGREE * right.val_loss,
)
chapter.trained(
    "cubic: worst coefficient error",
    abs(learned["learned"] - learned["truth"]).max(),
    (0, 0.05),
    reference=0,
    source="the truth",
    tolerance=1e-4,
)
chapter.exact(
    "cubic: by hand against builder, worst coefficient",
    abs(learned["learned"] - learned["by hand"]).max(),
    within=1e-4,
    tolerance=1e-4,
    source="the same steps",
)
chapter.trained("line: training error", line.loss, (41, 680), reference=249, source=SOURCE, tolerance=0.01)
chapter.trained("line: test error", line.val_loss, (60, 770), reference=168, source=SOURCE, tolerance=0.01)
chapter.trained(
    "two examples: training error", two.loss, (0, 5), reference=1.2, source=SOURCE, tolerance=1e-3
)
chapter.trained(
    "two examples: test error", two.val_loss, (5, 800), reference=166, source=SOURCE, tolerance=0.1
)
over_noise = by_size["test error"].iloc[-1] / settings.noise**2
chapter.trained(
    f"cubic, {by_size.index[-1]} examples: test error over noise",
    over_noise,
    (0.7, 1.5),
    reference=1,
    source="the variance of the noise",
    tolerance=0.01 + AGREE * over_noise,
)
chapter.finish()

# %% [markdown]
# ## What to try
#
# - `--set noise=1.0`: where do the errors of the cubic settle now? And those of the line?
# - `--set learning_rate=0.1`: why does training stop with an error? The largest stable step depends on the
#   largest $x^6$ in a batch.
# - `--set sizes=2,3,4,5,6`: four numbers to learn. How many examples does it take?
# - Give `train` a degree of 6: can a hundred examples carry three coefficients too many?
