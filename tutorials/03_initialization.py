# %% [markdown]
# # Initialization: thirty layers deep, and still alive
#
# Where weights start decides whether a deep network learns at all. Signals that vanish, gradients that
# explode, units that never part, and the two square roots that keep thirty layers alive.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "initialization",
    settings={
        "depth": 30,  # hidden layers
        "width": 256,  # units in each, where scales are measured
        "examples": 100,  # in the batch they are measured on
        "trained": ("tanh", "relu"),
        "trained_width": 128,
        "epochs": 20,
        "batch_size": 64,
        "learning_rate": 0.01,
        "seed": 0,
    },
    fast={"epochs": 1, "trained": ("relu",), "trained_width": 32, "batch_size": 256},
)
settings = chapter.settings
if settings.depth < 2:
    raise ValueError(f"depth={settings.depth}: take at least 2, for a factor from one layer to the next")

# %%
import itertools

import keras
import numpy as np
import pandas as pd

from kerasdl import datasets, models, plots, training
from kerasdl.initializers import GlorotUniform, HeNormal, Normal, VarianceScaling

pictures = chapter.uses(datasets.images())

# %% [markdown]
# ## The question
#
# A chain of thirty layers with one linear unit each multiplies its input by $w$ thirty times. What comes out
# is $w^{30}\,x$, and by the chain rule the gradient that comes back is $w^{30}$ as well. With $w = 0.2$
# neither arrives; with $w = 5$ one step of gradient descent throws every weight to infinity.

# %%
chains = {}
for w in (0.2, 5.0):
    chain = models.mlp(1, (1,) * 29, 1, "linear", initializer=keras.initializers.Constant(w))
    chains[w] = keras.ops.convert_to_numpy(chain(np.ones((1, 1), "float32")))[0, 0]
    print(f"thirty layers of weight {w}: 1 becomes {chains[w]:.4g}")

# %% [markdown]
# Between the two lies $w = 1$. What is its like for a layer of many units, with random weights and an
# activation?
#
# ## The idea
#
# Take $z = W h$ with $n$ inputs and weights drawn independently with mean 0 and variance $\sigma^2$. A sum of
# $n$ independent terms has $n$ times the variance of one, so
#
# $$\operatorname{E}[z^2] = n\,\sigma^2\, \operatorname{E}[h^2].$$
#
# - **Xavier** (Glorot and Bengio, 2010). Near zero tanh is the identity, so the scale stays where
#   $n_\text{in}\sigma^2 = 1$. Backwards the same sum runs over the outputs, which asks for
#   $n_\text{out}\sigma^2 = 1$. The compromise is $\sigma^2 = 2 / (n_\text{in} + n_\text{out})$. It is what
#   Keras takes when nothing is said.
# - **He** (He et al., 2015). ReLU sets half of what arrives to zero: $\operatorname{E}[h^2] =
#   \tfrac12 \operatorname{E}[z^2]$. To make up for it, $\sigma^2 = 2 / n_\text{in}$.
# - **PyTorch's** layers start uniform on $\pm 1/\sqrt{n_\text{in}}$, which has variance
#   $1/(3\,n_\text{in})$: smaller than both.
# - The naive ones say nothing about $n$: a small $\sigma = 0.01$ to be safe, or a plain $\sigma = 1$.

# %%
STARTS = {
    "σ = 0.01": Normal(stddev=0.01),
    "PyTorch": VarianceScaling(1 / 3, "fan_in", "uniform"),
    "Xavier (Keras)": GlorotUniform(),
    "He": HeNormal(),
    "σ = 1": Normal(stddev=1.0),
}
VARIANCE = {"σ = 1": lambda n: 1, "σ = 0.01": lambda n: 1e-4, "PyTorch": lambda n: 1 / (3 * n)}
VARIANCE |= {"Xavier (Keras)": lambda n: 1 / n, "He": lambda n: 2 / n}  # for layers as wide as their input

# %% [markdown]
# ## From scratch
#
# Forward, each layer computes $z_l = h_{l-1} W_l$ and $h_l = f(z_l)$. Backward, from the gradient of the
# softmax cross-entropy at the logits,
#
# $$\delta_{l} = (\delta_{l+1} W_{l+1}^\top) \odot f'(z_l), \qquad
# \frac{\partial L}{\partial W_l} = h_{l-1}^\top \delta_l.$$
#
# We note the root mean square of each layer's activations $h_l$ and of the gradient $\delta_l$ that reaches
# it; the gradient of the weights is their product.

