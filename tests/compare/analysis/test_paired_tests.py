"""Tests of paired differences: by hand, against metric_cases.json, and where they are undefined."""

import json
from pathlib import Path

import numpy as np
import pytest

from rl_decay.compare.analysis import paired_tests

CASES = json.loads((Path(__file__).parents[2] / "data" / "metric_cases.json").read_text())["stat_cases"]


def rng():
    return np.random.default_rng(0)


class TestPublishedCases:
    def test_holm(self):
        assert paired_tests.holm(CASES["holm"]["p"]) == pytest.approx(CASES["holm"]["adjusted"])

    def test_sign_flips(self):
        assert paired_tests.sign_flip_p(CASES["signflip_exact"]["d"], rng()) == CASES["signflip_exact"]["p"]

    def test_wilcoxon_is_the_sign_flip_test_of_signed_ranks(self):
        d = np.array(CASES["wilcoxon_exact"]["d"])  # no ties
        ranks = np.argsort(np.argsort(np.abs(d))) + 1
        assert paired_tests.sign_flip_p(np.sign(d) * ranks, rng()) == CASES["wilcoxon_exact"]["p"]


class TestSignFlips:
    def test_by_hand(self):
        # |+-1 +-2|: 3, 1, 1, 3; two of four reach 3
        assert paired_tests.sign_flip_p([1, 2], rng()) == 0.5
        # all of one sign: only + + + ... and - - - ... reach the sum, 2 / 2^n
        assert paired_tests.sign_flip_p([0.3], rng()) == 1
        assert paired_tests.sign_flip_p([0.1] * 5, rng()) == 2 / 32
        assert paired_tests.sign_flip_p([0.1] * 6, rng()) == 2 / 64
        assert paired_tests.sign_flip_p([0.1] * 20, rng()) == 2 / 2**20

    def test_without_any_difference(self):
        assert paired_tests.sign_flip_p([0.0] * 10, rng()) == 1
        assert paired_tests.sign_flip_p([0.0] * 30, rng()) == 1

    def test_ties_up_to_round_off(self):
        # in floats 0.1 + 0.2 - 0.3 is 5.6e-17, in another order 0; in tenths the sum is 0 and every pattern counts
        assert paired_tests.sign_flip_p([0.1, 0.2, -0.3], rng()) == 1
        tenths = [1, 2, 3, -4, 5, 6, -7, 8]
        assert paired_tests.sign_flip_p(np.array(tenths) / 10, rng()) == paired_tests.sign_flip_p(tenths, rng())

    def test_what_is_undefined(self):
        assert np.isnan(paired_tests.sign_flip_p([], rng()))
        assert np.isnan(paired_tests.sign_flip_p([0.1, np.nan], rng()))
        assert np.isnan(paired_tests.sign_flip_p([0.1] * 30 + [np.nan], rng()))

    def test_drawn_flips_agree_with_all_flips(self, monkeypatch):
        d = np.random.default_rng(2).normal(0.5, 1, size=(4, 18))
        exact = paired_tests.sign_flip_p(d, rng())
        monkeypatch.setattr(paired_tests, "EXACT_PAIRS", 17)
        # 100,000 draws: standard error at most 0.0016
        assert paired_tests.sign_flip_p(d, rng()) == pytest.approx(exact, abs=0.005)

    def test_drawn_flips_are_never_certain(self, monkeypatch):
        d = np.ones(60)
        assert paired_tests.sign_flip_p(d, rng()) == 1 / 100_001
        monkeypatch.setattr(paired_tests, "FLIPS", 99)
        assert paired_tests.sign_flip_p(d, rng()) == 1 / 100

    def test_rows(self):
        for n in (7, 25):
            d = np.random.default_rng(n).normal(0.3, 1, size=(2, 3, n))
            together = paired_tests.sign_flip_p(d, rng())
            assert together.shape == (2, 3)
            assert together[1, 2] == paired_tests.sign_flip_p(d[1, 2], rng())


class TestHolm:
    def test_by_hand(self):
        # 0.01 * 3 = 0.03; 0.02 * 2 = 0.04; 0.5
        assert paired_tests.holm([0.5, 0.01, 0.02]) == pytest.approx([0.5, 0.03, 0.04])
        assert paired_tests.holm([0.6, 0.7]) == pytest.approx([1, 1])
        assert paired_tests.holm([]).shape == (0,)

    def test_a_test_that_could_not_be_done_still_counts(self):
        # family of three: 0.01 * 3, 0.02 * 2
        np.testing.assert_allclose(paired_tests.holm([np.nan, 0.02, 0.01]), [np.nan, 0.04, 0.03])


class TestDetectable:
    @pytest.mark.parametrize(
        ("freedom", "q", "table"),
        [(5, 0.975, 2.5706), (9, 0.975, 2.2622), (19, 0.975, 2.0930), (5, 0.8, 0.9195), (29, 0.8, 0.8542)],
    )
    def test_quantiles_of_students_t(self, freedom, q, table):
        assert paired_tests.t_quantile(q, freedom) == pytest.approx(table, abs=4e-4)

    def test_by_hand(self):
        # ten differences of +-1: SD = sqrt(10 / 9) = 1.05409; t[9] quantiles 2.26216 + 0.88340 = 3.14556
        # 3.14556 * 1.05409 / sqrt(10) = 1.04852
        assert paired_tests.detectable_effect([1, -1] * 5) == pytest.approx(1.04852, abs=1e-4)

    def test_it_is_what_the_sign_flip_test_finds_four_times_in_five(self):
        size = paired_tests.detectable_effect([1, -1] * 7) / np.sqrt(14 / 13)  # for SD 1
        found = paired_tests.sign_flip_p(np.random.default_rng(4).normal(size, 1, size=(400, 14)), rng()) < 0.05
        assert 0.74 < found.mean() < 0.86  # 0.8 +- 3 * 0.02

    def test_what_is_undefined(self):
        assert np.isnan(paired_tests.detectable_effect([1, -1, 1, -1, 1]))  # five pairs: p >= 2 / 2^5 = 0.0625
        assert np.isnan(paired_tests.detectable_effect([0.1] * 10))
        assert np.isnan(paired_tests.detectable_effect([1, -1] * 5 + [np.nan]))
