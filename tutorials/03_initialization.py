# %% [markdown]
# # Initialization: thirty layers deep, and still alive
#
# Where weights start decides whether a deep network learns at all. Signals that vanish, gradients that
# explode, units that never differ, and the two square roots that keep thirty layers alive.

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
        "learning_rate": 0.005,
        "seed": 0,
    },
    fast={"epochs": 12, "trained": ("relu",), "trained_width": 64, "learning_rate": 0.01},
)
settings = chapter.settings

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
# is $w^{30}\,x$, and by the chain rule the gradient that comes back has the factor $w^{30}$ as well. With
# $w = 0.2$ neither arrives; with $w = 5$ one step of gradient descent throws every weight to infinity.
#
# Nor does it take such extremes. A factor of 0.9 a layer leaves 4 % after thirty layers, and a factor of 1.1
# makes 17 out of 1. Depth turns any small deviation from 1 into a large one, and that is all this chapter is
# about.

# %%
chains = {}
for w in (0.2, 5.0):
    chain = models.mlp(1, (1,) * 29, 1, "linear", initializer=keras.initializers.Constant(w))
    chains[w] = keras.ops.convert_to_numpy(chain(np.ones((1, 1), "float32")))[0, 0]
    print(f"thirty layers of weight {w}: 1 becomes {chains[w]:.4g}")

# %% [markdown]
# Between the two lies $w = 1$, which passes everything on unchanged. What takes its place in a layer of many
# units, with random weights and an activation?
#
# ## The idea
#
# Take $z = W h$ with $n$ inputs and weights drawn independently, of mean 0 and variance $\sigma^2$. Write
# $\operatorname{E}$ for the mean over all draws. A sum of $n$ independent terms has $n$ times the variance of
# one, so
#
# $$\operatorname{E}[z^2] = n\,\sigma^2\, \operatorname{E}[h^2].$$
#
# The scale is kept if $n\,\sigma^2 = 1$. So the weights must be small, but not too small, and how small
# depends on the width of the layer.
#
# Why must the terms be independent, and of mean 0? Because then the products of two different terms, $w_i h_i
# w_j h_j$, have mean 0 and drop out of the square of the sum, whatever the $h$ are. Nothing is assumed about
# the inputs; they may all be positive, as they are behind a ReLU.
#
# - **Xavier** (Glorot and Bengio, 2010). Near zero tanh is the identity, so forwards the scale is kept where
#   $n_\text{in}\,\sigma^2 = 1$. Backwards the same sum runs over the outputs, which asks for
#   $n_\text{out}\,\sigma^2 = 1$. The compromise is $\sigma^2 = 2 / (n_\text{in} + n_\text{out})$. Numbers
#   drawn uniformly between $-a$ and $a$ have the variance $a^2/3$, so the interval is
#   $$\pm\sqrt{\frac{6}{n_\text{in} + n_\text{out}}}.$$
#   This is what Keras takes when nothing is said.
# - **He** (He et al., 2015). ReLU sets half of what arrives to zero: $\operatorname{E}[h^2] =
#   \tfrac12 \operatorname{E}[z^2]$. To make up for it, $\sigma^2 = 2 / n_\text{in}$.
# - **PyTorch's** layers start uniform on $\pm 1/\sqrt{n_\text{in}}$, which has the variance
#   $1/(3\,n_\text{in})$: smaller than both.
# - The naive starts say nothing about $n$: a small $\sigma = 0.01$ to be safe, or a plain $\sigma = 1$.
#
# Each start below comes with its variance as a function of the layer's inputs and outputs.

# %%
STARTS = {
    "σ = 0.01": (Normal(stddev=0.01), lambda n_in, n_out: 1e-4),
    "PyTorch": (VarianceScaling(1 / 3, "fan_in", "uniform"), lambda n_in, n_out: 1 / (3 * n_in)),
    "Xavier (Keras)": (GlorotUniform(), lambda n_in, n_out: 2 / (n_in + n_out)),
    "He": (HeNormal(), lambda n_in, n_out: 2 / n_in),
    "σ = 1": (Normal(stddev=1.0), lambda n_in, n_out: 1.0),
}
kerasdl.set_seed(settings.seed)
some_weights = keras.ops.convert_to_numpy(GlorotUniform()((300, 200)))
print(f"Xavier's largest weight: {some_weights.max():.4f}; √(6/500) = {np.sqrt(6 / 500):.4f}")

