# %% [markdown]
# # Convolution: looking through a small window
#
# Convolution and pooling by hand, then a small convolutional network beside a multilayer perceptron of the
# same number of parameters: which reads better, and which still reads when the picture moves by one pixel?

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "convolution",
    settings={
        "epochs": 30,  # on the digits
        "epochs_fashion": 2,  # on Fashion-MNIST, which has forty times as many pictures
        "examples": 60_000,  # training pictures used, at most
        "batch_size": 64,
        "learning_rate": 0.003,
        "shifts": 3,  # pixels, at most
        "seed": 0,
    },
    fast={"epochs": 5, "epochs_fashion": 1, "examples": 5_000, "learning_rate": 0.01},
)
settings = chapter.settings

# %%
from time import perf_counter as clock

import keras
import numpy as np
import pandas as pd

from kerasdl import datasets, models, plots, scratch, training

# %% [markdown]
# ## The question
#
# To a multilayer perceptron a picture is a list of numbers. Put its pixels into another order, the same for
# all pictures, and it learns just as well. That neighbours belong together, and that a stroke is the same
# stroke one pixel further on, it must find out from examples, place by place. Can we build that knowledge
# into a network?

# %%
pictures = chapter.uses(datasets.images())
x, y = pictures.x_train[: settings.examples], pictures.y_train[: settings.examples]
x_test, y_test = pictures.x_test, pictures.y_test
print(f"{len(x)} pictures of {x.shape[1]} × {x.shape[2]} to learn from, {len(x_test)} to be tested on")
chapter.figure("pictures", plots.pictures(x[:16, ..., 0], [pictures.class_names[label] for label in y[:16]]))

# %% [markdown]
# ## The idea
#
# Look at the picture through a small window, multiply what you see by a **kernel** of weights and add it up.
# Move the window and do it again, with the *same* weights:
#
# $$y_{r,c} = b + \sum_{i,j} k_{i,j}\; x_{r+i,\,c+j}.$$
#
# Strictly this is a cross-correlation; a convolution turns the kernel round first, which makes no difference
# to a kernel that is learned. Two things follow. A layer has few weights, 9 for a window of 3 × 3, however
# large the picture is. And it is **equivariant**: when the picture moves, the answer moves with it.
#
# ## From scratch
#
# The equation, for one channel, as a loop over places:


# %%
def correlate(image, kernel):
    rows, columns = np.subtract(image.shape, kernel.shape) + 1
    y = np.empty((rows, columns))
    for r, c in np.ndindex(rows, columns):
        y[r, c] = np.sum(kernel * image[r : r + kernel.shape[0], c : c + kernel.shape[1]])
    return y


KERNELS = {
    "edges, left to right": np.array([[-1, 0, 1]] * 3) / 3,
    "edges, top to bottom": np.array([[-1, 0, 1]] * 3).T / 3,
    "blur": np.full((3, 3), 1 / 9),
}
one = x_test[:1].astype("float64")
answers = {name: correlate(one[0, ..., 0], kernel) for name, kernel in KERNELS.items()}
pooled = scratch.MaxPooling2D(2).forward(one)[0, ..., 0]
shown = {"picture": one[0, ..., 0], **answers, "pooled": pooled}
chapter.figure("by_hand", plots.pictures(list(shown.values()), list(shown), columns=5, signed=True, size=1.8))

# %% [markdown]
# Red is positive, blue negative. A window of 3 × 3 has no place at the rim, so the answers lose a pixel on
# every side; with padding `"same"`, zeros around the picture, they keep its size. The last picture is
# **pooled**: only the largest number of each square of 2 × 2 is kept. Pooling asks whether a feature is
# there, not quite where.
#
# `scratch.Convolution2D` does the same for batches, channels and many kernels at once, with strides and
# padding. We hold the loop against it, and then convolution and pooling against Keras's own operations, on
# random pictures with three channels.

# %%
stacked = np.stack(list(KERNELS.values()), axis=-1)[:, :, None]
by_layer = scratch.Convolution2D(stacked, np.zeros(3)).forward(one)[0]
loop_error = max(np.abs(by_layer[..., i] - answer).max() for i, answer in enumerate(answers.values()))
chapter.exact("loop against scratch", loop_error, within=1e-12)

