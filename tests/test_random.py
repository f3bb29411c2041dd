import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kerasdl
from kerasdl import random


def draws(name="weights", count=3):
    return [random.generator(name).integers(2**63) for _ in range(count)]


@given(st.integers(0, 2**32 - 1))
def test_a_seed_repeats_everything(seed):
    kerasdl.set_seed(seed)
    first = draws()
    kerasdl.set_seed(seed)
    assert draws() == first


@given(st.integers(0, 2**32 - 2))
def test_seeds_names_and_calls_all_differ(seed):
    kerasdl.set_seed(seed)
    values = [*draws("weights"), *draws("batches")]
    kerasdl.set_seed(seed + 1)
    values += [*draws("weights"), *draws("batches")]
    assert len(set(values)) == len(values)


def test_streams_of_one_name_do_not_disturb_another():
    kerasdl.set_seed(3)
    alone = draws("weights")
    kerasdl.set_seed(3)
    draws("batches", 10)
    assert draws("weights") == alone


def test_seeded_is_a_world_of_its_own():
    kerasdl.set_seed(1)
    before = draws(count=1)
    with random.seeded(9):
        inside = draws()
    after = draws(count=1)
    with random.seeded(9):
        assert draws() == inside
    kerasdl.set_seed(1)
    assert draws(count=2) == before + after


def test_no_seed_draws_fresh_entropy():
    with random.seeded(None):
        first = draws()
    with random.seeded(None):
        assert draws() != first


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**32 - 1))
def test_processes_that_agree_draw_alike_as_the_one_they_agree_on(first, other):
    told = []
    with random.seeded(first):
        drawn = random.stream("weights").normal()
        random.agree(lambda words: told.append(words) or words)
        assert random.stream("weights").normal() == drawn
    with random.seeded(other):
        random.agree(lambda words: told[0])
        assert random.stream("weights").normal() == drawn


def test_the_seed_reaches_a_loaded_keras():
    import keras

    kerasdl.set_seed(5)
    first = keras.ops.convert_to_numpy(keras.random.normal((3,)))
    kerasdl.set_seed(5)
    assert np.array_equal(keras.ops.convert_to_numpy(keras.random.normal((3,))), first)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="seed="):
        kerasdl.set_seed(seed)


def test_a_block_s_draws_are_its_own_whatever_other_threads_draw():
    def drawn(seed):
        with random.seeded(seed):
            return [(draws(count=1), time.sleep(0.001))[0] for _ in range(20)]

    alone = [drawn(seed) for seed in range(4)]
    kerasdl.set_seed(1)
    before = draws(count=1)
    with ThreadPoolExecutor(4) as pool, random.seeded(9):
        assert list(pool.map(drawn, range(4))) == alone
        kerasdl.set_seed(5)  # inside a block it is the block's seed
        inside = draws()
    after = draws(count=1)
    kerasdl.set_seed(1)
    assert before + after == draws(count=2)
    kerasdl.set_seed(5)
    assert draws() == inside


def test_a_seed_holds_for_the_threads_of_a_program():
    kerasdl.set_seed(3)
    alone = draws()
    kerasdl.set_seed(3)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(draws).result() == alone