# %% [markdown]
# ## From scratch
#
# Forwards, each layer computes $z_l = h_{l-1} W_l$ and $h_l = f(z_l)$. Backwards, beginning with the gradient
# of the softmax cross-entropy at the logits,
#
# $$\delta_{l} = (\delta_{l+1} W_{l+1}^\top) \odot f'(z_l), \qquad
# \frac{\partial L}{\partial W_l} = h_{l-1}^\top \delta_l.$$
#
# ($\odot$ multiplies entry by entry.) We note the root mean square of each layer's activations $h_l$ and of
# the gradient $\delta_l$ that reaches it. The gradient of the weights is the product of such an $h$ and such
# a $\delta$, so it needs both.
#
# Each activation comes with its derivative, written as a function of its output: for tanh that is $1 - h^2$,
# for ReLU 1 where the output is positive and else 0. The pictures are standardised, so that they enter the
# first layer with a root mean square of 1, and nothing is trained yet: we only look at one pass forwards and
# one back.

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


x = pictures.x_train.reshape(len(pictures.x_train), -1)[:1280].astype(float)
x, y = (x - x.mean()) / x.std(), pictures.y_train[:1280]
sizes = [x.shape[1], *[settings.width] * settings.depth, 10]
few = slice(settings.examples)

scales = {}
for activation, (name, (start, _)) in itertools.product(ACTIVATIONS, STARTS.items()):
    kerasdl.set_seed(settings.seed)
    kernels = [keras.ops.convert_to_numpy(start(shape)).astype(float) for shape in itertools.pairwise(sizes)]
    h, δ = backpropagate(kernels, activation, x[few], y[few])
    scales[activation, name] = pd.DataFrame(
        {"activation": [rms(a) for a in h[1:]], "gradient": [rms(d) for d in δ[:-1]]},
        index=pd.RangeIndex(1, settings.depth + 1, name="layer"),
    )

# %% [markdown]
# ## What happened
#
# Each line is one start. The vertical axes are logarithmic, so a straight line is a constant factor a layer.
#
# - **σ = 0.01** and **PyTorch's** start lose the signal, and the gradient with it, by a constant factor a
#   layer. After thirty of them, what the first layer computes does not reach the output.
# - **σ = 1** explodes with ReLU. With tanh the activations cannot explode: each unit saturates at ±1, where
#   the slope is nearly 0. The gradient explodes all the same, because the few units that are not saturated
#   multiply it by large weights.
# - **Xavier** holds tanh, sinking slowly because tanh bends, and loses a factor $\sqrt{1/2}$ a layer with
#   ReLU. **He** holds ReLU.

# %%
drawn = {
    f"{activation}, {what}s": {name: scales[activation, name][what] for name in STARTS}
    for what, activation in itertools.product(("activation", "gradient"), ACTIVATIONS)
}
figure = plots.panels(drawn, "layer", ["root mean square"] * 4, yscale="log")
chapter.figure("scales", figure)
table = pd.concat(scales, names=["activation function", "start"])
chapter.history("scales", table)
chapter.table(table.xs(settings.depth, level="layer"), digits=3)

# %% [markdown]
# ### What theory says
#
# For ReLU the factor a layer is $\sqrt{n \sigma^2 / 2}$. For tanh there is no such constant. But in a wide
# layer $z$ is normal with some variance $q$, which the next layer turns into
# $n \sigma^2 \operatorname{E}[\tanh^2(\sqrt{q}\,u)]$ with $u$ standard normal (Poole et al., 2016). The
# expectation is an integral that Gauss and Hermite's rule computes for us. Both hold for layers of endless
# width; ours come close.
#
# Where does the ½ of ReLU come from? $z$ is as likely to be negative as positive, so ReLU wipes out half of
# $\operatorname{E}[z^2]$ and leaves the other half as it is. For the gradient the same ½ is the share of
# units that let it pass. That is why ReLU's activations and gradients have one factor, as the table below
# shows in its first two columns, up to the chance in 256 units.

# %%
nodes, weights = np.polynomial.hermite_e.hermegauss(61)


def tanh_scale(name):
    """The root mean square of the last layer's activations in an infinitely wide tanh network."""
    second_moment = np.mean(x[few] ** 2, axis=1)
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        q = n_in * STARTS[name][1](n_in, n_out) * second_moment
        second_moment = np.tanh(np.sqrt(q)[:, None] * nodes) ** 2 @ weights / weights.sum()
    return np.sqrt(np.mean(second_moment))


def relu_factor(name):
    """The factor a layer of activations, and of gradients, in a ReLU network."""
    return np.sqrt(settings.width * STARTS[name][1](settings.width, settings.width) / 2)


def measured_factor(name, what):
    """The mean factor from one layer to the next: upwards for activations, downwards for gradients."""
    ends = scales["relu", name][what].iloc[[0, -1]]
    low, high = ends if what == "activation" else ends[::-1]
    return (high / low) ** (1 / max(1, settings.depth - 1))