# %%
ACTIVATIONS = {
    "tanh": (np.tanh, lambda h: 1 - h**2),
    "relu": (lambda z: np.maximum(z, 0), lambda h: (h > 0).astype(float)),
}


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


def backpropagate(kernels, activation, x, y):
    """Each layer's input h and the gradient δ at its output; biases are zero."""
    f, slope = ACTIVATIONS[activation]
    h = [x]
    for kernel in kernels[:-1]:
        h.append(f(h[-1] @ kernel))
    logits = h[-1] @ kernels[-1]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    δ = [(p / p.sum(axis=1, keepdims=True) - np.eye(10)[y]) / len(x)]
    for before, kernel in zip(h[:0:-1], kernels[:0:-1], strict=True):
        δ.append(δ[-1] @ kernel.T * slope(before))
    return h, δ[::-1]


# Whole batches only: a last one of another size would cost a second compilation.
x = pictures.x_train.reshape(len(pictures.x_train), -1)[:1280]
x, y = (x - x.mean()) / x.std(), pictures.y_train[:1280]
sizes = [x.shape[1], *[settings.width] * settings.depth, 10]

scales = {}
for activation in ACTIVATIONS:
    for name, start in STARTS.items():
        kerasdl.set_seed(settings.seed)
        kernels = [
            keras.ops.convert_to_numpy(start(shape)).astype(float) for shape in itertools.pairwise(sizes)
        ]
        few = slice(settings.examples)
        h, δ = backpropagate(kernels, activation, x[few].astype(float), y[few])
        scales[activation, name] = pd.DataFrame(
            {"activation": [rms(a) for a in h[1:]], "gradient": [rms(d) for d in δ[:-1]]},
            index=pd.RangeIndex(1, settings.depth + 1, name="layer"),
        )

# %% [markdown]
# ## What happened
#
# Each line is one start; both axes of what happens are logarithmic, so a straight slope is a constant factor
# a layer.
#
# - **σ = 0.01** and **PyTorch's** start lose the signal, and the gradient with it, by a constant factor a
#   layer. After thirty of them, what the first layer computes does not reach the output.
# - **σ = 1** explodes with ReLU. With tanh it cannot: each unit saturates at ±1, where the slope is
#   nearly 0. And yet the gradient explodes, for the few units that are not saturated multiply it by large
#   weights.
# - **Xavier** holds tanh, slowly sinking because tanh bends, and loses a factor $\sqrt{1/2}$ a layer with
#   ReLU. **He** holds ReLU.

# %%
with plots.canvas(columns=2, rows=2, sharex=True) as (figure, axes):
    for row, (what, ylabel) in zip(
        axes, {"activation": "activations", "gradient": "gradient"}.items(), strict=True
    ):
        for ax, activation in zip(row, ACTIVATIONS, strict=True):
            plots.lines(
                {name: (scales[activation, name].index, scales[activation, name][what]) for name in STARTS},
                xlabel="layer",
                ylabel=f"root mean square of the {ylabel}",
                yscale="log",
                ax=ax,
                title=activation,
            )
    for ax in (*axes[:, 0], axes[1, 1]):
        ax.get_legend().remove()  # one serves all four
chapter.figure("scales", figure)
table = pd.concat(scales, names=["activation function", "start"])
chapter.history("scales", table)
last = table.xs(settings.depth, level="layer")
print(last.map("{:.2e}".format).to_string())

# %% [markdown]
# ### What theory says
#
# For ReLU the factor a layer is $\sqrt{n \sigma^2 / 2}$. For tanh there is no such constant, but in a wide
# layer $z$ is normal with some variance $q$, which the next layer turns into
# $n \sigma^2 \operatorname{E}[\tanh^2(\sqrt{q}\,u)]$, $u$ standard normal (Poole et al., 2016): an integral
# that Gauss and Hermite do for us.

# %%
nodes, weights = np.polynomial.hermite_e.hermegauss(61)