rng = np.random.default_rng(settings.seed)
noise = rng.normal(size=(4, 9, 8, 3)).astype("float32")
kernel = rng.normal(size=(3, 3, 3, 5)).astype("float32") / 5
errors = []
for padding in ("valid", "same"):
    for strides in (1, 2):
        by_hand = scratch.Convolution2D(kernel, np.zeros(5), strides, padding).forward(noise)
        errors.append(by_hand - keras.ops.convert_to_numpy(keras.ops.conv(noise, kernel, strides, padding)))
    by_hand = scratch.MaxPooling2D(2, padding=padding).forward(noise)
    errors.append(by_hand - keras.ops.convert_to_numpy(keras.ops.max_pool(noise, 2, 2, padding)))
chapter.exact("by hand against keras.ops", max(np.abs(error).max() for error in errors), within=1e-5)

# %% [markdown]
# And equivariance: first move and then convolve, or first convolve and then move. At the border the zeros
# that come in are seen as well, so we compare inside it.


# %%
def shift(images, down, right):
    """Move the pictures; what enters is 0, what leaves is lost."""
    reach = max(abs(down), abs(right))
    padded = np.pad(images, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
    height, width = images.shape[1:3]
    return padded[:, reach - down : reach - down + height, reach - right : reach - right + width]


layer = scratch.Convolution2D(kernel, np.zeros(5), padding="same")
moved_before = layer.forward(shift(noise, 1, 0))[:, 2:-1, 1:-1]
moved_after = shift(layer.forward(noise), 1, 0)[:, 2:-1, 1:-1]
chapter.exact("equivariance: difference", np.abs(moved_before - moved_after).max(), within=1e-12)

# %% [markdown]
# ## In Keras's own layers
#
# Two rounds of convolution, ReLU and pooling, with 16 and then 32 kernels, and one dense layer that makes a
# logit for each class of what is left:

# %%
written_out = keras.Sequential(
    [
        keras.Input(x.shape[1:]),
        keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(len(pictures.class_names)),
    ]
)
classes = len(pictures.class_names)
course.agree(chapter, models.convnet(x.shape[1:], classes), written_out, x[:8])

# %% [markdown]
# `models.convnet` builds the same network. For comparison we give `models.mlp` one hidden layer, just wide
# enough to have the same number of parameters. Both see the same batches. (Put a `keras.Sequential` of your
# own in place of either: any model that turns a picture into one output for each class. One that begins with
# a `keras.Input` of rows of pixels is given rows.)

# %%
kerasdl.set_seed(settings.seed)
convnet = models.convnet(x.shape[1:], classes)
width = round((written_out.count_params() - classes) / (x[0].size + 1 + classes))
mlp = models.mlp(x[0].size, (max(1, width),), classes)
networks = {"convnet": convnet, "MLP": mlp}

histories, seconds = {}, {}
for name, model in chapter.track(list(networks.items()), "two networks"):
    if not model.built:  # one of your own, without keras.Input
        model.build((None, *x.shape[1:]))
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(settings.learning_rate), cross_entropy)
    kerasdl.set_seed(settings.seed)  # the same batches for both
    epochs = settings.epochs_fashion if pictures.is_real else settings.epochs
    images, began = x.reshape(-1, *model.input_shape[1:]), clock()
    histories[name] = training.fit(model, images, y, epochs=epochs, batch_size=settings.batch_size)
    seconds[name] = clock() - began


def is_right(model, images):
    logits = model.predict(images.reshape(-1, *model.input_shape[1:]), batch_size=1000, verbose=0)
    return logits.argmax(axis=1) == y_test


# %% [markdown]
# ## What happened
#
# Both are tested on pictures as they are and on the same pictures moved by one pixel or more, up, down, left
# and right; what counts is the mean of the four. Is one really better, or was it lucky with these pictures?
# Both see the same ones, so we take the difference picture by picture, and beside its mean the mean's
# standard error. A lead of less than two of these may be chance.

# %%
DIRECTIONS = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
by_shift, leads = pd.DataFrame(columns=list(networks)), {}
for pixels in range(max(1, settings.shifts) + 1):
    moved = [shift(x_test, *step) for step in (pixels * DIRECTIONS if pixels else [(0, 0)])]
    right = {name: np.mean([is_right(m, images) for images in moved], axis=0) for name, m in networks.items()}
    by_shift.loc[pixels] = {name: one.mean() for name, one in right.items()}
    lead = right["convnet"] - right["MLP"]
    leads[pixels] = lead.mean(), lead.std() / np.sqrt(len(lead))
summary = by_shift[:2].rename({0: "test accuracy", 1: "moved by 1 pixel"}).T
summary.insert(0, "parameters", [model.count_params() for model in networks.values()])
summary["training (s)"] = seconds
chapter.table(summary, "summary")
for pixels, (lead, error) in leads.items():
    print(f"moved by {pixels}: the convnet is ahead by {100 * lead:.1f} ± {100 * error:.1f} points")