factors = pd.DataFrame(
    {what: {n: measured_factor(n, what) for n in STARTS} for what in ("activation", "gradient")}
)
factors["theory"] = [relu_factor(name) for name in STARTS]
print("relu, factor a layer:")
chapter.table(factors)

# %% [markdown]
# ## In Keras's own layers
#
# Every layer takes its start as an argument. A network of one hidden layer, written out:

# %%
written_out = keras.Sequential(
    [
        keras.Input((x.shape[1],)),
        keras.layers.Dense(64, activation="relu", kernel_initializer="he_normal"),
        keras.layers.Dense(10, kernel_initializer="he_normal"),
    ]
)

# %% [markdown]
# The builder `models.mlp(..., initializer=...)` makes the same network, and takes the start by name or as an
# instance, for all layers at once. Its starts draw the same numbers on every backend; Keras's own do not.

# %%
course.agree(chapter, models.mlp(x.shape[1], (64,), initializer="he_normal"), written_out, x[few])

# %% [markdown]
# ## The network that stays one unit wide
#
# Why draw weights at random at all? Start every weight of a layer at the same value: its units compute the
# same, so they receive the same gradient and take the same step. They never become different. However wide,
# the network is one unit wide.
#
# With ReLU this is exact in a way that can be measured. $n$ equal units with weights $w$ in and $v$ out
# contribute $n\,v\,\max(0, w x)$. That is the same as *one* unit with weights $\sqrt n\,w$ and $\sqrt n\,v$,
# and gradient descent keeps it so. The two must have one learning curve.
#
# In the figure, look for the lines that lie on each other. The third line, random weights, shows what the 63
# other units are worth once they are allowed to differ.

# %%
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train_shallow(units, start):
    """A network of one hidden layer; its training loss by epoch and the weights it ends with."""
    kerasdl.set_seed(settings.seed)
    model = models.mlp(x.shape[1], (units,), initializer=start)
    model.compile(keras.optimizers.SGD(0.05), LOSS)
    history = training.fit(model, x, y, epochs=40, batch_size=256, report_every=2)
    return history.loss, model.get_weights()[0]


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
curves = {name: loss for name, (loss, _) in shallow.items()}
chapter.figure("symmetry", plots.lines(curves, "epoch", "training loss"))

# %% [markdown]
# ## Do they learn?
#
# Now the deep networks, by plain gradient descent. One model for each activation is compiled; each start then
# gives it new weights. ($\sigma = 1$ takes no part; the exercises ask why.)
#
# What should we expect? A start that keeps the scale gives every layer a gradient it can use, and the loss
# falls from the first epoch on. A start that loses a constant factor a layer leaves the first layers
# untouched; and what reaches the last layers is the same for every picture, so nothing can be learned from it
# either.

# %%
TRAINED = ["σ = 0.01", "PyTorch", "Xavier (Keras)", "He"]


def deep_network(activation):
    """Thirty layers, ready to train."""
    model = models.mlp(x.shape[1], (settings.trained_width,) * settings.depth, activation=activation)
    model.compile(keras.optimizers.SGD(settings.learning_rate), LOSS)
    return model, training.snapshot(model)


def begin(network, start):
    """The network as before any training, its weights drawn anew."""
    model, fresh = network
    kerasdl.set_seed(settings.seed)
    training.restore(fresh)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(start(layer.kernel.shape))
    return model


networks = {activation: deep_network(activation) for activation in settings.trained}
curves = {activation: {} for activation in networks}
for activation, name in chapter.track(list(itertools.product(networks, TRAINED)), "deep networks"):
    model = begin(networks[activation], STARTS[name][0])
    history = training.fit(model, x, y, epochs=settings.epochs, batch_size=settings.batch_size)
    curves[activation][name] = history.loss

figure = plots.panels(curves, "epoch", "training loss", reference={"guessing": np.log(10)})
chapter.figure("learning_curves", figure)
final = {a: {name: loss.iloc[-1] for name, loss in drawn.items()} for a, drawn in curves.items()}
print(f"last training loss; guessing has ln 10 = {np.log(10):.4f}:")
chapter.table(pd.DataFrame(final))

# %% [markdown]
# The starts that lose the signal stay at $\ln 10$, the loss of guessing: the gradients that reach their first
# layers are as good as nothing. It does not take a hopeless factor. Xavier's start loses no more than
# $\sqrt{1/2}$ a layer with ReLU, and after thirty layers $3 \cdot 10^{-5}$ is left; in the full setting that
# is too little to begin with. Look at ReLU, the most common activation there is: at thirty layers the
# defaults of Keras and of PyTorch fail with it, and a name, `he_normal`, is all it takes. (Other cures change
# the network instead: normalised layers and residual connections keep the scale whatever the start.)
#
# One more use of a deep model: the gradient that Keras computes against the one by hand. A step of plain
# gradient descent with $\eta = 1$ moves each weight by its gradient, so the gradient can be read off. We take
# tanh, which is smooth: at ReLU's kink a rounding error may decide whether a gradient passes.

