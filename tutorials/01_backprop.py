# %% [markdown]
# # Backpropagation: how a network learns
#
# From one neuron to a network that reads handwritten digits, with every derivative written out by hand; then
# the same network in Keras, step for step.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "backprop",
    settings={
        "hidden": (64, 32),  # units of each hidden layer
        "activation": "relu",  # or leaky_relu, elu, tanh, sigmoid
        "epochs": 40,
        "batch_size": 32,
        "learning_rate": 0.2,
        "steps": 100,  # compared one by one with Keras
        "seed": 0,
    },
    fast={"epochs": 10},
)
settings = chapter.settings

# %%
import math

import keras
import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier

from kerasdl import datasets, models, plots, scratch, training

# %% [markdown]
# ## The question
#
# A network is a function with thousands of numbers in it, its weights. How do we find weights that make it
# read a digit? We could move each one a little and see whether the answers improve, but that takes two runs
# of the network for every weight. **Back-propagation** finds the direction for all of them in one run forward
# and one run backward. This chapter builds it up from a single neuron. Everything it does by hand is in
# `kerasdl.scratch`, plain NumPy to be read beside it.
#
# ## A neuron
#
# A neuron weighs its inputs, adds a bias and passes the sum through an activation,
#
# $$y = \phi(w_1 x_1 + w_2 x_2 + b).$$
#
# With a step for $\phi$ (1 above 0, else 0) it is Rosenblatt's **perceptron** of 1958, and it learns: after
# each example add $(t - y)\,x$ to the weights and $t - y$ to the bias, where $t$ is the answer wanted. If
# some line separates the two classes, the rule finds one after finitely many mistakes.

# %%
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
AND, XOR = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 0])


def perceptron(labels, passes=100):
    """The weights, the bias and the wrong answers of the best perceptron that the rule came across."""
    w, b, found = np.ones(2), 0.0, []
    for _ in range(passes):
        for x, t in zip(CORNERS, labels, strict=True):
            error = t - float(x @ w + b > 0)
            w, b = w + error * x, b + error
            found.append((np.sum((CORNERS @ w + b > 0) != labels), w, b))
    wrong, w, b = min(found, key=lambda entry: entry[0])
    return w, b, wrong


*line_and, wrong_and = perceptron(AND)
*line_xor, wrong_xor = perceptron(XOR)
print(f"AND: {wrong_and} of 4 corners wrong; XOR: {wrong_xor} of 4 wrong, the best of 100 passes")

# %% [markdown]
# *Exclusive or* is beyond it, and no patience helps: the rule goes round in a circle. A line that gives the
# right answers at all four corners would need $b \le 0$, $w_1 + b > 0$, $w_2 + b > 0$ and
# $w_1 + w_2 + b \le 0$. Add the middle two: $w_1 + w_2 + 2b > 0$, so $w_1 + w_2 + b > -b \ge 0$, which
# contradicts the last. One line cannot do it (Minsky and Papert, 1969); two can. A hidden layer with one
# neuron for OR and one for *not both*, and an output neuron for AND, solve it with weights anybody can write
# down. What was missing is a rule that *finds* the weights of a hidden layer.
#
# The figure colours the ground by the answer that is given there, and each corner by the answer wanted: a
# corner on ground of the other colour is a mistake. A single neuron can only draw one straight border. The
# two layers draw two, one for each hidden neuron, and keep what lies between them.

# %%
OR_AND_NOT_BOTH = np.array([[1.0, -1.0], [1.0, -1.0]]), np.array([-0.5, 1.5])


def two_layers(x):
    hidden = x @ OR_AND_NOT_BOTH[0] + OR_AND_NOT_BOTH[1] > 0
    return hidden.sum(axis=1) - 1.5


with plots.canvas(columns=3, width=3.6, sharey=True) as (figure, axes):
    for place, (title, labels, (w, b)) in enumerate([("AND", AND, line_and), ("XOR", XOR, line_xor)]):
        plots.regions(lambda x, w=w, b=b: x @ w + b, CORNERS, labels, axes[0, place], f"{title}: one neuron")
    plots.regions(two_layers, CORNERS, XOR, axes[0, 2], "XOR: two layers")
