# %% [markdown]
# # Weight decay: two hundred weights, twenty examples
#
# More weights than examples, so the training error can be made zero in endlessly many ways. A penalty on
# large weights chooses among them. Three ways to write it, one step.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "weight_decay",
    settings={
        "inputs": 200,
        "examples": 20,
        "test_examples": 100,
        "noise": 0.01,  # standard deviation of the noise on y
        "decay": 3.0,  # λ
        "decays": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
        "epochs": 100,
        "report_every": 5,
        "batch_size": 5,
        "learning_rate": 0.003,
        "worlds": 500,  # draws that tell how far to trust one
        "seed": 0,
    },
    fast={"decays": (3.0,), "epochs": 20, "report_every": 10, "worlds": 50},
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
# The truth is simple: every input counts a little,
#
# $$y = 0.05 + \sum_{i=1}^{200} 0.01\,x_i + \epsilon, \qquad x_i \sim N(0, 1),\quad
# \epsilon \sim N(0, 0.01^2).$$
#
# But there are 200 weights to learn from 20 examples. Twenty equations leave 180 directions of the weights
# free: along these, nothing in the data says what a weight should be, and whatever the weights were at the
# start they remain. Ours start at $N(0, 1)$, a hundred times too large.

# %%


def draw(generator, rows):
    """Examples of our world: x of shape (rows, inputs) and y of shape (rows, 1)."""
    x = generator.normal(size=(rows, settings.inputs))
    y = 0.05 + 0.01 * x.sum(axis=1, keepdims=True) + generator.normal(0, settings.noise, (rows, 1))
    return x.astype("float32"), y.astype("float32")


generator = np.random.default_rng(settings.seed)
x, y = draw(generator, settings.examples)
x_test, y_test = draw(generator, settings.test_examples)
start = [generator.normal(size=(settings.inputs, 1)).astype("float32"), np.zeros(1, "float32")]

# %% [markdown]
# ## The idea
#
# Add to the loss, here half the squared error, what large weights cost:
#
# $$L(w, b) + \frac{\lambda}{2} \lVert w \rVert^2.$$
#
# The gradient of the penalty is $\lambda w$, so a step of gradient descent reads
#
# $$w \leftarrow (1 - \eta\lambda)\,w - \eta\, \frac{\partial L}{\partial w}, \qquad
# b \leftarrow b - \eta\, \frac{\partial L}{\partial b}.$$
#
# Before each step the weights shrink by a constant factor: they *decay*. Where the data pull, pull and decay
# balance; where they do not, the weights go to zero. The bias is left alone: it does not multiply an
# input, so a large one costs no smoothness, and shrinking it only moves the mean of the predictions.
#
# ## From scratch
#
# One more scaling to know: some texts write the penalty as $\frac{\lambda}{2n} \lVert w \rVert^2$, with $n$
# the number of examples in the batch. Their weights shrink by $1 - \eta\lambda / n$, so their $\lambda$ is
# $n$ times ours.

# %%
DECAY = {"λ/2 ‖w‖²": lambda λ, n: λ, "λ/(2n) ‖w‖²": lambda λ, n: λ / n}


def descend(λ, penalty="λ/2 ‖w‖²", batch_size=settings.batch_size):
    """Train by hand, on the builder's batches; weights and bias after every step, (steps, inputs + 1)."""
    kerasdl.set_seed(settings.seed)
    batches = training.Batches(x, y, batch_size)
    (w, b), path = start, []
    for epoch in range(settings.epochs):
        batches.epoch = epoch
        for x_batch, y_batch in batches:
            error = x_batch @ w + b - y_batch
            pull = x_batch.T @ error / len(error)
            w = w - settings.learning_rate * (pull + DECAY[penalty](λ, len(error)) * w)
            b = b - settings.learning_rate * error.mean(axis=0)
            path.append(np.append(w, b))
    return np.stack(path)


# %% [markdown]
# ## Concisely
#
# Two ways lead there in Keras.
#
# - A **regulariser** adds its penalty to the loss. `keras.regularizers.L2(l)` is $l \lVert w \rVert^2$,
#   *without* the half, so it wants $l = \lambda / 2$; the builder's `l2=` is that $l$, on kernels only.
# - An **optimizer** can shrink the weights itself, `weight_decay=λ`, on all of them, unless the bias is
#   excluded by name.


# %%
def half_squared_error(y, prediction):
    return keras.ops.mean(keras.ops.square(prediction - y), axis=-1) / 2


