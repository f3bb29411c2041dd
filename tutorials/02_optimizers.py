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
        "steps": 500,  # down the bowl, at most
        "rates": 31,  # learning rates tried on the bowl
        "hidden": (64,),
        "epochs": 20,
        "batch_size": 64,
        "rates_a_decade": 2,  # learning rates tried on the network, from 0.0001 to 10
        "sweep_epochs": 5,
        "compared": ("SGD", "Momentum", "Nesterov", "AdaGrad", "RMSProp", "Adam"),  # trained in Keras too
        "seed": 0,
    },
    fast={
        "steps": 300,
        "rates": 9,
        "epochs": 3,
        "rates_a_decade": 1,
        "sweep_epochs": 1,
        "compared": ("SGD", "Adam"),
    },
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
# twenty times steeper across than along, and we start at $(-7, 2)$. The minimum is 0, at the origin. Loss
# surfaces of networks are like that, in thousands of directions at once.
#
# ## The idea: six rules
#
# With $g$ for the gradient and $\eta$ for the learning rate, each rule changes the weights $w$ and perhaps a
# memory of its own, which begins at 0:
#
# - **SGD**: $w \leftarrow w - \eta g$. Stochastic, because $g$ comes from a batch.
# - **Momentum**: $v \leftarrow \mu v - \eta g$, then $w \leftarrow w + v$. A ball with inertia; $\mu = 0.9$.
# - **Nesterov**: the same ball, but the gradient is taken where it is about to be.
# - **AdaGrad**: $s \leftarrow s + g^2$, then $w \leftarrow w - \eta g / \sqrt{s}$, for each weight by itself:
#   steps shrink where gradients have been large.
# - **RMSProp**: the same with a mean that forgets, $s \leftarrow 0.9\,s + 0.1\,g^2$.
# - **Adam**: momentum for the numerator, RMSProp's mean for the denominator, both corrected for having begun
#   at 0.
#
# ## From scratch
#
# Each rule is a few lines in `kerasdl.scratch`, where its docstring says who found it and where Keras departs
# from the paper. A rule changes named arrays in place.

# %%
METHODS = {
    name: getattr(scratch, name) for name in ("SGD", "Momentum", "Nesterov", "AdaGrad", "RMSProp", "Adam")
}
START = np.array([-7.0, 2.0])


def bowl(x, y):
    return x**2 / 20 + y**2


def descend(optimizer, steps):
    """The points passed on the way down, ``(steps + 1, 2)``; where the way leads up and away, infinity."""
    place = {"w": START.copy()}
    path = np.full((steps + 1, 2), np.inf)
    for step in range(steps + 1):
        path[step] = place["w"]
        if np.abs(path[step]).max() > 1e6:
            path[step:] = np.inf
            break
        optimizer.update(place, {"w": place["w"] * [0.1, 2.0]})
    return path


def steps_until(distances, limit=1e-3):
    """The number of steps after which the distance stays within the limit; infinity if it never does."""
    outside = np.flatnonzero(distances > limit)
    first = outside[-1] + 1 if len(outside) else 0
    return first if first < len(distances) else np.inf


RATES = {"SGD": 0.9, "Momentum": 0.1, "Nesterov": 0.1, "AdaGrad": 1.5, "RMSProp": 0.05, "Adam": 0.3}
paths = {name: descend(METHODS[name](rate), settings.steps) for name, rate in RATES.items()}
table = pd.DataFrame(
    {
        "learning rate": RATES,
        "steps to f < 0.001": {name: steps_until(bowl(*path.T)) for name, path in paths.items()},
        "to distance < 0.001": {
            name: steps_until(np.linalg.norm(path, axis=1)) for name, path in paths.items()
        },
    }
)
print(table.replace(np.inf, "never").to_string())
chapter.history("steps", table)
chapter.figure(
    "paths",
    plots.descents(bowl, {f"{name}, rate {rate}": paths[name][:61] for name, rate in RATES.items()}),
)

