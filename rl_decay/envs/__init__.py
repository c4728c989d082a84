"""Environments on the CPU, behind one contract."""