chapter.figure("perceptron", figure)

# %% [markdown]
# ## Layers and activations
#
# A layer is many neurons side by side, $y = \phi(xW + b)$, with one column of $W$ for each. Without $\phi$,
# layers add nothing: $(xW_1)W_2 = x(W_1W_2)$ is one layer again. And the step is no use for learning, since
# its derivative is 0 wherever it has one: nothing says which way to go. So activations are chosen by their
# derivatives.
#
# - **Sigmoid** $1/(1 + e^{-x})$ and **tanh** saturate: far from 0 their derivative vanishes, and the
#   sigmoid's is never above ¼.
# - **ReLU** $\max(x, 0)$ hands the gradient on whole, or not at all. **Leaky ReLU**, which is $0.1\,x$ below
#   0, and **ELU**, which is $e^x - 1$ there, keep a little of it.
# - **Maxout** takes the largest of several affine pieces and learns them: the network shapes its own
#   activation. As a Keras layer it is `kerasdl.layers.Maxout`.
#
# Each panel shows one activation and its derivative. Where the derivative is 0, or nearly so, the unit learns
# nothing, however wrong the answer is.

# %%
grid = np.linspace(-4, 4, 400)  # an even number, so that none falls on the kink at 0
ACTIVATIONS = {
    "sigmoid": scratch.Sigmoid(),
    "tanh": scratch.Tanh(),
    "ReLU": scratch.ReLU(),
    "leaky ReLU, slope 0.1": scratch.LeakyReLU(0.1),
    "ELU": scratch.ELU(),
    "maxout of three pieces": scratch.Maxout(kernel=[[[-0.5, 0.1, 1.0]]], bias=[[-1.0, 0.0, -1.3]]),
}
slope_errors, drawn = [], {}
for name, activation in ACTIVATIONS.items():
    value = activation.forward(grid[:, None])
    slope = activation.backward(np.ones_like(value))
    above, below = (activation.forward(grid[:, None] + h) for h in (1e-6, -1e-6))
    slope_errors.append(np.abs(slope - (above - below) / 2e-6).max())
    drawn[name] = {"activation": (grid, value[:, 0]), "its derivative": (grid, slope[:, 0])}
figure = plots.panels(drawn, "x", "value", columns=3, width=2.9, height=2.1)
chapter.figure("activations", figure)

# %% [markdown]
# ## Losses
#
# The loss says how wrong an answer is, and its gradient is what learning begins with. Take one sigmoid output
# $p = \sigma(z)$ whose right answer is 1. The squared error $(p - 1)^2$ has the gradient
# $2(p - 1)\,p(1 - p)$ in $z$. The **cross-entropy** $-\log p$ has the gradient $p - 1$. Both vanish when the
# answer is right. But where the answer is confidently wrong, the squared error teaches nothing either,
# because the sigmoid is flat there. The logarithm of the cross-entropy undoes that.
#
# With several classes the network gives one number a class, the **logits** $z_k$. **Softmax** turns them into
# probabilities, and the loss is the cross-entropy of the right class $t$:
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}, \qquad L = -\log p_t, \qquad
# \frac{\partial L}{\partial z_k} = p_k - [k = t].$$
#
# The gradient could not be plainer: the predicted probabilities minus the wanted ones.
#
# The table shows both losses for an output whose right answer is 1. Look at the row of $z = -6$, where the
# network is sure of the wrong answer, and compare the two gradients.

# %%
z = np.array([-6.0, -2.0, 0.0, 2.0, 6.0])
p = scratch.sigmoid(z)
losses = pd.DataFrame(
    {
        "probability": p,
        "squared error": (p - 1) ** 2,
        "its gradient": 2 * (p - 1) * p * (1 - p),
        "cross-entropy": -np.log(p),
        "its gradient ": p - 1,
    },
    index=pd.Index(z, name="z"),
)
chapter.table(losses)

