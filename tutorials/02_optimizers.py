# %% [markdown]
# # Optimizers: ways down the slope
#
# Six rules that turn gradients into steps, on a long narrow bowl where every path can be seen, and then on a
# network that reads digits. What each does with its learning rate decides more than its name.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "optimizers",
    settings={
        "start": (-7.0, 2.0),  # the point on the bowl where all paths begin
        "steps": 500,  # down the bowl, at most
        "rates": 31,  # learning rates tried on the bowl
        "hidden": (64,),
        "epochs": 20,
        "batch_size": 64,
        "rates_a_decade": 2,  # learning rates tried on the network, from 0.0001 to 10
        "sweep_epochs": 5,
        "seed": 0,
    },
    fast={"steps": 300, "rates": 16, "epochs": 6, "rates_a_decade": 1, "sweep_epochs": 1},
)
settings = chapter.settings

# %%
import keras
import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier

from kerasdl import datasets, models, plots, scratch, training

# %% [markdown]
# ## The question
#
# The gradient says which way is down from here. It does not say how far to go, and on a long narrow bowl it
# does not even point at the lowest place. Ours is
#
# $$f(x, y) = \frac{x^2}{20} + y^2, \qquad \nabla f = \left(\frac{x}{10},\; 2y\right),$$
#
# twenty times as steep across as along. We start at $(-7, 2)$; the minimum is 0, at the origin. The loss of a
# network is like that in thousands of directions at once: steep in some, almost flat in others.
#
# ## The idea: six rules
#
# Write $g$ for the gradient and $\eta$ for the learning rate, which is a **hyperparameter**: training does
# not find it, we choose it beforehand. Each rule changes the weights $w$, and most keep a memory besides.
# Squares, roots and quotients are taken for each weight by itself.
#
# - **SGD**, stochastic gradient descent: $w \leftarrow w - \eta g$. It is called stochastic because $g$ comes
#   from a randomly drawn batch.
# - **Momentum** remembers a velocity, which begins at 0, and adds to it. With $\mu = 0.9$,
#   $$v \leftarrow \mu v - \eta g, \qquad w \leftarrow w + v.$$
# - **Nesterov**'s momentum is the same ball, but it takes the gradient where the ball is about to be:
#   $v \leftarrow \mu v - \eta \nabla f(w + \mu v)$.
# - **AdaGrad** adds up the squared gradients, $s \leftarrow s + g^2$, and divides by the root of the sum,
#   $w \leftarrow w - \eta g / \sqrt{s}$: steps shrink where gradients have been large. In the paper $s$
#   begins at 0; in Keras, and here, at 0.1.
# - **RMSProp** takes a mean that forgets instead of the sum, $s \leftarrow 0.9\,s + 0.1\,g^2$ from 0.
# - **Adam** puts momentum in the numerator and RMSProp's mean in the denominator:
#   $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad s \leftarrow \beta_2 s + (1 - \beta_2)\, g^2,$$
#   $$\hat m = \frac{m}{1 - \beta_1^t}, \qquad \hat s = \frac{s}{1 - \beta_2^t}, \qquad
#   w \leftarrow w - \frac{\eta\, \hat m}{\sqrt{\hat s} + \varepsilon}.$$
#   Both means begin at 0 and are therefore too small in the first steps; dividing by $1 - \beta^t$ at step
#   $t$ corrects that. The usual values are $\beta_1 = 0.9$ and $\beta_2 = 0.999$.
#
# Look at Adam's first step. There $\hat m = g$ and $\hat s = g^2$, so the step is $\eta\, g / |g|$: its
# length is $\eta$, and of the gradient only the sign is left. Later, where gradients keep their sign the
# steps stay about as long, and where the sign changes again and again $\hat m$ averages to little and the
# steps become short.
#
# ## From scratch
#
# Each rule is a few lines in `kerasdl.scratch`. Its docstring says who found it and where Keras departs from
# the paper. A rule changes named arrays in place.

# %%
METHODS = {
    name: getattr(scratch, name) for name in ("SGD", "Momentum", "Nesterov", "AdaGrad", "RMSProp", "Adam")
}
START = np.array(settings.start)


def bowl(x, y):
    return x**2 / 20 + y**2


def descend(method, rates, steps):
    """The points passed at each rate, ``(rates, steps + 1, 2)``; infinity once the way leads up and away."""
    optimizer = method(0.0)
    optimizer.learning_rate = np.reshape(rates, (-1, 1))  # all at once: a row of weights for each rate
    slope, place = np.array([0.1, 2.0]), {"w": np.tile(START, (np.size(rates), 1))}
    path = np.empty((np.size(rates), steps + 1, 2))
    for step in range(steps + 1):
        path[:, step] = place["w"]
        optimizer.update(place, {"w": place["w"] * slope})
        np.clip(place["w"], -1e9, 1e9, out=place["w"])  # far enough: farther, numbers end
    away = np.abs(path).max(axis=2) > 1e6
    path[np.maximum.accumulate(away, axis=1)] = np.inf
    return path