# %% [markdown]
# These are the first sixty steps of each.
#
# - **SGD** leaps across the valley at every step and creeps along it. One rate must serve both: below
#   $\eta = 1$, or $y$ grows; and $x$ shrinks by $\eta/10$ a step only.
# - **Momentum** adds up the small steps along the valley while those across cancel. The price is a ball that
#   rolls past. **Nesterov** looks ahead and rolls past less.
# - **AdaGrad** makes both directions equally steep, so it goes almost straight, ever more slowly.
# - **RMSProp** takes steps of about $\eta$ whatever the slope: straight and steady, and unable to stop. It
#   ends by hopping to and fro around the minimum, which is why it never comes within 0.001.
# - **Adam** does as RMSProp, with inertia, which lets opposite steps cancel at the end.
#
# ## What the learning rate does
#
# Each rule again, at many rates. Where a line ends, the way leads up and away, or does not arrive in time.

# %%
rates = np.geomspace(0.01, 4, settings.rates)
arrival = {
    name: np.array([steps_until(bowl(*descend(method(rate), settings.steps).T)) for rate in rates])
    for name, method in chapter.track(list(METHODS.items()), "learning rates on the bowl")
}
arrived = {name: np.isfinite(steps) for name, steps in arrival.items()}
chapter.figure(
    "rates_on_the_bowl",
    plots.lines(
        {name: (rates[arrived[name]], arrival[name][arrived[name]]) for name in METHODS},
        xlabel="learning rate",
        ylabel="steps to f < 0.001",
        xscale="log",
        yscale="log",
    ),
)

# %% [markdown]
# SGD's steps are inversely proportional to its rate, up to a sharp edge. On a bowl of greatest curvature
# $L$, here 2, the edges are known:
#
# $$\eta_{\text{SGD}} < \frac{2}{L}, \qquad \eta_{\text{momentum}} < \frac{2(1 + \mu)}{L}, \qquad
# \eta_{\text{Nesterov}} < \frac{2(1 + \mu)}{L(1 + 2\mu)}.$$
#
# We look for them by halving an interval: does $y$ still shrink in the second half of 400 steps?


# %%
def edge(method):
    """The largest learning rate at which the steep direction still settles."""
    low, high = 0.1, 4.0
    for _ in range(24):
        middle = (low + high) / 2
        y = np.abs(descend(method(middle), 400)[:, 1])
        low, high = (middle, high) if y[-1] < y[200] else (low, middle)
    return low


EDGES = {"SGD": 2 / 2, "Momentum": 2 * 1.9 / 2, "Nesterov": 2 * 1.9 / (2 * 2.8)}
edges = {name: edge(METHODS[name]) for name in EDGES}
print(pd.DataFrame({"largest stable rate": edges, "by the formula": EDGES}).round(6).to_string())

# %% [markdown]
# ## The same rules on a network
#
# Digits, one hidden layer, and mini-batches: now every gradient is a guess from 64 examples. All six start
# from the same weights and see the same batches.

# %%
digits = chapter.uses(datasets.digits())
x, x_test = (part.reshape(len(part), -1) for part in (digits.x_train, digits.x_test))
y, y_test = digits.y_train, digits.y_test

kerasdl.set_seed(settings.seed)
model = models.mlp(x.shape[1], settings.hidden)
start = model.get_weights()
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
            if losses[-1] > 1e3:
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
losses = pd.DataFrame({name: history for name, (_, history) in trained.items()})
losses.index = pd.RangeIndex(1, settings.epochs + 1, name="epoch")

# %% [markdown]
# ### Concisely
#
# In Keras a rule is one argument of `compile`; momentum and Nesterov are options of `SGD`. Same weights, same
# batches, same rule: the losses should be the same, up to single precision. Adam's part a little further: it
# divides by the root of a mean square, so a gradient of almost 0 becomes a step of full size, and its
# rounding with it.

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
for name in chapter.track(settings.compared, "the same in Keras"):
    model.set_weights(start)
    model.compile(IN_KERAS[name](NETWORK_RATES[name]), cross_entropy)
    kerasdl.set_seed(settings.seed)  # the same batches again
    history = training.fit(model, x, y, epochs=settings.epochs, batch_size=settings.batch_size)
    apart[name] = np.abs(history["loss"] - losses[name])

summary = pd.DataFrame({"learning rate": NETWORK_RATES, "test accuracy": accuracy})
summary.insert(1, "first loss", losses.iloc[0])
summary.insert(2, "last loss", losses.iloc[-1])
print(summary.round(4).to_string())