class Path(keras.callbacks.Callback):
    """Keeps weights and bias after every step, as ``descend`` does."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(np.append(*self.model.get_weights()))


def train(l2=0.0, weight_decay=None):
    """The linear model from our start; weights and bias after every step."""
    kerasdl.set_seed(settings.seed)
    model = models.linear(settings.inputs, l2=l2)
    model.set_weights(start)
    optimizer = keras.optimizers.SGD(settings.learning_rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer, half_squared_error)
    path = Path()
    few = {"epochs": settings.epochs, "report_every": settings.epochs, "batch_size": settings.batch_size}
    training.fit(model, x, y, callbacks=[path], **few)
    return np.stack(path.steps)


λ = settings.decay
by_hand = descend(λ)
ways = {
    "λ/(2n) by hand": descend(λ * settings.batch_size, "λ/(2n) ‖w‖²"),
    "regulariser, L2(λ/2)": train(l2=λ / 2),
    "optimizer, weight_decay=λ": train(weight_decay=λ),
}
apart = {name: np.abs(path - by_hand).max() for name, path in ways.items()}
print("farthest from the penalty by hand, over all weights, the bias and all steps:")
print(pd.Series(apart).map("{:.1e}".format).to_string())

# %% [markdown]
# Step by step they are one. They part company as soon as the optimizer is not plain gradient
# descent: Adam divides a penalty's gradient, like any other, by its own size, and leaves a decay that is part
# of the step whole. That is what the W in AdamW is for (Loshchilov and Hutter, 2019).
#
# ## What happened
#
# Without decay, and with λ = 3. The weights of every step were kept, so both losses can be computed after the
# fact, here half the mean squared error, without the penalty.


# %%
def losses(weights):
    """Training and test loss of weights and bias, (inputs + 1,)."""
    w, b = weights[:-1], weights[-1]
    return [np.mean((u @ w + b - v[:, 0]) ** 2) / 2 for u, v in ((x, y), (x_test, y_test))]


runs = {0: train(), λ: ways["regulariser, L2(λ/2)"]}
histories = {}
for value, path in runs.items():
    epochs = range(settings.report_every, settings.epochs + 1, settings.report_every)
    ends = path[np.array(epochs) * len(path) // settings.epochs - 1]
    histories[f"λ = {value:g}"] = pd.DataFrame(map(losses, ends), columns=["loss", "val_loss"], index=epochs)
chapter.figure(
    "learning_curves",
    plots.learning_curves(histories, {"loss": "training set", "val_loss": "test set"}, "half squared error"),
)
norms = {value: np.linalg.norm(path[-1, :-1]) for value, path in runs.items()}
for value, path in runs.items():
    print(f"λ = {value:g}: ‖w‖ {norms[value]:.3f}, training and test loss", np.round(losses(path[-1]), 4))

# %% [markdown]
# Without decay the training loss falls to nothing and the test loss hardly moves: the purest overfitting
# there is. Only what the twenty examples touch was learned. The other 180 directions are as they started,
# and the norm says so: about $\sqrt{180} = 13.4$. With decay the training loss stays a little higher and the
# test loss falls several hundredfold.
#
# ### How much decay?
#
# For each λ, what gradient descent reaches in these steps, and the exact minimiser, which for a linear model
# is ridge regression: with n centred examples, $w = (X^\top X + n\lambda I)^{-1} X^\top y$.

# %%
rows = {}
centred, offset = x - x.mean(axis=0), y - y.mean()
for value in chapter.track(settings.decays, "decays"):
    weights = runs[value][-1] if value in runs else train(l2=value / 2)[-1]
    penalty = len(x) * value * np.eye(settings.inputs)
    w = np.linalg.solve(centred.T @ centred + penalty, centred.T @ offset)[:, 0]
    ridge = np.append(w, y.mean() - x.mean(axis=0) @ w)
    rows[value] = [np.linalg.norm(weights[:-1]), *losses(weights), np.linalg.norm(w), losses(ridge)[1]]
columns = ["‖w‖", "training loss", "test loss", "‖w‖, ridge", "test loss, ridge"]
by_decay = pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("λ")
print(by_decay.to_string(float_format="{:.4g}".format))
chapter.history("by_decay", by_decay)
with plots.canvas(columns=2) as (figure, axes):
    scale = {"xscale": "log", "yscale": "log"}
    of = {name: (by_decay.index, by_decay[name]) for name in by_decay}
    truth = {"the truth": 0.01 * settings.inputs**0.5}
    some = {name: of[name] for name in ("‖w‖", "‖w‖, ridge")}
    plots.lines(some, "λ", "‖w‖", **scale, reference=truth, ax=axes[0, 0], title="weights")
    some = {name: of[name] for name in ("training loss", "test loss", "test loss, ridge")}
    plots.lines(some, "λ", "half squared error", **scale, ax=axes[0, 1], title="losses")
chapter.figure("decays", figure)

# %% [markdown]
# With a small λ these few steps do not reach the minimiser: a weight of 1 is forgotten only after several
# times $1 / (\eta\lambda)$ steps. So this setting stops early as well as decaying, and the two are hard to
# tell apart.
#
# And the minimiser is no triumph either. Predicting the mean, all weights zero, has a test loss of about
# $\tfrac12 \cdot 200 \cdot 0.01^2 = 0.01$, and no λ does much better: twenty examples cannot tell two hundred
# small weights. Decay protects from nonsense; it does not know the truth.
#
# ## How far to trust one draw?
#
# The published figures are one world each, and so are ours. By hand, many worlds can be trained at once.


# %%
def worlds(λ, batch_size):
    """‖w‖ and test loss in many worlds, each (worlds,), after the same epochs."""
    random, count = np.random.default_rng(settings.seed + 1), settings.worlds
    x, x_test = (random.normal(size=(count, n, settings.inputs)) for n in (settings.examples, 100))
    truth = (0.05 + 0.01 * u.sum(axis=2) for u in (x, x_test))
    y, y_test = (exact + random.normal(0, settings.noise, exact.shape) for exact in truth)
    w, b = random.normal(size=(count, settings.inputs)), np.zeros((count, 1))
    for _ in range(settings.epochs):
        order = random.permutation(settings.examples)  # worlds may share it: their examples differ
        for rows in np.split(order, settings.examples // batch_size):
            error = (x[:, rows] @ w[:, :, None])[:, :, 0] + b - y[:, rows]
            pull = (error[:, None] @ x[:, rows])[:, 0] / batch_size
            w = w - settings.learning_rate * (pull + λ * w)
            b = b - settings.learning_rate * error.mean(axis=1, keepdims=True)
    error = (x_test @ w[:, :, None])[:, :, 0] + b - y_test
    return np.linalg.norm(w, axis=1), np.mean(error**2, axis=1) / 2


for case in [(0.0, 5), (λ, 5), (0.0, 1), (λ, 1)]:
    spread = np.percentile(worlds(*case), [0.5, 50, 99.5], axis=1)
    for name, (low, middle, high) in zip(("‖w‖", "test loss"), spread.T, strict=True):
        print(f"λ = {case[0]:g}, batch {case[1]}: {name} {middle:.3g}, 99 % in {low:.3g} … {high:.3g}")

# %% [markdown]
# ## Measured beside reference
#
# The bands are those 99 %, a little widened. One edition trains with batches of five; the other takes one
# example at a time, so five times the steps, and decays further.

# %%
D2L, EARLIER = "Zhang et al., d2l 0.17", "Zhang et al., 2018–20 edition"
at_decay, at_zero = f"λ = {λ:g}", "λ = 0"
for name, value, low, high, published in (
    (at_zero, 0, 11.6, 15.3, 13.52),
    (at_decay, λ, 0.30, 0.43, 0.350),
):
    chapter.trained(
        f"{name}: ‖w‖", norms[value], (low, high), reference=published, source=D2L, tolerance=1e-4
    )
for name, value, low, high, published in ((at_zero, 0, 53, 144, 72.8), (at_decay, λ, 0.045, 0.30, 0.092)):
    chapter.trained(
        f"{name}: test loss",
        losses(runs[value][-1])[1],
        (low, high),
        reference=published,
        source=D2L,
        tolerance=1e-4 * high,
    )
for name, value, low, high, published in ((at_zero, 0, 11.6, 15.3, 15.1), (at_decay, λ, 0.02, 0.065, 0.035)):
    chapter.trained(
        f"{name}, batch 1, by hand: ‖w‖",
        np.linalg.norm(descend(value, batch_size=1)[-1, :-1]),
        (low, high),
        reference=published,
        source=EARLIER,
        tolerance=1e-4,
    )
for name in ways:
    chapter.exact(f"{name}: off by", apart[name], within=2e-5, tolerance=2e-5, source="the same steps")
chapter.finish()

# %% [markdown]
# ## What to try
#
# - `--set decay=30` and `--set decay=0.3`: which weights are too small, and which were not forgotten in time?
# - Forget the half: `train(l2=λ)`. After how many steps do the weights differ by a hundredth?
# - `--set examples=400`: more equations than weights. Does decay still help?
# - `--set noise=1`: now even the best λ has something to do for the twenty examples. Where is it?
# - Leave out `exclude_from_weight_decay`. The bias of the truth is only 0.05: make it 5, and look again.