def steps_until(distances, limit=1e-3):
    """The number of steps after which the distance stays within the limit; infinity if it never does."""
    outside = np.flatnonzero(~(distances <= limit))
    first = outside[-1] + 1 if len(outside) else 0
    return first if first < len(distances) else np.inf


RATES = {"SGD": 0.9, "Momentum": 0.1, "Nesterov": 0.1, "AdaGrad": 1.5, "RMSProp": 0.2, "Adam": 0.3}
paths = {name: descend(METHODS[name], rate, settings.steps)[0] for name, rate in RATES.items()}
table = pd.DataFrame(
    {
        "learning rate": RATES,
        "steps to f < 0.001": {name: steps_until(bowl(*path.T)) for name, path in paths.items()},
        "last distance": {name: np.linalg.norm(path[-1]) for name, path in paths.items()},
    }
)
chapter.table(table, "steps", digits=3)
drawn = {f"{name}, rate {rate}": paths[name][:61] for name, rate in RATES.items()}
chapter.figure("paths", plots.descents(bowl, drawn))

# %% [markdown]
# The figure shows the first sixty steps of each.
#
# - **SGD** leaps across the valley at every step and creeps along it. One rate must serve both: from
#   $\eta = 1$ on, $y$ no longer shrinks; and in each step $x$ shrinks by the factor $1 - \eta/10$ only.
# - **Momentum** adds up the small steps along the valley, while those across it cancel. The price is a ball
#   that rolls past the minimum. **Nesterov** looks ahead and rolls past it less.
# - **AdaGrad** and **RMSProp** divide each coordinate's gradient by its own size. So both coordinates set off
#   at the same pace, however steep: the path begins as a diagonal and turns when the nearer coordinate has
#   arrived. AdaGrad's steps grow ever shorter. RMSProp's do not: each is about $\eta$ long, whatever the
#   slope. So it cannot stop: it ends hopping to and fro across the minimum (see the last distance).
# - **Adam** sets off on the same diagonal, with inertia. It overshoots; then opposite steps cancel.
#
# ## What the learning rate does
#
# Each rule again, at many rates. A line has points only where the rule arrives in time: where it ends inside
# the figure, larger rates (or smaller ones) lead up and away, or take too long.

# %%
rates = np.geomspace(0.01, 4, settings.rates)
arrival = pd.DataFrame(index=rates)
for name, method in chapter.track(list(METHODS.items()), "learning rates on the bowl"):
    arrival[name] = [steps_until(bowl(*path.T)) for path in descend(method, rates, settings.steps)]
arrived = arrival.where(np.isfinite(arrival))
labels = "learning rate", "steps to f < 0.001"
chapter.figure("rates_on_the_bowl", plots.lines(arrived, *labels, "log", "log"))

# %% [markdown]
# The number of steps that SGD takes is almost inversely proportional to its rate, up to a sharp edge. On a
# bowl whose greatest curvature is $L$ (here 2) the edges are known:
#
# $$\eta_{\text{SGD}} < \frac{2}{L}, \qquad \eta_{\text{momentum}} < \frac{2(1 + \mu)}{L}, \qquad
# \eta_{\text{Nesterov}} < \frac{2(1 + \mu)}{L(1 + 2\mu)}.$$
#
# The first is quickly seen: in a direction of curvature $L$ the gradient is $L y$, so a step multiplies $y$
# by $1 - \eta L$, and $y$ shrinks as long as that lies between −1 and 1. With a velocity it is a pair of
# numbers, $y$ and $v$, that a step multiplies by a matrix, and both of its eigenvalues must be smaller than 1
# in size. So momentum nearly doubles the largest rate, while Nesterov's look ahead makes it smaller than that
# of SGD.
#
# We try 200 rates from 0.1 to 4. The edge lies between the last at which $y$ still shrinks in the second half
# of 400 steps and the next one; between these two we try 200 again, and then once more.


# %%
def edge(method):
    """The largest learning rate at which the steep direction still settles."""
    low, high = 0.1, 4.0
    for _ in range(3):
        rates = np.linspace(low, high, 200)
        y = np.abs(descend(method, rates, 400)[..., 1])
        last = np.flatnonzero(y[:, -1] < y[:, 200]).max(initial=0)
        low, high = rates[last : last + 2]
    return low


EDGES = {"SGD": 2 / 2, "Momentum": 2 * 1.9 / 2, "Nesterov": 2 * 1.9 / (2 * 2.8)}
edges = {name: edge(METHODS[name]) for name in EDGES}
chapter.table(pd.DataFrame({"largest stable rate": edges, "by the formula": EDGES}), digits=6)

