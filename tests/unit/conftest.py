"""One thread: the tests measure numbers, and two-core machines run other things beside them."""

import torch

torch.set_num_threads(1)
