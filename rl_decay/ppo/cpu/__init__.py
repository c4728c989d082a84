"""Acting and learning on the CPU without a PyTorch call per operation.

Networks this small spend more time in the calls than in the arithmetic, and a call of NumPy costs a third of one of
PyTorch. So what works element by element is NumPy in buffers that are made once; the matrix products are PyTorch's,
which are faster and keep to its number of threads, on the same memory. `ppo/losses.py` is the reference, and the way on
CUDA.
"""