# %% [markdown]
# The first figure follows both networks as the pictures move farther, and compares them with guessing. The
# second one shows how they learned the pictures that nobody moved.

# %%
labels = ("shift of the test pictures (pixels)", "test accuracy")
chapter.figure("shift", plots.lines(by_shift, *labels, reference={"guessing": 1 / classes}))
losses = {name: history["loss"] for name, history in histories.items()}
chapter.figure("learning_curves", plots.lines(losses, "epoch", "training loss", yscale="log"))

# %% [markdown]
# On pictures as they are, two networks of this size lie close together; look at the lead and at its error.
# Moved pictures tell them apart. The convolutional network is by no means indifferent to a shift: pooling
# forgives a pixel, but the dense layer at the end still has its own weights for every place, and a digit that
# fills its 8 × 8 pixels loses a stroke when it moves by one. And it pays in time, because each of its few
# weights is used at every place.
#
# Count it. The second convolution has $3 \cdot 3 \cdot 16 \cdot 32 = 4{,}608$ weights, and uses each once for
# every place of its picture: 16 times on the digits, whose sides pooling has halved to 4, and 196 times on
# clothes of 14 × 14. A dense layer uses each of its weights once. So the same number of parameters means many
# times the arithmetic.
#
# Nobody chose its kernels. Here are those of its first layer, and below, with the same numbers, what each of
# them sees in the first test picture. Look for kernels that are positive on one side and negative on the
# other: like two of those that we made by hand, they see edges.

# %%
first = next((layer for layer in convnet.layers if isinstance(layer, keras.layers.Conv2D)), None)
if first:
    kernels = first.get_weights()[0][:, :, 0].transpose(2, 0, 1)
    numbers = [f"kernel {n}" for n in range(1, len(kernels) + 1)]
    chapter.figure("filters", plots.pictures(kernels, numbers, signed=True, size=1.0))
    seen = keras.Model(convnet.inputs, first.output).predict(x_test[:1], verbose=0)[0].transpose(2, 0, 1)
    chapter.figure("feature_maps", plots.pictures(seen, numbers, size=1.0))

# %% [markdown]
# ## Measured beside reference
#
# On the digits the bands hold what five seeds gave, with a margin. Those for Fashion-MNIST are drawn around
# the figures that its authors list: 0.876 to 0.916 for two convolutions with pooling, trained for longer,
# and 0.90 for a perceptron of 256, 128 and 64 units, ten times ours. For moved clothes nothing is published:
# those bands are wide.

# %%
digits = {"convnet": [(0.965, 1), (0.55, 0.76)], "MLP": [(0.955, 0.99), (0.4, 0.52)]}
clothes = {"convnet": [(0.85, 0.925), (0.6, 0.925)], "MLP": [(0.82, 0.90), (0.4, 0.90)]}
listed = {"convnet": 0.876, "MLP": 0.900} if pictures.is_real else {}
ratio = mlp.count_params() / convnet.count_params()
chapter.trained("parameters, MLP to convnet", ratio, (0.97, 1.03), reference=1, source="equal budgets")
for name, bands in (clothes if pictures.is_real else digits).items():
    source = "Fashion-MNIST's list" if listed else "five seeds"
    reference = listed.get(name)
    chapter.trained(f"{name}: accuracy", by_shift.loc[0, name], bands[0], reference=reference, source=source)
    chapter.trained(f"{name}, moved 1 pixel: accuracy", by_shift.loc[1, name], bands[1])
band = (0, 0.5) if pictures.is_real else (0.1, 0.32)
chapter.trained("moved 1 pixel: convnet's lead", leads[1][0], band, headline=True)
chapter.finish()

# %% [markdown]
# ## In short
#
# - A convolution looks at every place through the same small window. It has few weights, and when the picture
#   moves, its answer moves with it.
# - Pooling keeps what is there and forgets where exactly, a little at a time.
# - What is built into a network need not be learned from examples; whether that helps is seen where the
#   examples do not reach, here on moved pictures.
# - Two networks are compared on the same pictures, and a difference has an error of its own.
#
# ## What to try
#
# - Permute the pixels of all pictures in one fixed order. Which network does not notice?
# - Train on pictures moved at random by a pixel. How much of the convolutional network's lead is left?
# - Put `keras.layers.GlobalAveragePooling2D()` in place of the flattening. What becomes of the shifts, and
#   of the accuracy?
# - `--set examples=300`: who needs more examples?
# - `kerasdl data fetch fashion_mnist` brings the clothes. Which two classes are confused most?