# %% [markdown]
# ## The graph and the chain rule
#
# Any computation is a graph of small steps. If each step knows its own derivative, the **chain rule** gives
# all the others:
#
# $$\frac{\partial L}{\partial x} = \sum_{\text{steps } y \text{ that use } x}
# \frac{\partial L}{\partial y}\,\frac{\partial y}{\partial x}.$$
#
# So walk the graph backward, from $L$, where the gradient is 1. A sum hands the gradient on as it is; a
# product hands it to each factor times the *other* one; the sigmoid multiplies it by $y(1 - y)$. Here is one
# neuron and its loss, $L = (\sigma(w_1 x_1 + w_2 x_2 + b) - t)^2$, node by node.

# %%
values = dict(x1=1.0, w1=0.6, x2=-2.0, w2=0.4, b=0.5)
target = 1.0
first, second = scratch.Multiply(), scratch.Multiply()
inner, outer = scratch.Add(), scratch.Add()
squash, loss = scratch.Sigmoid(), scratch.MeanSquaredError()


def neuron(x1, w1, x2, w2, b):
    weighted = inner.forward(first.forward(x1, w1), second.forward(x2, w2))
    return loss.forward(squash.forward(outer.forward(weighted, b)), target)


neuron(**values)
to_weighted, to_b = outer.backward(squash.backward(loss.backward()))
to_first, to_second = inner.backward(to_weighted)
gradients = [*first.backward(to_first), *second.backward(to_second), to_b]
numerical = scratch.numerical_gradient(lambda v: neuron(*v), list(values.values()))
graph = pd.DataFrame(
    {"value": list(values.values()), "backward": np.array(gradients, float), "numerical": numerical},
    index=list(values),
)
chapter.table(graph)

# %% [markdown]
# ## From scratch
#
# Now a network for digits. The step that holds the weights is affine, $y = xW + b$, for a whole batch at
# once. Given $\delta = \partial L / \partial y$, the same rules say
#
# $$\frac{\partial L}{\partial W} = x^\top \delta, \qquad \frac{\partial L}{\partial b} = \sum_{\text{rows}}
# \delta, \qquad \frac{\partial L}{\partial x} = \delta\, W^\top.$$
#
# The first two change this layer; the third is the $\delta$ of the layer below. `scratch.Affine` is these
# three lines, and a `scratch.Network` runs its layers forward, then backward in the opposite order.
#
# Training repeats three things: take a **batch** of examples, compute the gradient of their mean loss, and
# move every weight a small step against it, $w \leftarrow w - \eta\, \partial L / \partial w$ with the
# **learning rate** $\eta$. One **epoch** is one pass over the shuffled training set.

# %%
digits = chapter.uses(datasets.digits())
x, x_test = (part.reshape(len(part), -1) for part in (digits.x_train, digits.x_test))
y, y_test = digits.y_train, digits.y_test

kerasdl.set_seed(settings.seed)
model = models.mlp(x.shape[1], settings.hidden, activation=settings.activation)
start = model.get_weights()
batches = training.Batches(x, y, settings.batch_size)

BY_HAND = {"relu": scratch.ReLU, "elu": scratch.ELU, "tanh": scratch.Tanh, "sigmoid": scratch.Sigmoid}
BY_HAND["leaky_relu"] = lambda: scratch.LeakyReLU(0.2)  # Keras's slope


def by_hand(weights):
    """The network in NumPy, from the weights [W, b, W, b, …]."""
    layers = []
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        layers += [scratch.Affine(kernel, bias), BY_HAND[settings.activation]()]
    return scratch.Network(layers[:-1])  # no activation after the last: its outputs are the logits


def descend(network, batch):
    """One step of gradient descent; returns the loss before it."""
    loss = network.loss(*batch)
    if not loss < 1e6:
        raise FloatingPointError(f"by hand, the loss has grown to {loss:.2g}: try a smaller learning_rate")
    network.backward(network.objective.backward())
    for name, weights in network.parameters.items():
        weights -= settings.learning_rate * network.gradients[name]
    return loss


network = by_hand(start)
first_logits = network.forward(x_test)
first_losses, rows = [], []
for epoch in chapter.track(range(settings.epochs), "by hand"):
    batches.epoch = epoch
    losses = [descend(network, batch) for batch in batches]
    first_losses += losses
    rows.append([np.mean(losses), network.accuracy(x_test, y_test)])
