"""Does the cumulative sum add up what the equation says?"""

from kerasdl import shift


def test_page_hinkley_adds_up_what_the_equation_says():
    stream = [0.0] * 50 + [1.0] * 20
    total, least, mean, fired = 0.0, 0.0, 0.0, None
    for i, x in enumerate(stream, 1):
        mean += (x - mean) / i
        total = 0.99 * total + x - mean - 0.01
        least = min(least, total)
        if i >= 30 and total - least > 5:
            fired = i - 1
            break
    assert shift.PageHinkley(0.01, 5.0, 0.99).update_many(stream)[0] == fired