def tanh_scale(name):
    """The root mean square of the last layer's activations in an infinitely wide tanh network."""
    q = np.mean(x[: settings.examples] ** 2, axis=1) * sizes[0]
    q = q * (2 / (sum(sizes[:2])) if name == "Xavier (Keras)" else VARIANCE[name](sizes[0]))
    for _ in range(settings.depth):
        second_moment = np.tanh(np.sqrt(q)[:, None] * nodes) ** 2 @ weights / weights.sum()
        q = settings.width * VARIANCE[name](settings.width) * second_moment
    return np.sqrt(np.mean(second_moment))


def relu_factor(name):
    """The factor a layer of activations, and of gradients, in a ReLU network."""
    return np.sqrt(settings.width * VARIANCE[name](settings.width) / 2)


# %% [markdown]
# ## The network that stays one unit wide
#
# Why draw weights at random at all? Start every weight of a layer at the same value: its units compute the
# same, so they receive the same gradient, and take the same step. They never part. However wide, the
# network is one unit wide.
#
# With ReLU this is exact in a way that can be measured. $n$ equal units with weights $w$ in and $v$ out
# contribute $n\,v\,\max(0, w x)$: the same as *one* unit with weights $\sqrt n\,w$ and $\sqrt n\,v$, and
# gradient descent keeps it so. The two must have one learning curve.


# %%
def train_shallow(units, start):
    """A network of one hidden layer; its training loss by epoch and the weights it ends with."""
    kerasdl.set_seed(settings.seed)
    model = models.mlp(x.shape[1], (units,), initializer=start)
    model.compile(keras.optimizers.SGD(0.05), LOSS)
    epochs = 2 * settings.epochs
    history = training.fit(model, x, y, epochs=epochs, batch_size=256, report_every=2)
    return history.loss, model.get_weights()[0]


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
c, n = 0.01, 64
shallow = {
    f"{n} units, random": train_shallow(n, HeNormal()),
    f"{n} units, all alike": train_shallow(n, keras.initializers.Constant(c)),
    "1 unit": train_shallow(1, keras.initializers.Constant(c * np.sqrt(n))),
}
random_loss, alike_loss, one_loss = (loss for loss, _ in shallow.values())
alike = shallow[f"{n} units, all alike"][1]
apart = np.abs(alike - alike[:, :1]).max()
print(f"largest difference between two of the {n} units after training: {apart:.2g}")
chapter.figure(
    "symmetry",
    plots.lines({name: (loss.index, loss) for name, (loss, _) in shallow.items()}, "epoch", "training loss"),
)

# %% [markdown]
# ## Do they learn?
#
# The builder takes the start by name, `models.mlp(..., initializer="he_normal")`, or as an instance. One
# model for each activation is compiled; each start gives it new weights. Thirty layers, plain gradient
# descent.

# %%
TRAINED = ["σ = 0.01", "PyTorch", "Xavier (Keras)", "He"]
curves = {activation: {} for activation in settings.trained}
for activation, name in chapter.track([(a, s) for a in curves for s in TRAINED], "deep networks"):
    kerasdl.set_seed(settings.seed)
    if name == TRAINED[0]:
        model = models.mlp(x.shape[1], (settings.trained_width,) * settings.depth, activation=activation)
        model.compile(keras.optimizers.SGD(settings.learning_rate), LOSS)
        fresh = training.snapshot(model)
    training.restore(fresh)
    for layer in model.layers[1:]:
        layer.kernel.assign(STARTS[name](layer.kernel.shape))
    before = model.get_weights()[::2]
    loss = training.fit(model, x, y, epochs=settings.epochs, batch_size=settings.batch_size).loss
    curves[activation][name] = (loss.index, loss)

with plots.canvas(columns=len(curves), sharey=True) as (figure, axes):
    for ax, (activation, drawn) in zip(axes[0], curves.items(), strict=True):
        chance = {"guessing": np.log(10)}
        plots.lines(drawn, "epoch", "training loss", reference=chance, ax=ax, title=activation)
chapter.figure("learning_curves", figure)
final = {(a, s): loss.iloc[-1] for a, drawn in curves.items() for s, (_, loss) in drawn.items()}
print(pd.Series(final).unstack(0).to_string())