# %% [markdown]
# ## The same rules on a network
#
# Digits, one hidden layer, and mini-batches: now every gradient is a guess from 64 examples. In Keras's own
# layers the network reads

# %%
digits = chapter.uses(datasets.digits())
x, x_test = (part.reshape(len(part), -1) for part in (digits.x_train, digits.x_test))
y, y_test = digits.y_train, digits.y_test

hidden = [keras.layers.Dense(units, activation="relu") for units in settings.hidden]
written_out = keras.Sequential([keras.Input((x.shape[1],)), *hidden, keras.layers.Dense(10)])

# %% [markdown]
# There is no softmax at the end: the outputs are **logits**, and the loss takes them as they are. The builder
# `models.mlp` makes the same network; its initial weights depend on the seed alone. Given equal weights the
# two must give equal answers.

# %%
kerasdl.set_seed(settings.seed)
model = models.mlp(x.shape[1], settings.hidden)
start = model.get_weights()
course.agree(chapter, model, written_out, x_test)

# %% [markdown]
# By hand: chapter 1's network. All six rules start from the same weights and see the same batches.

# %%
batches = training.Batches(x, y, settings.batch_size)


def learn(optimizer, epochs):
    """The network by hand after training, and the mean loss of each epoch; shorter where it diverged."""
    layers = []
    for kernel, bias in zip(start[::2], start[1::2], strict=True):
        layers += [scratch.Affine(kernel, bias), scratch.ReLU()]
    network, history = scratch.Network(layers[:-1]), []
    for epoch in range(epochs):
        batches.epoch = epoch
        losses = []
        for batch in batches:
            losses.append(network.loss(*batch))
            if not losses[-1] < 1e3:
                return network, history
            network.backward(network.objective.backward())
            optimizer.update(network.parameters, network.gradients)
        history.append(np.average(losses, weights=[len(labels) for _, labels in batches]))
    return network, history


NETWORK_RATES = {"SGD": 0.5, "Momentum": 0.1, "Nesterov": 0.1, "AdaGrad": 0.1, "RMSProp": 0.005, "Adam": 0.01}
trained = {
    name: learn(METHODS[name](rate), settings.epochs)
    for name, rate in chapter.track(list(NETWORK_RATES.items()), "six methods by hand")
}
accuracy = {name: network.accuracy(x_test, y_test) for name, (network, _) in trained.items()}
losses = pd.DataFrame({name: pd.Series(history, dtype=float) for name, (_, history) in trained.items()})
losses.index = pd.RangeIndex(1, len(losses) + 1, name="epoch")

# %% [markdown]
# In Keras a rule is one argument of `compile`; momentum and Nesterov are options of `SGD`. Same weights, same
# batches, same rule: the loss of the first epoch should be the same, up to single precision. (Later epochs
# drift apart, Adam's first. It divides by the root of a mean square, so a gradient of almost 0 becomes a step
# of full size, and its rounding error with it.)

# %%
IN_KERAS = {
    "SGD": keras.optimizers.SGD,
    "Momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "Nesterov": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "AdaGrad": keras.optimizers.Adagrad,
    "RMSProp": keras.optimizers.RMSprop,
    "Adam": keras.optimizers.Adam,
}
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
apart = {}
for name in chapter.track([name for name in IN_KERAS if trained[name][1]], "the same in Keras"):
    model.set_weights(start)
    model.compile(IN_KERAS[name](NETWORK_RATES[name]), cross_entropy)
    kerasdl.set_seed(settings.seed)  # the same batches again
    history = training.fit(model, x, y, epochs=1, batch_size=settings.batch_size)
    apart[name] = abs(history["loss"].iloc[0] - losses[name].iloc[0])
print("the losses of the first epoch, by hand and in Keras, differ by")
chapter.table(pd.Series(apart, name="difference"), digits=1)

# %% [markdown]
# ## What happened
#
# The table sets the six side by side after the last epoch; the figure shows the way there. Its vertical axis
# is logarithmic: the same distance is the same factor, so lines that lie far apart at the bottom may differ
# by very little.

# %%
summary = pd.DataFrame({"learning rate": NETWORK_RATES, "test accuracy": accuracy})
summary.insert(1, "first loss", losses.iloc[0])
summary.insert(2, "last loss", losses.iloc[-1])
chapter.table(summary)
spread = losses.iloc[-1].max() / losses.iloc[-1].min()
pictures = (max(accuracy.values()) - min(accuracy.values())) * len(y_test)
print(f"The largest training loss is {spread:.1f} times the smallest;")
print(f"the best and the worst are {pictures:.0f} of {len(y_test)} test pictures apart.")
chapter.history("losses", losses)
chapter.figure("losses", plots.lines(losses, "epoch", "training loss", yscale="log"))

