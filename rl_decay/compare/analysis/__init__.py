"""From runs to numbers: arms, measures, confidence intervals and tests."""