# %% [markdown]
# The starts that lose the signal stay at $\ln 10$, the loss of guessing: their gradients are not small, they
# are nothing. Mark the right panel: at this depth the default of every framework fails with ReLU, the most
# common activation there is. A name, `he_normal`, is all it takes. (Other cures change the network instead:
# normalised layers and residual connections keep the scale whatever the start.)
#
# One more use of that last model: the gradient that Keras computes against the one by hand. A step of plain
# gradient descent moves a weight by the learning rate times its gradient, so the gradient can be read off.

# %%
training.restore(fresh)
for layer, kernel in zip(model.layers[1:], before, strict=True):
    layer.kernel.assign(kernel)
few = slice(settings.batch_size)
training.fit(model, x[few], y[few], epochs=1, batch_size=settings.batch_size)
moved = [(a - b) / settings.learning_rate for a, b in zip(before, model.get_weights()[::2], strict=True)]
h, δ = backpropagate([kernel.astype(float) for kernel in before], "relu", x[few].astype(float), y[few])
by_hand = [inputs.T @ gradient for inputs, gradient in zip(h, δ, strict=True)]
disagreement = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(moved, by_hand, strict=True))
print(f"gradient by hand against Keras, worst layer: {disagreement:.1e} of its largest entry")

# %% [markdown]
# ## Measured beside reference

# %%
for w, reference in ((0.2, 1e-21), (5.0, 9e20)):
    chapter.trained(
        f"{w:g}³⁰",
        chains[w],
        (w**30 * (1 - 1e-5), w**30 * (1 + 1e-5)),
        reference=reference,
        source="course, rounded",
        tolerance=1e-5 * w**30,
    )
for name in STARTS:
    for what in ("activation", "gradient"):
        ends = scales["relu", name][what].iloc[[0, -1]]
        low, high = ends if what == "activation" else ends[::-1]
        chapter.trained(
            f"relu, {name}: {what} factor a layer",
            (high / low) ** (1 / (settings.depth - 1)),
            (0.93 * relu_factor(name), 1.07 * relu_factor(name)),
            reference=relu_factor(name),
            source="√(nσ²/2), He et al. 2015",
            tolerance=1e-6,
        )
for name in ("PyTorch", "Xavier (Keras)", "He"):
    wide = tanh_scale(name)
    chapter.trained(
        f"tanh, {name}: last activations",
        scales["tanh", name].activation.iloc[-1],
        (0.75 * wide, 1.3 * wide),
        reference=wide,
        source="infinite width, Poole et al. 2016",
        tolerance=1e-5 * wide,
    )
chapter.exact("alike units: largest difference", apart, within=1e-5, tolerance=1e-5, source="symmetry")
chapter.exact(
    "alike units against one unit: loss",
    np.abs(alike_loss - one_loss).max(),
    within=1e-3,
    tolerance=1e-3,
    source="symmetry",
)
chapter.trained(
    "random over alike units: final loss",
    random_loss.iloc[-1] / alike_loss.iloc[-1],
    (0, 0.5),
    source="our trials",
    tolerance=0.01,
)
STUCK = {("tanh", "σ = 0.01"), ("tanh", "PyTorch")} | {("relu", name) for name in TRAINED[:3]}
for activation, name in final:
    loss = curves[activation][name][1]
    stuck = (activation, name) in STUCK
    chapter.trained(
        f"{activation}, {name}: loss, last quarter",
        loss.iloc[-(len(loss) // 4 or 1) :].mean(),
        (2.29, 2.315) if stuck else (0, 1),
        reference=np.log(10) if stuck else None,
        source="guessing, ln 10" if stuck else "our trials",
        tolerance=1e-3 if stuck else {"tanh": 0.01, "relu": 0.2}[activation],
    )
chapter.exact(
    "gradient by hand against Keras", disagreement, within=1e-3, tolerance=1e-3, source="the same derivative"
)
chapter.finish()

# %% [markdown]
# ## What to try
#
# - `--set depth=10`: PyTorch's default again. Is it a bad start, or a start for shallower networks?
# - `--set width=32`: the lines of He and Xavier wander more, for theory is of wide layers. How does the
#   spread of He's factor fall with the width? (Change the seed a few times.)
# - Why does `"σ = 1"` take no part in the training? Add it to `TRAINED` and read the message.
# - Start the alike units at `c` plus a millionth of noise. How many epochs does the symmetry hold?