# %% [markdown]
# At a rate that suits it, each rule learns the digits. Put the two last lines side by side: a training loss
# several times smaller is worth a few test pictures, if any. A smaller training loss is not yet a better
# reader.
#
# And at other rates? We train anew with each rule at rates from 0.0001 to 10, for a few epochs only. The
# table tells each rule's best rate, and from where to where the accuracy is at most 0.05 below its best.

# %%
network_rates = np.geomspace(1e-4, 10, 5 * settings.rates_a_decade + 1)
sweep = pd.DataFrame(index=pd.Index(network_rates, name="learning rate"))
for name, method in chapter.track(list(METHODS.items()), "learning rates on the network"):
    found = [learn(method(rate), settings.sweep_epochs) for rate in network_rates]
    sweep[name] = [
        network.accuracy(x_test, y_test) if len(history) == settings.sweep_epochs else np.nan
        for network, history in found
    ]
good = sweep >= sweep.max() - 0.05
ranges = pd.DataFrame({"best rate": sweep.idxmax(), "accuracy": sweep.max()})
ranges["good from"] = [network_rates[good[name]].min() for name in sweep]
ranges["to"] = [network_rates[good[name]].max() for name in sweep]
chapter.table(ranges, digits=3)
chapter.history("network_rates", sweep)
for one, other in (("SGD", "Adam"), ("Adam", "SGD")):
    rate = sweep[one].idxmax()
    print(f"At {rate:.3g}, the best rate of {one}, {other} reaches {sweep.loc[rate, other]:.3f}.")
labels = "learning rate", f"test accuracy (epochs: {settings.sweep_epochs})"
chapter.figure("rates_on_the_network", plots.lines(sweep, *labels, "log", reference={"guessing": 0.1}))

# %% [markdown]
# Every rule has a range in which it works and two ways to fail: below it learning takes too long, above it
# the network is thrown about. The ranges may overlap, and still what is best for one rule is of little use to
# another: RMSProp and Adam scale the gradient to size 1, so that $\eta$ itself is the length of a step, while
# SGD's step is $\eta$ times a gradient that is usually small. A comparison of rules at one common rate says
# nothing about the rules. Tune each.
#
# ## Measured beside reference
#
# Two things are known exactly. On the bowl SGD multiplies $x$ by $1 - \eta/10$ and $y$ by $1 - 2\eta$ at
# every step, so its whole path can be written down; and the largest stable rates have their formulas. The
# readers of digits stand beside the nearest neighbour, as in chapter 1.

# %%
exact_path = START * (1 - RATES["SGD"] * np.array([0.1, 2.0])) ** np.arange(settings.steps + 1)[:, None]
chapter.exact("SGD: path, worst distance", np.abs(paths["SGD"] - exact_path).max(), within=1e-12)
arrives = steps_until(bowl(*exact_path.T))
if np.isfinite(arrives):
    chapter.exact("SGD: steps to f < 0.001", table.loc["SGD", "steps to f < 0.001"], arrives, within=0)
for name, formula in EDGES.items():
    chapter.exact(f"{name}: largest stable rate", edges[name], formula, within=1e-4, tolerance=1e-6)
if len(batches) <= 30 and apart:  # over many more steps single precision tells
    chapter.exact("first epoch against Keras: loss", max(apart.values()), within=1e-4)
nearest = KNeighborsClassifier(1).fit(x, y).score(x_test, y_test)
for name, value in accuracy.items():
    known = {"reference": nearest, "source": "nearest neighbour", "headline": name in ("SGD", "Adam")}
    chapter.trained(f"digits, {name}: accuracy", value, (0.955, 1), tolerance=0.003, **known)
chapter.finish()

# %% [markdown]
# ## In short
#
# - The gradient gives a direction, not a distance. One rate for all directions is too large for the steep
#   ones or too small for the flat ones.
# - Momentum averages the zigzag away. AdaGrad, RMSProp and Adam divide by the size of the gradient, each
#   weight by itself, so that steep and flat directions move alike.
# - A rule and its learning rate belong together: what suits one ruins another.
# - A smaller training loss need not mean a better answer on new pictures.
#
# ## What to try
#
# - `--set start=-7,0.001`: almost on the valley's floor. Which rules leave it all the same, and why?
# - Give `scratch.AdaGrad` an `initial_accumulator` of 0, as in the paper. What becomes of its first step?
# - Divide RMSProp's rate by $\sqrt t$ at step $t$ (`optimizer.learning_rate` may be changed between updates).
#   Can it stop now?
# - `--set batch_size=1437`: every gradient is now exact, but there is one step in an epoch. Which rules lose
#   most?
# - On the bowl, momentum has a best pair, $\eta = 4/(\sqrt L + \sqrt m)^2$ and
#   $\mu = \big((\sqrt L - \sqrt m)/(\sqrt L + \sqrt m)\big)^2$ with $m = 0.1$. How many steps does it need?