# %%
deep = networks["tanh"] if "tanh" in networks else deep_network("tanh")
model = begin(deep, GlorotUniform())
kernels = model.get_weights()[::2]
model.optimizer.learning_rate = 1.0
one_batch = slice(32)
training.fit(model, x[one_batch], y[one_batch], epochs=1, batch_size=32)
h, δ = backpropagate([kernel.astype(float) for kernel in kernels], "tanh", x[one_batch], y[one_batch])
disagreement = 0.0
for before, after, inputs, gradient in zip(kernels, model.get_weights()[::2], h, δ, strict=True):
    by_hand = inputs.T @ gradient
    disagreement = max(disagreement, np.abs(before - after - by_hand).max() / np.abs(by_hand).max())
print(f"gradient by hand against Keras, worst layer: {disagreement:.1e} of its largest entry")

# %% [markdown]
# ## Measured beside reference
#
# Symmetry and the chain rule hold at any width, so they are held exactly. The factors a layer are those of
# endlessly wide layers; with 256 units chance moves them by some per cent, which their bands allow.

# %%
for w, rounded in ((0.2, "1e-21"), (5.0, "9e20")):
    chapter.exact(f"{w:g}³⁰", chains[w], w**30, within=1e-5 * w**30, source=f"often quoted as {rounded}")
top = some_weights.max() / np.sqrt(6 / 500)
chapter.exact("Xavier: largest weight over √(6/(a+b))", top, 1, within=1e-3, source="Glorot & Bengio 2010")
chapter.exact("alike units: largest difference", apart, within=1e-5, source="symmetry")
chapter.exact("alike units against one unit: loss", np.abs(alike_loss - one_loss).max(), within=1e-3)
chapter.exact("gradient by hand against Keras", disagreement, within=1e-3, source="the same derivative")

# These learn; and so far their loss may lie apart between two backends.
LEARNS = {("tanh", "Xavier (Keras)"): 0.01, ("tanh", "He"): 0.01, ("relu", "He"): 0.2}
for activation, name in itertools.product(reversed(curves), reversed(TRAINED)):
    late = curves[activation][name].iloc[-max(1, settings.epochs // 4) :].mean()
    if (activation, name) in LEARNS:
        band, known = (0, 1), {"source": "our trials", "tolerance": LEARNS[activation, name]}
    else:
        band, known = (2.29, 2.315), {"reference": np.log(10), "source": "guessing, ln 10", "tolerance": 1e-3}
    headline = activation == "relu" and name in ("He", "PyTorch")
    chapter.trained(f"{activation}, {name}: loss, last quarter", late, band, headline=headline, **known)
less = random_loss.iloc[-1] / alike_loss.iloc[-1]
chapter.trained("random over alike units: final loss", less, (0, 0.5), source="our trials", tolerance=0.01)
for name, what in itertools.product(STARTS, ("activation", "gradient")):
    factor, theory = factors.loc[name, [what, "theory"]]
    band, known = (0.93 * theory, 1.07 * theory), {"source": "√(nσ²/2), He et al. 2015", "tolerance": 1e-6}
    chapter.trained(f"relu, {name}: {what} factor a layer", factor, band, reference=theory, **known)
for name in ("PyTorch", "Xavier (Keras)", "He"):
    last, wide = scales["tanh", name].activation.iloc[-1], tanh_scale(name)
    known = {"reference": wide, "source": "infinite width, Poole et al. 2016", "tolerance": 1e-5 * wide}
    chapter.trained(f"tanh, {name}: last activations", last, (0.75 * wide, 1.3 * wide), **known)
chapter.finish()

# %% [markdown]
# ## In short
#
# - In a deep chain every layer multiplies the scale of the signal and of the gradient. A factor other than 1,
#   to the power of the depth, is nothing or infinity.
# - The variance that keeps the scale is one over the number of inputs, times a constant of the activation: 1
#   for tanh (Xavier, near zero), 2 for ReLU (He).
# - Equal units stay equal. Weights must differ at the start, so they are drawn at random.
#
# ## What to try
#
# - `--set depth=10`: PyTorch's default again. Is it a bad start, or a start for shallower networks?
# - `--set width=32`: the lines of He and Xavier wander more, because the theory is about wide layers. How
#   does the spread of He's factor fall with the width? (Change the seed a few times.)
# - Why does `"σ = 1"` take no part in the training? Add it to `TRAINED` and read the message.
# - Start the alike units at `c` plus a millionth of noise. How many epochs does the symmetry hold?