history = pd.DataFrame(rows, columns=["loss", "accuracy"]).rename_axis("epoch")
history.index += 1
chapter.history("by_hand", history)
chapter.table(history.iloc[[0, len(history) // 4, -1]])

# %% [markdown]
# ### Is the gradient right?
#
# A wrong derivative rarely stops a network from learning; it only learns worse, and nobody notices. So we
# compare each gradient with a **central difference**, $(L(w + h) - L(w - h)) / 2h$, and measure the error as
# $\|a - b\| / (\|a\| + \|b\|)$. In double precision a correct gradient comes out below $10^{-7}$. Below, a
# smaller network of this kind is checked array by array, and then once more with a fault planted: a ReLU that
# hands on the gradient even where it was shut.


# %%
class Careless(scratch.ReLU):
    def backward(self, gradient):
        return gradient


def small(activation):
    return scratch.Network(
        [scratch.Affine.random(64, 8, seed=1), activation, scratch.Affine.random(8, 10, seed=2)]
    )


careful = scratch.gradient_check(small(scratch.ReLU()), x[:5], y[:5])
careless = scratch.gradient_check(small(Careless()), x[:5], y[:5])
for report in (careful, careless):
    print(pd.Series({entry.name: f"{entry.error:.1e}" for entry in report.errors}).to_string())
    print("passed\n" if report.passed else f"FAILED, worst in {report.worst.name}\n")

# %% [markdown]
# ## In Keras's own layers
#
# The same network is a chain of `Dense` layers: each an affine step and its activation. Keras differentiates
# it by itself, by the same rule, walking its own graph backward.

# %%
hidden = [keras.layers.Dense(units, activation=settings.activation) for units in settings.hidden]
written_out = keras.Sequential([keras.Input((x.shape[1],)), *hidden, keras.layers.Dense(10)])

# %% [markdown]
# The builder `models.mlp` makes this network in one line; it is where the initial weights came from. With
# equal weights all three, the builder's, the written-out and the one by hand, must give equal logits.
#
# Then we feed Keras the same batches one at a time and write down each loss. If our derivatives are those of
# the backend, the two descents stay together, up to single precision.

# %%
course.agree(chapter, model, written_out, x_test)
hand_apart = np.abs(written_out.predict(x_test, verbose=0) - first_logits).max()

cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
written_out.compile(keras.optimizers.SGD(settings.learning_rate), cross_entropy, metrics=["accuracy"])
keras_losses = []
for step in range(min(settings.steps, len(first_losses))):
    batches.epoch, place = divmod(step, len(batches))
    written_out.reset_metrics()  # otherwise Keras returns the mean over all steps so far
    keras_losses.append(written_out.train_on_batch(*batches[place])[0])
    if step == 0:
        one_step = np.concatenate([part.ravel() for part in written_out.get_weights()])
apart = np.abs(np.subtract(keras_losses, first_losses[: len(keras_losses)]))
print(f"largest difference of the losses in {len(apart)} steps: {apart.max():.1e}")

# %% [markdown]
# And now as one trains in practice: the builder's model and one call. (Put a `keras.Sequential` of your own
# in its place, from 64 pixels to 10 logits, and see how well it reads.)

# %%
model.set_weights(start)
reader = model
reader.compile(keras.optimizers.SGD(settings.learning_rate), cross_entropy, metrics=["accuracy"])
kerasdl.set_seed(settings.seed)  # the same batches again
how = {"epochs": settings.epochs, "report_every": math.gcd(settings.epochs, 4)}
concise = training.fit(reader, x, y, batch_size=settings.batch_size, validation_data=(x_test, y_test), **how)

# %% [markdown]
# ## What happened
#
# The two descents draw one curve. Their difference is the rounding of single precision; a wrong derivative
# would make them part within a few steps. And both learn to read: the test accuracy soon settles, while the
# training loss goes on falling.

# %%
numbers = np.arange(1, len(apart) + 1)
drawn = {
    "loss on the step's batch": {
        "by hand": (numbers, first_losses[: len(apart)]),
        "Keras": (numbers, keras_losses),
    },
    "difference": {"difference": (numbers, np.maximum(apart, 1e-12))},
}
chapter.figure("two_descents", plots.panels(drawn, "step", ["loss", "difference"], yscale="log"))
curves = {"by hand": history["accuracy"], "Keras": concise["val_accuracy"]}
chapter.figure("learning_curves", plots.lines(curves, "epoch", "test accuracy"))

# %% [markdown]
# These are the eight test digits whose right answer the network by hand finds least probable. Would you have
# hesitated?

# %%
logits = network.forward(x_test)
right_answer = logits[np.arange(len(y_test)), y_test]
doubtful = np.argsort(right_answer - logits.max(axis=1), kind="stable")[:8]
read = logits[doubtful].argmax(axis=1)
titles = [f"{truth}, read as {seen}" for truth, seen in zip(y_test[doubtful], read, strict=True)]
chapter.figure("doubtful", plots.pictures(digits.x_test[doubtful, ..., 0], titles))

# %% [markdown]
# ## Measured beside reference
#
# Every chapter ends with the numbers it stands for, in two tables. The first holds what is *exact*: true at
# any setting, because arithmetic says so, such as a gradient by hand against one by differences. The second
# holds what is *learned*, beside something known from elsewhere. Here that is the nearest neighbour, which
# learns nothing at all: it looks up the training picture that is most alike and repeats its label. On small,
# clean digits that is hard to beat.

# %%
steps = "central differences"
chapter.exact("AND: wrong answers", wrong_and, within=0, source="Rosenblatt, 1958")
chapter.exact("XOR: wrong answers", wrong_xor, 1, within=0, source="no line has fewer: Minsky & Papert, 1969")
chapter.exact("activations: slope error", max(slope_errors), within=1e-8, tolerance=1e-9, source=steps)
error = np.abs(graph["backward"] - graph["numerical"]).max()
chapter.exact("neuron: gradient error", error, within=1e-9, tolerance=1e-10, source=steps)
chapter.exact("network: gradient error", careful.worst.error, within=1e-7, tolerance=1e-8, source=steps)
chapter.exact("planted fault: passes the gradient check", careless.passed, within=0)
hand_apart /= np.abs(first_logits).max()
chapter.exact("by hand against Keras's own layers", hand_apart, within=1e-5)
again, batches.epoch = by_hand(start), 0
descend(again, batches[0])
stepped = np.concatenate([weights.ravel() for weights in again.parameters.values()])
chapter.exact("one step: weights by hand against Keras", np.abs(stepped - one_step).max(), within=1e-5)

first = f"first {len(apart)} losses: difference"
chapter.trained(first, apart.max(), (0, 1e-5), reference=0, source="the same steps", tolerance=1e-5)
nearest = KNeighborsClassifier(1).fit(x, y).score(x_test, y_test)
for name, accuracy in (("by hand", history["accuracy"]), ("in Keras", concise["val_accuracy"])):
    called, source = f"digits {name}: accuracy", "nearest neighbour"
    value, main = accuracy.iloc[-1], name == "by hand"
    chapter.trained(called, value, (0.96, 1), reference=nearest, source=source, tolerance=0.01, headline=main)
chapter.finish()

# %% [markdown]
# ## In short
#
# - A neuron is a weighted sum and an activation; a layer is many of them; a network is layers in a chain.
# - One line cannot solve *exclusive or*. A hidden layer can, and back-propagation finds its weights.
# - Back-propagation is the chain rule, applied from the loss backwards, each step with its own derivative.
# - For softmax with cross-entropy the gradient at the logits is the predicted minus the wanted probabilities.
# - A wrong gradient does not announce itself. Compare it with central differences.
#
# ## What to try
#
# - `--set hidden=()`: no hidden layer, so ten neurons side by side. How far do they get?
# - `--set learning_rate=1.0`: why do most activations soon die? What happens with
#   `--set activation=leaky_relu`, which cannot die, and with `--set activation=tanh`, which is bounded?
# - `--set activation=sigmoid`: how many more epochs does it need, and what in the figure of the activations
#   says so?
# - Put a `kerasdl.layers.Maxout(32)` where the first hidden layer was. How many weights has it now?
# - Plant a fault of your own in a copy of `scratch.Affine`. Does the network still learn? Is it found?
