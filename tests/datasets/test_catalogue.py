"""Is every data set of the catalogue loaded by somebody?"""

import inspect

from kerasdl import datasets
from kerasdl.datasets import catalogue, store


def test_every_data_set_has_a_loader(monkeypatch):
    asked, find = [], store.find
    monkeypatch.setattr(store, "find", lambda name, download: asked.append(name) or find(name, download))
    for load in (getattr(datasets, name) for name in datasets.__all__):
        if "download" in inspect.signature(load).parameters:
            assert load().note.startswith(asked[-1])
    assert sorted(asked) == sorted(catalogue.every())
