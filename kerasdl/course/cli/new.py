"""How does a chapter of one's own begin? ``kerasdl new NAME`` writes a script that runs as it is.

A name and a folder go in; the path of the script comes out.
"""

import keyword
from pathlib import Path

from kerasdl import files
from kerasdl.course import syllabus

TEMPLATE = """\
# %% [markdown]
# # NAME: a question in a few words
#
# One or two sentences: what is asked here, and why it is worth asking.

# %%
import kerasdl
from kerasdl import course

chapter = course.Chapter(
    "NAME",
    settings={
        "examples": 200,  # in the training set
        "noise": 0.1,  # standard deviation of the noise on y
        "epochs": 40,
        "seed": 0,
    },
    fast={"epochs": 20},
)
settings = chapter.settings

# %%
import keras
import numpy as np

from kerasdl import models, plots, training

# %% [markdown]
# ## The question
#
# A world whose truth we know: $y = 2x - 1 + \\epsilon$, with noise of variance $\\sigma^2$. No model
# can have a smaller expected squared error than $\\sigma^2$. How close does a linear model come?

# %%
rng = np.random.default_rng(settings.seed)
x, x_test = rng.normal(size=(2, settings.examples, 1))
y, y_test = (2 * each - 1 + rng.normal(0, settings.noise, each.shape) for each in (x, x_test))

# %% [markdown]
# ## By hand
#
# Least squares has a closed form, $w = \\Phi^+ y$ with $\\Phi = (x, 1)$. Its residuals are orthogonal
# to $\\Phi$.

# %%
features = np.hstack([x, np.ones_like(x)])
w = np.linalg.pinv(features) @ y
residual = np.abs(features.T @ (y - features @ w)).max() / len(x)

# %% [markdown]
# ## In Keras
#
# `set_seed` makes the initial weights and the order of the batches the same on every backend.

# %%
kerasdl.set_seed(settings.seed)
model = models.linear(1)
model.compile(keras.optimizers.SGD(0.1), "mse")
how = {"epochs": settings.epochs, "batch_size": 20}
history = training.fit(model, x, y, validation_data=(x_test, y_test), **how)

# %% [markdown]
# ## What happened

# %%
sides = {"loss": "training set", "val_loss": "test set"}
figure = plots.learning_curves({"linear": history}, sides, ylabel="mean squared error")
chapter.figure("learning_curves", figure, "Both errors fall to the variance of the noise.")
learned = model.predict(np.array([[0.0], [1.0]]), verbose=0)[:, 0]
print(f"slope {learned[1] - learned[0]:.3f}, intercept {learned[0]:.3f}")

# %% [markdown]
# ## Measured beside reference
#
# What is true at any setting is `exact`: it is judged in every run. What the full setting reaches is
# `trained`: a full run holds it to its band, any other shows it.

# %%
chapter.exact("least squares: residual along the features", residual, within=1e-10)
test_error = history["val_loss"].iloc[-1]
known = {"reference": 0.01, "source": "variance of the noise", "headline": True}
chapter.trained("test error", test_error, (0.006, 0.016), tolerance=1e-4, **known)
chapter.finish()

# %% [markdown]
# ## What to try
#
# - `--set noise=1.0`: where does the test error settle now?
# - `--set examples=20`: how far are slope and intercept from the truth?
"""


def write(name: str, folder: Path) -> Path:
    """Write the beginning of a chapter, ``folder/NAME.py``, and return its path.

    Raises:
        ValueError: the name cannot be a file's and a chapter's, or is one of the course's.
        FileExistsError: there is such a file.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"name={name!r}: give letters, digits and underscores, as in my_chapter")
    if name in syllabus.chapter_names():
        raise ValueError(f"name={name!r} is a chapter of the course: give another, as in my_{name}")
    path = folder / f"{name}.py"
    if path.exists():
        raise FileExistsError(f"{path} is there already: give another name")
    return files.write(path, TEMPLATE.replace("NAME", name))