apart = pd.DataFrame(apart)
print("losses by hand and in Keras differ, at most")
early, late = apart.iloc[:3].max(), apart.max()
print(pd.DataFrame({"in 3 epochs": early, f"in {settings.epochs}": late}).map("{:.0e}".format).to_string())

# %% [markdown]
# ## What happened
#
# At a rate that suits it, each rule learns the digits. Momentum, Nesterov, RMSProp and Adam end well below
# SGD's training loss, Adam at about a quarter of it; on the test set that is worth three digits of 360, if
# anything. A smaller training loss is not yet a better reader.

# %%
chapter.history("losses", losses)
chapter.figure(
    "losses",
    plots.lines(
        {name: (losses.index, losses[name]) for name in losses},
        xlabel="epoch",
        ylabel="training loss",
        yscale="log",
    ),
)

# %% [markdown]
# And at other rates? The next figure trains each anew at rates from 0.0001 to 10. Every rule has a range of
# a decade or two in which it works, and the ranges lie apart: a rate that is right for SGD is a hundred times
# too large for Adam. So a comparison at one common rate says nothing about the rules; tune each.

# %%
network_rates = np.geomspace(1e-4, 10, 5 * settings.rates_a_decade + 1)
sweep = pd.DataFrame(index=pd.Index(network_rates, name="learning rate"))
for name, method in chapter.track(list(METHODS.items()), "learning rates on the network"):
    found = [learn(method(rate), settings.sweep_epochs) for rate in network_rates]
    sweep[name] = [
        network.accuracy(x_test, y_test) if len(history) == settings.sweep_epochs else 0.1
        for network, history in found
    ]
chapter.history("network_rates", sweep)
chapter.figure(
    "rates_on_the_network",
    plots.lines(
        {name: (sweep.index, sweep[name]) for name in sweep},
        xlabel="learning rate",
        ylabel=f"test accuracy (epochs: {settings.sweep_epochs})",
        xscale="log",
        reference={"guessing": 0.1},
    ),
)
print(pd.DataFrame({"best rate": sweep.idxmax(), "accuracy there": sweep.max()}).round(4).to_string())

# %% [markdown]
# ## Measured beside reference

# %%
steps = np.arange(settings.steps + 1)[:, None]
exact = START * (1 - RATES["SGD"] * np.array([0.1, 2.0])) ** steps
chapter.exact(
    "SGD: path, worst distance", np.abs(paths["SGD"] - exact).max(), within=1e-12, source="closed form"
)
chapter.exact(
    "SGD: steps to f < 0.001",
    table.loc["SGD", "steps to f < 0.001"],
    float(steps_until(bowl(*exact.T))),
    within=0,
    source="closed form",
)
for name, formula in EDGES.items():
    chapter.trained(
        f"{name}: largest stable rate",
        edges[name],
        (formula - 1e-4, formula + 1e-4),
        reference=formula,
        source="closed form",
        tolerance=1e-6,
    )
chapter.exact(
    "3 epochs against Keras: loss", early.max(), within=1e-4, tolerance=1e-4, source="the same steps"
)
nearest = KNeighborsClassifier(1).fit(x, y).score(x_test, y_test)
for name, measured in accuracy.items():
    chapter.trained(
        f"digits, {name}: accuracy",
        measured,
        (0.955, 1),
        reference=nearest,
        source="nearest neighbour",
        tolerance=0.003,
    )
chapter.finish()

# %% [markdown]
# ## What to try
#
# - Start at $(-7, 0.001)$, almost on the valley's floor. Which rules still cross it, and why?
# - Give `scratch.AdaGrad` an `initial_accumulator` of 0, as in the paper. What becomes of its first step?
# - Divide RMSProp's rate by $\sqrt t$ at step $t$ (`optimizer.learning_rate` may be changed between updates).
#   Can it stop now?
# - `--set batch_size=1437`: without chance in the gradient, which rules lose most?
# - On the bowl, heavy-ball momentum has a best pair, $\eta = 4/(\sqrt L + \sqrt m)^2$ and
#   $\mu = \big((\sqrt L - \sqrt m)/(\sqrt L + \sqrt m)\big)^2$ with $m = 0.1$. How many steps does it need?
